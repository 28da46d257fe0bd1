// Threads: begun, used, archived and deleted, over REST and by people.
import assert from "node:assert/strict";
import test from "node:test";
import {
  bench,
  CUSTOMERS,
  identified,
  INTENTS,
  MARA,
  MIRROR,
  MIRROR_VIP,
  rest,
  VIP,
  type Bench,
  type Json,
} from "./harness.js";

const bot = (b: Bench) => rest(b.url, "bot-token");
const threadOf = async (b: Bench, more: Json = {}): Promise<Json> =>
  (
    await bot(b)("POST", `/channels/${MIRROR_VIP}/threads`, {
      name: "BTC",
      type: 11,
      ...more,
    })
  ).body;

test("a thread of a message has its id, and its messages carry that", async (t) => {
  const b = await bench(t);
  const heard = await identified(t, b.url);
  const { id } = await b.say("ETH long");
  await b.control("POST", `/channels/${VIP}/threads`, {
    author_id: MARA,
    name: "updates",
    message_id: id,
  });
  const made = await heard.event("THREAD_CREATE");
  assert.deepEqual(
    [made["d"].id, made["d"].parent_id, made["d"].newly_created],
    [id, VIP, true],
  );
  const update = await heard.event("MESSAGE_UPDATE");
  assert.deepEqual(
    [
      update["d"].flags & 32,
      update["d"].edited_timestamp,
      update["d"].thread.id,
    ],
    [32, null, id],
  );
  const starter = await heard.event("MESSAGE_CREATE", (d) => d["type"] === 21);
  assert.deepEqual(
    [starter["d"].channel_id, starter["d"].referenced_message.id],
    [id, id],
  );
  await b.say("TP1 hit", {}, id);
  const said = await heard.event(
    "MESSAGE_CREATE",
    (d) => d["content"] === "TP1 hit",
  );
  assert.deepEqual([said["d"].channel_id, said["d"].channel_type], [id, 11]);
});

test("a thread without a message is told of in its channel, and seen by newcomers", async (t) => {
  const b = await bench(t);
  const thread = await threadOf(b);
  const heard = await identified(t, b.url, "bot-token", INTENTS.mirror);
  const guild = heard.events("GUILD_CREATE")[0]!["d"];
  assert.deepEqual(
    guild.threads.map((c: Json) => [c["id"], c["thread_metadata"].archived]),
    [[thread["id"], false]],
  );
  assert.ok(guild.channels.every((c: Json) => c["id"] !== thread["id"]));
  const [note] = await b.control("GET", `/channels/${MIRROR_VIP}/messages`);
  assert.deepEqual(
    [note.type, note.content, note.message_reference.channel_id],
    [18, "BTC", thread["id"]],
  );
  const active = await bot(b)("GET", `/guilds/${CUSTOMERS}/threads/active`);
  assert.equal(active.body.threads.length, 1);
});

test("in an archived thread nothing is edited; a message opens it, a lock keeps it shut", async (t) => {
  const b = await bench(t);
  const heard = await identified(t, b.url, "bot-token", INTENTS.mirror);
  const { id } = await threadOf(b);
  const messages = `/channels/${id}/messages`;
  const first = (await bot(b)("POST", messages, { content: "one" })).body;
  await b.control("PATCH", `/channels/${id}`, { archived: true });
  const archived = (d: Json) => d["thread_metadata"].archived === true;
  await heard.event("THREAD_UPDATE", archived);

  const edit = await bot(b)("PATCH", `${messages}/${first.id}`, {
    content: "x",
  });
  assert.deepEqual([edit.status, edit.body.code], [400, 50083]);
  const listed = `/channels/${MIRROR_VIP}/threads/archived/public`;
  assert.equal((await bot(b)("GET", listed)).body.threads[0].id, id);

  const second = await bot(b)("POST", messages, { content: "two" });
  assert.equal(second.status, 200);
  await heard.event("THREAD_UPDATE", (d) => !archived(d));

  await b.control("PATCH", `/channels/${id}`, { archived: true, locked: true });
  const locked = await bot(b)("POST", messages, { content: "three" });
  assert.deepEqual([locked.status, locked.body.code], [400, 160005]);
  const opened = await bot(b)("PATCH", `/channels/${id}`, { archived: false });
  assert.equal(opened.body.code, 50013, "only Manage Threads opens it now");
  const gone = await bot(b)("DELETE", `${messages}/${first.id}`);
  assert.equal(gone.status, 204, "but deletions go through");
});

