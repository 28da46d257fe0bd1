// ./run bench client: our client and the official JS client doing the same jobs in turns -
// receive Transitions, decode them, print each result; and call mutations one by one.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { WebSocketServer, type WebSocket } from "ws";
import { binary, ROOT } from "../harness";
import {
  cpuUs,
  median,
  peakMemoryMb,
  printMachine,
  ratio,
  short,
  table,
} from "./measure";
import { measureRoundTrips } from "./roundtrip";

const ROUNDS = 5;
const official = join(ROOT, "build/bench-official.mjs");

interface Job {
  documents: number;
  transitions: number;
}

const JOBS: Job[] = [
  { documents: 1, transitions: 8000 },
  { documents: 50, transitions: 2000 },
  { documents: 2500, transitions: 60 },
];
const CONTENT_BYTES = 290; // of a document, which is some 440 bytes in all

const ts = (n: number): string => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(n));
  return bytes.toString("base64");
};

function documents(job: Job, version: number): unknown[] {
  return Array.from({ length: job.documents }, (_, i) => ({
    _creationTime: 1767323045678.25 + i,
    _id: `j57dxbdyxw0020g30g2gc1r8158${String(9000 + i)}`,
    content: `message ${i} `.padEnd(CONTENT_BYTES, "lorem ipsum "),
    live: i % 2 === 0,
    score: i * 1.5,
    version: i === 0 ? version : 0,
  }));
}

function frame(job: Job, i: number): string {
  return JSON.stringify({
    type: "Transition",
    startVersion: { querySet: i === 0 ? 0 : 1, identity: 0, ts: ts(i) },
    endVersion: { querySet: 1, identity: 0, ts: ts(i + 1) },
    modifications: [
      {
        type: "QueryUpdated",
        queryId: 0,
        value: documents(job, i),
        logLines: [],
        journal: null,
      },
    ],
  });
}

/** A scripted server: the first Transition at once, the others when told, as fast as they go. */
class Script {
  private readonly server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  private socket: WebSocket | null = null;

  private constructor(private readonly frames: string[]) {
    this.server.on("connection", (socket: WebSocket) => {
      socket.on("message", (data) => {
        if (!String(data).includes("ModifyQuerySet") || this.socket) return;
        this.socket = socket;
        socket.send(this.frames[0]!);
      });
      socket.on("error", () => undefined); // the client is ended with frames under way
    });
  }

  static async start(frames: string[]): Promise<Script> {
    const self = new Script(frames);
    await once(self.server, "listening");
    return self;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as { port: number }).port}`;
  }

  sendTheRest(): void {
    for (const text of this.frames.slice(1)) this.socket!.send(text);
  }

  async close(): Promise<void> {
    this.socket?.terminate();
    this.server.close();
    await once(this.server, "close");
  }
}

interface Figures {
  us: number; // CPU of a Transition
  mb: number; // at most
  results: number;
}

type Command = (url: string) => [string, string[]];

const CLIENTS: Record<string, Command> = {
  "convex-c": (url) => [binary("convex-example-watch"), [url, "q:list", "{}"]],
  "convex JS": (url) => [process.execPath, [official, "watch", url]],
};

/** The lines a process prints: how many, and how each begins. */
class Lines {
  count = 0;
  private head = "";
  private wanted: { version: number; resolve: () => void } | null = null;

  constructor(output: NodeJS.ReadableStream) {
    output.on("data", (data: Buffer) => this.take(data));
  }

  private take(data: Buffer): void {
    let from = 0;
    for (let end; (end = data.indexOf(10, from)) >= 0; from = end + 1) {
      this.keep(data, from, end);
      this.count++;
      const { version } = this.wanted ?? {};
      // the first document carries the version of the whole
      if (new RegExp(`"version":${version}(\\.0)?}`).test(this.head))
        this.wanted!.resolve();
      this.head = "";
    }
    this.keep(data, from, data.length);
  }

  private keep(data: Buffer, from: number, end: number): void {
    if (this.head.length < 1000)
      this.head += data.toString("latin1", from, Math.min(end, from + 1000));
  }

  /** Resolves when the result of this version has been printed. */
  until(version: number): Promise<void> {
    return new Promise((resolve) => (this.wanted = { version, resolve }));
  }
}

/** CPU from the first printed result, when start-up is over, to the last. */
async function play(command: Command, frames: string[]): Promise<Figures> {
  const script = await Script.start(frames);
  const [program, args] = command(script.url);
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
  const pid = child.pid!;
  const lines = new Lines(child.stdout);
  const ended = once(child, "exit");
  const early = ended.then(([code]: unknown[]) => {
    throw new Error(`${program} ended early (${String(code)})`);
  });
  await Promise.race([lines.until(0), early]);
  const before = cpuUs(pid);
  script.sendTheRest();
  await Promise.race([lines.until(frames.length - 1), early]);
  const figures = {
    us: (cpuUs(pid) - before) / (frames.length - 1),
    mb: peakMemoryMb(pid),
    results: lines.count,
  };
  early.catch(() => undefined); // from here on it is asked to end
  child.kill("SIGTERM");
  await ended;
  await script.close();
  return figures;
}

async function measureTransitions(): Promise<void> {
  const rows: string[][] = [];
  for (const job of JOBS) {
    const frames = Array.from({ length: job.transitions }, (_, i) =>
      frame(job, i),
    );
    const all = new Map(
      Object.keys(CLIENTS).map((name) => [name, [] as Figures[]]),
    );
    for (let round = 0; round < ROUNDS; round++)
      for (const [name, command] of Object.entries(CLIENTS))
        all.get(name)!.push(await play(command, frames));
    const kb = (frames[0]!.length / 1024).toPrecision(2);
    const size = `${job.documents.toLocaleString("en-US")} document${job.documents > 1 ? "s" : ""}, ${Number(kb)} KB`;
    const js = median(all.get("convex JS")!.map((f) => f.us));
    for (const [name, figures] of all) {
      const us = median(figures.map((f) => f.us));
      rows.push([
        `${size}: ${name}`,
        short(us),
        ratio(us, js),
        short(median(figures.map((f) => f.mb))),
        `${median(figures.map((f) => f.results))} of ${job.transitions}`,
      ]);
    }
  }
  table(["Transitions", "us CPU", "of JS", "MB at most", "printed"], rows);
}

async function main(): Promise<void> {
  await build({
    entryPoints: [fileURLToPath(new URL("official.ts", import.meta.url))],
    outfile: official,
    bundle: true,
    packages: "external",
    format: "esm",
    platform: "node",
    target: "node20",
  });
  printMachine();
  console.log(
    `medians of ${ROUNDS} rounds, in turns; the job: receive, decode, print each result as JSON\n`,
  );
  await measureTransitions();
  console.log("");
  await measureRoundTrips(official);
}

await main();
