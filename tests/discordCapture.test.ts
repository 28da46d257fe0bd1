// What the collector makes of everything a source guild does, and how it mends what it
// did not see: outages, lost permissions, deleted channels and threads.
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { ConvexHttpClient } from "convex/browser";
import { makeFunctionReference } from "convex/server";
import { eventOf, type Action } from "../collector/plugin/events";
import { Queue, type Answer } from "../collector/plugin/queue";
import {
  Backend,
  Daemon,
  deploySchema,
  FakeDiscord,
  freePort,
  tempDir,
  until,
} from "./harness";

const GUILD = "1100000000000000001";
const MAIN = "1100000000000000101";
const SECOND = "1100000000000000102";
const THIRD = "1100000000000000103";
const ANALYST = "1400000000000000001";
const COLLECTOR = "1300000000000000001";
const READ_HISTORY = String(1 << 16);

interface Body {
  content: string;
  kind: string;
  replyToId?: string;
  attachments: { filename: string; spoiler?: boolean }[];
  stickers?: { name: string; format: string }[];
  poll?: { question: string; answers: string[]; multiple: boolean };
}

interface Signal {
  messageId: string;
  threadId?: string;
  state: "live" | "deleted";
  version: string;
  body: Body | null;
  trade?: {
    entries?: { values: string[] };
    targets?: string[];
    stop?: string;
    spans: { field: string; start: number; end: number }[];
  };
}

let backend: Backend;
let discord: FakeDiscord;
let env: Record<string, string>;
let collector: Daemon;
let state = tempDir();

/** A function as the command line calls it. */
async function asAdmin<T>(path: string, args: object): Promise<T> {
  const client = new ConvexHttpClient(backend.url, {
    logger: false,
  }) as unknown as {
    setAdminAuth(key: string): void;
    function(ref: unknown, component: undefined, args: unknown): Promise<T>;
  };
  client.setAdminAuth(backend.adminKey);
  return await client.function(makeFunctionReference(path), undefined, args);
}

async function signals(): Promise<Map<string, Signal>> {
  const { page } = await asAdmin<{ page: Signal[] }>("_system/cli/tableData", {
    table: "signals",
    order: "asc",
    paginationOpts: { numItems: 1000, cursor: null },
  });
  return new Map(page.map((signal) => [signal.messageId, signal]));
}

const signalOf = async (id: string) => (await signals()).get(id);

/** Until a signal says what it should. */
async function comesTo(
  id: string,
  what: string,
  is: (signal: Signal) => boolean,
): Promise<Signal> {
  await until(`${id} to be ${what}`, async () => {
    const signal = await signalOf(id);
    return signal !== undefined && is(signal);
  }).catch((error: unknown) => {
    throw new Error(`${error}; the log:\n${collector.log}`);
  });
  return (await signalOf(id))!;
}
const says = (id: string, content: string) =>
  comesTo(id, `"${content}"`, ({ body }) => body?.content === content);
const isGone = (id: string) =>
  comesTo(id, "deleted", (signal) => signal.state === "deleted");

async function write(
  content: string | undefined,
  more: object = {},
  channel = MAIN,
) {
  const { id } = await discord.control<{ id: string }>(
    "POST",
    `/channels/${channel}/messages`,
    { author_id: ANALYST, content, ...more },
  );
  return id;
}
const edit = (id: string, change: object, channel = MAIN) =>
  discord.control("PATCH", `/channels/${channel}/messages/${id}`, change);
const remove = (id: string, channel = MAIN) =>
  discord.control("DELETE", `/channels/${channel}/messages/${id}`);
const removeChannel = (id: string) =>
  discord.control("DELETE", `/channels/${id}`);
const startThread = async (name: string, channel = MAIN) =>
  (
    await discord.control<{ id: string }>(
      "POST",
      `/channels/${channel}/threads`,
      { author_id: ANALYST, name },
    )
  ).id;
const faults = (fault: object) => discord.control("POST", "/faults", fault);
const file = (filename: string) => ({
  filename,
  content_type: "text/plain",
  content_base64: Buffer.from("plan").toString("base64"),
});

const setUp = (sourceChannelId: string) =>
  asAdmin("channels:setUp", {
    community: "demo",
    sourceChannelId,
    mirrorChannelId: sourceChannelId.replace("11", "12"),
    name: sourceChannelId,
    enabled: true,
  });

async function start(): Promise<void> {
  collector = new Daemon("collector", { ...env, STATE_DIRECTORY: state });
  await until("a session", () =>
    /session resumed|gateway ready/.test(collector.log),
  );
}

