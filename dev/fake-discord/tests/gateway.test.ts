// The gateway, frame by frame.
import assert from "node:assert/strict";
import test from "node:test";
import { createInflate, inflateSync, constants } from "node:zlib";
import {
  bench,
  COLLECTOR,
  CUSTOMERS,
  gatewayUrl,
  identified,
  INTENTS,
  MIRROR,
  MIRROR_VIP,
  OTTO,
  PREMIUM,
  PROPERTIES,
  RawGateway,
  rest,
  resumed,
  SOURCE,
  VIP,
} from "./harness.js";

const identify = {
  token: "collector-token",
  intents: INTENTS.collector,
  properties: PROPERTIES,
};

test("hello comes first, a heartbeat is acknowledged at any time", async (t) => {
  const b = await bench(t);
  const g = new RawGateway(gatewayUrl(b.url));
  t.after(() => g.ws.terminate());
  const hello = await g.until((p) => p["op"] === 10);
  assert.equal(hello["d"].heartbeat_interval, 41250);
  g.send(1, null);
  assert.deepEqual(await g.until((p) => p["op"] === 11), {
    t: null,
    s: null,
    op: 11,
    d: null,
  });
});

test("READY names the session, the resume URL and the guilds; GUILD_CREATE follows", async (t) => {
  const b = await bench(t);
  const g = await identified(t, b.url);
  const ready = await g.event("READY");
  assert.equal(ready["s"], 1);
  assert.equal(ready["d"].v, 10);
  assert.deepEqual(ready["d"].guilds, [{ id: SOURCE, unavailable: true }]);
  assert.equal(
    ready["d"].resume_gateway_url,
    gatewayUrl(b.url, "", "gateway-resume").replace("?", ""),
  );
  assert.equal(ready["d"].application.flags & (1 << 19), 1 << 19);
  const guild = await g.event("GUILD_CREATE");
  assert.equal(guild["s"], 2);
  assert.equal(guild["d"].channels.length, 3);
  assert.deepEqual(
    guild["d"].members.map((m: any) => m.user.id),
    [COLLECTOR],
  );
});

const REFUSALS: [string, string, unknown[], number][] = [
  ["another version", "v=9&encoding=json", [], 4012],
  ["another encoding", "v=10&encoding=etf", [], 4002],
  ["text that is no JSON", "v=10&encoding=json", ["nonsense"], 4002],
  ["an unknown opcode", "v=10&encoding=json", [{ op: 77, d: null }], 4001],
  ["a request before identify", "v=10&encoding=json", [{ op: 3, d: {} }], 4003],
  [
    "a wrong token",
    "v=10&encoding=json",
    [{ op: 2, d: { ...identify, token: "x" } }],
    4004,
  ],
  [
    "a token with its prefix",
    "v=10&encoding=json",
    [{ op: 2, d: { ...identify, token: "Bot collector-token" } }],
    4004,
  ],
  [
    "no properties",
    "v=10&encoding=json",
    [{ op: 2, d: { ...identify, properties: undefined } }],
    4002,
  ],
  [
    "no intents",
    "v=10&encoding=json",
    [{ op: 2, d: { ...identify, intents: undefined } }],
    4013,
  ],
  [
    "an intent that does not exist",
    "v=10&encoding=json",
    [{ op: 2, d: { ...identify, intents: 1 << 30 } }],
    4013,
  ],
  [
    "an intent not switched on",
    "v=10&encoding=json",
    [{ op: 2, d: { ...identify, intents: 1 << 8 } }],
    4014,
  ],
  [
    "an impossible shard",
    "v=10&encoding=json",
    [{ op: 2, d: { ...identify, shard: [2, 2] } }],
    4010,
  ],
  [
    "identify twice",
    "v=10&encoding=json",
    [
      { op: 2, d: identify },
      { op: 2, d: identify },
    ],
    4005,
  ],
  [
    "a payload of more than 4096 bytes",
    "v=10&encoding=json",
    [{ op: 3, d: "x".repeat(4096) }],
    4002,
  ],
];

for (const [what, query, sends, code] of REFUSALS)
  test(`${what} closes with ${code}`, async (t) => {
    const b = await bench(t);
    const g = new RawGateway(gatewayUrl(b.url, query));
    t.after(() => g.ws.terminate());
    g.ws.on("open", () => {
      for (const one of sends)
        g.ws.send(typeof one === "string" ? one : JSON.stringify(one));
    });
    assert.equal(await g.closed, code);
  });

