// The knobs: what goes wrong, how often, and the same again under the same seed.
import assert from "node:assert/strict";
import test from "node:test";
import { createInflate, constants } from "node:zlib";
import { Faults } from "../src/faults.js";
import {
  bench,
  COLLECTOR,
  CUSTOMERS,
  gatewayUrl,
  identified,
  INTENTS,
  MIRROR_VIP,
  OTTO,
  PROPERTIES,
  RawGateway,
  rest,
  resumed,
  VIP,
  type Bench,
  type Json,
} from "./harness.js";

const POST = `/channels/${MIRROR_VIP}/messages`;
const ROUTE = "POST /channels/:channel/messages";
const bot = (b: Bench) => rest(b.url, "bot-token");
const live = (b: Bench): Promise<Json[]> =>
  b.control("GET", `/channels/${MIRROR_VIP}/messages`);

function struck(seed: number, more: Json = {}): string {
  const faults = new Faults();
  faults.seed = seed;
  faults.arm({ kind: "rest_502", count: Infinity, rate: 0.3, ...more });
  faults.arm({ kind: "delay_rest", count: Infinity, rate: 0.5 });
  return Array.from({ length: 200 }, (_, i) => {
    if (i % 3 === 0) faults.take("delay_rest"); // another's dice
    return faults.take("rest_502") ? "x" : ".";
  }).join("");
}

test("a rate strikes its share, the same under the same seed", () => {
  const first = struck(1);
  assert.equal(struck(1), first);
  assert.notEqual(struck(2), first);
  const hits = [...first].filter((c) => c === "x").length;
  assert.ok(hits > 40 && hits < 80, `${hits} of 200`);
  const later = struck(1, { after: 100 });
  assert.equal(later.slice(0, 100).includes("x"), false);
  assert.equal(
    later.slice(100),
    first.slice(100),
    "the dice are the nth's own",
  );
});

test("the plan of the faults says what will be struck, and is another one under another seed", async (t) => {
  const planned = async (b: Bench) =>
    (await b.control("GET", "/faults/plan?of=40"))["plan"] as {
      kind: string;
      strikes: number[];
    }[];
  const b = await bench(t);
  const plant = async (seed: number) => {
    await b.fault("reset");
    await b.control("POST", "/settings", { seed });
    await b.fault("rest_502", { rate: 0.3, route: "GET /users/@me" });
    await b.fault("drop_gateway", { every: 20 });
    return await planned(b);
  };
  const plan = await plant(7);
  const ask = bot(b);
  const struck = [];
  for (let n = 0; n < 40; n++)
    if ((await ask("GET", "/users/@me")).status === 502) struck.push(n);
  assert.deepEqual(plan, [
    { kind: "rest_502", strikes: struck },
    { kind: "drop_gateway", strikes: [19, 39] },
  ]);
  assert.ok(struck.length > 3 && struck.length < 25);
  assert.deepEqual(await plant(7), plan);
  assert.notDeepEqual(await plant(8), plan);
});

test("faults are narrowed to an event and a bot", async (t) => {
  const b = await bench(t);
  const g = await identified(t, b.url);
  await b.fault("drop_dispatch", { event: "MESSAGE_UPDATE" });
  const { id } = await b.say("one");
  const path = `/channels/${VIP}/messages/${id}`;
  await b.control("PATCH", path, { content: "lost" });
  await b.control("PATCH", path, { content: "seen" });
  await g.event("MESSAGE_UPDATE");
  assert.deepEqual(
    g.events("MESSAGE_UPDATE").map((p) => p["d"].content),
    ["seen"],
  );
  await b.fault("rest_502", { bot: COLLECTOR });
  assert.equal((await bot(b)("GET", "/users/@me")).status, 200);
  const other = await rest(b.url, "collector-token")("GET", "/users/@me");
  assert.equal(other.status, 502);
});

test("what acts at once can act after every so many events instead", async (t) => {
  const b = await bench(t);
  const g = await identified(t, b.url);
  await b.fault("drop_gateway", {
    every: 2,
    event: "MESSAGE_CREATE",
    count: 1,
  });
  await b.say("one");
  await b.say("two");
  await g.closed;
  const back = await resumed(t, g, 1);
  await back.event("RESUMED");
  await b.say("three");
  await b.say("four");
  await back.event("MESSAGE_CREATE", (d) => d["content"] === "four");
});

test("a request is lost before it did anything: never answered, or cut off", async (t) => {
  const b = await bench(t);
  await b.fault("rest_drop", { route: ROUTE });
  await assert.rejects(bot(b)("POST", POST, { content: "x" }));
  await b.fault("rest_hang", { route: ROUTE });
  const impatient = fetch(`${b.url}/api/v10${POST}`, {
    method: "POST",
    signal: AbortSignal.timeout(50),
    headers: {
      "user-agent": "DiscordBot (https://example.com, 1.0)",
      authorization: "Bot bot-token",
      "content-type": "application/json",
    },
    body: JSON.stringify({ content: "x" }),
  });
  await assert.rejects(impatient);
  assert.deepEqual(await live(b), []);
});

