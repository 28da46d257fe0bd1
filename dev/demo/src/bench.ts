// ./run bench pipeline: the hops at several rates, next to a floor in the same run: how
// long the fake Discord takes to hand a message to a bare gateway client.
import { WebSocket } from "ws";
import type { Options } from "./options";
import { Discord, snowflakeTime } from "./discord";
import { HOPS, Latency, percentile } from "./latency";
import { playLoad } from "./load";
import type { Stack } from "./stack";
import { hopsOf, settle } from "./check";
import { Viewer } from "./viewer";

const RATES = [1, 20, 50];
const SECONDS = 20;

/** A gateway client that does nothing but note when a message arrives. */
class Floor {
  readonly arrivals = new Map<string, number>();
  private readonly socket: WebSocket;
  private readonly beat: NodeJS.Timeout;

  private constructor(url: string) {
    this.socket = new WebSocket(`${url}/?v=10&encoding=json`);
    this.beat = setInterval(
      () =>
        this.socket.readyState === WebSocket.OPEN &&
        this.socket.send('{"op":1,"d":null}'),
      20000,
    );
    this.socket.on("message", (data) =>
      this.take(
        JSON.parse(String(data)) as {
          op: number;
          t: string | null;
          d: { id: string };
        },
      ),
    );
  }

  static async open(discordUrl: string): Promise<Floor> {
    const response = await fetch(`${discordUrl}/api/v10/gateway/bot`, {
      headers: {
        authorization: "Bot collector-token",
        "user-agent": "DiscordBot (https://example.invalid, 1)",
      },
    });
    return new Floor(((await response.json()) as { url: string }).url);
  }

  private take(frame: {
    op: number;
    t: string | null;
    d: { id: string };
  }): void {
    if (frame.op === 10)
      this.socket.send(
        JSON.stringify({
          op: 2,
          d: {
            token: "collector-token",
            intents: 33281,
            properties: { os: "linux", browser: "floor", device: "floor" },
          },
        }),
      );
    if (frame.t === "MESSAGE_CREATE") this.arrivals.set(frame.d.id, Date.now());
  }

  close(): void {
    clearInterval(this.beat);
    this.socket.close(4000);
  }
}

export async function runBench(
  stack: Stack,
  options: Options,
): Promise<boolean> {
  const discord = new Discord(stack.discordUrl);
  let good = true;
  for (const rate of RATES) {
    const floor = await Floor.open(stack.discordUrl);
    const viewer = new Viewer(stack, false);
    const written = await playLoad(discord, {
      count: rate * SECONDS,
      perSecond: rate,
      seed: options.seed,
    });
    const problems = await settle(discord);
    good &&= problems.length === 0;
    const latency = new Latency();
    const hops = await hopsOf(stack);
    for (const { id } of written) {
      const row = hops.get(id);
      if (row) latency.addTimes({ ...row, seenAt: viewer.seenAt.get(id) });
    }
    const floors = written
      .flatMap(({ id }) =>
        floor.arrivals.has(id)
          ? [floor.arrivals.get(id)! - snowflakeTime(id)]
          : [],
      )
      .sort((a, b) => a - b);
    floor.close();
    await viewer.close();
    print(rate, written.length, latency, floors, problems);
  }
  return good;
}

function print(
  rate: number,
  count: number,
  latency: Latency,
  floors: number[],
  problems: string[],
): void {
  const floor = Math.max(1, percentile(floors, 50));
  process.stdout.write(
    `\n${count} messages at ${rate}/s; ends ${problems.length === 0 ? "equal" : "DIFFER: " + problems[0]}\n`,
  );
  process.stdout.write(`${latency.table().join("\n")}\n`);
  process.stdout.write(
    `floor: source to a bare gateway client, p50 ${percentile(floors, 50)} p95 ${percentile(floors, 95)}\n`,
  );
  for (const hop of HOPS.slice(4)) {
    const { p50, p95 } = latency.row(hop);
    process.stdout.write(
      `${hop}: p50 ${(p50 / floor).toFixed(1)}x, p95 ${(p95 / floor).toFixed(1)}x the floor's p50\n`,
    );
  }
}
