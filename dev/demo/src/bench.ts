// ./run bench pipeline: the hops at several rates under Discord's limits, next to floors in the
// same run: how long the fake Discord takes to hand a message to a bare gateway client, and to
// take a bare POST; and what the limits alone make the same messages wait. What was waiting for
// Discord is told apart from our own time.
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { WebSocket } from "ws";
import type { Options } from "./options";
import { Discord, snowflakeTime, type Message } from "./discord";
import { HOPS, Latency, percentile } from "./latency";
import { leastWaits } from "./limits";
import { playLoad } from "./load";
import { CHANNELS, COMMUNITY, GUILDS, type Stack } from "./stack";
import { hopsOf, settle, type Pair } from "./check";
import { Viewer } from "./viewer";

interface Load {
  perSecond: number;
  seconds: number;
  channels: number;
}

// Discord takes about one message a second in a channel, so that a load needs as many channels.
const MOST_CHANNELS = 60;
const WARM_UP: Load = { perSecond: 20, seconds: 10, channels: MOST_CHANNELS };
const LOADS: Load[] = [
  { perSecond: 1, seconds: 60, channels: 60 },
  { perSecond: 20, seconds: 30, channels: 60 },
  { perSecond: 50, seconds: 20, channels: 60 }, // all that Discord takes of a bot
  { perSecond: 3, seconds: 10, channels: 1 }, // three times what one channel may have
];
const SETTLE_MS = 120_000;
const LOOK_MS = 1000; // seldom, for looking takes part of what is measured
const PROCESSES = ["backend", "discord", "collector", "bot"];
const FLOOR_POSTS = 50;
const FROM_SOURCE = HOPS.filter((hop) => hop.startsWith("source"));

const SOURCE_GUILD = "1100000000000000001"; // of the fake's own scenario
const FLOOR_BOT = {
  id: "1300000000000000099",
  username: "floor",
  token: "floor-token",
  intents: ["MESSAGE_CONTENT"],
};
const INTENTS = (1 << 0) | (1 << 9) | (1 << 15); // guilds, their messages, content

/** A gateway client that does nothing but note when a message arrives; a bot of its own. */
class Floor {
  readonly arrivals = new Map<string, number>(); // message id -> ms
  private sequence: number | null = null;
  private beat: NodeJS.Timeout | undefined;
  private ready: () => void = () => undefined;

  private constructor(private readonly socket: WebSocket) {
    socket.on("message", (data: Buffer) => {
      const now = Date.now();
      this.take(JSON.parse(data.toString()) as Frame, now);
    });
  }

  static async open(discordUrl: string): Promise<Floor> {
    await put("POST", `${discordUrl}/control/users`, FLOOR_BOT);
    await put(
      "PUT",
      `${discordUrl}/control/guilds/${SOURCE_GUILD}/members/${FLOOR_BOT.id}`,
      {},
    );
    const gateway = await fetch(`${discordUrl}/api/v10/gateway/bot`, {
      headers: {
        authorization: `Bot ${FLOOR_BOT.token}`,
        "user-agent": "DiscordBot (https://example.invalid, 1)",
      },
    });
    const { url } = (await gateway.json()) as { url: string };
    const floor = new Floor(new WebSocket(`${url}/?v=10&encoding=json`));
    await Promise.race([
      new Promise<void>((resolve) => (floor.ready = resolve)),
      once(floor.socket, "close").then(([code]: unknown[]) => {
        throw new Error(`the floor's gateway closed: ${String(code)}`);
      }),
    ]);
    return floor;
  }

  private take(frame: Frame, now: number): void {
    this.sequence = frame.s ?? this.sequence;
    if (frame.op === 10) this.begin(frame.d.heartbeat_interval!);
    else if (frame.t === "READY") this.ready();
    else if (frame.t === "MESSAGE_CREATE") this.arrivals.set(frame.d.id!, now);
  }

  private begin(heartbeatMs: number): void {
    const send = (op: number, d: unknown) =>
      this.socket.send(JSON.stringify({ op, d }));
    this.beat = setInterval(() => send(1, this.sequence), heartbeatMs);
    send(2, {
      token: FLOOR_BOT.token,
      intents: INTENTS,
      properties: { os: "linux", browser: "floor", device: "floor" },
    });
  }

  async close(): Promise<void> {
    clearInterval(this.beat);
    const closed = once(this.socket, "close");
    this.socket.close(1000);
    await closed;
  }
}

interface Frame {
  op: number;
  t: string | null;
  s: number | null;
  d: { id?: string; heartbeat_interval?: number };
}