test("more than 120 events a minute close with 4008", async (t) => {
  const b = await bench(t);
  const g = await identified(t, b.url);
  for (let i = 0; i < 121; i++) g.send(1, null);
  assert.equal(await g.closed, 4008);
});

test("a client that stops beating is timed out with 4009 and its session is gone", async (t) => {
  const b = await bench(t);
  let g: RawGateway | undefined;
  // A client that is slow may be timed out before it has identified: another interval, then.
  for (let ms = 20; g === undefined; ms *= 2) {
    await b.control("POST", "/settings", { heartbeat_interval_ms: ms });
    g = await identified(t, b.url).catch((error: Error) => {
      assert.equal(error.message, "closed with 4009");
      return undefined;
    });
  }
  assert.equal(await g.closed, 4009);
  const again = await resumed(t, g);
  assert.equal((await again.until((p) => p["op"] === 9))["d"], false);
});

test("without the content intent a message arrives blank, save its own", async (t) => {
  const b = await bench(t);
  await b.control("PUT", `/guilds/${SOURCE}/members/${MIRROR}`);
  const blind = await identified(t, b.url, "bot-token", 513);
  await b.say("secret", { embeds: [{ title: "x" }] });
  const { d } = await blind.event("MESSAGE_CREATE");
  assert.deepEqual(
    [d.content, d.embeds, d.attachments, d.components],
    ["", [], [], []],
  );
  const posted = await rest(b.url, "bot-token")(
    "POST",
    `/channels/${MIRROR_VIP}/messages`,
    { content: "mine", nonce: "7" },
  );
  const own = await blind.event(
    "MESSAGE_CREATE",
    (m) => m["id"] === posted.body.id,
  );
  assert.deepEqual([own["d"].content, own["d"].nonce], ["mine", "7"]);
});

test("events go only to who is in the guild, may see the channel and has the intent", async (t) => {
  const b = await bench(t);
  const reader = await identified(t, b.url);
  const poster = await identified(t, b.url, "bot-token", INTENTS.mirror);
  await b.say("for the reader");
  await b.fault("lose_permission", { user_id: COLLECTOR, channel_id: VIP });
  await b.say("for nobody");
  await b.fault("reset");
  await b.say("for the reader again");
  await reader.event(
    "MESSAGE_CREATE",
    (m) => m["content"] === "for the reader again",
  );
  assert.deepEqual(
    reader.events("MESSAGE_CREATE").map((p) => p["d"].content),
    ["for the reader", "for the reader again"],
  );
  assert.deepEqual(poster.events("MESSAGE_CREATE"), []);
});

test("a resume replays what was missed, in order, and then says so", async (t) => {
  const b = await bench(t);
  const first = await identified(t, b.url);
  await b.say("seen");
  await first.event("MESSAGE_CREATE");
  await b.fault("drop_gateway");
  await first.closed;
  await b.say("missed 1");
  await b.say("missed 2");
  const second = await resumed(t, first);
  await second.event("RESUMED");
  const events = second.payloads.filter((p) => p["op"] === 0);
  assert.deepEqual(
    events.map((p) => [p["t"], p["s"]]),
    [
      ["MESSAGE_CREATE", 4],
      ["MESSAGE_CREATE", 5],
      ["RESUMED", 6],
    ],
  );
});

test("a resume from a sequence never sent closes with 4007", async (t) => {
  const b = await bench(t);
  const first = await identified(t, b.url);
  first.ws.terminate();
  assert.equal(await (await resumed(t, first, 999)).closed, 4007);
});

test("a session ended politely, expired or unknown cannot be resumed", async (t) => {
  const b = await bench(t);
  const polite = await identified(t, b.url);
  polite.ws.close(1000);
  await polite.closed;
  const refused = await resumed(t, polite);
  assert.equal((await refused.until((p) => p["op"] === 9))["d"], false);

  const slow = await identified(t, b.url);
  await b.control("POST", "/settings", { session_ttl_ms: -1 });
  slow.ws.close(4000);
  await slow.closed;
  const late = await resumed(t, slow);
  assert.equal((await late.until((p) => p["op"] === 9))["d"], false);
});

test("after op 9 true the same socket may resume", async (t) => {
  const b = await bench(t);
  const g = await identified(t, b.url);
  await b.fault("invalidate_sessions", { resumable: true });
  assert.equal((await g.until((p) => p["op"] === 9))["d"], true);
  const { session_id } = (await g.event("READY"))["d"];
  g.send(6, { token: "collector-token", session_id, seq: 2 });
  await g.event("RESUMED");
});