/** Until a comparison that began after now is over. */
async function compared(): Promise<void> {
  const rounds = () =>
    collector.log.match(/compared with the source/g)?.length ?? 0;
  const sofar = rounds();
  await until(`a comparison:\n${collector.log}`, () => rounds() >= sofar + 2);
}

before(async () => {
  backend = await Backend.start();
  discord = await FakeDiscord.start();
  const key = await deploySchema(backend);
  await asAdmin("communities:setUp", {
    slug: "demo",
    name: "Demo",
    sourceGuildId: GUILD,
    customerGuildId: "1200000000000000001",
  });
  await setUp(MAIN);
  await setUp(SECOND);
  env = {
    CONVEX_URL: backend.url,
    SERVICE_KEY_FILE: key,
    INSTANCE: "test",
    DISCORD_API_URL: `${discord.url}/api/v10`,
    DISCORD_TOKEN: "collector-token",
    REPAIR_INTERVAL: "2",
  };
  await start();
});
afterEach(async () => await faults({ kind: "reset" }));
after(async () => {
  await collector.stop();
  await discord.close();
  await backend.close();
});

test("each kind of message becomes a signal with what it says", async () => {
  const sticker = await discord.control<{ id: string }>("POST", "/stickers", {
    ...{ guild_id: GUILD, name: "moon", format_type: 1 },
    content_base64: Buffer.from("png").toString("base64"),
  });
  const plain = await write("LONG BTC", {
    attachments: [file("SPOILER_plan.txt")],
  });
  const reply = await write("TP1 hit", {
    message_reference: { message_id: plain },
  });
  const forward = await write("", {
    message_reference: { type: 1, message_id: plain, channel_id: MAIN },
  });
  const stuck = await write("", { sticker_ids: [sticker.id] });
  const poll = await write("", {
    poll: {
      question: { text: "Where to?" },
      answers: ["up", "down"].map((text) => ({ poll_media: { text } })),
      duration: 1,
      allow_multiselect: true,
    },
  });
  const parts = await write(undefined, {
    flags: 1 << 15,
    components: [
      { type: 10, content: "ETH/USDT" },
      { type: 17, components: [{ type: 10, content: "entry 3000" }] },
    ],
  });
  const deferred = await write("", { loading: true });
  const joined = await write("joined", { type: 7 });
  const ours = await write("not ours to capture", { author_id: COLLECTOR });

  const said = (await says(plain, "LONG BTC")).body!;
  assert.equal(said.attachments[0]!.spoiler, true);
  assert.equal((await says(reply, "TP1 hit")).body!.replyToId, plain);
  const snapshot = (await says(forward, "LONG BTC")).body!;
  assert.equal(snapshot.kind, "forward");
  assert.equal(snapshot.attachments.length, 1);
  assert.equal((await says(stuck, "")).body!.stickers![0]!.name, "moon");
  const asked = (await says(poll, "")).body!.poll!;
  assert.deepEqual(asked.answers, ["up", "down"]);
  assert.equal(asked.question, "Where to?");
  await says(parts, "ETH/USDT\nentry 3000");
  await edit(deferred, { content: "filled in" });
  await says(deferred, "filled in");
  const known = await signals();
  assert.deepEqual(
    [known.get(joined), known.get(ours)],
    [undefined, undefined],
  );
});

test("a call is read as a trade, an edit anew, and its updates find it", async () => {
  const call = await write(
    "🚨 SOL/USDT LONG\nEntry 148,2\nTP 152 / 156\nSL 145",
  );
  const unread = await comesTo(call, "a trade", ({ trade }) => !!trade);
  assert.equal(unread.trade!.entries!.values[0], "148.2");
  await edit(call, {
    content: "🚨 SOL/USDT LONG\nEntry 148.2\nTP 152 / 156\nSL 144",
  });
  const { trade, body } = await comesTo(
    call,
    "read anew",
    (signal) => signal.trade?.stop === "144",
  );
  const said = (field: string) =>
    trade!.spans
      .filter((span) => span.field === field)
      .map((span) => body!.content.slice(span.start, span.end));
  assert.deepEqual(said("symbol"), ["SOL/USDT"]);
  assert.deepEqual(said("target"), trade!.targets);
  const reply = await write("TP1 ✅, stop to entry", {
    message_reference: { message_id: call },
  });
  const later = await write("SOL closed at 155.1, +4.6 %");
  const talk = await write("SOL looks strong, might see 170");
  const seen = await comesTo(talk, "seen", () => true);
  assert.equal(seen.trade, undefined);
  assert.deepEqual(
    await asAdmin("trades:links", { community: "demo", messageId: call }),
    {
      entries: [],
      updates: [
        { messageId: reply, found: "reply" },
        { messageId: later, found: "symbol" },
      ],
    },
  );
});

