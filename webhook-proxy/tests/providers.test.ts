// providers.test.ts - how each provider signs, against its own published convention.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { execFileSync } from "node:child_process";
import { binary, environment, makeDirectory, post, Proxy } from "./harness";

const STRIPE = "whsec_dGhlIHdob2xlIHRleHQ";
const ROLLED = "whsec_cm9sbGVk";
const STANDARD = "whsec_c3RhbmRhcmQtd2ViaG9va3Mtc2VjcmV0LTI0Yg==";
const GITHUB = "it is a secret to everybody";

const secrets = (...names: string[]) =>
  names.map((name) => ({ id: name.toLowerCase(), secret_env: name }));

const sources = [
  {
    source: "stripe",
    provider: "stripe",
    secrets: secrets("STRIPE", "ROLLED"),
  },
  { source: "standard", provider: "standard", secrets: secrets("STANDARD") },
  {
    source: "github",
    provider: "hmac",
    secrets: secrets("GITHUB"),
    signature: {
      header: "X-Hub-Signature-256",
      prefix: "sha256=",
      id_header: "X-GitHub-Delivery",
    },
  },
  {
    source: "shopify",
    provider: "hmac",
    secrets: secrets("GITHUB"),
    signature: { header: "X-Shopify-Hmac-Sha256", encoding: "base64" },
  },
  {
    source: "odd",
    provider: "hmac",
    secrets: secrets("GITHUB"),
    signature: {
      hash: "sha512",
      over: "time.body",
      separator: ":",
      time_header: "X-Time",
      time_unit: "ms",
      tolerance_s: 60,
    },
  },
].map((source) => ({ community: "demo", ...source }));

const seconds = (offset = 0) => String(Math.floor(Date.now() / 1000) + offset);
const hmac = (key: string | Buffer, text: string, hash = "sha256") =>
  createHmac(hash, key).update(text);

let events = 0;
const event = () =>
  JSON.stringify({ id: `evt_${events++}`, type: "invoice.paid", created: 1 });

describe("providers", () => {
  let proxy: Proxy;
  let made: ReturnType<typeof makeDirectory>;

  before(async () => {
    made = makeDirectory();
    writeFileSync(
      join(made.directory, "sources.json"),
      JSON.stringify({ sources }),
    );
    const env = { STRIPE, ROLLED, STANDARD, GITHUB };
    proxy = await Proxy.start({ directory: made.directory, env });
  });
  after(async () => {
    await proxy.stop();
    made.remove();
  });

  const status = async (
    source: string,
    body: string,
    headers: Record<string, string | string[]>,
  ) =>
    (await post(proxy.port, body, { path: `/v1/demo/${source}`, headers }))
      .status;

  const stripe = (body: string, t = seconds(), key = STRIPE) =>
    hmac(key, `${t}.${body}`).digest("hex");

  test("Stripe: the whole secret signs time and body, and any v1 may match", async () => {
    const body = event();
    const t = seconds();
    const good = stripe(body, t);
    const bad = "0".repeat(64);
    const cases: [string, number][] = [
      [`t=${t},v1=${good}`, 200],
      [`t=${t},v1=${bad},v1=${good},v0=${bad}`, 200],
      [`t=${t},v1=${stripe(body, t, ROLLED)}`, 200],
      [`t=${t},v0=${good}`, 401],
      [`t=${t},v1=${bad}`, 401],
      [`t=${seconds(-5)},v1=${good}`, 401],
      [`v1=${good}`, 401],
      [`t=${t},t=${t},v1=${good}`, 401],
      [`t=${seconds(-290)},v1=${stripe(body, seconds(-290))}`, 200],
      [`t=${seconds(-310)},v1=${stripe(body, seconds(-310))}`, 401],
      [`t=${seconds(310)},v1=${stripe(body, seconds(310))}`, 401],
    ];
    for (const [signature, expected] of cases)
      assert.equal(
        await status("stripe", body, { "stripe-signature": signature }),
        expected,
        signature,
      );
    const decoded = Buffer.from(STRIPE.slice(6), "base64");
    const crossed = hmac(decoded, `${t}.${body}`).digest("hex");
    assert.equal(
      await status("stripe", body, {
        "stripe-signature": `t=${t},v1=${crossed}`,
      }),
      401,
      "Stripe's secret is not decoded",
    );
  });

  test("Stripe: every retry has a new time and is still one event", async () => {
    const body = event();
    for (const offset of [-20, -10, 0]) {
      const t = seconds(offset);
      const headers = { "stripe-signature": `t=${t},v1=${stripe(body, t)}` };
      assert.equal(await status("stripe", body, headers), 200);
    }
    const id = (JSON.parse(body) as { id: string }).id;
    const stored = (await proxy.events()).filter(({ key }) =>
      key.includes(`event:${id}#`),
    );
    assert.equal(stored.length, 1);
  });

  const standard = (
    id: string,
    t: string,
    body: string,
    key?: string | Buffer,
  ) =>
    hmac(
      key ?? Buffer.from(STANDARD.slice(6), "base64"),
      `${id}.${t}.${body}`,
    ).digest("base64");

  test("Standard Webhooks: the decoded secret signs id, time and body", async () => {
    const body = event();
    const t = seconds();
    const good = standard("msg_1", t, body);
    const headers = (more: Record<string, string>) => ({
      "webhook-id": "msg_1",
      "webhook-timestamp": t,
      "webhook-signature": `v1,${good}`,
      ...more,
    });
    assert.equal(await status("standard", body, headers({})), 200);
    const wrong: Record<string, string>[] = [
      { "webhook-id": "msg_2" },
      { "webhook-timestamp": seconds(-5) },
      { "webhook-signature": `v1a,${good}` },
      { "webhook-signature": good },
      { "webhook-signature": `v1,${standard("msg_1", t, body, STANDARD)}` },
    ];
    for (const more of wrong)
      assert.equal(
        await status("standard", body, headers(more)),
        401,
        JSON.stringify(more),
      );
    const rotated = `v1,${"A".repeat(43)}= v1,${good}`;
    assert.equal(
      await status("standard", body, headers({ "webhook-signature": rotated })),
      200,
    );
    const { "webhook-id": _, ...anonymous } = headers({});
    assert.equal(await status("standard", body, anonymous), 401);
    const stored = (await proxy.events()).filter(({ key }) =>
      key.includes("id:msg_1#"),
    );
    assert.equal(stored.length, 1);
  });

  test("a header of the scheme that comes twice is refused", async () => {
    const t = seconds();
    const body = event();
    const twice = {
      "webhook-id": "msg_3",
      "webhook-timestamp": [t, t],
      "webhook-signature": `v1,${standard("msg_3", t, body)}`,
    };
    assert.equal(await status("standard", body, twice), 400);
  });

  test("GitHub's and Shopify's way, and one of nobody's", async () => {
    const body = event();
    const mac = hmac(GITHUB, body);
    const hex = mac.digest("hex");
    const headers = {
      "x-hub-signature-256": `sha256=${hex}`,
      "x-github-delivery": "guid",
    };
    assert.equal(await status("github", body, headers), 200);
    assert.equal(
      await status("github", body, { "x-hub-signature-256": hex }),
      401,
    );
    const base64 = hmac(GITHUB, body).digest("base64");
    assert.equal(
      await status("shopify", body, { "x-shopify-hmac-sha256": base64 }),
      200,
    );
    const t = String(Date.now());
    const odd = hmac(GITHUB, `${t}:${body}`, "sha512").digest("hex");
    assert.equal(
      await status("odd", body, { "x-signature": odd, "x-time": t }),
      200,
    );
    assert.equal(
      await status("odd", body, {
        "x-signature": odd,
        "x-time": String(Date.now() - 61_000),
      }),
      401,
    );
  });
});

