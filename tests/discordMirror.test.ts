// The bot alone: signals are written to the backend as the collector would, Discord is the
// fake. What becomes of each trouble, and where the operator sees it.
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { until } from "./harness";
import { GUILD, MirrorWorld, type Row, snowflake, US } from "./mirror-world";

let world: MirrorWorld;

before(async () => {
  world = await MirrorWorld.start();
  await world.bot();
});
afterEach(async () => await world.calm());
after(async () => await world.close());

/** Gives the bot these permissions in the guild, and no others. */
async function permit(permissions: bigint): Promise<void> {
  const role = (id: string, name: string, position: number, bits: bigint) =>
    world.discord.control("POST", "/roles", {
      ...{ guild_id: GUILD, id, name, position },
      permissions: String(bits),
    });
  await role(GUILD, "@everyone", 0, 0n);
  await role("1200000000000000203", "mirror", 2, permissions);
}
const bit = (n: number) => 1n << BigInt(n);
const POSTS = bit(10) | bit(11) | bit(14) | bit(15) | bit(16);
const ROLES = bit(28);
const isKnown = ({ actual, wants }: Row) => actual !== null && !wants;

test("the check of permissions names what is missing, and passes once it is allowed", async () => {
  const pair = await world.pair();
  await permit(bit(10) | bit(11) | bit(16));
  const failed = await world.check(pair, "permissions");
  assert.equal(failed.state, "failed");
  assert.match(failed.findings[0]!.detail, /Embed Links/);
  assert.match(failed.findings[1]!.detail, /Attach Files/);
  assert.match(failed.findings[2]!.detail, /paid role/);
  for (const { instruction } of failed.findings)
    assert.match(instruction, /role/);
  await permit(POSTS | ROLES | bit(29));
  const passed = await world.check(pair, "permissions");
  assert.deepEqual(
    [passed.state, passed.findings.map(({ code }) => code)],
    ["passed", ["ok"]],
  );
});

test("a test post is made, read back and deleted, and says how long that took", async () => {
  const pair = await world.pair();
  const since = await world.mark();
  const { state, findings } = await world.check(pair, "test_post");
  assert.equal(state, "passed", JSON.stringify(findings));
  assert.match(findings[0]!.detail, /in \d+ ms/);
  assert.deepEqual(await world.posts(pair), []);
  const made = (await world.calls(since)).filter(
    ({ method, path, status }) =>
      method === "POST" && path.includes(pair.mirror) && status === 200,
  );
  assert.equal(made.length, 1);
});

test("a test post that Discord refuses says why and what to do", async () => {
  const pair = await world.pair();
  await world.fault({
    kind: "lose_permission",
    user_id: US,
    channel_id: pair.mirror,
    permissions: String(bit(11)),
  });
  const { state, findings } = await world.check(pair, "test_post");
  assert.equal(state, "failed");
  assert.match(findings[0]!.detail, /Discord refused posting: .*Permission/);
  assert.match(findings[0]!.instruction, /permissions/);
});

test("a channel with the webhook identity shows authors, quotes what is replied to, and edits and deletes through it", async () => {
  await permit(POSTS | ROLES | bit(29));
  const pair = await world.pair({ identity: "webhook" });
  const author = { id: "14", name: "Discord Ana", bot: false };
  const target = await world.write(pair, "BTC long 64000", { author });
  await world.shows(pair, ["BTC long 64000"]);
  const [post] = await world.posts(pair);
  assert.equal(post!.author.username, "D.iscord Ana");
  const reply = await world.write(pair, "TP1", {
    kind: "reply",
    replyToId: target,
  });
  const link = `https://discord.com/channels/${GUILD}/${pair.mirror}/${post!.id}`;
  const quoted = `> **Discord Ana** BTC long 64000 [↩](${link})\nTP1`;
  await world.shows(pair, ["BTC long 64000", quoted]);
  await world.edit(pair, target, "BTC long 64100", { author });
  await world.shows(pair, ["BTC long 64100", quoted]);
  await world.remove(pair, reply);
  await world.shows(pair, ["BTC long 64100"]);
  const made = (await world.calls()).filter(
    ({ method, path, status }) =>
      method === "POST" &&
      path.endsWith(`/channels/${pair.mirror}/webhooks`) &&
      status < 300,
  );
  assert.equal(made.length, 1);
});

