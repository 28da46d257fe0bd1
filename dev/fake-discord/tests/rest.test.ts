// REST: what Discord accepts, and how it says no.
import assert from "node:assert/strict";
import test from "node:test";
import {
  AGENT,
  bench,
  COLLECTOR,
  CUSTOMERS,
  identified,
  MARA,
  MIRROR,
  MIRROR_VIP,
  OTTO,
  OWNER_ROLE,
  PREMIUM,
  rest,
  SIGNAL_BOT,
  SOURCE,
  VIP,
  type Answer,
  type Json,
} from "./harness.js";

const POST = `/channels/${MIRROR_VIP}/messages`;
const NOWHERE = "1500000000000000000";
const long = (n: number) => "x".repeat(n);
const reasonsIn = (tree: any): string[] =>
  Object.entries(tree ?? {}).flatMap(([key, value]: [string, any]) =>
    key === "_errors"
      ? value.map((e: Json) => e["code"])
      : reasonsIn(value).map((path) => `${key}.${path}`),
  );

type Case = [
  what: string,
  method: string,
  path: string,
  body: unknown,
  status: number,
  code: number,
  where?: string,
];
const STRICTNESS: Case[] = [
  ["an empty message", "POST", POST, {}, 400, 50006],
  ["nothing but blanks", "POST", POST, { content: " \n " }, 400, 50006],
  [
    "2001 UTF-16 units",
    "POST",
    POST,
    { content: "😀".repeat(1000) + "x" },
    400,
    50035,
    "content.BASE_TYPE_MAX_LENGTH",
  ],
  [
    "content that is no text",
    "POST",
    POST,
    { content: 5 },
    400,
    50035,
    "content.STRING_TYPE_CONVERT",
  ],
  [
    "a nonce of 26",
    "POST",
    POST,
    { content: "x", nonce: long(26) },
    400,
    50035,
    "nonce.BASE_TYPE_MAX_LENGTH",
  ],
  [
    "eleven embeds",
    "POST",
    POST,
    { embeds: Array(11).fill({ title: "x" }) },
    400,
    50035,
    "embeds.BASE_TYPE_MAX_LENGTH",
  ],
  [
    "an empty embed",
    "POST",
    POST,
    { embeds: [{}] },
    400,
    50035,
    "embeds.0.description.BASE_TYPE_REQUIRED",
  ],
  [
    "a long title",
    "POST",
    POST,
    { embeds: [{ title: long(257) }] },
    400,
    50035,
    "embeds.0.title.BASE_TYPE_MAX_LENGTH",
  ],
  [
    "a long description",
    "POST",
    POST,
    { embeds: [{ description: long(4097) }] },
    400,
    50035,
    "embeds.0.description.BASE_TYPE_MAX_LENGTH",
  ],
  [
    "embeds of 6001 characters in all",
    "POST",
    POST,
    { embeds: [{ description: long(4000) }, { description: long(2001) }] },
    400,
    50035,
    "embeds.MAX_EMBED_SIZE_EXCEEDED",
  ],
  [
    "26 fields",
    "POST",
    POST,
    { embeds: [{ fields: Array(26).fill({ name: "a", value: "b" }) }] },
    400,
    50035,
    "embeds.0.fields.BASE_TYPE_MAX_LENGTH",
  ],
  [
    "a field without a value",
    "POST",
    POST,
    { embeds: [{ fields: [{ name: "a", value: "" }] }] },
    400,
    50035,
    "embeds.0.fields.0.value.BASE_TYPE_REQUIRED",
  ],
  [
    "a colour beyond white",
    "POST",
    POST,
    { embeds: [{ title: "x", color: 0x1000000 }] },
    400,
    50035,
    "embeds.0.color.NUMBER_TYPE_MAX",
  ],
  [
    "a link that is none",
    "POST",
    POST,
    { embeds: [{ title: "x", url: "nowhere" }] },
    400,
    50035,
    "embeds.0.url.URL_TYPE_INVALID_URL",
  ],
  [
    "a link to elsewhere",
    "POST",
    POST,
    { embeds: [{ image: { url: "ftp://x/y" } }] },
    400,
    50035,
    "embeds.0.image.url.URL_TYPE_INVALID_SCHEME",
  ],
  [
    "a time that is none",
    "POST",
    POST,
    { embeds: [{ title: "x", timestamp: "soon" }] },
    400,
    50035,
    "embeds.0.timestamp.DATE_TIME_TYPE_PARSE",
  ],
  [
    "mentions parsed and listed",
    "POST",
    POST,
    { content: "x", allowed_mentions: { parse: ["users"], users: [OTTO] } },
    400,
    50035,
    "allowed_mentions.MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE",
  ],
  [
    "an unknown kind of mention",
    "POST",
    POST,
    { content: "x", allowed_mentions: { parse: ["all"] } },
    400,
    50035,
    "allowed_mentions.parse.0.BASE_TYPE_CHOICES",
  ],
  [
    "a reply to what is not there",
    "POST",
    POST,
    { content: "x", message_reference: { message_id: NOWHERE } },
    400,
    50035,
    "message_reference.MESSAGE_REFERENCE_UNKNOWN_MESSAGE",
  ],
  [
    "an attachment without its file",
    "POST",
    POST,
    { content: "x", attachments: [{ id: 0, filename: "a.png" }] },
    400,
    50035,
    "attachments.0.ATTACHMENT_NOT_FOUND",
  ],
  ["a body that is no JSON", "POST", POST, "{", 400, 50109],
  ["a body that is a list", "POST", POST, [], 400, 50035, "MODEL_TYPE_CONVERT"],
  [
    "a channel that is no snowflake",
    "GET",
    "/channels/general",
    undefined,
    400,
    50035,
    "channel_id.NUMBER_TYPE_COERCE",
  ],
  [
    "a channel that is not there",
    "POST",
    `/channels/${NOWHERE}/messages`,
    { content: "x" },
    404,
    10003,
  ],
  [
    "a channel of another guild",
    "POST",
    `/channels/${VIP}/messages`,
    { content: "x" },
    403,
    50001,
  ],
  [
    "a message that is not there",
    "GET",
    `${POST}/${NOWHERE}`,
    undefined,
    404,
    10008,
  ],
  [
    "an edit of what is not there",
    "PATCH",
    `${POST}/${NOWHERE}`,
    { content: "x" },
    404,
    10008,
  ],
  [
    "a delete of what is not there",
    "DELETE",
    `${POST}/${NOWHERE}`,
    undefined,
    404,
    10008,
  ],
  [
    "a bulk delete of one",
    "POST",
    `${POST}/bulk-delete`,
    { messages: [NOWHERE] },
    400,
    50016,
  ],
  [
    "a bulk delete of 101",
    "POST",
    `${POST}/bulk-delete`,
    {
      messages: Array.from({ length: 101 }, (_, i) =>
        String(1700000000000000000n + BigInt(i)),
      ),
    },
    400,
    50016,
  ],
  [
    "a bulk delete of twice the same",
    "POST",
    `${POST}/bulk-delete`,
    { messages: ["1700000000000000000", "1700000000000000000"] },
    400,
    50035,
    "messages.1.SET_TYPE_ALREADY_CONTAINS_VALUE",
  ],
  [
    "a bulk delete of the old",
    "POST",
    `${POST}/bulk-delete`,
    { messages: ["1100000000000000001", "1100000000000000002"] },
    400,
    50034,
  ],
  [
    "101 messages at once",
    "GET",
    `${POST}?limit=101`,
    undefined,
    400,
    50035,
    "limit.NUMBER_TYPE_MAX",
  ],
  [
    "no messages at once",
    "GET",
    `${POST}?limit=0`,
    undefined,
    400,
    50035,
    "limit.NUMBER_TYPE_MIN",
  ],
  [
    "an edge that is no snowflake",
    "GET",
    `${POST}?before=now`,
    undefined,
    400,
    50035,
    "before.NUMBER_TYPE_COERCE",
  ],
  ["a guild one is not in", "GET", `/guilds/${SOURCE}`, undefined, 404, 10004],
  [
    "a member who is none",
    "GET",
    `/guilds/${CUSTOMERS}/members/${SIGNAL_BOT}`,
    undefined,
    404,
    10007,
  ],
  [
    "a user who does not exist",
    "GET",
    `/guilds/${CUSTOMERS}/members/${NOWHERE}`,
    undefined,
    404,
    10013,
  ],
  [
    "a role that is not there",
    "PUT",
    `/guilds/${CUSTOMERS}/members/${OTTO}/roles/${NOWHERE}`,
    undefined,
    404,
    10011,
  ],
  [
    "a role above one's own",
    "PUT",
    `/guilds/${CUSTOMERS}/members/${OTTO}/roles/${OWNER_ROLE}`,
    undefined,
    403,
    50013,
  ],
  [
    "the role of everyone",
    "PUT",
    `/guilds/${CUSTOMERS}/members/${OTTO}/roles/${CUSTOMERS}`,
    undefined,
    400,
    50028,
  ],
  [
    "a consent never given",
    "PUT",
    `/guilds/${CUSTOMERS}/members/${MARA}`,
    { access_token: "x" },
    403,
    50025,
  ],
  ["a path that is none", "GET", "/nothing/here", undefined, 404, 0],
  [
    "a method that is none",
    "DELETE",
    `/channels/${MIRROR_VIP}/typing`,
    undefined,
    405,
    0,
  ],
];

