// Collector and bot between a real (fake) Discord and a real backend: what they capture,
// what they post, and what a kill or a fault leaves behind.
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { ConvexHttpClient } from "convex/browser";
import { makeFunctionReference } from "convex/server";
import {
  Backend,
  Daemon,
  deploySchema,
  FakeDiscord,
  tempDir,
  until,
} from "./harness";

const SOURCE = "1100000000000000101";
const MIRROR = "1200000000000000101";
const ANALYST = "1400000000000000001";

interface Message {
  id: string;
  content: string;
  attachments: { filename: string; size: number }[];
  message_reference?: { message_id?: string };
}

let backend: Backend;
let discord: FakeDiscord;
let env: Record<string, string>;
let collector: Daemon;
let bot: Daemon;
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

function start(name: "collector" | "bot"): Daemon {
  return new Daemon(name, {
    ...env,
    STATE_DIRECTORY: states[name],
    DISCORD_TOKEN: `${name}-token`,
  });
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
  await internal("channels:setUp", {
    community: "demo",
    sourceChannelId: SOURCE,
    mirrorChannelId: MIRROR,
    name: "vip-signals",
    enabled: true,
  });
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
  const journal = await discord.control<
    { method: string; path: string; body?: { allowed_mentions?: unknown } }[]
  >("GET", "/journal?since=0");
  const entries = Array.isArray(journal)
    ? journal
    : (journal as { entries: typeof journal }).entries;
  const writes = entries.filter(
    (entry) =>
      ["POST", "PATCH"].includes(entry.method) && /\/messages/.test(entry.path),
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

test("no token is ever in a log", () => {
  for (const daemon of [collector, bot]) {
    assert.doesNotMatch(daemon.log, /collector-token|bot-token/);
    assert.doesNotMatch(daemon.log, /eyJ[A-Za-z0-9_-]{10,}/);
  }
});
