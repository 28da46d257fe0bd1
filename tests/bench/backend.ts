// ./run bench backend: the development backend next to its floors in the same run, in
// turns - SQLite alone, SQLite behind a bare server, a bare broadcast.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { ConvexClient } from "convex/browser";
import { makeFunctionReference } from "convex/server";
import { WebSocket } from "ws";
import { Backend } from "../harness";
import {
  cpuUs,
  median,
  memoryMb,
  percentile,
  printMachine,
  ratio,
  short,
  table,
} from "./measure";
import { openPeer, type Peer } from "./peer";
import { Crowd, Http, type Subscription } from "./sockets";

const ROUNDS = 3;
const SECONDS = 1; // of each measurement in a round
const NOTES = Number(process.env.DOCUMENTS ?? 100_000);
const PEER_NOTES = Math.min(NOTES, 10_000);
const SIZES = [1, 100, 1000];
const IN_FLIGHT = 16;
const IDLE_MS = 3000;

const here = dirname(fileURLToPath(import.meta.url));
const TEXT =
  "BTC/USDT LONG entry 61200, TP1 62000, TP2 63500, SL 60100. ".repeat(4);
const anyNote = (): number => Math.floor(Math.random() * (NOTES - 50));

interface Floor {
  port: number;
  child: ChildProcess;
}