for (const [what, method, path, body, status, code, where] of STRICTNESS)
  test(`${what} is answered ${status} ${code}`, async (t) => {
    const b = await bench(t);
    const answer = await rest(b.url, "bot-token")(method, path, body);
    assert.deepEqual([answer.status, answer.body.code], [status, code]);
    assert.equal(typeof answer.body.message, "string");
    if (where) assert.deepEqual(reasonsIn(answer.body.errors), [where]);
    const { entries } = await b.control("GET", "/journal");
    assert.deepEqual(
      [entries.length, entries[0].status, entries[0].path],
      [1, status, `/api/v10${path}`],
    );
    assert.deepEqual(
      await b.control("GET", `/channels/${MIRROR_VIP}/messages`),
      [],
    );
  });

test("a wrong or missing token, user agent, version or content type is refused", async (t) => {
  const b = await bench(t);
  const get = (path: string, headers: Record<string, string>) =>
    fetch(b.url + path, { headers });
  const me = "/api/v10/users/@me";
  const authorization = "Bot bot-token";
  const answers = await Promise.all([
    get(me, { "user-agent": AGENT }),
    get(me, { "user-agent": AGENT, authorization: "Bot nobody" }),
    get(me, { "user-agent": AGENT, authorization: "bot-token" }),
    get(me, { "user-agent": "curl/8", authorization }),
    get("/api/v9/users/@me", { "user-agent": AGENT, authorization }),
    fetch(`${b.url}/api/v10${POST}`, {
      method: "POST",
      body: "content=x",
      headers: {
        "user-agent": AGENT,
        authorization,
        "content-type": "application/x-www-form-urlencoded",
      },
    }),
  ]);
  const seen = await Promise.all(
    answers.map(async (r) => [r.status, ((await r.json()) as Json)["code"]]),
  );
  assert.deepEqual(seen, [
    [401, 0],
    [401, 0],
    [401, 0],
    [403, 40333],
    [400, 50041],
    [400, 50035],
  ]);
  const journal = await b.control("GET", "/journal");
  assert.ok(!JSON.stringify(journal).includes("bot-token"));
});

