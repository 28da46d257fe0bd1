// Collector and bot between a real (fake) Discord and a real backend: what they capture,
// what they post, and what a kill or a fault leaves behind.
import assert from "node:assert/strict";
import { readdirSync, realpathSync, statSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { ConvexHttpClient } from "convex/browser";
import { makeFunctionReference } from "convex/server";
import {
  Backend,
  binary,
  Daemon,
  deploySchema,
  FakeDiscord,
  tempDir,
  until,
} from "./harness";

const SOURCE = "1100000000000000101";
const MIRROR = "1200000000000000101";
const OTHER_SOURCE = "1100000000000000102";
const OTHER_MIRROR = "1200000000000000102";
const ANALYST = "1400000000000000001";
const SOURCE_GUILD = "1100000000000000001";
const SOURCE_BOT = "1300000000000000077"; // of the source guild, not ours

interface Message {
  id: string;
  content: string;
  attachments: { filename: string; size: number }[];
  embeds: { title?: string; description?: string }[];
  message_reference?: { message_id?: string };
}

interface Call {
  id?: number;
  method: string;
  path: string;
  body?: { allowed_mentions?: unknown };
}

let backend: Backend;
let discord: FakeDiscord;
let env: Record<string, string>;
let collector: Daemon;
let bot: Daemon;
const started: Daemon[] = [];
const states = { collector: tempDir(), bot: tempDir() };

async function internal(path: string, args: object): Promise<unknown> {
  const client = new ConvexHttpClient(backend.url, {
    logger: false,
  }) as unknown as {
    setAdminAuth(key: string): void;
    function(
      ref: unknown,
      component: undefined,
      args: unknown,
    ): Promise<unknown>;
  };
  client.setAdminAuth(backend.adminKey);
  return await client.function(makeFunctionReference(path), undefined, args);
}

function start(
  name: "collector" | "bot",
  more: Record<string, string> = {},
): Daemon {
  const daemon = new Daemon(name, {
    ...env,
    ...more,
    STATE_DIRECTORY: states[name],
    DISCORD_TOKEN: `${name}-token`,
  });
  started.push(daemon);
  return daemon;
}

const setUp = (channel: string, mirror: string, enabled: boolean) =>
  internal("channels:setUp", {
    community: "demo",
    sourceChannelId: channel,
    mirrorChannelId: mirror,
    name: channel === SOURCE ? "vip-signals" : "scalps",
    enabled,
  });

async function calls(): Promise<Call[]> {
  const journal = await discord.control<Call[] | { entries: Call[] }>(
    "GET",
    "/journal?since=0",
  );
  return Array.isArray(journal) ? journal : journal.entries;
}

/** Until `daemon` has said `what` once more than so far. */
function says(daemon: Daemon, what: RegExp): () => Promise<void> {
  const count = () => daemon.log.match(new RegExp(what, "g"))?.length ?? 0;
  const before = count();
  return () => until(`the log to say ${what}`, () => count() > before);
}

const write = (content: string, more: object = {}): Promise<Message> =>
  discord.control("POST", `/channels/${SOURCE}/messages`, {
    author_id: ANALYST,
    content,
    ...more,
  });
const edit = (id: string, content: string): Promise<Message> =>
  discord.control("PATCH", `/channels/${SOURCE}/messages/${id}`, { content });
const remove = (id: string): Promise<void> =>
  discord.control("DELETE", `/channels/${SOURCE}/messages/${id}`);
const mirrored = (): Promise<Message[]> =>
  discord.control("GET", `/channels/${MIRROR}/messages`);
const source = (): Promise<Message[]> =>
  discord.control("GET", `/channels/${SOURCE}/messages`);
const faults = (fault: object): Promise<void> =>
  discord.control("POST", "/faults", fault);

const texts = (messages: Message[]): string[] =>
  messages.map((message) => message.content);

/** Until the mirror's texts are the source's, in order. */
async function equalEnds(): Promise<void> {
  const wanted = texts(await source());
  await until("the mirror to be equal to the source", async () => {
    return JSON.stringify(texts(await mirrored())) === JSON.stringify(wanted);
  }).catch(() => undefined);
  assert.deepEqual(texts(await mirrored()), wanted);
}

before(async () => {
  backend = await Backend.start();
  discord = await FakeDiscord.start();
  const key = await deploySchema(backend);
  await internal("communities:setUp", {
    slug: "demo",
    name: "Demo",
    sourceGuildId: "1100000000000000001",
    customerGuildId: "1200000000000000001",
  });
  await setUp(SOURCE, MIRROR, true);
  env = {
    CONVEX_URL: backend.url,
    SERVICE_KEY_FILE: key,
    INSTANCE: "test",
    DISCORD_API_URL: `${discord.url}/api/v10`,
  };
  collector = start("collector");
  bot = start("bot");
  await until("the collector's session", () =>
    /gateway ready/.test(collector.log),
  );
});
afterEach(async () => await faults({ kind: "reset" }));
after(async () => {
  await collector.stop();
  await bot.stop();
  await discord.close();
  await backend.close();
});

test("a message is mirrored, edited and deleted with its source", async () => {
  const first = await write("BTC/USDT long\nentry 64000");
  const second = await write("stays");
  await equalEnds();
  await edit(first.id, "BTC/USDT long\nentry 64100 (corrected)");
  await equalEnds();
  await remove(first.id);
  await equalEnds();
  assert.equal((await mirrored()).at(-1)!.content, second.content);
});

test("a message that is edited and deleted at once ends right", async () => {
  const a = await write("edited at once");
  await edit(a.id, "edited at once: final");
  const b = await write("deleted at once");
  await remove(b.id);
  await equalEnds();
});

test("a bulk delete empties the mirror of just those", async () => {
  const gone = await Promise.all(
    ["x1", "x2", "x3", "x4", "x5"].map((t) => write(t)),
  );
  await write("remains");
  await equalEnds();
  await discord.control("POST", `/channels/${SOURCE}/bulk-delete`, {
    messages: gone.map((message) => message.id),
  });
  await equalEnds();
});

test("a reply is a reply to our post, and a file comes along", async () => {
  const target = await write("signal");
  await equalEnds();
  await write("TP1 hit", {
    message_reference: { message_id: target.id },
    attachments: [
      {
        filename: "chart.png",
        content_type: "image/png",
        content_base64: Buffer.alloc(2048, 7).toString("base64"),
      },
    ],
  });
  await equalEnds();
  const posts = await mirrored();
  assert.equal(posts.at(-1)!.message_reference?.message_id, posts.at(-2)!.id);
  assert.deepEqual(
    posts.at(-1)!.attachments.map((file) => [file.filename, file.size]),
    [["chart.png", 2048]],
  );
});

test("a text of more than 2000 characters is split in order, and an edit that shortens it leaves one post", async () => {
  const long = Array.from(
    { length: 75 },
    (_, i) => `line ${i} of a long analysis, with numbers ${i * 7}`,
  ).join("\n");
  const before = (await mirrored()).length;
  const message = await write(long);
  await until(
    "two posts",
    async () => (await mirrored()).length === before + 2,
  );
  assert.equal(texts((await mirrored()).slice(before)).join("\n"), long);
  await edit(message.id, "short now");
  await equalEnds();
});

test("nobody is pinged by what we post", async () => {
  await write("@everyone look <@1400000000000000002> <@&1200000000000000201>");
  await equalEnds();
  const writes = (await calls()).filter(
    (call) =>
      ["POST", "PATCH"].includes(call.method) && /\/messages/.test(call.path),
  );
  assert.ok(writes.length > 0);
  for (const entry of writes)
    assert.deepEqual(
      entry.body?.allowed_mentions,
      { parse: [] },
      JSON.stringify(entry),
    );
});

test("a dropped gateway, a 502 after the post was made, and rate limits neither lose nor double anything", async () => {
  await faults({ kind: "rest_502_after_commit", count: 2 });
  await write("after a 502");
  await faults({ kind: "drop_gateway" });
  for (let i = 0; i < 5; i++) await write(`while the gateway is down ${i}`);
  await faults({ kind: "rest_429", count: 2, retry_after: 0.3 });
  await write("after a 429");
  await equalEnds();
});

for (const name of ["collector", "bot"] as const)
  test(`${name}: killed (kill -9) again and again under load, nothing is lost or doubled`, async () => {
    for (let round = 0; round < 4; round++) {
      const wrote = Promise.all(
        Array.from({ length: 8 }, (_, i) => write(`${name} ${round}.${i}`)),
      );
      const daemon = name === "collector" ? collector : bot;
      await daemon.stop("SIGKILL");
      await wrote;
      if (name === "collector") collector = start("collector");
      else bot = start("bot");
    }
    await equalEnds();
  });

test("the backend killed (kill -9) in between: all of it arrives afterwards", async () => {
  const wrote = Promise.all(
    Array.from({ length: 10 }, (_, i) => write(`backend ${i}`)),
  );
  await backend.killAndReopen();
  await wrote;
  await equalEnds();
});

test("a rate limit that outlasts the lease puts the lane off; nothing is doubled or out of order", async () => {
  await faults({
    kind: "rest_429",
    route: "POST /channels/:channel/messages",
    count: 2,
    retry_after: 9,
  });
  for (let i = 0; i < 4; i++) await write(`behind the limit ${i}`);
  await equalEnds();
});

for (const name of ["collector", "bot"] as const)
  test(`${name}: SIGTERM ends it at once with status 0, and what was under way is mirrored by the next life`, async () => {
    for (let i = 0; i < 8; i++) await write(`${name} stops ${i}`);
    const daemon = name === "collector" ? collector : bot;
    await daemon.stop("SIGTERM");
    assert.deepEqual(daemon.exit, { code: 0, signal: null }, daemon.log);
    await write(`${name} was away`);
    if (name === "collector") collector = start("collector");
    else bot = start("bot");
    await equalEnds();
  });

test("a second collector on the same state directory is refused with a clear line", async () => {
  const second = start("collector");
  assert.equal(await second.ended(), 1);
  assert.match(second.log, /level=error .*cannot open the outbox.*why=/);
  await write("the first one goes on");
  await equalEnds();
});

test("a full outbox stops the reading, and nothing is lost once the backend is back", async () => {
  await collector.stop();
  collector = start("collector", { OUTBOX_MAX_ENTRIES: "3" });
  await says(collector, /gateway (session resumed|ready)/)();
  await backend.end();
  let i = 0;
  await until("the outbox to be full", async () => {
    await write(`more than fits ${i++}`);
    return /cannot keep events/.test(collector.log);
  });
  await backend.open();
  await equalEnds();
  await collector.stop();
  collector = start("collector");
});

test("a disk that the outbox has filled: it is emptied by itself, also after a kill, then reading goes on", async () => {
  await collector.stop();
  const folder = states.collector;
  const used = readdirSync(folder).reduce(
    (sum, name) => sum + statSync(join(folder, name)).size,
    0,
  );
  const small = {
    LD_PRELOAD: binary("small_disk.so"),
    SMALL_DISK: `${used + 1_400_000}:${realpathSync(folder)}`,
    ASAN_OPTIONS: "verify_asan_link_order=0",
  };
  collector = start("collector", small);
  await says(collector, /gateway (session resumed|ready)/)();
  await backend.end();
  const isFull = () =>
    /cannot keep events.* why="the disk is full"/.test(collector.log);
  const { id } = await write("begins small");
  let i = 0;
  await until("the disk to be full", async () => {
    await edit(id, `${i++} ${"€".repeat(1900)}`);
    return isFull();
  });
  await collector.stop("SIGKILL");
  collector = start("collector", small);
  await until("the next life to find it full", isFull);
  await backend.open();
  await until("events to be kept", () => /kept again/.test(collector.log));
  await write("after the disk was full");
  await equalEnds();
  await collector.stop();
  collector = start("collector");
});

test("a channel that is switched off is not captured, and on again goes on from there", async () => {
  const other = (content: string): Promise<Message> =>
    discord.control("POST", `/channels/${OTHER_SOURCE}/messages`, {
      author_id: ANALYST,
      content,
    });
  const posts = (): Promise<Message[]> =>
    discord.control("GET", `/channels/${OTHER_MIRROR}/messages`);
  for (const [enabled, content] of [
    [true, "on"],
    [false, "off"],
    [true, "on again"],
  ] as const) {
    const told = says(
      collector,
      enabled ? /to capture" count=2/ : /to capture" count=1/,
    );
    await setUp(OTHER_SOURCE, OTHER_MIRROR, enabled);
    await told();
    await other(content);
    await write(`beside: ${content}`);
    await equalEnds();
  }
  await until("the second post", async () => (await posts()).length === 2);
  assert.deepEqual(texts(await posts()), ["on", "on again"]);
});

test("Discord restarted in the middle: what was written before and after is there once", async () => {
  for (let i = 0; i < 4; i++) await write(`before the restart ${i}`);
  await discord.end("SIGKILL");
  await discord.open();
  for (let i = 0; i < 4; i++) await write(`after the restart ${i}`);
  await equalEnds();
});

test("a session ended by Discord: messages of the gap are read from the history, in order", async () => {
  const anew = says(collector, /gateway ready in a new session/);
  await faults({ kind: "invalidate_sessions" });
  for (let i = 0; i < 6; i++) await write(`in the gap ${i}`);
  await anew();
  await write("after the gap");
  await equalEnds();
});

test("a session lost while the collector was away: a gap of more than one page is read whole", async () => {
  await collector.stop();
  await faults({ kind: "invalidate_sessions" });
  for (let i = 0; i < 130; i++) await write(`away ${i}`);
  collector = start("collector");
  await equalEnds();
});

test("killed while it reads a gap, the collector reads it to the end in its next life", async () => {
  await collector.stop();
  await faults({ kind: "invalidate_sessions" });
  for (let i = 0; i < 5; i++) await write(`gap and kill ${i}`);
  await faults({
    kind: "rest_502",
    route: "GET /channels/:channel/messages",
    count: 50,
  });
  collector = start("collector");
  await says(collector, /gateway ready in a new session/)();
  await collector.stop("SIGKILL");
  await faults({ kind: "reset" });
  collector = start("collector");
  await equalEnds();
});

test("the embed of a bot's message is mirrored, and edited with it", async () => {
  await discord.control("POST", "/users", {
    ...{ id: SOURCE_BOT, username: "analyst-bot", bot: true },
  });
  await discord.control(
    "PUT",
    `/guilds/${SOURCE_GUILD}/members/${SOURCE_BOT}`,
    {},
  );
  const message = await write("", {
    author_id: SOURCE_BOT,
    embeds: [{ title: "ETH/USDT", description: "entry 3000" }],
  });
  const embed = async (): Promise<string> => {
    const { title, description } = (await mirrored()).at(-1)?.embeds[0] ?? {};
    return `${title}: ${description}`;
  };
  const shows = (text: string): Promise<void> =>
    until(text, async () => (await embed()) === text);
  await shows("ETH/USDT: entry 3000");
  await discord.control("PATCH", `/channels/${SOURCE}/messages/${message.id}`, {
    embeds: [{ title: "ETH/USDT", description: "entry 3100" }],
  });
  await shows("ETH/USDT: entry 3100");
});

test("a link's preview, which resolves later, changes no post", async () => {
  const patches = async (): Promise<number> =>
    (await calls()).filter(({ method }) => method === "PATCH").length;
  const before = await patches();
  await faults({ kind: "unfurl", ms: 1 });
  await write("see https://example.com/chart");
  const shown = await write("the next one");
  await until("the preview", async () =>
    (await source()).some(
      ({ id, embeds }) => id !== shown.id && embeds.length > 0,
    ),
  );
  await write("and one after it");
  await equalEnds();
  assert.equal(await patches(), before);
});

test("an update that carries only what changed keeps the rest", async () => {
  const message = await write("keeps its text", {
    attachments: [
      {
        filename: "plan.txt",
        content_type: "text/plain",
        content_base64: Buffer.from("plan").toString("base64"),
      },
    ],
  });
  await equalEnds();
  await faults({ kind: "partial_update" });
  await discord.control("PATCH", `/channels/${SOURCE}/messages/${message.id}`, {
    embeds: [{ title: "a preview" }],
  });
  await write("after the preview");
  await equalEnds();
  await faults({ kind: "partial_update" });
  await edit(message.id, "another text");
  await equalEnds();
  assert.equal((await mirrored()).at(-2)?.attachments.length, 1);
});

test("no token is ever in a log", () => {
  for (const daemon of started) {
    assert.doesNotMatch(daemon.log, /collector-token|bot-token/);
    assert.doesNotMatch(daemon.log, /eyJ[A-Za-z0-9_-]{10,}/);
  }
});

test("every end by SIGTERM was a clean one", async () => {
  await collector.stop();
  await bot.stop();
  for (const daemon of [collector, bot])
    assert.deepEqual(daemon.exit, { code: 0, signal: null }, daemon.log);
  for (const daemon of started)
    assert.doesNotMatch(daemon.log, /Sanitizer|runtime error/);
});