test("a deleted thread, and a deleted channel with threads, say so once", async (t) => {
  const b = await bench(t);
  const heard = await identified(t, b.url, "bot-token", INTENTS.mirror);
  const one = await threadOf(b);
  const two = await threadOf(b, { name: "ETH" });
  await b.say("inside", {}, one["id"]);
  await b.control("DELETE", `/channels/${one["id"]}`);
  const { d } = (await heard.event("THREAD_DELETE")) as { d: Json };
  assert.deepEqual(d, {
    id: one["id"],
    guild_id: CUSTOMERS,
    parent_id: MIRROR_VIP,
    type: 11,
  });
  await b.control("DELETE", `/channels/${MIRROR_VIP}`);
  await heard.event("CHANNEL_DELETE", (c) => c["id"] === MIRROR_VIP);
  const unknown = await bot(b)("GET", `/channels/${two["id"]}`);
  assert.equal(unknown.body.code, 10003);
  assert.equal(heard.events("THREAD_DELETE").length, 1);
  assert.equal(heard.events("MESSAGE_DELETE").length, 0);
});

test("permissions of a thread are its channel's, and it has one of its own", async (t) => {
  const b = await bench(t);
  const { id } = await threadOf(b);
  const post = () =>
    bot(b)("POST", `/channels/${id}/messages`, { content: "x" });
  await b.fault("lose_permission", {
    user_id: MIRROR,
    permissions: String(1n << 38n),
  });
  assert.equal((await post()).body.code, 50013);
  const above = await bot(b)("POST", `/channels/${MIRROR_VIP}/messages`, {
    content: "x",
  });
  assert.equal(above.status, 200);
  await b.fault("lose_permission", { user_id: MIRROR, channel_id: MIRROR_VIP });
  assert.equal((await post()).body.code, 50001);
});

const REFUSED: [what: string, body: Json, code: number][] = [
  ["without a name", { type: 11 }, 50035],
  ["with a name of 101", { name: "x".repeat(101), type: 11 }, 50035],
  ["of a type that is none", { name: "x", type: 3 }, 50035],
  [
    "archived after a while of its own",
    { name: "x", type: 11, auto_archive_duration: 61 },
    50035,
  ],
  ["that is private, without the permission", { name: "x" }, 50013],
];
test("a thread that Discord would not begin is not begun", async (t) => {
  const b = await bench(t);
  const path = `/channels/${MIRROR_VIP}/threads`;
  for (const [what, body, code] of REFUSED)
    assert.equal((await bot(b)("POST", path, body)).body.code, code, what);
  const message = await bot(b)("POST", `/channels/${MIRROR_VIP}/messages`, {
    content: "x",
  });
  const at = `/channels/${MIRROR_VIP}/messages/${message.body.id}/threads`;
  assert.equal((await bot(b)("POST", at, { name: "x" })).status, 201);
  assert.equal((await bot(b)("POST", at, { name: "x" })).body.code, 160004);
});

test("a webhook writes into a thread that it names, and begins posts of a forum", async (t) => {
  const b = await bench(t);
  const thread = await threadOf(b);
  const forum = await b.control("POST", "/channels", {
    guild_id: CUSTOMERS,
    name: "ideas",
    type: 15,
  });
  const hook = async (channel: string) => {
    const path = `/channels/${channel}/webhooks`;
    const { body } = await bot(b)("POST", path, { name: "w" });
    return `/webhooks/${body.id}/${body.token}`;
  };
  const anyone = rest(b.url, "", { authorization: "" });
  const text = await hook(MIRROR_VIP);
  const inside = await anyone(
    "POST",
    `${text}?wait=true&thread_id=${thread["id"]}`,
    { content: "inside" },
  );
  assert.equal(inside.body.channel_id, thread["id"]);
  const at = `${text}/messages/${inside.body.id}`;
  assert.equal((await anyone("PATCH", at, {})).body.code, 10008);
  const edit = await anyone("PATCH", `${at}?thread_id=${thread["id"]}`, {
    content: "edited",
  });
  assert.equal(edit.body.content, "edited");
  const stray = await anyone("POST", `${text}?thread_id=1`, { content: "x" });
  assert.equal(stray.body.code, 10003);

  const ideas = await hook(forum.id);
  const nameless = await anyone("POST", ideas, { content: "x" });
  assert.equal(nameless.body.code, 220001);
  const named = { content: "x", thread_name: "SOL" };
  const post = await anyone("POST", `${ideas}?wait=true`, named);
  const made = await bot(b)("GET", `/channels/${post.body.channel_id}`);
  assert.deepEqual([made.body.name, made.body.parent_id], ["SOL", forum.id]);
  assert.equal((await anyone("POST", text, named)).body.code, 220003);
});