test("the same nonce gives the same message while it is remembered", async (t) => {
  const b = await bench(t);
  const api = rest(b.url, "bot-token");
  const post = (content: string, more = {}) =>
    api("POST", POST, { content, nonce: "abc", enforce_nonce: true, ...more });
  const first = (await post("one")).body;
  assert.equal(first.nonce, "abc");
  const second = (await post("another text")).body;
  assert.deepEqual([second.id, second.content], [first.id, "one"]);
  assert.notEqual(
    (await post("not enforced", { enforce_nonce: false })).body.id,
    first.id,
  );

  const third = (await post("latest")).body;
  await api("DELETE", `${POST}/${third.id}`);
  const gone = await post("after its deletion");
  assert.deepEqual([gone.status, gone.body.code], [404, 10008]);
  await b.control("POST", "/settings", { nonce_window_ms: -1 });
  assert.equal((await post("forgotten")).status, 200);
});

test("history is paged newest first, without holes, by any edge", async (t) => {
  const b = await bench(t);
  const ids: string[] = [];
  for (let i = 0; i < 250; i++) ids.push((await b.say(`m${i}`))["id"]);
  const api = rest(b.url, "collector-token");
  const list = async (query: string) =>
    (await api("GET", `/channels/${VIP}/messages?${query}`)).body.map(
      (m: Json) => m["id"],
    );
  assert.deepEqual(await list("limit=3"), ids.slice(-3).reverse());
  assert.equal((await list("")).length, 50);

  const forwards: string[] = [];
  for (let after = "0"; ;) {
    const page: string[] = await list(`limit=100&after=${after}`);
    if (page.length === 0) break;
    assert.deepEqual(page, [...page].sort().reverse());
    forwards.push(...page.reverse());
    after = forwards.at(-1)!;
  }
  assert.deepEqual(forwards, ids);

  assert.deepEqual(await list(`limit=2&before=${ids[10]}`), [ids[9], ids[8]]);
  assert.deepEqual(await list(`limit=5&around=${ids[10]}`), [
    ids[12],
    ids[11],
    ids[10],
    ids[9],
    ids[8],
  ]);
  await b.fault("lose_permission", {
    user_id: COLLECTOR,
    permissions: String(1 << 16),
  });
  assert.deepEqual(await list("limit=5"), []);
});

