// ./run bench pipeline: the hops at several rates, next to a floor in the same run: how
// long the fake Discord takes to hand a message to a bare gateway client.
import { once } from "node:events";
import { cpus, loadavg } from "node:os";
import { WebSocket } from "ws";
import type { Options } from "./options";
import { Discord, snowflakeTime } from "./discord";
import { HOPS, Latency, percentile } from "./latency";
import { playLoad } from "./load";
import type { Stack } from "./stack";
import { hopsOf, settle } from "./check";
import { Viewer } from "./viewer";

const LOADS = [
  { perSecond: 1, seconds: 30 },
  { perSecond: 20, seconds: 20 },
  { perSecond: 50, seconds: 15 },
];
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

export async function runBench(
  stack: Stack,
  options: Options,
  interrupt: AbortController,
): Promise<boolean> {
  const { signal } = interrupt;
  const discord = new Discord(stack.discordUrl);
  const floor = await Floor.open(stack.discordUrl);
  let good = true;
  process.stdout.write(
    `${cpus().length} cores, Node ${process.versions.node}, load at the start ${loadavg()[0]!.toFixed(2)}\n`,
  );
  for (const { perSecond, seconds } of LOADS) {
    if (signal.aborted) break;
    const viewer = new Viewer(stack, false);
    const written = await playLoad(discord, {
      count: perSecond * seconds,
      perSecond,
      seed: options.seed,
      signal,
    });
    const problems = await settle(discord);
    good &&= problems.length === 0;
    const latency = new Latency();
    const hops = await hopsOf(stack);
    for (const { id } of written) {
      const row = hops.get(id);
      if (row) latency.addTimes({ ...row, seenAt: viewer.seenAt.get(id) });
    }
    await viewer.close();
    const floors = written
      .filter(({ id }) => floor.arrivals.has(id))
      .map(({ id }) => floor.arrivals.get(id)! - snowflakeTime(id))
      .sort((a, b) => a - b);
    process.stdout.write(
      `\n${written.length} messages at ${perSecond}/s; ends ${problems.length === 0 ? "equal" : `DIFFER: ${problems[0]!}`}\n`,
    );
    print(latency, floors);
  }
  await floor.close();
  return good;
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