test("a stale read shows what was: no new message, the old text, the deleted one", async (t) => {
  const b = await bench(t);
  const post = async (content: string) =>
    (await bot(b)("POST", POST, { content })).body.id as string;
  const [edited, deleted] = [await post("before"), await post("deleted")];
  await b.control("POST", "/faults", { kind: "clock_skew", ms: 7_200_000 });
  await bot(b)("PATCH", `${POST}/${edited}`, { content: "after" });
  await bot(b)("DELETE", `${POST}/${deleted}`);
  const fresh = await post("fresh");
  await b.fault("stale_get", { ms: 3_600_000, count: 3 });
  const contents = (body: Json[]) => body.map((m) => m["content"]);
  const page = await bot(b)("GET", `${POST}?limit=10`);
  assert.deepEqual(contents(page.body), ["deleted", "before"]);
  const after = await bot(b)("GET", `${POST}?limit=10&after=${edited}`);
  assert.deepEqual(contents(after.body), ["deleted"]);
  assert.equal((await bot(b)("GET", `${POST}/${fresh}`)).body.code, 10008);
  const now = await bot(b)("GET", `${POST}?limit=10`);
  assert.deepEqual(contents(now.body), ["fresh", "after"]);
});

test("edits of old messages have a limit of their own, with code 30046", async (t) => {
  const b = await bench(t);
  await b.control("POST", "/settings", {
    old_edit_ms: 0,
    rates: { "message-edit-old": [1, 3600] },
  });
  const { id } = (await bot(b)("POST", POST, { content: "x" })).body;
  const edit = () => bot(b)("PATCH", `${POST}/${id}`, { content: "y" });
  assert.equal((await edit()).status, 200);
  const late = await edit();
  assert.deepEqual([late.status, late.body.code], [429, 30046]);
  assert.ok(late.body.retry_after > 50);
});

test("refused requests shut an address out", async (t) => {
  const b = await bench(t, "discord");
  await b.control("POST", "/settings", { ban_after: 3 });
  const wrong = rest(b.url, "wrong");
  for (let i = 0; i < 3; i++)
    assert.equal((await wrong("GET", "/users/@me")).status, 401);
  const banned = await bot(b)("GET", "/users/@me");
  assert.deepEqual([banned.status, banned.body.code], [429, 0]);
  assert.equal(banned.headers.get("retry-after"), null);
});

test("a resume can be refused, and a reconnect asked for before Hello", async (t) => {
  const b = await bench(t);
  const g = await identified(t, b.url);
  await b.fault("refuse_resume");
  const back = await resumed(t, g);
  assert.equal((await back.until((p) => p["op"] === 9))["d"], false);
  await b.fault("reconnect_first");
  const early = new RawGateway(gatewayUrl(b.url));
  t.after(() => early.ws.terminate());
  await early.until((p) => p["op"] === 7);
  assert.equal(early.payloads.length, 1);
});

test("sequence numbers begin where they are told to, beyond 32 bits too", async (t) => {
  const b = await bench(t);
  const first = 2 ** 31 + 5;
  await b.control("POST", "/settings", { first_seq: first });
  const g = await identified(t, b.url);
  assert.equal(g.events("READY")[0]!["s"], first + 1);
  const said = await b.say("x");
  await g.event("MESSAGE_CREATE");
  const back = await resumed(t, g, first + 2);
  const again = await back.event("MESSAGE_CREATE");
  assert.equal(again["d"].id, said["id"]);
});

test("a compressed payload may come in several messages", async (t) => {
  const b = await bench(t);
  await b.control("POST", "/settings", { message_bytes: 50 });
  const inflate = createInflate({ finishFlush: constants.Z_SYNC_FLUSH });
  let text = "";
  let wake = () => {};
  let unfinished = 0;
  inflate.on("data", (chunk: Buffer) => {
    text += chunk.toString();
    wake();
  });
  const url = gatewayUrl(b.url, "v=10&encoding=json&compress=zlib-stream");
  const g = new RawGateway(url, (data) => {
    const bytes = data as Buffer;
    assert.ok(bytes.length <= 50);
    if (bytes.subarray(-4).toString("hex") !== "0000ffff") unfinished++;
    inflate.write(bytes);
    return undefined;
  });
  t.after(() => g.ws.terminate());
  const until = async (word: string) => {
    while (!text.includes(word))
      await new Promise<void>((resolve) => (wake = resolve));
  };
  await until('"op":10');
  const { collector: intents } = INTENTS;
  g.send(2, { token: "collector-token", intents, properties: PROPERTIES });
  await until("GUILD_CREATE");
  assert.ok(unfinished > 3);
});

test("a join can be announced again for somebody who is in", async (t) => {
  const b = await bench(t);
  const g = await identified(t, b.url, "bot-token", INTENTS.mirror);
  const path = `/guilds/${CUSTOMERS}/members/${OTTO}/announce`;
  await b.control("POST", path);
  await g.event("GUILD_MEMBER_ADD", (d) => d["user"].id === OTTO);
});

test("a 429's header can be a fraction, and differ from its body", async (t) => {
  const b = await bench(t);
  await b.fault("rest_429", {
    retry_after: 0.25,
    retry_after_header: "0.35",
    scope: "shared",
  });
  const { headers, body } = await bot(b)("GET", "/users/@me");
  assert.deepEqual(
    [
      headers.get("retry-after"),
      headers.get("x-ratelimit-scope"),
      body.retry_after,
    ],
    ["0.35", "shared", 0.25],
  );
});

test("a knob that is none, or a number that is none, is refused by name", async (t) => {
  const b = await bench(t);
  const refused = async (body: Json) => {
    const { answer } = (await b
      .control("POST", "/faults", body)
      .catch((error: unknown) => error)) as { answer: Json };
    return Object.keys(answer["errors"]);
  };
  assert.deepEqual(await refused({ kind: "meteor" }), ["kind"]);
  for (const wrong of [{ count: 0 }, { rate: 2 }, { every: 0.5 }])
    assert.deepEqual(
      await refused({ kind: "rest_502", ...wrong }),
      Object.keys(wrong),
    );
});