test("each route tells its bucket, and a full one answers 429 until it is empty", async (t) => {
  const b = await bench(t, "discord");
  await b.control("POST", "/settings", {
    rates: { "message-create": [5, 3600] },
  });
  const api = rest(b.url, "bot-token");
  const posts = await Promise.all(
    Array.from({ length: 6 }, (_, i) =>
      api("POST", POST, { content: `m${i}` }),
    ),
  );
  const [first, refused] = [posts[0]!, posts.find((p) => p.status === 429)!];
  assert.deepEqual(
    posts.map((p) => p.status).sort(),
    [200, 200, 200, 200, 200, 429],
  );
  assert.equal(first.headers.get("x-ratelimit-limit"), "5");
  assert.match(first.headers.get("x-ratelimit-bucket")!, /^[0-9a-f]{32}$/);
  assert.match(first.headers.get("x-ratelimit-reset")!, /^\d+\.\d{3}$/);
  assert.equal(refused.headers.get("x-ratelimit-scope"), "user");
  assert.ok(
    Number(refused.headers.get("retry-after")) >= refused.body.retry_after,
  );
  assert.deepEqual(
    [refused.body.global, typeof refused.body.retry_after],
    [false, "number"],
  );
  // Another channel is another bucket, though it has the same hash.
  const other = await api("POST", "/channels/1200000000000000102/messages", {
    content: "free",
  });
  assert.deepEqual(
    [other.status, other.headers.get("x-ratelimit-bucket")],
    [200, first.headers.get("x-ratelimit-bucket")],
  );
});

test("the global limit is told apart, and the demo's limits let a feed pass", async (t) => {
  const b = await bench(t);
  const api = rest(b.url, "bot-token");
  const many = await Promise.all(
    Array.from({ length: 40 }, (_, i) =>
      api("POST", POST, { content: `m${i}` }),
    ),
  );
  assert.ok(many.every((m) => m.status === 200));
  await b.control("POST", "/settings", { global_per_second: 1 });
  const ask = async (): Promise<Answer> => {
    const answers = await Promise.all([
      api("GET", "/users/@me"),
      api("GET", `/channels/${MIRROR_VIP}`),
    ]);
    // They may be a second apart, on a machine that sleeps.
    return answers.find((a) => a.status === 429) ?? (await ask());
  };
  const refused = await ask();
  assert.deepEqual(
    [
      refused.headers.get("x-ratelimit-scope"),
      refused.headers.get("x-ratelimit-global"),
      refused.body.global,
    ],
    ["global", "true", true],
  );
});

test("without limits nothing is said about them", async (t) => {
  const b = await bench(t, "none");
  const { headers } = await rest(b.url, "bot-token")("GET", "/users/@me");
  assert.equal(headers.get("x-ratelimit-bucket"), null);
});

test("only the author edits; a moderator may delete and suppress embeds", async (t) => {
  const b = await bench(t);
  await b.control("PUT", `/guilds/${CUSTOMERS}/members/${MARA}`);
  const other = await b.say("not yours", {}, MIRROR_VIP);
  const api = rest(b.url, "bot-token");
  const edit = await api("PATCH", `${POST}/${other["id"]}`, {
    content: "mine now",
  });
  assert.deepEqual([edit.status, edit.body.code], [403, 50005]);
  const suppress = await api("PATCH", `${POST}/${other["id"]}`, { flags: 4 });
  assert.deepEqual(
    [suppress.status, suppress.body.flags, suppress.body.edited_timestamp],
    [200, 4, null],
  );
  assert.equal((await api("DELETE", `${POST}/${other["id"]}`)).status, 204);
});

