// OAuth2 from the authorize page to a revoked token.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import test, { type TestContext } from "node:test";
import { bench, MIRROR, OTTO, rest, type Bench, type Json } from "./harness.js";

const REDIRECT = "http://127.0.0.1:1/discord/callback";
const VERIFIER = "v".repeat(43);
const CHALLENGE = createHash("sha256").update(VERIFIER).digest("base64url");
const CLIENT = { client_id: MIRROR, client_secret: "mirror-secret" };

async function oauthBench(t: TestContext): Promise<Bench> {
  const b = await bench(t);
  await b.control("PUT", `/applications/${MIRROR}`, {
    redirect_uris: [REDIRECT],
  });
  return b;
}

const QUERY = {
  response_type: "code",
  client_id: MIRROR,
  scope: "identify guilds.join",
  redirect_uri: REDIRECT,
  state: "s/1&2",
  code_challenge: CHALLENGE,
  code_challenge_method: "S256",
};

function authorizeUrl(b: Bench, change: Json = {}): string {
  const query = new URLSearchParams({ ...QUERY, ...change });
  for (const [key, value] of Object.entries(change))
    if (value === undefined) query.delete(key);
  return `${b.url}/oauth2/authorize?${query}`;
}

/** Presses a button of the page as a browser does: every field of the form. */
async function press(url: string, decision: string, cookie = "") {
  const html = await (await fetch(url, { headers: { cookie } })).text();
  const fields = [...html.matchAll(/name="(\w+)" value="([^"]*)"/g)]
    .filter(([, name]) => name !== "decision")
    .map(([, name, value]): [string, string] => [name!, unescape(value!)]);
  const body = new URLSearchParams([
    ...fields,
    ["user_id", OTTO],
    ["decision", decision],
  ]);
  return fetch(url, { method: "POST", body, redirect: "manual" });
}

