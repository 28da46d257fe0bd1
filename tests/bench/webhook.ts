// ./run bench webhook: durable acknowledgements of webhook-proxy, next to what the disk can
// do (append and fdatasync in a loop) and to nginx answering a static 200, in turns.
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { createHmac, generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { ConvexClient, ConvexHttpClient } from "convex/browser";
import { makeFunctionReference } from "convex/server";
import { importPKCS8, SignJWT } from "jose";
import { WebSocket } from "ws";
import {
  Backend,
  binary,
  deploySchema,
  freePort,
  ROOT,
  until,
} from "../harness";
import {
  cpuUs,
  median,
  peakMemoryMb,
  printMachine,
  ratio,
  short,
  table,
} from "./measure";

const ROUNDS = 3;
const SECONDS = 2;
const CONNECTIONS = [1, 64];
const SECRET = "a-secret-of-the-benchmark";

const run = promisify(execFile);

interface Figures {
  perSecond: number;
  p50: number; // us
  p99: number;
}

/** What webhook_load prints, whatever it was pointed at. */
async function load(args: string[]): Promise<Figures> {
  const { stdout } = await run(binary("webhook_load"), args);
  const [, perSecond, p50, p99] =
    /(\d+) a second, p50 (\d+) us, p99 (\d+) us/.exec(stdout) ?? [];
  if (!p99) throw new Error(`webhook_load: ${stdout}`);
  return { perSecond: Number(perSecond), p50: Number(p50), p99: Number(p99) };
}

/** The medians of each figure. */
function middle(list: Figures[]): Figures {
  const of = (key: keyof Figures) => median(list.map((f) => f[key]));
  return { perSecond: of("perSecond"), p50: of("p50"), p99: of("p99") };
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill(signal);
  await ended;
}

interface Server {
  port: number;
  child: ChildProcess;
}

/** Whatever was started, to be ended however it goes. */
const started: ChildProcess[] = [];

/** Unless told otherwise nobody listens at its Convex address: every event stays in the spool. */
async function startProxy(
  dir: string,
  more: Record<string, string> = {},
): Promise<Server> {
  mkdirSync(dir, { recursive: true });
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const pem = privateKey.export({ type: "pkcs8", format: "pem" });
  writeFileSync(join(dir, "key.pem"), pem, { mode: 0o600 });
  const source = {
    community: "demo",
    source: "sellapp",
    provider: "sellapp",
    secrets: [{ id: "a", secret_env: "SELLAPP_SECRET" }],
  };
  writeFileSync(
    join(dir, "sources.json"),
    JSON.stringify({ sources: [source] }),
  );
  const child = spawn(binary("webhook-proxy"), [], {
    cwd: dir,
    env: {
      PATH: process.env.PATH ?? "",
      CONVEX_URL: "http://127.0.0.1:1",
      SERVICE_KEY_FILE: join(dir, "key.pem"),
      SOURCES_FILE: join(dir, "sources.json"),
      STATE_DIRECTORY: join(dir, "state"),
      LISTEN: "127.0.0.1:0",
      SELLAPP_SECRET: SECRET,
      ...more,
    },
    stdio: ["ignore", "ignore", "pipe"],
  });
  started.push(child);
  let log = "";
  child.stderr.on("data", (data: Buffer) => (log += data.toString()));
  let port = 0;
  await until("webhook-proxy to listen", () => {
    if (child.exitCode !== null)
      throw new Error(`webhook-proxy ended:\n${log}`);
    port = Number(/address=\S+:(\d+)/.exec(log)?.[1] ?? 0);
    return port > 0;
  });
  return { port, child };
}

/** NGINX_PROGRAM names another binary. */
function findNginx(): string | undefined {
  const folders = (process.env.PATH ?? "").split(delimiter);
  return [
    process.env.NGINX_PROGRAM ?? "",
    ...[...folders, "/usr/sbin"].map((folder) => join(folder, "nginx")),
  ].find((file) => file !== "" && existsSync(file));
}

async function startNginx(program: string, dir: string): Promise<Server> {
  const port = await freePort();
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((name) => `${name}_temp_path ${dir}/${name};`)
    .join(" ");
  writeFileSync(
    join(dir, "nginx.conf"),
    `daemon off; worker_processes 1; pid ${dir}/nginx.pid; error_log stderr error;
events { worker_connections 1024; }
http {
  access_log off; keepalive_requests 1000000000; ${temporary}
  server { listen 127.0.0.1:${port}; location / { return 200; } }
}
`,
  );
  const child = spawn(
    program,
    ["-p", dir, "-c", join(dir, "nginx.conf"), "-e", "stderr"],
    { stdio: ["ignore", "ignore", "inherit"] },
  );
  started.push(child);
  await until("nginx to answer", () => {
    if (child.exitCode !== null) throw new Error("nginx ended");
    return fetch(`http://127.0.0.1:${port}/`).then(
      (response) => response.ok,
      () => false,
    );
  });
  return { port, child };
}

/** What reading HTTP costs by itself: nothing is verified, nothing is kept. */
const READERS = {
  raw: "libwebsockets RAW, least of parsers",
  library: "libmicrohttpd",
} as const;
type Reader = keyof typeof READERS;

async function startReader(kind: Reader): Promise<Server> {
  const port = await freePort();
  const child = spawn(binary("webhook_serve"), [kind, String(port)], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  started.push(child);
  await until(`${kind} to answer`, () => {
    if (child.exitCode !== null) throw new Error("webhook_serve ended");
    return fetch(`http://127.0.0.1:${port}/`, { method: "POST" }).then(
      (response) => response.ok,
      () => false,
    );
  });
  return { port, child };
}

type Results = Map<string, Figures[]>;

async function measure(
  dir: string,
  proxy: Server,
  nginx: Server | null,
  readers: Record<Reader, Server>,
): Promise<{ results: Results; cpu: Map<number, number[]> }> {
  const results: Results = new Map();
  const cpu = new Map<number, number[]>(CONNECTIONS.map((n) => [n, []]));
  const add = (name: string, figures: Figures): void => {
    results.set(name, [...(results.get(name) ?? []), figures]);
  };
  const seconds = String(SECONDS);
  for (let round = 0; round < ROUNDS; round++) {
    add("disk", await load(["--disk", join(dir, "floor"), seconds]));
    for (const n of CONNECTIONS) {
      const args = (port: number) => [String(port), String(n), seconds, SECRET];
      const before = cpuUs(proxy.child.pid!);
      const figures = await load(args(proxy.port));
      const used = cpuUs(proxy.child.pid!) - before;
      cpu.get(n)!.push(used / (figures.perSecond * SECONDS));
      add(`proxy ${n}`, figures);
      if (nginx) add(`nginx ${n}`, await load(args(nginx.port)));
      for (const kind of Object.keys(READERS) as Reader[])
        add(`${kind} ${n}`, await load(args(readers[kind].port)));
    }
  }
  return { results, cpu };
}

function print(results: Results, cpu: Map<number, number[]>): void {
  const disk = middle(results.get("disk")!);
  const row = (name: string, f: Figures, peer: Figures | null, us = "") => [
    name,
    short(f.perSecond),
    ratio(f.perSecond, disk.perSecond),
    peer ? ratio(f.perSecond, peer.perSecond) : "–",
    short(f.p50),
    short(f.p99),
    ratio(f.p99, f.p50),
    us,
  ];
  const rows = [row("append 700 bytes + fdatasync, in a loop", disk, null)];
  for (const n of CONNECTIONS) {
    const connections = n === 1 ? "1 connection" : `${n} connections`;
    const ours = middle(results.get(`proxy ${n}`)!);
    const nginx = results.get(`nginx ${n}`);
    const peer = nginx ? middle(nginx) : null;
    rows.push(
      row(
        `webhook-proxy, ${connections}`,
        ours,
        peer,
        short(median(cpu.get(n)!)),
      ),
    );
    if (peer) rows.push(row(`nginx static 200, ${connections}`, peer, peer));
    for (const [kind, name] of Object.entries(READERS))
      rows.push(
        row(
          `${name} static 200, ${connections}`,
          middle(results.get(`${kind} ${n}`)!),
          peer,
        ),
      );
  }
  table(
    [
      "",
      "a second",
      "x disk",
      "x nginx",
      "p50 us",
      "p99 us",
      "p99/p50",
      "us CPU an event",
    ],
    rows,
  );
}

// ---- from the shop to a subscriber ----

const EVENTS = 200;

type Internal = {
  setAdminAuth(key: string): void;
  function(ref: unknown, component: undefined, args: unknown): Promise<unknown>;
};

/** Milliseconds of each of `count` turns: from \`go\` until the watcher sees its key. */
async function turns(
  watch: Watcher,
  count: number,
  go: (key: string) => Promise<void>,
): Promise<number[]> {
  const times: number[] = [];
  for (let i = 0; i < count; i++) {
    const key = `bench-${performance.now()}-${i}`;
    const seen = watch.sees(key);
    const began = performance.now();
    await go(key);
    await seen;
    times.push(performance.now() - began);
  }
  return times;
}

/** Sees events as the backend has them: the subject of each is its key. */
class Watcher {
  private readonly client: ConvexClient;
  private readonly waiting = new Map<string, () => void>();

  constructor(backend: Backend) {
    this.client = new ConvexClient(backend.url, {
      webSocketConstructor: WebSocket as unknown as typeof globalThis.WebSocket,
      unsavedChangesWarning: false,
      logger: false,
    });
    (
      this.client.client as unknown as { setAdminAuth(key: string): void }
    ).setAdminAuth(backend.adminKey);
    this.client.onUpdate(
      makeFunctionReference<"query">("webhooks:list"),
      { community: "demo", limit: 5 },
      (rows: { subject: string | null }[]) => {
        for (const { subject } of rows) {
          this.waiting.get(subject ?? "")?.();
          this.waiting.delete(subject ?? "");
        }
      },
    );
  }

  sees(key: string): Promise<void> {
    return new Promise((resolve) => this.waiting.set(`order:${key}`, resolve));
  }

  close(): Promise<void> {
    return this.client.close();
  }
}

const bodyOf = (key: string): string =>
  JSON.stringify({ event: "order.created", data: { id: key } });

function postTo(port: number, key: string): Promise<void> {
  const body = bodyOf(key);
  const signature = createHmac("sha256", SECRET).update(body).digest("hex");
  return fetch(`http://127.0.0.1:${port}/v1/demo/sellapp`, {
    method: "POST",
    headers: { signature },
    body,
  }).then((response) => {
    if (!response.ok) throw new Error(`the proxy answered ${response.status}`);
  });
}

/** The way of one event, beside the sum of what its two halves take alone. */
async function pipeline(dir: string): Promise<void> {
  const backend = await Backend.start();
  try {
    const keyFile = await deploySchema(backend);
    const admin = new ConvexHttpClient(backend.url, {
      logger: false,
    }) as unknown as Internal;
    admin.setAdminAuth(backend.adminKey);
    await admin.function(
      makeFunctionReference("communities:setUp"),
      undefined,
      {
        slug: "demo",
        name: "Demo",
        sourceGuildId: "100000000000000001",
        customerGuildId: "100000000000000002",
      },
    );
    const alone = await startProxy(join(dir, "alone"));
    const proxy = await startProxy(join(dir, "through"), {
      CONVEX_URL: backend.url,
      SERVICE_KEY_FILE: keyFile,
    });
    const watch = new Watcher(backend);
    const sync = new ConvexClient(backend.url, {
      webSocketConstructor: WebSocket as unknown as typeof globalThis.WebSocket,
      unsavedChangesWarning: false,
      logger: false,
    });
    const token = await serviceToken(keyFile);
    sync.setAuth(async () => token);
    const ingest = async (key: string) => {
      const body = bodyOf(key);
      await sync.mutation(
        makeFunctionReference<"mutation">("webhooks:ingest"),
        {
          community: "demo",
          source: "bench",
          provider: "sellapp",
          key,
          type: "order.created",
          receivedAt: Date.now(),
          subject: `order:${key}`,
          body,
          bodySha256: key,
          headers: [],
          verdict: "verified",
        },
      );
    };
    const floors = { durable: [] as number[], mutation: [] as number[] };
    const whole: number[] = [];
    await turns(watch, 20, (key) => postTo(proxy.port, key)); // warm
    await turns(watch, 20, ingest);
    for (let round = 0; round < ROUNDS; round++) {
      for (let i = 0; i < EVENTS / ROUNDS; i++) {
        const began = performance.now();
        await postTo(alone.port, `alone-${round}-${i}`);
        floors.durable.push(performance.now() - began);
      }
      floors.mutation.push(...(await turns(watch, EVENTS / ROUNDS, ingest)));
      whole.push(
        ...(await turns(watch, EVENTS / ROUNDS, (key) =>
          postTo(proxy.port, key),
        )),
      );
    }
    await watch.close();
    await sync.close();
    const sum = median(floors.durable) + median(floors.mutation);
    console.log("");
    table(
      ["one event at a time, p50", "ms", "x the sum of the two"],
      [
        ["posted to durable answer", short(median(floors.durable)), "–"],
        [
          "mutation to a subscriber's callback (JS client)",
          short(median(floors.mutation)),
          "–",
        ],
        [
          "posted to a subscriber's callback",
          short(median(whole)),
          ratio(median(whole), sum),
        ],
      ],
    );
  } finally {
    await backend.close();
  }
}

async function serviceToken(keyFile: string): Promise<string> {
  const key = await importPKCS8(readFileSync(keyFile, "utf8"), "ES256");
  return await new SignJWT({ role: "webhook-proxy" })
    .setProtectedHeader({ alg: "ES256", kid: "service-1", typ: "JWT" })
    .setIssuer("https://services.signals.invalid")
    .setAudience("signals-services")
    .setSubject("webhook-proxy/bench")
    .setIssuedAt()
    .setExpirationTime("30m")
    .sign(key);
}

async function main(): Promise<void> {
  printMachine();
  console.log(
    `signed Sell.app events, verified and on disk before the answer; medians of ${ROUNDS} rounds of ${SECONDS} s, in turns`,
  );
  // Beside the build and not in /tmp, which may be memory.
  mkdirSync(join(ROOT, "build"), { recursive: true });
  const dir = mkdtempSync(join(ROOT, "build/bench-webhook-"));
  try {
    const program = findNginx();
    const nginx = program ? await startNginx(program, dir) : null;
    if (!nginx) console.log("nginx is not installed: skipped as a peer");
    const readers = {
      raw: await startReader("raw"),
      library: await startReader("library"),
    };
    const proxy = await startProxy(dir);
    const { results, cpu } = await measure(dir, proxy, nginx, readers);
    console.log("");
    print(results, cpu);
    await pipeline(dir);
    console.log(
      `\n  webhook-proxy at most ${short(peakMemoryMb(proxy.child.pid!))} MB`,
    );
  } finally {
    for (const child of started) await end(child, "SIGTERM");
    rmSync(dir, { recursive: true, force: true });
  }
}

await main();