test("a permission lost in mid-run is a 50013, or a 50001 when it hides the channel", async (t) => {
  const b = await bench(t);
  const api = rest(b.url, "bot-token");
  const post = async () =>
    (await api("POST", POST, { content: "x" })).body.code;
  await b.fault("lose_permission", {
    user_id: MIRROR,
    channel_id: MIRROR_VIP,
    permissions: String(1 << 11),
  });
  assert.equal(await post(), 50013);
  await b.fault("lose_permission", { user_id: MIRROR, channel_id: MIRROR_VIP });
  assert.equal(await post(), 50001);
  await b.fault("reset");
  assert.equal(await post(), undefined);
});

test("mentions ring everybody unless told otherwise, on an edit as well", async (t) => {
  const b = await bench(t);
  const api = rest(b.url, "bot-token");
  const content = `<@${OTTO}> and \`<@${MARA}>\` in code`;
  const loud = (await api("POST", POST, { content })).body;
  assert.deepEqual(
    loud.mentions.map((u: Json) => u["id"]),
    [OTTO],
  );
  const quiet = (
    await api("POST", POST, { content, allowed_mentions: { parse: [] } })
  ).body;
  assert.deepEqual(quiet.mentions, []);
  await api("PATCH", `${POST}/${quiet.id}`, { content });
  const [, edited] = await b.control("GET", `/channels/${MIRROR_VIP}/messages`);
  assert.deepEqual(edited.pings.users, [OTTO]);
});

test("a reply names its target; a target gone meanwhile is null or no matter", async (t) => {
  const b = await bench(t);
  const api = rest(b.url, "bot-token");
  const target = (await api("POST", POST, { content: "signal" })).body;
  const message_reference = {
    message_id: target.id,
    fail_if_not_exists: false,
  };
  const reply = (
    await api("POST", POST, { content: "update", message_reference })
  ).body;
  assert.deepEqual([reply.type, reply.referenced_message.id], [19, target.id]);
  await api("DELETE", `${POST}/${target.id}`);
  assert.equal(
    (await api("GET", `${POST}/${reply.id}`)).body.referenced_message,
    null,
  );
  const late = (await api("POST", POST, { content: "late", message_reference }))
    .body;
  assert.deepEqual([late.type, "message_reference" in late], [0, false]);
});

test("a forward carries a snapshot and no text of its own", async (t) => {
  const b = await bench(t);
  const origin = await b.say("the original");
  const forward = await b.say(
    "",
    {
      message_reference: { type: 1, message_id: origin["id"], channel_id: VIP },
    },
    "1100000000000000102",
  );
  assert.deepEqual(
    [forward["content"], forward["flags"] & (1 << 14)],
    ["", 1 << 14],
  );
  assert.equal(forward["message_snapshots"][0].message.content, "the original");
});

test("members are listed by pages to who has the intent, and join by consent", async (t) => {
  const b = await bench(t);
  const api = rest(b.url, "bot-token");
  const path = `/guilds/${CUSTOMERS}/members`;
  const page = (await api("GET", `${path}?limit=2&after=${MIRROR}`)).body;
  assert.deepEqual(
    page.map((m: Json) => m["user"].id),
    [MARA, OTTO],
  );
  const user = await b.control("POST", "/users", { username: "buyer" });
  const consent = (scopes: string[], client_id = MIRROR) =>
    b.control("POST", "/grants", { client_id, user_id: user.id, scopes });
  const put = async (access_token: string, roles?: string[]) => {
    const body = { access_token, ...(roles && { roles }) };
    return api("PUT", `${path}/${user.id}`, body);
  };
  const foreign = await consent(["guilds.join"], COLLECTOR);
  assert.equal((await put(foreign.access_token)).body.code, 50025);
  const narrow = await consent(["identify"]);
  assert.equal((await put(narrow.access_token)).body.code, 50025);

  const { access_token } = await consent(["guilds.join"]);
  await b.control("PUT", `/guilds/${CUSTOMERS}/bans/${user.id}`);
  const banned = await put(access_token);
  assert.deepEqual([banned.status, banned.body.code], [403, 40007]);
  await b.control("DELETE", `/guilds/${CUSTOMERS}/bans/${user.id}`);

  const join = await put(access_token, [PREMIUM]);
  assert.deepEqual([join.status, join.body.roles], [201, [PREMIUM]]);
  assert.equal((await put(access_token)).status, 204);

  const full = await b.control("POST", "/users", {
    username: "everywhere",
    at_guild_cap: true,
  });
  const grant = await b.control("POST", "/grants", {
    client_id: MIRROR,
    user_id: full.id,
    scopes: ["guilds.join"],
  });
  const capped = await api("PUT", `${path}/${full.id}`, {
    access_token: grant.access_token,
  });
  assert.deepEqual([capped.status, capped.body.code], [400, 30001]);
});