for (const identity of ["bot", "webhook"])
  test(`an edit that drops one of two files drops it from the ${identity}'s post and keeps the other`, async () => {
    const pair = await world.pair({ identity });
    const { attachments } = await world.discord.control<{
      attachments: {
        id: string;
        filename: string;
        url: string;
        size: number;
      }[];
    }>("POST", "/channels/1100000000000000101/messages", {
      author_id: "1400000000000000001",
      content: "where the files are",
      attachments: ["a.png", "b.png"].map((filename) => ({
        filename,
        content_base64: Buffer.from(`this is ${filename}`).toString("base64"),
      })),
    });
    const files = attachments.map(({ id, filename, url, size }) => ({
      id,
      filename,
      url,
      size,
    }));
    const posted = async () =>
      (await world.posts(pair)).flatMap((post) =>
        post.attachments.map(({ filename }) => filename),
      );
    const id = await world.write(pair, "two", { attachments: files });
    await world.shows(pair, ["two"]);
    assert.deepEqual(await posted(), ["a.png", "b.png"]);
    await world.edit(pair, id, "one", { attachments: files.slice(1) });
    await world.shows(pair, ["one"]);
    await until("one file", async () => (await posted()).length === 1);
    assert.deepEqual(await posted(), ["b.png"]);
    await world.edit(pair, id, "still one", { attachments: files.slice(1) });
    await world.shows(pair, ["still one"]);
    await world.idle();
    assert.deepEqual(await posted(), ["b.png"]);
  });

test("a webhook that was deleted is made once more, and its posts are made again with their edits", async () => {
  const pair = await world.pair({ identity: "webhook" });
  const first = await world.write(pair, "one");
  await world.write(pair, "two");
  await world.shows(pair, ["one", "two"]);
  const { actual } = await world.rowIs(first, "its post to be known", isKnown);
  await permit(POSTS | ROLES | bit(29) | bit(13));
  const answer = await fetch(
    `${world.discord.url}/api/v10/webhooks/${actual!.webhookId}`,
    {
      method: "DELETE",
      headers: {
        authorization: "Bot bot-token",
        "user-agent": "DiscordBot (https://test.example, 1)",
      },
    },
  );
  assert.equal(answer.status, 204);
  await world.write(pair, "three");
  await world.shows(pair, ["one", "two", "three"]);
  await world.edit(pair, first, "one, corrected");
  await world.shows(pair, ["two", "three", "one, corrected"]);
});

test("a webhook's post whose answer was lost is found, not posted twice", async () => {
  const pair = await world.pair({ identity: "webhook" });
  await world.write(pair, "before");
  await world.shows(pair, ["before"]);
  await world.fault({
    kind: "rest_502_after_commit",
    route: "POST /webhooks/:webhook/:token",
  });
  const id = await world.write(pair, "committed, then 502");
  await world.rowIs(id, "the post to be known", isKnown);
  await world.write(pair, "after");
  await world.shows(pair, ["before", "committed, then 502", "after"]);
});

test("posts whose records were lost with a restored backup are adopted, also when they were edited since", async () => {
  const pair = await world.pair();
  const ids = [5, 4, 3].map((minutes) => snowflake(minutes * 60_000));
  await world.upsert(pair, ids[0]!, "kept");
  await world.shows(pair, ["kept"]);
  await world.rowIs(ids[0]!, "its post to be known", isKnown);
  await world.restoreAround(async () => {
    await world.upsert(pair, ids[1]!, "lost");
    await world.upsert(pair, ids[2]!, "lost, too");
    await world.shows(pair, ["kept", "lost", "lost, too"]);
  });
  // what the collector reads again from the history
  await world.upsert(pair, ids[1]!, "lost, and edited meanwhile", {
    editedAt: Date.now(),
  });
  await world.upsert(pair, ids[2]!, "lost, too");
  await world.shows(pair, ["kept", "lost, and edited meanwhile", "lost, too"]);
  await world.idle();
  assert.equal((await world.posts(pair)).length, 3);
});