test("zlib-stream is one context with a sync flush after each payload", async (t) => {
  const b = await bench(t);
  const inflate = createInflate({ finishFlush: constants.Z_SYNC_FLUSH });
  let text = "";
  let wake = () => {};
  inflate.on("data", (chunk: Buffer) => {
    text += chunk.toString();
    wake();
  });
  const g = new RawGateway(
    gatewayUrl(b.url, "v=10&encoding=json&compress=zlib-stream"),
    (data) => {
      const bytes = data as Buffer;
      assert.equal(bytes.subarray(-4).toString("hex"), "0000ffff");
      inflate.write(bytes);
      return undefined;
    },
  );
  t.after(() => g.ws.terminate());
  const until = async (word: string) => {
    while (!text.includes(word))
      await new Promise<void>((resolve) => (wake = resolve));
  };
  await until('"op":10');
  g.send(2, identify);
  await until("GUILD_CREATE");
  await b.say("compressed");
  await until('"content":"compressed"');
});

test("identify with compress sends each payload as a zlib stream of its own", async (t) => {
  const b = await bench(t);
  const g = new RawGateway(gatewayUrl(b.url), (data) => {
    const bytes = data as Buffer;
    return JSON.parse(
      (bytes[0] === 0x78 ? inflateSync(bytes) : bytes).toString(),
    );
  });
  t.after(() => g.ws.terminate());
  await g.until((p) => p["op"] === 10);
  g.send(2, { ...identify, compress: true });
  await g.event("GUILD_CREATE");
});

test("identifies are counted, spread, and at the end cost the token", async (t) => {
  const b = await bench(t);
  const api = rest(b.url, "collector-token");
  const remaining = async () =>
    (await api("GET", "/gateway/bot")).body.session_start_limit.remaining;
  assert.equal(await remaining(), 1000);

  await b.control("POST", "/settings", { max_concurrency: 1 });
  const both = [0, 1].map(() => new RawGateway(gatewayUrl(b.url)));
  for (const one of both) {
    t.after(() => one.ws.terminate());
    await one.until((p) => p["op"] === 10);
  }
  for (const one of both) one.send(2, identify);
  const answers = await Promise.all(
    both.map((one) => one.until((p) => p["op"] === 9 || p["t"] === "READY")),
  );
  const hasty = answers.findIndex((p) => p["op"] === 9);
  assert.equal(answers[hasty]!["d"], false);
  assert.equal(answers[1 - hasty]!["t"], "READY");
  assert.equal(await remaining(), 999);

  await b.control("POST", "/settings", {
    max_concurrency: 9,
    identify_total: 1,
  });
  both[hasty]!.send(2, identify);
  const codes = await Promise.all(both.map(({ closed }) => closed));
  assert.deepEqual(codes, [4004, 4004]);
  assert.equal((await api("GET", "/users/@me")).status, 401);
});

test("faults lose, double, reorder and thin out events", async (t) => {
  const b = await bench(t);
  const g = await identified(t, b.url);
  await b.fault("drop_dispatch");
  await b.say("lost");
  await b.fault("duplicate_dispatch");
  const { id } = await b.say("twice");
  await b.fault("reorder_dispatch");
  await b.say("held");
  await b.say("first");
  await b.fault("partial_update");
  await b.control("PATCH", `/channels/${VIP}/messages/${id}`, {
    content: "thin",
  });
  const thin = await g.event("MESSAGE_UPDATE");
  assert.deepEqual(
    g.events("MESSAGE_CREATE").map((p) => p["d"].content),
    ["twice", "twice", "first", "held"],
  );
  assert.deepEqual(Object.keys(thin["d"]).sort(), [
    "channel_id",
    "content",
    "edited_timestamp",
    "id",
  ]);
});

test("an unfurled link updates a message without editing it", async (t) => {
  const b = await bench(t);
  const g = await identified(t, b.url);
  await b.fault("unfurl", { ms: 1 });
  await b.say("https://example.com/chart");
  const { d } = await g.event("MESSAGE_UPDATE");
  assert.deepEqual(
    [d.content, d.embeds.length, d.edited_timestamp],
    ["https://example.com/chart", 1, null],
  );
});

