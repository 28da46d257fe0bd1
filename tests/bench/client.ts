// ./run bench client: our client and the official JS client doing the same job - receive
// Transitions, decode them, print each result - from the same scripted server, in turns.
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { WebSocketServer, type WebSocket } from "ws";
import { binary } from "../harness";

const ROUNDS = 5;
const self = fileURLToPath(import.meta.url);

interface Job {
  name: string;
  documents: number;
  padding: number;
  transitions: number;
}

const JOBS: Job[] = [
  {
    name: "50 documents, 22 KB",
    documents: 50,
    padding: 300,
    transitions: 2000,
  },
  { name: "1 document, 0.5 KB", documents: 1, padding: 300, transitions: 8000 },
  {
    name: "2,500 documents, 1 MB",
    documents: 2500,
    padding: 290,
    transitions: 60,
  },
];

const ts = (n: number): string => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(n));
  return bytes.toString("base64");
};

function documents(job: Job, version: number): unknown[] {
  return Array.from({ length: job.documents }, (_, i) => ({
    _creationTime: 1767323045678.25 + i,
    _id: `j57dxbdyxw0020g30g2gc1r8158${String(9000 + i)}`,
    content: `message ${i} `.padEnd(job.padding - 150, "lorem ipsum "),
    live: i % 2 === 0,
    score: i * 1.5,
    version: i === 0 ? version : 0,
  }));
}

/** Sends all Transitions as fast as the client takes them; ends when it has hung up. */
function serve(
  job: Job,
): Promise<{ port: number; done: Promise<number>; close: () => void }> {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  const frames = Array.from({ length: job.transitions }, (_, i) =>
    JSON.stringify({
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
    }),
  );
  let began = 0;
  let resolveDone: (ms: number) => void;
  const done = new Promise<number>((resolve) => (resolveDone = resolve));
  server.on("connection", (socket: WebSocket) => {
    socket.on("message", (data) => {
      if (!String(data).includes("ModifyQuerySet") || began) return;
      began = performance.now();
      for (const frame of frames) socket.send(frame);
    });
    socket.on("close", () => resolveDone(performance.now() - began));
    socket.on("error", () => undefined);
  });
  return new Promise((resolve) =>
    server.on("listening", () =>
      resolve({
        port: (server.address() as { port: number }).port,
        done,
        close: () => server.close(),
      }),
    ),
  );
}

/** User and system time of a live process so far, ms. */
function cpu(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
    .split(") ")[1]!
    .split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}
function memory(pid: number): number {
  return (
    Number(
      /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ??
        0,
    ) / 1024
  );
}

interface Figures {
  cpuUs: number; // a Transition
  rssMb: number;
}

async function once(
  command: (url: string, count: number) => [string, string[]],
  job: Job,
): Promise<Figures> {
  const server = await serve(job);
  const [program, args] = command(
    `http://127.0.0.1:${server.port}`,
    job.transitions + 1,
  );
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
  let lines = 0;
  let start = 0;
  const figures = await new Promise<Figures>((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (code) =>
      reject(new Error(`${program} ended early (${code})`)),
    );
    child.stdout.on("data", (data: Buffer) => {
      if (start === 0) start = cpu(child.pid!); // start-up does not count
      for (const byte of data) if (byte === 10) lines++;
      if (lines >= job.transitions)
        resolve({
          cpuUs: ((cpu(child.pid!) - start) * 1000) / job.transitions,
          rssMb: memory(child.pid!),
        });
    });
  });
  child.removeAllListeners("exit");
  child.kill("SIGKILL");
  server.close();
  return figures;
}

const median = (list: number[]): number =>
  [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)]!;

async function main(): Promise<void> {
  const clients: Record<
    string,
    (url: string, count: number) => [string, string[]]
  > = {
    "convex-c": (url) => [
      binary("convex-example-watch"),
      [url, "q:list", "{}"],
    ],
    "convex JS": (url) => [
      process.execPath,
      ["--import", "tsx", self, "--js", url],
    ],
  };
  console.log(
    `median of ${ROUNDS}, in turns; the job: receive, decode, print the result as JSON\n`,
  );
  for (const job of JOBS) {
    const all = new Map(
      Object.keys(clients).map((name) => [name, [] as Figures[]]),
    );
    for (let round = 0; round < ROUNDS; round++)
      for (const [name, command] of Object.entries(clients))
        all.get(name)!.push(await once(command, job));
    console.log(`${job.name}, ${job.transitions} Transitions`);
    const js = median(all.get("convex JS")!.map((f) => f.cpuUs));
    for (const [name, figures] of all) {
      const us = median(figures.map((f) => f.cpuUs));
      console.log(
        `  ${name.padEnd(12)}${us.toFixed(0).padStart(8)} us CPU a Transition${(us / js).toFixed(2).padStart(8)}x JS` +
          `${median(figures.map((f) => f.rssMb))
            .toFixed(0)
            .padStart(8)} MB at most`,
      );
    }
  }
}

/** The official client as a process that does the same job. */
async function official(url: string): Promise<void> {
  const { ConvexClient } = await import("convex/browser");
  const { makeFunctionReference } = await import("convex/server");
  const { convexToJson } = await import("convex/values");
  const { WebSocket } = await import("ws");
  const client = new ConvexClient(url, {
    webSocketConstructor: WebSocket as unknown as typeof globalThis.WebSocket,
    unsavedChangesWarning: false,
    logger: false,
  });
  client.onUpdate(makeFunctionReference<"query">("q:list"), {}, (value) =>
    process.stdout.write(JSON.stringify(convexToJson(value as never)) + "\n"),
  );
}

if (process.argv[2] === "--js") await official(process.argv[3]!);
else {
  await main();
  process.exit(0);
}