test("a post that was deleted by hand stays so, and its row says why", async () => {
  const pair = await world.pair();
  const id = await world.write(pair, "deleted by hand");
  await world.shows(pair, ["deleted by hand"]);
  await world.rowIs(id, "its post to be known", isKnown);
  await world.discard(pair, 0);
  const row = await world.rowIs(id, "the row to be dead", ({ dead }) => dead);
  assert.equal(row.error, "somebody deleted the post");
  const since = await world.mark();
  await world.edit(pair, id, "edited after that");
  await until("the edit to be tried", async () =>
    (await world.calls(since)).some(({ code }) => code === 10008),
  );
  await world.rowIs(id, "the row to be dead again", ({ dead }) => dead);
  assert.deepEqual(await world.texts(pair), []);
});

test("where the channel says so, a post that was deleted by hand is made again", async () => {
  const pair = await world.pair({ recreates: true });
  const text = ["a".repeat(1900), "b".repeat(1900)];
  const id = await world.write(pair, text.join("\n"));
  await world.shows(pair, text);
  await world.rowIs(id, "its post to be known", isKnown);
  let posted = await world.posts(pair);
  for (const part of [0, 1, 1]) {
    await world.discard(pair, part); // the rest of it goes with it
    await until("the other part to be made again, too", async () => {
      const now = await world.posts(pair);
      return (
        now.length === 2 &&
        !now.some(({ id }) => posted.some((p) => p.id === id))
      );
    });
    await world.shows(pair, text);
    await world.rowIs(id, "its post to be known", isKnown);
    posted = await world.posts(pair);
  }
  await world.discard(pair, 0);
  const { error } = await world.rowIs(id, "an end", ({ dead }) => dead);
  assert.equal(
    error,
    "somebody deleted the post, again after it was made anew 3 times",
  );
  await world.retry("mirrors");
  await world.shows(pair, text);
});

test("posts that were deleted while no bot ran, or in a gap of its session, are noticed without a change of their signals", async () => {
  const [pair, alone, plain] = [
    await world.pair({ recreates: true }),
    await world.pair({ recreates: true }),
    await world.pair(),
  ];
  for (const text of ["a", "b", "c"]) await world.write(pair, text);
  await world.write(alone, "the only one");
  const kept = await world.write(plain, "not made again");
  await world.write(plain, "stays");
  await world.shows(pair, ["a", "b", "c"]);
  await world.shows(alone, ["the only one"]);
  await world.shows(plain, ["not made again", "stays"]);
  await world.idle();
  const [bot] = world.bots;
  await bot!.stop();
  await world.discard(pair, 1);
  await world.discard(alone, 0);
  await world.discard(plain, 0);
  await world.bot();
  await world.shows(pair, ["a", "c", "b"]);
  await world.shows(alone, ["the only one"]);
  await world.rowIs(kept, "the row to be dead", ({ dead }) => dead);
  await world.idle();

  await world.fault({ kind: "drop_dispatch", event: "MESSAGE_DELETE" });
  await world.discard(pair, 0);
  await world.fault({ kind: "invalidate_sessions" });
  await world.shows(pair, ["c", "b", "a"]);
});

