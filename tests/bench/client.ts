// ./run bench client: convex-c, the official JS client, the official Python client (the Rust client
// inside) and bare sockets (the floor) at the same jobs against one scripted server, in turns; the
// table goes into docs/benchmarks.md as it is printed. Then mutations against dev/convex-backend.
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import {
  copyFileSync,
  existsSync,
  realpathSync,
  rmSync,
  statSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { binary, ROOT, tempDir } from "../harness";
import { anonymousMb, median, memoryMb, printMachine, short } from "./measure";
import { measureRoundTrips } from "./roundtrip";

const ROUNDS = Number(process.env.ROUNDS ?? 5);
const here = dirname(fileURLToPath(import.meta.url));
const official = join(ROOT, "build/bench-official.mjs");
const python = join(ROOT, "build/bench-python/bin/python");

/** The Python client in a place of its own; false, saying so, where it is not to be had. */
function havePython(): boolean {
  const dir = join(ROOT, "build/bench-python");
  const quiet = { stdio: "ignore", timeout: 120_000 } as const;
  try {
    if (!existsSync(python))
      execFileSync("python3", ["-m", "venv", dir], quiet);
    execFileSync(python, ["-m", "pip", "install", "-q", "convex"], quiet);
    return true;
  } catch {
    console.log("convex-py and convex-rs: skipped, PyPI cannot be reached\n");
    return false;
  }
}
let withPython = false;

/** What a process says of its job (convex-c/bench/client_bench.c), and what is seen of it. */
interface Figures {
  count?: number;
  cpu_us: number;
  us?: number;
  p50?: number;
  p99?: number;
  mb: number; // resident at the end of the job
  own_mb: number; // of this anonymous
  started_us: number; // from the process's start to its job's end, where it says when that was
}

type Column = "js" | "py" | "floor" | "c";
type Who = Column | "curl"; // the last is the floor of calls over HTTP
type Job = [name: string, ...numbers: number[]];
const NAMES: Record<Column, string> = {
  js: "convex JS",
  py: "convex-py",
  floor: "floor",
  c: "convex-c",
};

let url = "";

/** The server's process: port on its first line, ends with its input. */
async function startPeer(): Promise<ChildProcess> {
  const peer = spawn(binary("convex_bench_peer"), [], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const [port] = (await once(
    createInterface({ input: peer.stdout! }),
    "line",
  )) as string[];
  url = `http://127.0.0.1:${port}`;
  return peer;
}

async function play(who: Who, [name, ...numbers]: Job): Promise<Figures> {
  const program = {
    js: process.execPath,
    py: python,
    floor: binary("convex_bench_floor"),
    c: binary("convex_client_bench"),
    curl: binary("convex_curl_bench"),
  }[who];
  const args = [name, url, ...numbers.map(String)];
  if (who === "js") args.unshift(official);
  if (who === "py") args.unshift(join(here, "client.py"));
  const spawned = Number(process.hrtime.bigint()) / 1000;
  const child = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"] });
  const ended = once(child, "exit");
  const line = await Promise.race([
    once(createInterface({ input: child.stdout }), "line"),
    ended.then(([code]: unknown[]) => {
      throw new Error(`${name} of ${who} ended (${String(code)})`);
    }),
  ]);
  const said = JSON.parse(line[0] as string) as Figures & { at_us?: number };
  const mb = memoryMb(child.pid!);
  const own_mb = anonymousMb(child.pid!);
  child.stdin.end();
  await ended;
  return { ...said, mb, own_mb, started_us: (said.at_us ?? NaN) - spawned };
}

/** Medians of the rounds, each round all of them in turns. */
async function rounds<K extends string>(
  plays: Record<K, [Who, Job]>,
): Promise<Record<K, Figures>> {
  const keys = Object.keys(plays) as K[];
  const all = new Map<K, Figures[]>(keys.map((key) => [key, []]));
  for (let round = 0; round < ROUNDS; round++)
    for (const key of keys) {
      const [who, job] = plays[key];
      all.get(key)!.push(await play(who, job));
    }
  const middle = (list: Figures[], field: keyof Figures) =>
    median(list.map((figures) => figures[field] ?? NaN));
  const result = {} as Record<K, Figures>;
  for (const [key, list] of all)
    result[key] = {
      count: middle(list, "count"),
      cpu_us: middle(list, "cpu_us"),
      us: middle(list, "us"),
      p50: middle(list, "p50"),
      p99: middle(list, "p99"),
      mb: middle(list, "mb"),
      own_mb: middle(list, "own_mb"),
      started_us: middle(list, "started_us"),
    };
  return result;
}

/** The same job by all, or by some. */
function everyone(
  job: Job,
  who: Column[] = ["js", "py", "floor", "c"],
): Promise<Record<Column, Figures>> {
  const plays = who
    .filter((name) => name !== "py" || withPython)
    .map((name) => [name, [name, job]] as const);
  return rounds(
    Object.fromEntries(plays) as unknown as Record<Column, [Who, Job]>,
  );
}

/** A cell for each of them. */
const cells = (
  all: Record<Column, Figures>,
  cell: (figures: Figures, who: Column) => string,
): Partial<Record<Column, string>> =>
  Object.fromEntries(
    (Object.keys(all) as Column[]).map((who) => [who, cell(all[who], who)]),
  );

// ---- the table ----

const rows: string[][] = [];

function put(
  what: string,
  cells: Partial<Record<Column, string>>,
  words = "–",
  met = "–",
): void {
  const who = Object.keys(NAMES) as Column[];
  const shown = who.filter((name) => name !== "py" || withPython);
  rows.push([what, ...shown.map((name) => cells[name] ?? "–"), words, met]);
}

/** One line of the table; `aim` is an upper bound of ours in the unit given, or of a ratio. */
function row(
  what: string,
  cells: Partial<Record<Column, string>>,
  value: number,
  aim: number,
  words: string,
): void {
  const met = value <= aim ? "yes" : "**no**";
  put(what, cells, words, Number.isFinite(aim) ? met : "–");
}

function printTable(): void {
  const names = Object.values(NAMES).filter(
    (name) => name !== NAMES.py || withPython,
  );
  const head = ["", ...names, "aim", "met"];
  const rule = head.map((name) =>
    name === "" || name === "met" ? "---" : "---:",
  );
  for (const line of [head, rule, ...rows])
    console.log(`| ${line.join(" | ")} |`);
}

const us = (n: number): string =>
  n >= 1000 ? `${short(n / 1000)} ms` : `${short(n)} us`;
const kb = (mb: number): string => `${short(mb * 1024)} KB`;
const times = (a: number, b: number): string => `${short(a / b)}x`;

// ---- the jobs ----

async function transitions(
  words: string,
  documents: number,
  count: number,
  aimUs: number,
): Promise<void> {
  const all = await everyone(["stream", documents, count, 0, 1]);
  row(
    `CPU per Transition, ${words}`,
    cells(all, (f) => us(f.cpu_us)),
    all.c.cpu_us,
    aimUs,
    us(aimUs),
  );
  put(
    `Transitions a second on one core, ${words}`,
    cells(all, (f) => short(1e6 / f.cpu_us)),
  );
}

async function amongMany(): Promise<void> {
  const one: Job = ["stream", 0, 3000, 0, 1];
  const many: Job = ["stream", 0, 3000, 0, 1000];
  const got = await rounds({
    js1: ["js", one],
    c1: ["c", one],
    js: ["js", ["stream", 0, 300, 0, 1000]],
    c: ["c", many],
  });
  row(
    "CPU of an update among 1,000 live queries, of one among 1",
    {
      js: times(got.js.cpu_us, got.js1.cpu_us),
      c: times(got.c.cpu_us, got.c1.cpu_us),
    },
    got.c.cpu_us / got.c1.cpu_us,
    1.5,
    "1.5x",
  );
}

async function latency(): Promise<void> {
  for (const [words, documents, aim50, aim99] of [
    ["small", 0, 1.2, 1.5],
    ["22 KB", 50, Infinity, Infinity],
  ] as const) {
    const all = await everyone(["stream", documents, 3000, 500, 1]);
    for (const [p, aim] of [
      ["p50", aim50],
      ["p99", aim99],
    ] as const)
      row(
        `server frame to callback, ${words}, ${p}`,
        cells(all, (f, who) =>
          who === "floor" ? us(f[p]!) : times(f[p]!, all.floor[p]!),
        ),
        all.c[p]! / all.floor[p]!,
        aim,
        aim === Infinity ? "–" : `${aim}x`,
      );
  }
}

async function mutations(): Promise<void> {
  const all = await everyone(["mutate", 3000]);
  for (const [words, field, aim] of [
    ["call to settled, p50", "p50", 1.25],
    ["CPU", "cpu_us", 1.4],
  ] as const)
    row(
      `mutation, ${words}`,
      cells(all, (f, who) =>
        who === "floor" ? us(f[field]!) : times(f[field]!, all.floor[field]!),
      ),
      all.c[field]! / all.floor[field]!,
      aim,
      `${aim}x`,
    );
}

async function memory(): Promise<void> {
  const HELD = 40; // results of 22 KB
  const small: Job = ["hold", 1, HELD, 0];
  const large: Job = ["hold", 1, HELD, 50];
  const one = await everyone(["hold", 1, 1, 0]);
  const { js, floor, c } = one;
  const got = await rounds({
    js100: ["js", ["hold", 100, 1, 0]],
    floor100: ["floor", ["hold", 100, 1, 0]],
    c100: ["c", ["hold", 100, 1, 0]],
    floor1000: ["floor", ["hold", 1000, 1, 0]],
    c1000: ["c", ["hold", 1000, 1, 0]],
    jsQueries: ["js", ["hold", 1, 1000, 0]],
    cQueries: ["c", ["hold", 1, 1000, 0]],
    jsSmall: ["js", small],
    cSmall: ["c", small],
    jsLarge: ["js", large],
    cLarge: ["c", large],
  });
  row(
    "start to first result",
    cells(one, (f) => us(f.started_us)),
    c.started_us,
    8000,
    "8 ms",
  );
  row(
    "memory of one client, with all libraries",
    cells(one, (f) => `${short(f.mb)} MB`),
    c.mb,
    5,
    "5 MB",
  );
  put(
    "of this its own, not shared pages of files",
    cells(one, (f) => `${short(f.own_mb)} MB`),
  );
  const further = (many: Figures, one: Figures, n: number) =>
    (many.mb - one.mb) / (n - 1);
  row(
    "each further connection, of 100",
    {
      js: kb(further(got.js100, js, 100)),
      floor: kb(further(got.floor100, floor, 100)),
      c: kb(further(got.c100, c, 100)),
    },
    further(got.c100, c, 100) * 1024,
    12,
    "12 KB",
  );
  row(
    "each further connection, of 1,000",
    {
      floor: kb(further(got.floor1000, floor, 1000)),
      c: kb(further(got.c1000, c, 1000)),
    },
    further(got.c1000, c, 1000) * 1024,
    12,
    "12 KB",
  );
  row(
    "each further small subscription, of 1,000",
    {
      js: kb(further(got.jsQueries, js, 1000)),
      c: kb(further(got.cQueries, c, 1000)),
    },
    further(got.cQueries, c, 1000) * 1024,
    1,
    "1 KB",
  );
  const text = (HELD * 50 * 440) / 1024 / 1024; // MB, about
  row(
    "a held result, of its text",
    {
      js: times(got.jsLarge.mb - got.jsSmall.mb, text),
      c: times(got.cLarge.mb - got.cSmall.mb, text),
    },
    (got.cLarge.mb - got.cSmall.mb) / text,
    2,
    "2x",
  );
}

async function quiet(): Promise<void> {
  const { js, c } = await rounds({
    js: ["js", ["idle", 10]],
    c: ["c", ["idle", 10]],
  });
  row(
    "CPU of 10 s without work",
    { js: us(js.cpu_us), c: us(c.cpu_us) },
    c.cpu_us,
    1000,
    "1 ms",
  );
}

async function resubscription(): Promise<void> {
  const { js, c } = await rounds({
    js: ["js", ["resubscribe", 1000]],
    c: ["c", ["resubscribe", 1000]],
  });
  put("resubscription of 1,000 queries, CPU", {
    js: us(js.cpu_us),
    c: us(c.cpu_us),
  });
}

async function http(): Promise<void> {
  const { floor, c } = await rounds({
    floor: ["curl", ["curl", 4000]],
    c: ["c", ["http", 4000]],
  });
  row(
    "HTTP calls a second, of a bare libcurl loop's",
    { floor: short(1e6 / floor.us!), c: times(floor.us!, c.us!) },
    c.us! / floor.us!,
    1 / 0.9,
    ">= 0.9x",
  );
}

function librarySize(): void {
  const library = join(dirname(binary("x")), "../lib/libconvex.so");
  const dir = tempDir();
  const stripped = join(dir, "stripped");
  copyFileSync(realpathSync(library), stripped);
  execFileSync("strip", [stripped]);
  const size = statSync(stripped).size / 1024;
  rmSync(dir, { recursive: true });
  row("stripped library", { c: `${short(size)} KB` }, size, 400, "400 KB");
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
  console.log(`medians of ${ROUNDS} rounds, in turns\n`);
  withPython = havePython();
  const peer = await startPeer();
  const jobs: (() => Promise<void> | void)[] = [
    () => transitions("50 documents (22 KB)", 50, 2000, 25),
    () => transitions("2,500 documents (1.1 MB)", 2500, 60, 1100),
    amongMany,
    latency,
    mutations,
    memory,
    quiet,
    resubscription,
    http,
    librarySize,
  ];
  for (const job of jobs) await job();
  peer.stdin!.end();
  printTable();
  console.log("");
  await measureRoundTrips(official);
}

await main();