async function put(method: string, url: string, body: object): Promise<void> {
  const response = await fetch(url, {
    method,
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  if (!response.ok)
    throw new Error(
      `${method} ${url}: ${response.status} ${await response.text()}`,
    );
}

/** The demo's channels and further ones, each with its mirror. */
async function widen(stack: Stack, discord: Discord): Promise<Pair[]> {
  const all: Pair[] = [...CHANNELS];
  for (let i = all.length; i < MOST_CHANNELS; i++) {
    const name = `bench-${i}`;
    const { id: source } = await discord.addChannel(GUILDS.source, name);
    const { id: mirror } = await discord.addChannel(GUILDS.customer, name);
    await stack.callInternal("channels:setUp", {
      community: COMMUNITY,
      ...{ sourceChannelId: source, mirrorChannelId: mirror, name },
      enabled: true,
    });
    all.push({ name, source, mirror });
  }
  return all;
}

/** When the bot's creates waited for Discord's limits, by channel. */
class Waits {
  private readonly spans = new Map<string, { from: number; to: number }[]>();

  constructor(log: string) {
    const line =
      /time=(\S+) .*msg="a message was created" channel=(\d+) message=\d+ limited_ms=(\d+) elapsed_ms=(\d+)/g;
    for (const [, time, channel, limited, elapsed] of log.matchAll(line)) {
      const from = Date.parse(time!) - Number(elapsed);
      const list = this.spans.get(channel!) ?? [];
      list.push({ from, to: from + Number(limited) });
      this.spans.set(channel!, list);
    }
  }

  /** How long a channel's posts waited between two times: each holds those behind it. */
  between(channel: string, from: number, to: number): number {
    return (this.spans.get(channel) ?? []).reduce(
      (sum, span) =>
        sum + Math.max(0, Math.min(to, span.to) - Math.max(from, span.from)),
      0,
    );
  }
}

/** How long a bare POST of a message takes, one after the other, where no limit is met. */
async function floorOfPosts(stack: Stack, channel: string): Promise<number[]> {
  const times: number[] = [];
  for (let i = 0; i < FLOOR_POSTS; i++) {
    const began = performance.now();
    const answer = await fetch(
      `${stack.discordUrl}/api/v10/channels/${channel}/messages`,
      {
        method: "POST",
        headers: {
          authorization: "Bot bot-token",
          "user-agent": "DiscordBot (https://example.invalid, 1)",
          "content-type": "application/json",
        },
        body: JSON.stringify({ content: `floor ${i}` }),
      },
    );
    if (!answer.ok) throw new Error(`floor: ${await answer.text()}`);
    await answer.arrayBuffer();
    times.push(performance.now() - began);
  }
  return times.sort((a, b) => a - b);
}

export async function runBench(
  stack: Stack,
  options: Options,
  interrupt: AbortController,
): Promise<boolean> {
  const { signal } = interrupt;
  const discord = new Discord(stack.discordUrl);
  const floor = await Floor.open(stack.discordUrl);
  const { id: aside } = await discord.addChannel(GUILDS.customer, "floor");
  const posts = await floorOfPosts(stack, aside);
  const bench = new Bench(stack, discord, await widen(stack, discord), floor);
  await bench.play(WARM_UP, options.seed, signal);
  await discord.set({ limits: "discord" });
  process.stdout.write(
    `${cpus().length} cores, Node ${process.versions.node}, load at the start ${loadavg()[0]!.toFixed(2)}\n` +
      `Discord's limits: 5 creates in 5 s for each channel, 50 requests a second in all\n` +
      `floor: bare POST        p50 ${percentile(posts, 50).toFixed(1)} ms, p95 ${percentile(posts, 95).toFixed(1)} ms, p99 ${percentile(posts, 99).toFixed(1)} ms\n`,
  );
  const all: [Load, Parts][] = [];
  for (const load of LOADS) {
    if (signal.aborted) break;
    all.push([load, await bench.measure(load, options.seed, signal)]);
  }
  printParts(all);
  await floor.close();
  return bench.problems === 0;
}

/** What captured to posted is made of, ms, and what the limits alone would have made of it. */
interface Parts {
  whole: number[];
  ours: number[];
  waiting: number[];
  least: number[];
}

class Bench {
  problems = 0;

  constructor(
    private readonly stack: Stack,
    private readonly discord: Discord,
    private readonly channels: Pair[],
    private readonly floor: Floor,
  ) {}

  /** Writes the messages and waits until they are all posted. */
  async play(load: Load, seed: number, signal: AbortSignal) {
    const { perSecond, seconds } = load;
    const channels = this.channels.slice(0, load.channels);
    const written = await playLoad(this.discord, {
      count: perSecond * seconds,
      ...{ perSecond, seed, channels, signal },
    });
    return {
      written,
      ends: await settle(this.discord, channels, SETTLE_MS, LOOK_MS),
    };
  }

  async measure(load: Load, seed: number, signal: AbortSignal): Promise<Parts> {
    const viewer = new Viewer(this.stack, false);
    const before = this.cpu();
    const { written, ends } = await this.play(load, seed, signal);
    const after = this.cpu();
    await viewer.close();
    this.problems += ends.length;
    process.stdout.write(
      `\n${written.length} messages at ${nameOf(load)}; ends ${ends.length === 0 ? "equal" : `DIFFER: ${ends[0]!}`}\n`,
    );
    const hops = await hopsOf(this.stack);
    const latency = new Latency();
    for (const { id } of written) {
      const row = hops.get(id);
      if (row) latency.addTimes({ ...row, seenAt: viewer.seenAt.get(id) });
    }
    print(latency, this.floorsOf(written));
    const used = PROCESSES.map(
      (name, i) =>
        `${name} ${((after[i]! - before[i]!) / written.length).toFixed(1)}`,
    );
    process.stdout.write(`CPU of a message, ms: ${used.join(", ")}\n`);
    return this.partsOf(written, hops);
  }

  private cpu(): number[] {
    return PROCESSES.map(
      (name) => this.stack.children.get(name)?.cpuMs() ?? NaN,
    );
  }

  private floorsOf(written: Message[]): number[] {
    const { arrivals } = this.floor;
    return written
      .filter(({ id }) => arrivals.has(id))
      .map(({ id }) => arrivals.get(id)! - snowflakeTime(id))
      .sort((a, b) => a - b);
  }

  private partsOf(
    written: Message[],
    hops: Awaited<ReturnType<typeof hopsOf>>,
  ): Parts {
    const log = this.stack.child("bot").logFile;
    const waits = new Waits(readFileSync(log, "utf8"));
    const mirrorOf = new Map(this.channels.map((c) => [c.source, c.mirror]));
    const parts: Parts = { whole: [], ours: [], waiting: [], least: [] };
    const posts: { channel: string; at: number }[] = [];
    for (const { id, channel_id } of written) {
      const row = hops.get(id);
      if (row?.postedAt === undefined) continue;
      const channel = mirrorOf.get(channel_id)!;
      const whole = row.postedAt - row.capturedAt;
      const wait = waits.between(channel, row.committedAt, row.postedAt);
      parts.whole.push(whole);
      parts.waiting.push(wait);
      parts.ours.push(whole - wait);
      posts.push({ channel, at: row.capturedAt });
    }
    return { ...parts, least: leastWaits(posts) };
  }
}

const nameOf = ({ perSecond, channels }: Load): string =>
  `${perSecond}/s in ${channels} ${channels === 1 ? "channel" : "channels"}`;

function printParts(all: [Load, Parts][]): void {
  const cells = (list: number[]) => {
    const sorted = [...list].sort((a, b) => a - b);
    return [50, 95, 99]
      .map((p) => percentile(sorted, p).toFixed(0).padStart(7))
      .join("");
  };
  const heads = ["whole", "our own time", "waiting", "limits alone"];
  const line = (name: string, columns: string[]) =>
    `${name.padEnd(20)}${columns
      .map((text) => text.padEnd(23))
      .join("")
      .trimEnd()}\n`;
  process.stdout.write(
    `\n${line(
      "captured to posted,",
      heads.map((head) => head.padStart(21)),
    )}` +
      line("ms: p50, p95, p99", []) +
      all
        .map(([load, { whole, ours, waiting, least }]) =>
          line(nameOf(load), [whole, ours, waiting, least].map(cells)),
        )
        .join("") +
      `waiting: for Discord's limits, behind others of the channel too; limits alone: what they would make\n` +
      `these messages wait if nothing else took any time, which is the bound\n`,
  );
}

function print(latency: Latency, floors: number[]): void {
  const cells = [
    floors.length,
    ...[50, 95, 99, 100].map((p) => percentile(floors, p)),
  ];
  process.stdout.write(
    `${latency.table().join("\n")}\n` +
      `${"floor: bare gateway".padEnd(24)}${cells.map((n) => String(n).padStart(8)).join("")}\n`,
  );
  // the clocks have whole milliseconds, so a floor of 0 counts as 1
  const over = (p: number) => Math.max(1, percentile(floors, p));
  for (const hop of FROM_SOURCE) {
    const { p50, p95 } = latency.row(hop);
    process.stdout.write(
      `${hop}: ${(p50 / over(50)).toFixed(1)}x the floor at p50, ${(p95 / over(95)).toFixed(1)}x at p95\n`,
    );
  }
}