test("a pin, a publication, a thread and a preview make no new version", async () => {
  await faults({ kind: "unfurl", ms: 1 });
  const id = await write("see https://example.com/chart");
  const { version } = await says(id, "see https://example.com/chart");
  await edit(id, { pinned: true });
  await edit(id, { published: true });
  await discord.control("POST", `/channels/${MAIN}/threads`, {
    ...{ author_id: ANALYST, name: "talk", message_id: id },
  });
  await says(await write("after all that"), "after all that");
  assert.equal((await signalOf(id))!.version, version);
});

test("an update that tells only what changed of a message nobody knows brings all of it", async () => {
  await faults({ kind: "drop_dispatch", event: "MESSAGE_CREATE" });
  const id = await write("never told");
  await faults({ kind: "partial_update" });
  await edit(id, { content: "told in part" });
  await says(id, "told in part");
});

test("a thread's messages are its channel's, and are deleted with it", async () => {
  const thread = await startThread("talk");
  const inside = await write("in the thread", {}, thread);
  assert.equal((await says(inside, "in the thread")).threadId, thread);
  await collector.stop("SIGKILL");
  const later = await write("while away", {}, thread);
  await start(); // resumed: nobody tells of the thread again
  assert.equal((await says(later, "while away")).threadId, thread);
  await removeChannel(thread);
  await isGone(inside);
  await isGone(later);
});

test("a channel that is captured from now on brings no history, one deleted meanwhile takes its own", async () => {
  const old = await write("long ago", {}, THIRD);
  await setUp(THIRD);
  await until("two channels more", () => /count=3/.test(collector.log));
  const fresh = await write("from now on", {}, THIRD);
  await says(fresh, "from now on");
  await collector.stop("SIGKILL");
  const missed = await write("missed", {}, THIRD);
  await start();
  await says(missed, "missed");
  await compared();
  assert.equal(await signalOf(old), undefined);

  await collector.stop("SIGKILL");
  await discord.control("POST", "/settings", { session_ttl_ms: 1 });
  await removeChannel(THIRD);
  await discord.control("POST", "/settings", { session_ttl_ms: 120_000 });
  await start();
  await isGone(fresh);
  await isGone(missed);
  await says(await write("the others go on"), "the others go on");
});

test("ten minutes of outage with creates, edits and deletes are mended", async () => {
  const thread = await startThread("before", SECOND);
  const doomed = await startThread("to be deleted", SECOND);
  const cleared = await startThread("to be emptied", SECOND);
  const ids = [];
  for (let i = 0; i < 8; i++) ids.push(await write(`before ${i}`));
  const inThread = await write("in it", {}, thread);
  const stays = await write("stays in it", {}, thread);
  const inDoomed = await write("in it too", {}, doomed);
  const inCleared = await write("all there is in it", {}, cleared);
  await says(ids[7]!, "before 7");
  await says(stays, "stays in it");
  await says(inDoomed, "in it too");
  await says(inCleared, "all there is in it");

  await collector.stop("SIGKILL");
  await faults({ kind: "clock_skew", ms: 600_000 });
  await discord.control("POST", "/settings", { session_ttl_ms: 1 });
  await edit(ids[0]!, { content: "edited 0" });
  await edit(ids[1]!, { content: "edited twice" });
  await edit(ids[1]!, { content: "edited 1" });
  await remove(ids[2]!);
  await discord.control("POST", `/channels/${MAIN}/bulk-delete`, {
    messages: [ids[3], ids[4]],
  });
  await remove(ids[7]!); // the newest that is known
  await remove(inThread, thread);
  await removeChannel(doomed);
  for (const { id } of await discord.control<{ id: string }[]>(
    "GET",
    `/channels/${cleared}/messages`,
  ))
    await remove(id, cleared);
  const fresh = await startThread("made meanwhile", SECOND);
  const missed = [];
  for (let i = 0; i < 120; i++) missed.push(await write(`missed ${i}`));
  const inFresh = await write("in the new one", {}, fresh);
  const brief = await write("gone again");
  await remove(brief);
  await discord.control("POST", "/settings", { session_ttl_ms: 120_000 });
  await start();

  await says(ids[0]!, "edited 0");
  await says(ids[1]!, "edited 1");
  for (const i of [2, 3, 4, 7]) await isGone(ids[i]!);
  await isGone(inThread);
  await isGone(inDoomed);
  await isGone(inCleared);
  await says(inFresh, "in the new one");
  await says(missed[119]!, "missed 119");
  const known = await signals();
  for (const [i, id] of missed.entries())
    assert.equal(known.get(id)?.body?.content, `missed ${i}`);
  for (const i of [5, 6])
    assert.equal(known.get(ids[i]!)?.body?.content, `before ${i}`);
  assert.equal(known.get(stays)?.state, "live");
  assert.equal(known.get(brief), undefined);
});

