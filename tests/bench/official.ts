// The official JS client at the jobs of convex_client_bench, and a bare HTTP caller, as processes of
// ./run bench client, which bundles this file so that they run on Node alone, without a loader of
// TypeScript. Jobs and what is printed are those of convex-c/bench/client_bench.c, and:
//     official.mjs backend-mutate URL COUNT   calls bench:insert one by one; one line of us a call
//     official.mjs backend-post URL COUNT     the same as bare POSTs
import { ConvexClient } from "convex/browser";
import { makeFunctionReference } from "convex/server";
import { WebSocket } from "ws";
import { Http } from "./sockets";

const open = (url: string): ConvexClient =>
  new ConvexClient(url, {
    webSocketConstructor: WebSocket as unknown as typeof globalThis.WebSocket,
    unsavedChangesWarning: false,
    logger: false,
  });
const query = makeFunctionReference<"query">("bench:query");
const mutation = (name: string) =>
  makeFunctionReference<"mutation">(`bench:${name}`);

const nowUs = (): number => Number(process.hrtime.bigint()) / 1000;
function cpuUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** So many measurements, CPU and time from the first to the last. */
class Bench {
  private readonly us: number[] = [];
  private cpu = 0;
  private began = 0;
  private ended = 0;
  constructor(private readonly wanted: number) {}

  note(us: number): void {
    if (this.us.length === 0) {
      this.cpu = cpuUs();
      this.began = nowUs();
    }
    this.us.push(us);
    if (this.us.length === this.wanted) this.end();
  }
  end(): void {
    if (this.ended > 0) return;
    this.cpu = cpuUs() - this.cpu;
    this.ended = nowUs();
  }
  figures(): object {
    const sorted = this.us.sort((a, b) => a - b);
    const between = Math.max(1, this.wanted - 1);
    return {
      count: sorted.length,
      cpu_us: this.cpu / between,
      us: (this.ended - this.began) / between,
      p50: sorted[Math.floor(sorted.length / 2)],
      p99: sorted[Math.floor((sorted.length * 99) / 100)],
    };
  }
}

/** Subscribes, and resolves when each of the queries has a result. */
function subscribe(
  client: ConvexClient,
  queries: number,
  documents: number,
  onResult: (n: number, value: { sent: number; left: number }) => void,
): Promise<void> {
  return new Promise((resolve) => {
    let seen = 0;
    for (let n = 0; n < queries; n++)
      client.onUpdate(query, { documents, n }, (value: unknown) => {
        onResult(n, value as { sent: number; left: number });
        if (++seen === queries) resolve();
      });
  });
}

async function stream(url: string, n: number[]): Promise<object> {
  const [documents, count, gap, queries] = n as [
    number,
    number,
    number,
    number,
  ];
  const client = open(url);
  const bench = new Bench(count);
  let running = false;
  let finish = (): void => {};
  const finished = new Promise<void>((resolve) => (finish = resolve));
  await subscribe(client, queries, 0, (which, { sent, left }) => {
    if (!running || which !== 0) return;
    bench.note(nowUs() - (sent - 1e15) / 1000);
    if (left !== 1e6) return;
    bench.end();
    finish();
  });
  running = true;
  void client.mutation(mutation("go"), { count, gap, documents, query: 0 });
  await finished;
  return bench.figures();
}

async function mutate(url: string, [count]: number[]): Promise<object> {
  const client = open(url);
  const bench = new Bench(count!);
  for (let i = 0; i < count!; i++) {
    const called = nowUs();
    await client.mutation(mutation("none"), {});
    bench.note(nowUs() - called);
  }
  return bench.figures();
}

async function hold(url: string, n: number[]): Promise<object> {
  const [clients, queries, documents] = n as [number, number, number];
  for (let i = 0; i < clients; i++)
    await subscribe(open(url), queries, documents, () => undefined);
  return { cpu_us: cpuUs(), at_us: nowUs() };
}

async function resubscribe(url: string, [queries]: number[]): Promise<object> {
  const client = open(url);
  let again = 0;
  let dropped = false;
  let finish = (): void => {};
  const finished = new Promise<void>((resolve) => (finish = resolve));
  await subscribe(client, queries!, 0, () => {
    if (dropped && ++again === queries) finish();
  });
  dropped = true;
  const cpu = cpuUs();
  const began = nowUs();
  client.mutation(mutation("drop"), {}).catch(() => undefined);
  await finished;
  return { cpu_us: cpuUs() - cpu, us: nowUs() - began };
}

async function idle(url: string, [seconds]: number[]): Promise<object> {
  await subscribe(open(url), 1, 0, () => undefined);
  const cpu = cpuUs();
  await sleep(seconds! * 1000);
  return { cpu_us: cpuUs() - cpu };
}

async function timed(
  count: number,
  call: (n: number) => Promise<unknown>,
): Promise<void> {
  const us: number[] = [];
  for (let n = 0; n < count; n++) {
    const called = performance.now();
    await call(n);
    us.push((performance.now() - called) * 1000);
  }
  process.stdout.write(us.map((n) => `${n.toFixed(1)}\n`).join(""));
}

const note = (n: number) => ({ n, text: "x".repeat(200) });

async function backendMutate(url: string, count: number): Promise<void> {
  const client = open(url);
  const insert = makeFunctionReference<"mutation">("bench:insert");
  await timed(count, (n) => client.mutation(insert, note(n)));
  await client.close();
}

async function backendPost(url: string, count: number): Promise<void> {
  const http = new Http(Number(new URL(url).port));
  await timed(count, (n) => http.convex("mutation", "bench:insert", note(n)));
  http.close();
}

async function main(): Promise<void> {
  const [job, url, ...rest] = process.argv.slice(2) as [string, string];
  const n = rest.map(Number);
  if (job === "backend-mutate") return await backendMutate(url, n[0]!);
  if (job === "backend-post") return await backendPost(url, n[0]!);
  const jobs: Record<string, (url: string, n: number[]) => Promise<object>> = {
    stream,
    mutate,
    hold,
    resubscribe,
    idle,
  };
  console.log(JSON.stringify(await jobs[job]!(url, n)));
  process.stdin.on("end", () => process.exit(0)).resume();
}

void main();