test("a source has limits of its own, which only signed events use up", async () => {
  const { directory, remove } = makeDirectory();
  const source = {
    community: "demo",
    source: "limited",
    provider: "hmac",
    secrets: secrets("GITHUB"),
    limits: { body_bytes: 1000, per_second: 1, burst: 3 },
  };
  writeFileSync(
    join(directory, "sources.json"),
    JSON.stringify({ sources: [source] }),
  );
  const proxy = await Proxy.start({ directory, env: { GITHUB } });
  const path = "/v1/demo/limited";
  const send = async (body: string, mac = hmac(GITHUB, body).digest("hex")) =>
    await post(proxy.port, body, { path, headers: { "x-signature": mac } });
  for (let i = 0; i < 20; i++)
    assert.equal((await send(event(), "0".repeat(64))).status, 401);
  assert.equal((await send("x".repeat(1001))).status, 413);
  const answers = [];
  for (let i = 0; i < 6; i++) answers.push(await send(event()));
  const statuses = answers.map(({ status }) => status);
  assert.deepEqual(statuses.slice(0, 3), [200, 200, 200]);
  assert.ok(statuses.includes(429), String(statuses));
  const refused = answers.find(({ status }) => status === 429)!;
  assert.equal(refused.headers["retry-after"], "1");
  const stored = statuses.filter((status) => status === 200).length;
  assert.equal((await proxy.events()).length, stored);
  for (;;) if ((await send(event())).status === 200) break; // its time comes
  await proxy.stop();
  remove();
});

test("settings that contradict each other are refused by name", () => {
  const { directory, remove } = makeDirectory();
  const refused = (change: object): string => {
    const source = { ...sources[0], ...change };
    writeFileSync(
      join(directory, "sources.json"),
      JSON.stringify({ sources: [source] }),
    );
    const env = environment(directory, { STRIPE, ROLLED, GITHUB });
    try {
      execFileSync(binary, ["--check-config"], {
        env,
        stdio: ["ignore", "ignore", "pipe"],
      });
    } catch (error) {
      return String((error as { stderr: Buffer }).stderr);
    }
    return "accepted";
  };
  const hmacSource = { provider: "hmac", secrets: secrets("GITHUB") };
  const cases: [object, RegExp][] = [
    [
      { provider: "paypal" },
      /provider: expected one of: sellapp, stripe, standard, hmac/,
    ],
    [{ signature: { over: "body" } }, /signature\.over: "pairs" carry a time/],
    [
      { ...hmacSource, signature: { over: "time.body" } },
      /signature\.time_header: is missing/,
    ],
    [
      { ...hmacSource, signature: { over: "id.time.body", time_header: "x" } },
      /signature\.id_header: is missing/,
    ],
    [
      { ...hmacSource, signature: { hash: "md5" } },
      /signature\.hash: expected one of "sha256", "sha512", "sha1"/,
    ],
    [
      { ...hmacSource, signature: { tolerance_s: 0 } },
      /signature\.tolerance_s: expected/,
    ],
    [
      { ...hmacSource, signature: { spelling: "hex" } },
      /secrets\[0\]: the secret is not spelt/,
    ],
    [
      { ...hmacSource, limits: { burst: 5 } },
      /limits\.burst: means nothing without per_second/,
    ],
    [
      { ...hmacSource, limits: { per_second: 0 } },
      /limits\.per_second: expected a whole number, 1 to/,
    ],
    [{ ...hmacSource, signature: { heder: "x" } }, /unknown member "heder"/],
  ];
  for (const [change, expected] of cases) {
    const said = refused(change);
    assert.match(said, expected);
    assert.ok(!said.includes(GITHUB), "no secret is told");
  }
  remove();
});