const unescape = (html: string) =>
  html.replace(/&#(\d+);/g, (_, n) => String.fromCharCode(Number(n)));

async function code(b: Bench, change: Json = {}): Promise<string> {
  const answer = await press(authorizeUrl(b, change), "authorize");
  const to = new URL(answer.headers.get("location")!);
  assert.equal(to.searchParams.get("state"), QUERY.state);
  return to.searchParams.get("code")!;
}

async function token(b: Bench, fields: Json, headers = {}, path = "") {
  const response = await fetch(`${b.url}/api/v10/oauth2/token${path}`, {
    method: "POST",
    body: new URLSearchParams({ ...CLIENT, ...fields }),
    headers,
  });
  return { status: response.status, body: (await response.json()) as Json };
}

const exchange = (code: string, more: Json = {}) => ({
  grant_type: "authorization_code",
  code,
  redirect_uri: REDIRECT,
  code_verifier: VERIFIER,
  ...more,
});

const as = (b: Bench, access: string) =>
  rest(b.url, "", { authorization: `Bearer ${access}`, "user-agent": "app" });

test("the page's form leads back with a code that becomes tokens of that person", async (t) => {
  const b = await oauthBench(t);
  const { status, body } = await token(b, exchange(await code(b)));
  assert.equal(status, 200);
  assert.deepEqual(
    [body["token_type"], body["expires_in"], body["scope"]],
    ["Bearer", 604800, "identify guilds.join"],
  );
  const me = await as(b, body["access_token"])("GET", "/users/@me");
  assert.deepEqual([me.body.id, me.body.email], [OTTO, undefined]);
  const own = await as(b, body["access_token"])("GET", "/oauth2/@me");
  assert.deepEqual(
    [own.body.application.id, own.body.user.id, own.body.scopes],
    [MIRROR, OTTO, ["identify", "guilds.join"]],
  );
  const guilds = await as(b, body["access_token"])("GET", "/users/@me/guilds");
  assert.equal(guilds.status, 401, "its scope was not asked for");
});

test("whoever cancels is sent back with access_denied and the state", async (t) => {
  const b = await oauthBench(t);
  const answer = await press(authorizeUrl(b), "cancel");
  const { searchParams } = new URL(answer.headers.get("location")!);
  assert.deepEqual(
    [searchParams.get("error"), searchParams.get("state")],
    ["access_denied", QUERY.state],
  );
});

test("prompt=none asks nobody who has agreed to as much before", async (t) => {
  const b = await oauthBench(t);
  const url = authorizeUrl(b, { prompt: "none" });
  const first = await press(url, "authorize");
  const cookie = first.headers.get("set-cookie")!.split(";")[0]!;
  const again = () => fetch(url, { headers: { cookie }, redirect: "manual" });
  assert.equal((await again()).status, 200, "a code alone is no consent yet");
  const { searchParams } = new URL(first.headers.get("location")!);
  await token(b, exchange(searchParams.get("code")!));
  assert.equal((await again()).status, 302);
});

const PAGE_FAULTS: [what: string, change: Json, words: RegExp][] = [
  ["an unknown client", { client_id: "1" }, /Unknown Application/],
  [
    "a redirect that is not registered",
    { redirect_uri: `${REDIRECT}/` },
    /Invalid OAuth2 redirect_uri/,
  ],
];
const SENT_BACK: [what: string, change: Json, error: string][] = [
  [
    "another response type",
    { response_type: "token" },
    "unsupported_response_type",
  ],
  ["no scope", { scope: "" }, "invalid_scope"],
  ["an unknown scope", { scope: "identify all" }, "invalid_scope"],
  ["a plain challenge", { code_challenge_method: "plain" }, "invalid_request"],
  [
    "a challenge that is no hash",
    { code_challenge: "short" },
    "invalid_request",
  ],
];
test("a wrong authorize request is refused, to whom it may be told", async (t) => {
  const b = await oauthBench(t);
  for (const [what, change, words] of PAGE_FAULTS) {
    const answer = await fetch(authorizeUrl(b, change), { redirect: "manual" });
    assert.equal(answer.status, 400, what);
    assert.match(await answer.text(), words);
  }
  for (const [what, change, error] of SENT_BACK) {
    const answer = await fetch(authorizeUrl(b, change), { redirect: "manual" });
    const { searchParams } = new URL(answer.headers.get("location")!);
    assert.equal(searchParams.get("error"), error, what);
  }
});

test("a code is good once, for its client, redirect and verifier, and for a while", async (t) => {
  const b = await oauthBench(t);
  const refusals: [what: string, more: Json, error: string][] = [
    [
      "another redirect",
      { redirect_uri: "http://127.0.0.1:2/" },
      "redirect_uri",
    ],
    ["no verifier", { code_verifier: "" }, "code_verifier"],
    ["another verifier", { code_verifier: "w".repeat(43) }, "code_verifier"],
  ];
  for (const [what, more, field] of refusals) {
    const one = await code(b);
    const wrong = await token(b, exchange(one, more));
    assert.deepEqual(
      [wrong.status, wrong.body["error"], wrong.body["error_description"]],
      [400, "invalid_grant", `Invalid "${field}" in request.`],
      what,
    );
    const late = await token(b, exchange(one));
    assert.match(late.body["error_description"], /"code"/, "it was used up");
  }
  const good = await code(b);
  assert.equal((await token(b, exchange(good))).status, 200);
  assert.equal((await token(b, exchange(good))).body["error"], "invalid_grant");

  await b.control("POST", "/settings", { code_lifetime_ms: -1 });
  const old = await token(b, exchange(await code(b)));
  assert.equal(old.body["error"], "invalid_grant");
});

test("the token endpoint takes forms only, and a client it knows", async (t) => {
  const b = await oauthBench(t);
  const json = await fetch(`${b.url}/api/v10/oauth2/token`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ ...CLIENT, ...exchange("x") }),
  });
  assert.equal(json.status, 400);
  const stranger = await token(b, exchange("x", { client_secret: "wrong" }));
  assert.deepEqual(
    [stranger.status, stranger.body["error"]],
    [401, "invalid_client"],
  );
  const basic = Buffer.from(`${MIRROR}:mirror-secret`).toString("base64");
  const form = exchange(await code(b), { client_secret: "ignored" });
  const headers = { authorization: `Basic ${basic}` };
  assert.equal((await token(b, form, headers)).status, 200);
  const odd = await token(b, { grant_type: "password" });
  assert.equal(odd.body["error"], "unsupported_grant_type");
});

test("a refresh replaces both tokens, and a revocation ends them", async (t) => {
  const b = await oauthBench(t);
  const first = (await token(b, exchange(await code(b)))).body;
  const grant_type = "refresh_token";
  const { refresh_token } = first;
  const second = (await token(b, { grant_type, refresh_token })).body;
  const status = async (of: Json) =>
    (await as(b, of["access_token"])("GET", "/users/@me")).status;
  assert.deepEqual([await status(first), await status(second)], [401, 200]);
  const replayed = await token(b, { grant_type, refresh_token });
  assert.equal(replayed.body["error"], "invalid_grant");
  await token(b, { token: second["access_token"] }, {}, "/revoke");
  assert.equal(await status(second), 401);
  const dead = { grant_type, refresh_token: second["refresh_token"] };
  assert.equal((await token(b, dead)).body["error"], "invalid_grant");
});

test("the journal keeps no secret", async (t) => {
  const b = await oauthBench(t);
  const secret = await code(b);
  await token(b, exchange(secret));
  const text = JSON.stringify(await b.control("GET", "/journal"));
  for (const word of [secret, VERIFIER, CLIENT.client_secret])
    assert.ok(!text.includes(word), word);
});