test("a missing permission stops its channel only, and the operator sees which, beside other trouble", async () => {
  const [closed, open] = [await world.pair(), await world.pair()];
  const other = await world.pair();
  await world.discord.control("DELETE", `/channels/${other.mirror}`);
  const lost = await world.write(other, "another's trouble");
  await world.fault({
    kind: "lose_permission",
    user_id: US,
    channel_id: closed.mirror,
    permissions: String(bit(11)),
  });
  const id = await world.write(closed, "not to be posted yet");
  await world.write(open, "posted");
  await world.shows(open, ["posted"]);
  const row = await world.rowIs(id, "an error", ({ error }) => !!error);
  assert.match(row.error!, /Missing Permissions \(status 403, code 50013\)/);
  assert.equal(row.dead, false);
  await until("the service to say so", async () => {
    const service = await world.serviceRow("test");
    return service.detail?.includes(closed.mirror) ?? false;
  }).catch(async (error: Error) => {
    const said = JSON.stringify(await world.serviceRow("test"));
    throw new Error(`${error.message}\nbut: ${said}\n${world.bots[0]!.log}`);
  });
  assert.equal((await world.serviceRow("test")).state, "degraded");
  await until("the other trouble to be there, too", async () => {
    const { detail = "" } = await world.serviceRow("test");
    return [closed, other].every(({ mirror }) => detail.includes(mirror));
  });
  await world.remove(closed, id);
  await world.remove(other, lost);
});

test("a mirror channel that was deleted stops nothing else", async () => {
  const [gone, open] = [await world.pair(), await world.pair()];
  await world.discord.control("DELETE", `/channels/${gone.mirror}`);
  const id = await world.write(gone, "nowhere to go");
  await world.write(open, "posted");
  await world.shows(open, ["posted"]);
  const row = await world.rowIs(id, "an error", ({ error }) => !!error);
  assert.match(row.error!, /Unknown Channel/);
  await world.remove(gone, id);
});

test("edits that Discord limits wait, collapse into the newest, and hold no new post", async () => {
  const pair = await world.pair();
  const id = await world.write(pair, "v1");
  await world.shows(pair, ["v1"]);
  await world.fault({
    kind: "rest_error",
    route: "PATCH /channels/:channel/messages/:message",
    status: 400,
    code: 30046,
    message: "Maximum number of edits to messages older than 1 hour reached",
    count: 1_000_000,
  });
  const since = await world.mark();
  await world.edit(pair, id, "v2");
  await world.rowIs(id, "the limit", ({ error }) => /30046/.test(error ?? ""));
  await world.write(pair, "new");
  await world.edit(pair, id, "v3");
  await world.edit(pair, id, "v4");
  await world.shows(pair, ["v1", "new"]);
  await world.calm();
  await world.shows(pair, ["v4", "new"]);
  const patches = (await world.calls(since))
    .filter(({ method, status }) => method === "PATCH" && status === 200)
    .map(({ body }) => body!["content"]);
  assert.deepEqual(patches, ["v4"]);
});

test("polls, stickers and forwards are posted in words", async () => {
  const pair = await world.pair();
  await world.write(pair, "", {
    poll: { question: "BTC?", answers: ["up", "down"], multiple: false },
  });
  await world.write(pair, "go", {
    stickers: [{ id: "1", name: "rocket", format: "png" }],
  });
  await world.write(pair, "from elsewhere", { kind: "forward" });
  await world.shows(pair, [
    "📊 **BTC?**\n1. up\n2. down",
    "go\n[sticker: rocket]",
    "-# ↪ forwarded\nfrom elsewhere",
  ]);
});

test("two bots share the work; when one is killed in the middle nothing is lost or doubled", async () => {
  const pairs = [await world.pair(), await world.pair(), await world.pair()];
  const second = await world.bot("second");
  const wanted = pairs.map(() => [] as string[]);
  for (let i = 0; i < 10; i++)
    for (const [n, pair] of pairs.entries()) {
      const text = `${n}.${i}`;
      wanted[n]!.push(text);
      await world.write(pair, text);
      if (i === 5 && n === 1) await second.stop("SIGKILL");
    }
  for (const [n, pair] of pairs.entries()) await world.shows(pair, wanted[n]!);
});

test("no token, of the bot or of a webhook, is ever in a log", async () => {
  const hooks = await world.discord
    .control<{ webhooks?: { token: string }[] }>("GET", "/state")
    .then(({ webhooks }) => webhooks ?? []);
  for (const { log } of world.bots) {
    assert.doesNotMatch(log, /bot-token/);
    assert.doesNotMatch(log, /webhooks\/\d+\/[\w-]{20,}/);
    for (const { token } of hooks) assert.ok(!log.includes(token));
  }
});