async function startFloor(dir: string): Promise<Floor> {
  const child = spawn(
    process.execPath,
    ["--import", "tsx", join(here, "floor.ts"), join(dir, "floor.sqlite")],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  const ended = once(child, "exit").then(() => {
    throw new Error("the floor's process ended");
  });
  const [line] = (await Promise.race([once(child.stdout, "data"), ended])) as [
    Buffer,
  ];
  ended.catch(() => undefined); // later it is ended on purpose
  return { port: Number(line.toString()), child };
}

/** The process that serves this data folder. */
function processOf(backend: Backend): number {
  const pid = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .find((name) => {
      try {
        const line = readFileSync(`/proc/${name}/cmdline`, "utf8");
        return line.split("\0").includes(backend.dir);
      } catch {
        return false; // it has ended meanwhile
      }
    });
  if (!pid) throw new Error("the backend's process is not to be found");
  return Number(pid);
}

// ---- calls a second ----

/** Calls a second of `workers` loops that each call again when answered. */
async function rate(
  workers: number,
  call: () => Promise<unknown>,
): Promise<{ perSecond: number; times: number[] }> {
  const began = performance.now();
  const end = began + SECONDS * 1000;
  const times: number[] = [];
  const work = async (): Promise<void> => {
    for (let from = performance.now(); from < end;) {
      await call();
      const to = performance.now();
      times.push(to - from);
      from = to;
    }
  };
  await Promise.all(Array.from({ length: workers }, work));
  const perSecond = (times.length * 1000) / (performance.now() - began);
  return { perSecond, times };
}

/** Bare requests over one WebSocket: answers come in the order of the questions. */
class Questions {
  private readonly waiting: ((answer: string) => void)[] = [];
  private constructor(private readonly socket: WebSocket) {
    socket.on("message", (data) => this.waiting.shift()?.(String(data)));
  }
  static async open(port: number): Promise<Questions> {
    const socket = new WebSocket(`ws://127.0.0.1:${port}`, {
      perMessageDeflate: false,
    });
    await once(socket, "open");
    return new Questions(socket);
  }
  ask(question: unknown): Promise<string> {
    this.socket.send(JSON.stringify(question));
    return new Promise((resolve) => this.waiting.push(resolve));
  }
  close(): void {
    this.socket.close();
  }
}

interface Kind {
  name: string;
  workers: number;
  backend: () => Promise<unknown>;
  bare: () => Promise<unknown>; // the same behind a bare server
  alone: object; // and without any server
  peer: ((peer: Peer) => Promise<unknown>) | null; // in convex-test
}

async function measureCalls(
  kinds: Kind[],
  floor: Http,
  peer: Peer,
  pid: number,
): Promise<void> {
  const rows: string[][] = [];
  for (const kind of kinds) {
    const times: number[] = [];
    const { peer: callPeer } = kind;
    const ours: number[] = [];
    const bare: number[] = [];
    const alone: number[] = [];
    const cpu: number[] = [];
    await rate(kind.workers, kind.backend); // warm
    await rate(kind.workers, kind.bare);
    for (let round = 0; round < ROUNDS; round++) {
      const before = cpuUs(pid);
      const measured = await rate(kind.workers, kind.backend);
      cpu.push((cpuUs(pid) - before) / measured.times.length);
      ours.push(measured.perSecond);
      times.push(...measured.times);
      bare.push((await rate(kind.workers, kind.bare)).perSecond);
      const answer = await floor.post("/", { ...kind.alone, seconds: SECONDS });
      alone.push(Number(answer));
    }
    rows.push([
      kind.name,
      short(median(ours)),
      short(median(bare)),
      ratio(median(ours), median(bare)),
      short(median(alone)),
      ratio(median(ours), median(alone)),
      callPeer === null
        ? "-"
        : short((await rate(1, () => callPeer(peer))).perSecond),
      `${short(percentile(times, 50))} / ${short(percentile(times, 99))}`,
      short(median(cpu)),
    ]);
  }
  table(
    [
      "calls a second",
      "backend",
      "bare server",
      "ratio",
      "libsql alone",
      "ratio",
      "convex-test",
      "backend p50 / p99 ms",
      "backend us CPU a call",
    ],
    rows,
  );
}

function kindsOf(
  backend: Http,
  floor: Http,
  client: ConvexClient,
  socket: Questions,
): Kind[] {
  const insert = makeFunctionReference<"mutation">("bench:insert");
  const note = () => ({ n: NOTES + Math.random() * 1e9, text: TEXT });
  const read = (count: number): Kind => ({
    name: `query, ${count === 1 ? "1 document" : `${count} documents`}, 1 at a time over HTTP`,
    workers: 1,
    backend: () =>
      backend.convex("query", "bench:read", { n: anyNote(), count }),
    bare: () => floor.post("/", { do: "read", n: anyNote(), count }),
    alone: { do: "read", n: 0, count },
    peer: (peer) =>
      peer.query("bench:read", { n: anyNote() % (PEER_NOTES - 50), count }),
  });
  return [
    {
      name: "mutation, 1 at a time over HTTP",
      workers: 1,
      backend: () => backend.convex("mutation", "bench:insert", note()),
      bare: () => floor.post("/", { do: "insert", ...note() }),
      alone: { do: "insert", ...note() },
      peer: (peer) => peer.mutation("bench:insert", note()),
    },
    {
      name: `mutation, ${IN_FLIGHT} in flight over WebSocket`,
      workers: IN_FLIGHT,
      backend: () => client.mutation(insert, note()),
      bare: () => socket.ask({ do: "insert", ...note() }),
      alone: { do: "insert", ...note() },
      peer: null,
    },
    read(1),
    read(50),
  ];
}

async function seed(backend: Http, floor: Http, peer: Peer): Promise<void> {
  const count = 1000;
  for (let from = 0; from < NOTES; from += count) {
    const notes = { from, count, text: TEXT };
    await backend.convex("mutation", "bench:seed", notes);
    await floor.post("/", { do: "seed", n: from, count, text: TEXT });
    if (from < PEER_NOTES) await peer.mutation("bench:seed", notes);
  }
}

// ---- fan-out ----

/** One change, seen from outside: from its call, and from its answer, to the last result. */
interface Times {
  fromCall: number[];
  fromAnswer: number[];
}

/** Ends when the last of `count` sockets of the crowd has what `call` sets off. */
async function timed(
  crowd: Crowd,
  count: number,
  rounds: number,
  call: () => Promise<unknown>,
): Promise<Times> {
  const times: Times = { fromCall: [], fromAnswer: [] };
  for (let round = 0; round < rounds; round++) {
    const last = crowd.next(count);
    const called = performance.now();
    await call();
    const answered = performance.now();
    const seen = await last;
    times.fromCall.push(seen - called);
    times.fromAnswer.push(Math.max(0, seen - answered));
  }
  return times;
}

interface FanOut extends Times {
  frame: string;
  memoryMb: number;
  cpuMs: number; // of one change
}

async function fanOut(
  port: number,
  pid: number,
  { subscriptions, counter: name, touched }: Case,
  rounds: number,
): Promise<FanOut> {
  const http = new Http(port);
  await http.convex("mutation", "bench:bump", { name });
  const crowd = await Crowd.subscribe(port, subscriptions);
  const before = cpuUs(pid);
  const times = await timed(crowd, touched, rounds, () =>
    http.convex("mutation", "bench:bump", { name }),
  );
  const result = {
    ...times,
    frame: crowd.frame,
    memoryMb: memoryMb(pid),
    cpuMs: (cpuUs(pid) - before) / 1000 / rounds,
  };
  await crowd.close();
  http.close();
  return result;
}

/** The same bytes from a bare server to as many sockets. */
async function broadcast(
  port: number,
  frame: string,
  count: number,
  rounds: number,
): Promise<Times> {
  const crowd = await Crowd.listen(port, count);
  const sender = await Questions.open(port);
  const times = await timed(crowd, count, rounds, () =>
    sender.ask({ broadcast: frame }),
  );
  sender.close();
  await crowd.close();
  return times;
}

interface Case {
  name: string;
  subscriptions: Subscription[];
  counter: string; // the one that is changed
  touched: number; // subscriptions that read it
}

function casesOf(): Case[] {
  const of = (n: number, make: (i: number) => object): Subscription[] =>
    Array.from({ length: n }, (_, i) => ({
      udfPath: "bench:watch",
      args: make(i),
    }));
  const most = SIZES.at(-1)!;
  return [
    ...SIZES.map((n) => ({
      name: `${n} of one query`,
      subscriptions: of(n, () => ({ name: "shared", reader: 0 })),
      counter: "shared",
      touched: n,
    })),
    ...SIZES.slice(1).map((n) => ({
      name: `${n} of ${n} queries, all touched`,
      subscriptions: of(n, (reader) => ({ name: "shared", reader })),
      counter: "shared",
      touched: n,
    })),
    {
      name: `1 of ${most} queries, the others untouched`,
      subscriptions: of(most, (i) => ({ name: `counter ${i}`, reader: 0 })),
      counter: "counter 0",
      touched: 1,
    },
  ];
}

async function measureFanOut(
  backend: Backend,
  floor: Floor,
  pid: number,
): Promise<void> {
  const rows: string[][] = [];
  const both = (list: number[]) =>
    `${short(percentile(list, 50))} / ${short(percentile(list, 99))}`;
  for (const one of casesOf()) {
    const rounds = one.touched >= 1000 ? 30 : 100;
    const ours = await fanOut(backend.port, pid, one, rounds);
    const bare = await broadcast(floor.port, ours.frame, one.touched, rounds);
    rows.push([
      one.name,
      both(ours.fromAnswer),
      both(bare.fromAnswer),
      ratio(median(ours.fromAnswer), median(bare.fromAnswer)),
      both(ours.fromCall),
      both(bare.fromCall),
      ratio(median(ours.fromCall), median(bare.fromCall)),
      short(ours.cpuMs),
      short(ours.memoryMb),
    ]);
  }
  table(
    [
      "ms to the last subscriber, p50 / p99",
      "from the answer",
      "bare broadcast",
      "p50 ratio",
      "from the call",
      "bare broadcast",
      "p50 ratio",
      "ms CPU a change",
      "MB",
    ],
    rows,
  );
}

// ---- all of it ----

async function measure(
  backend: Backend,
  floor: Floor,
  client: ConvexClient,
): Promise<void> {
  const pid = processOf(backend);
  const http = new Http(backend.port);
  const floorHttp = new Http(floor.port);
  const questions = await Questions.open(floor.port);
  const atStart = memoryMb(pid);
  const peer = openPeer();
  await seed(http, floorHttp, peer);
  console.log(
    `${NOTES.toLocaleString("en-US")} documents; medians of ${ROUNDS} rounds of ${SECONDS} s, in turns\n`,
  );
  const kinds = kindsOf(http, floorHttp, client, questions);
  await measureCalls(kinds, floorHttp, peer, pid);
  const afterCalls = memoryMb(pid);
  questions.close(); // or it would be sent the broadcasts too
  http.close();
  floorHttp.close();
  console.log("");
  await measureFanOut(backend, floor, pid);
  const before = cpuUs(pid);
  await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
  const idle = (cpuUs(pid) - before) / IDLE_MS;
  console.log(
    `\n  backend: ${short(atStart)} MB with the app deployed, ${short(afterCalls)} MB after the calls, ` +
      `${short(memoryMb(pid))} MB at the end; idle ${short(idle)} ms CPU a second`,
  );
}

async function main(): Promise<void> {
  printMachine();
  const backend = await Backend.start();
  try {
    await backend.convex(join(here, "app"), ["deploy", "--yes"]);
    const floor = await startFloor(backend.dir);
    const client = new ConvexClient(backend.url, {
      webSocketConstructor: WebSocket as unknown as typeof globalThis.WebSocket,
      unsavedChangesWarning: false,
      logger: false,
    });
    try {
      await measure(backend, floor, client);
    } finally {
      await client.close();
      floor.child.kill("SIGTERM");
    }
  } finally {
    await backend.close();
  }
}

await main();