test("joins, role changes and leaves are told to who asked for members", async (t) => {
  const b = await bench(t);
  const g = await identified(t, b.url, "bot-token", INTENTS.mirror);
  const user = await b.control("POST", "/users", { username: "newcomer" });
  const path = `/guilds/${CUSTOMERS}/members/${user.id}`;
  await b.control("PUT", path);
  await b.control("PUT", path, { roles: [PREMIUM] });
  await b.control("DELETE", path);
  assert.equal(
    (await g.event("GUILD_MEMBER_ADD"))["d"].user.username,
    "newcomer",
  );
  assert.deepEqual((await g.event("GUILD_MEMBER_UPDATE"))["d"].roles, [
    PREMIUM,
  ]);
  assert.equal((await g.event("GUILD_MEMBER_REMOVE"))["d"].user.id, user.id);
});

test("a change of a bot's own roles is told to it without the intent", async (t) => {
  const b = await bench(t);
  const withoutMembers = INTENTS.mirror & ~(1 << 1);
  const g = await identified(t, b.url, "bot-token", withoutMembers);
  const role = (roles: string[], user: string) =>
    b.control("PUT", `/guilds/${CUSTOMERS}/members/${user}`, { roles });
  const { id } = await b.control("POST", "/users", { username: "newcomer" });
  await role([], id);
  await role([PREMIUM], id); // not told
  const bots = (await g.event("READY"))["d"].user.id;
  await role([PREMIUM], bots);
  const told = (await g.event("GUILD_MEMBER_UPDATE"))["d"];
  assert.equal(told.user.id, bots);
  assert.deepEqual(told.roles, [PREMIUM]);
});

test("members can be asked for by id and by the start of a name", async (t) => {
  const b = await bench(t);
  const g = await identified(t, b.url, "bot-token", INTENTS.mirror);
  g.send(8, {
    guild_id: CUSTOMERS,
    user_ids: [OTTO, "1999999999999999999"],
    nonce: "a",
  });
  const byId = await g.event("GUILD_MEMBERS_CHUNK", (d) => d["nonce"] === "a");
  assert.deepEqual(
    [byId["d"].members[0].user.id, byId["d"].not_found],
    [OTTO, ["1999999999999999999"]],
  );
  g.send(8, { guild_id: CUSTOMERS, query: "member-o", limit: 5, nonce: "b" });
  const byName = await g.event(
    "GUILD_MEMBERS_CHUNK",
    (d) => d["nonce"] === "b",
  );
  assert.deepEqual(
    byName["d"].members.map((m: any) => m.user.id),
    [OTTO],
  );
});

test("removing a channel is announced once, its messages are not", async (t) => {
  const b = await bench(t);
  const g = await identified(t, b.url);
  const channel = await b.control("POST", "/channels", {
    guild_id: SOURCE,
    name: "short-lived",
  });
  await b.say("soon gone", {}, channel.id);
  await b.control("DELETE", `/channels/${channel.id}`);
  await g.event("CHANNEL_DELETE", (d) => d["id"] === channel.id);
  assert.deepEqual(g.events("MESSAGE_DELETE"), []);
});

test("a long message may come in fragments, and is whole again at the end", async (t) => {
  const b = await bench(t);
  await b.control("POST", "/settings", { fragment_bytes: 7 });
  const g = await identified(t, b.url);
  await b.say("📈".repeat(500));
  const { d } = await g.event("MESSAGE_CREATE");
  assert.equal(d.content, "📈".repeat(500));
});

test("on a half-open connection nothing is heard; the session lives on elsewhere", async (t) => {
  const b = await bench(t);
  const g = await identified(t, b.url);
  await b.fault("half_open");
  g.send(1, 2);
  await b.say("into the void");
  const back = await resumed(t, g);
  await back.event("MESSAGE_CREATE");
  assert.deepEqual(
    [g.events("MESSAGE_CREATE"), g.payloads.some((p) => p["op"] === 11)],
    [[], false],
  );
});

test("a heartbeat left unanswered, one asked for, and an identify put off", async (t) => {
  const b = await bench(t);
  const g = await identified(t, b.url);
  await b.fault("request_heartbeat");
  await g.until((p) => p["op"] === 1);
  await b.fault("mute_acks");
  g.send(1, 2);
  g.send(1, 2);
  await g.until((p) => p["op"] === 11);
  await b.say("after both");
  await g.event("MESSAGE_CREATE");
  assert.equal(g.payloads.filter((p) => p["op"] === 11).length, 1);
  await b.fault("refuse_identify");
  const late = new RawGateway(gatewayUrl(b.url));
  t.after(() => late.ws.terminate());
  await late.until((p) => p["op"] === 10);
  late.send(2, identify);
  await late.until((p) => p["op"] === 9);
  late.send(2, identify);
  await late.event("READY");
});