test("dispatches that Discord lost are mended by the timer", async () => {
  const changed = await write("one");
  const lost = await write("two");
  await says(lost, "two");
  await faults({ kind: "drop_dispatch", count: 3 });
  await edit(changed, { content: "one, changed" });
  await remove(lost);
  const unseen = await write("three");
  await says(changed, "one, changed");
  await says(unseen, "three");
  await isGone(lost);
});

test("a role's change is looked at without asking for a channel again", async () => {
  const journal = (since: number) =>
    discord.control<{ last: number; entries: { path: string }[] }>(
      "GET",
      `/journal?since=${since}`,
    );
  const asked = async (since: number, path: RegExp) =>
    (await journal(since)).entries.filter((call) => path.test(call.path))
      .length;
  // a session that has just begun asks once more
  await until(
    "two changes that ask for the guild alone",
    async () => {
      const { last } = await journal(0);
      for (const round of [1, 2]) {
        // the second is asked for after all that the first took
        await discord.control("POST", "/roles", {
          ...{ guild_id: GUILD, id: "1100000000000000301", position: 1 },
          ...{ name: `role ${round}`, permissions: "0" },
        });
        await until(
          "the guild to be asked",
          async () => (await asked(last, /guilds\/\d+\/roles$/)) >= round,
          120_000,
        );
      }
      // the other one is empty, and comparisons ask whether that is so
      return (await asked(last, new RegExp(`channels/${MAIN}$`))) === 0;
    },
    120_000,
  );
});

test("a permission that was lost deletes nothing", async () => {
  const id = await write("stays");
  await says(id, "stays");
  const live = async () =>
    [...(await signals()).values()].filter((one) => one.state === "live")
      .length;
  const sofar = await live();
  const lost = { kind: "lose_permission", user_id: COLLECTOR };
  await faults({ ...lost, permissions: READ_HISTORY, channel_id: MAIN });
  await faults({ ...lost, channel_id: SECOND });
  await compared();
  assert.equal(await live(), sofar);
  await faults({ kind: "reset" });
  const rolesSay = async (bits: bigint) => {
    for (const [id, name, position] of [
      [GUILD, "@everyone", 0],
      ["1100000000000000201", "collector", 3],
    ] as const)
      await discord.control("POST", "/roles", {
        ...{ guild_id: GUILD, id, name, position },
        permissions: String(bits),
      });
  };
  await rolesSay(1n << 10n);
  await compared();
  assert.equal(await live(), sofar);
  await until("the log to say so", () =>
    /the bot lacks .*Read Message History/.test(collector.log),
  );
  await rolesSay((1n << 10n) | (1n << 16n));
  const next = await write("and goes on");
  await says(next, "and goes on");
});

test("a source guild that the bot is not in is named to the operator until it is", async () => {
  const guild = "1500000000000000001";
  const row = async () =>
    (
      await asAdmin<{
        page: { service: string; state: string; detail?: string }[];
      }>("_system/cli/tableData", {
        table: "services",
        paginationOpts: { numItems: 10, cursor: null },
      })
    ).page.find(({ service }) => service === "collector");
  const isSaid = (state: string, detail?: string) =>
    until(`"${state}: ${detail}"`, async () => {
      const said = await row();
      return said?.state === state && said.detail === detail;
    }).catch((error: unknown) => {
      throw new Error(`${error}; the log:\n${collector.log}`);
    });
  const missing = `the bot is not a member of source guild ${guild}: invite it there`;
  await isSaid("ready");
  await asAdmin("communities:setUp", {
    slug: "other",
    name: "Other",
    sourceGuildId: guild,
    customerGuildId: "1200000000000000001",
  });
  const channel = (enabled: boolean) =>
    asAdmin("channels:setUp", {
      community: "other",
      sourceChannelId: "1500000000000000101",
      mirrorChannelId: "1500000000000000102",
      name: "elsewhere",
      enabled,
    });
  await channel(true);
  await isSaid("degraded", missing);
  await collector.stop("SIGKILL");
  await start(); // a resumed session is not told of its guilds again
  await isSaid("degraded", missing);
  await discord.control("POST", "/guilds", {
    id: guild,
    name: "Elsewhere",
    owner_id: ANALYST,
  });
  await discord.control("PUT", `/guilds/${guild}/members/${COLLECTOR}`, {});
  await isSaid("ready");
  await discord.control("DELETE", `/guilds/${guild}/members/${COLLECTOR}`);
  await isSaid("degraded", missing);
  await channel(false);
  await isSaid("ready");
});