test("faults strike before or after the deed, on the route they were meant for", async (t) => {
  const b = await bench(t);
  const api = rest(b.url, "bot-token");
  const route = "POST /channels/:channel/messages";
  const live = async () =>
    (await b.control("GET", `/channels/${MIRROR_VIP}/messages`)).length;
  await b.fault("rest_502", { route });
  assert.equal((await api("GET", "/users/@me")).status, 200);
  assert.deepEqual(
    [(await api("POST", POST, { content: "a" })).status, await live()],
    [502, 0],
  );
  await b.fault("rest_502_after_commit", { route });
  assert.deepEqual(
    [(await api("POST", POST, { content: "a" })).status, await live()],
    [502, 1],
  );
  await b.fault("rest_drop_after_commit", { route });
  await assert.rejects(api("POST", POST, { content: "b" }));
  await b.fault("torn_body", { route });
  await assert.rejects(api("POST", POST, { content: "c" }));
  assert.equal(await live(), 3);
  await b.fault("slow_body", { ms: 1, route: "GET" });
  assert.equal((await api("GET", "/users/@me")).body.id, MIRROR);
  await b.fault("delay_rest", { ms: 1 });
  assert.equal((await api("GET", "/users/@me")).body.id, MIRROR);
  await b.fault("rest_429", { retry_after: 1.5, global: true });
  const slow = await api("POST", POST, { content: "d" });
  assert.deepEqual(
    [slow.status, slow.body.retry_after, slow.headers.get("retry-after")],
    [429, 1.5, "2"],
  );
  await b.fault("rest_429", { html: true });
  assert.equal(
    (await api("POST", POST, { content: "d" })).headers.get("retry-after"),
    null,
  );
  await b.fault("rest_error", {
    status: 429,
    code: 30046,
    message: "Maximum number of edits reached",
  });
  assert.equal((await api("POST", POST, { content: "d" })).body.code, 30046);
  await assert.rejects(b.fault("nonsense"), /BASE_TYPE_CHOICES/);
});

test("a skewed clock shows in new ids, which never go back", async (t) => {
  const b = await bench(t);
  await b.fault("clock_skew", { ms: 3_600_000 });
  const ahead = await b.say("from the future");
  await b.fault("reset");
  const next = await b.say("from the present");
  assert.ok(Date.parse(ahead["timestamp"]) > Date.now() + 3_000_000);
  assert.ok(BigInt(next["id"]) > BigInt(ahead["id"]));
});

test("guilds, roles and people can be added, and nonsense is refused", async (t) => {
  const b = await bench(t);
  const guild = await b.control("POST", "/guilds", {
    name: "Second",
    owner_id: MARA,
    members: [{ id: MIRROR }],
  });
  const { id } = await b.control("POST", "/channels", {
    guild_id: guild.id,
    name: "general",
  });
  await b.control("POST", "/roles", { guild_id: guild.id, name: "Gold" });
  const api = rest(b.url, "bot-token");
  assert.equal(
    (await api("POST", `/channels/${id}/messages`, { content: "hi" })).status,
    200,
  );
  const roles = (await api("GET", `/guilds/${guild.id}/roles`)).body;
  assert.deepEqual(
    roles.map((r: Json) => r["name"]),
    ["@everyone", "Gold"],
  );
  await assert.rejects(
    b.control("POST", "/guilds", { name: "x", owner_id: MARA, channels: 5 }),
    /50035/,
  );
  await assert.rejects(b.control("POST", "/users", {}), /50035/);
  await assert.rejects(b.control("GET", "/nothing"), /404/);
});

test("an edit is never as old as what it edits, a mark is no edit", async (t) => {
  const b = await bench(t);
  const g = await identified(t, b.url);
  const { id, timestamp } = await b.say("one");
  const times = [timestamp];
  for (const content of ["two", "three", "four"])
    times.push(
      (await b.control("PATCH", `/channels/${VIP}/messages/${id}`, { content }))
        .edited_timestamp,
    );
  assert.equal(new Set(times.map((at) => Date.parse(at))).size, 4);
  assert.deepEqual(times, [...times].sort());
  await b.control("PATCH", `/channels/${VIP}/messages/${id}`, { pinned: true });
  const { d } = await g.event("MESSAGE_UPDATE", (m) => m["pinned"]);
  assert.equal(d.edited_timestamp, times.at(-1));
});