test("a new state directory, as after a lost disk, loses nothing and doubles nothing", async () => {
  const changed = await write("old words");
  const { version } = await says(changed, "old words");
  const known = (await signals()).size;
  await collector.stop("SIGKILL");
  const unseen = await write("while the disk was lost");
  state = tempDir();
  await start();
  await says(unseen, "while the disk was lost");
  assert.equal((await signals()).size, known + 1);
  assert.equal((await signalOf(changed))!.version, version);
});

test("a plugin's events and the gateway's come to the same signals", async () => {
  const port = await freePort();
  const token = "a secret of the plugin's own";
  const { DISCORD_TOKEN: _, ...rest } = env;
  const plugin = new Daemon("collector", {
    ...{ ...rest, INSTANCE: "plugin", STATE_DIRECTORY: tempDir() },
    ...{ PLUGIN_LISTEN: `127.0.0.1:${port}`, PLUGIN_TOKEN: token },
  });
  const ask = async (body: string, more: Record<string, string> = {}) => {
    const response = await fetch(`http://127.0.0.1:${port}/events`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${token}`,
        "content-type": "application/json",
        ...more,
      },
      body,
    }).catch(() => null);
    return {
      status: response?.status ?? 0,
      error: (await response?.text()) ?? "",
    };
  };
  try {
    await until(
      "the plugin's door",
      async () => (await ask("{}")).status === 400,
    );
    const refusals: [string, Record<string, string>, number, RegExp][] = [
      ["{}", { authorization: `Bearer ${token}x` }, 401, /token/],
      ["{}", { authorization: "Bearer " }, 401, /token/],
      ["{}", { origin: "https://discord.com" }, 403, /web pages/],
      ["{}", { "content-type": "text/plain" }, 415, /content-type/],
      ['{"events":[{"name":"X"}]}', {}, 400, /events\[0\]\.name/],
      [`{"events":["${"x".repeat(1 << 20)}"]}`, {}, 413, /1 MiB/],
    ];
    for (const [body, headers, status, why] of refusals) {
      const answer = await ask(body, headers);
      assert.deepEqual([answer.status, why.test(answer.error)], [status, true]);
    }

    const where = {
      guilds: new Set([GUILD]),
      channelOf: () => ({ guildId: GUILD }),
    };
    const answers: Answer[] = [];
    const queue = new Queue({
      post: async (body) => {
        const answer = await ask(body);
        answers.push(answer);
        return answer;
      },
      load: async () => [],
      store: async () => {},
      sleep: async () => {},
      report: (problem) => assert.fail(problem),
    });
    const tell = async (action: Action) => {
      const event = eventOf(action, where, Date.now());
      if (event) await queue.add(event);
    };
    const message = async (id: string) =>
      (
        await discord.control<({ id: string } & Record<string, unknown>)[]>(
          "GET",
          `/channels/${MAIN}/messages`,
        )
      ).find((one) => one.id === id)!;

    await faults({ kind: "drop_dispatch", event: "MESSAGE_CREATE" });
    const onlyPlugin = await write("only the plugin saw it");
    const both = await write("both saw it");
    const known = await says(both, "both saw it");
    for (const id of [onlyPlugin, both, both])
      await tell({ type: "MESSAGE_CREATE", message: await message(id) });
    await says(onlyPlugin, "only the plugin saw it");
    assert.equal((await signalOf(both))!.version, known.version);
    await edit(both, { content: "both saw it change" });
    await tell({ type: "MESSAGE_UPDATE", message: await message(both) });
    await says(both, "both saw it change");
    await remove(both);
    await tell({ type: "MESSAGE_DELETE", id: both, channelId: MAIN });
    await isGone(both);
    assert.ok(answers.every(({ status }) => status === 200));
    assert.equal(queue.length, 0);
  } finally {
    await plugin.stop();
  }
  assert.equal(plugin.exit!.code, 0);
  assert.ok(!plugin.log.includes(token), "the token is in the log");
});
