/* pool.ts - the worker threads that run queries and mutations.
 *
 * Owns the threads and the lines of calls waiting for one. A mutation lets no more than one query
 * go first: what is late with a change is late for everybody, and a query that runs after several
 * changes shows them all at once. A thread is given one call at a time,
 * so a call that does not end harms only itself: its thread is ended and replaced.
 * Invariant: every call is answered once, also when its thread dies or the code is replaced.
 */

import { readFileSync } from "node:fs";
import { Worker } from "node:worker_threads";
import type { Catalog } from "./store/format.js";
import type {
  FromWorker,
  RunTransaction,
  ToWorker,
  TransactionDone,
  TransactionNeedsTable,
  TransactionRefused,
  WorkerRole,
  WorkerStart,
} from "./run/protocol.js";
import { Gate } from "./store/gate.js";
import { workerFile } from "./workerfile.js";

/** User code of a query or mutation: time of the processor where it can be had, ms. */
const USER_MS = 1000;
/** Most calls are over before anyone looks how they do. */
const LOOK_MS = 100;
/** All of it, the engine's part included, ms. */
const TOTAL_MS = 15_000;

export type TransactionAnswer =
  | TransactionDone
  | TransactionNeedsTable
  | TransactionRefused
  | { type: "timeout"; id: number; message: string };

/** What a thread starts with, without what is its own. */
export type ThreadStart = Omit<WorkerStart, "clock" | "gate" | "role">;

type Kind = RunTransaction["kind"];

type Waiting = {
  request: RunTransaction;
  answer: (answer: TransactionAnswer) => void;
};

/** Threads with other code, ready to be used. Exactly one of the two has to be called. */
export type Prepared = { takeOver: () => void; drop: () => void };

/** Starts a thread; `ready` when its modules are loaded. */
export function startWorker(start: WorkerStart): {
  worker: Worker;
  /** Resolves with the thread's number to the system, where there is one. */
  ready: Promise<string | null>;
} {
  const worker = new Worker(workerFile(), {
    workerData: start,
    execArgv: ["--experimental-vm-modules", "--no-warnings"],
    resourceLimits: { maxOldGenerationSizeMb: 512 },
    stdout: false,
  });
  const ready = new Promise<string | null>((resolve, reject) => {
    worker.once("message", (message: FromWorker) => {
      if (message.type === "ready") resolve(message.thread);
      else reject(new Error(`Unexpected first message ${message.type}`));
    });
    worker.once("error", reject);
    worker.once("exit", () => reject(new Error("Worker ended while starting")));
  });
  ready.catch(() => undefined);
  return { worker, ready };
}

class Thread {
  readonly worker: Worker;
  readonly ready: Promise<void>;
  private threadNumber: string | null = null;
  private readonly clock: Float64Array;
  private readonly gate: Gate;
  job: Waiting | null = null;
  private began = 0;
  private beganCpu: number | null = null;
  private timer: NodeJS.Timeout | null = null;
  usable = false;

  constructor(
    start: ThreadStart,
    private readonly pool: Pool,
  ) {
    const clock = new SharedArrayBuffer(8);
    this.clock = new Float64Array(clock);
    const gate = Gate.buffer();
    this.gate = new Gate(gate);
    const role: WorkerRole = "transactions";
    const { worker, ready } = startWorker({ ...start, role, clock, gate });
    this.worker = worker;
    this.ready = ready.then((number) => {
      this.threadNumber = number;
    });
    this.ready.catch(() => undefined);
    worker.on("message", (message: FromWorker) => this.receive(message));
    worker.on("error", () => this.died());
    worker.on("exit", () => this.died());
  }

  end(): Promise<void> {
    return this.gate.end(this.worker);
  }

  give(job: Waiting): void {
    this.job = job;
    this.began = performance.now();
    this.beganCpu = null;
    this.worker.postMessage(job.request satisfies ToWorker);
    this.timer = setTimeout(() => this.check(), LOOK_MS);
  }

  private receive(message: FromWorker): void {
    if (
      message.type !== "done" &&
      message.type !== "needsTable" &&
      message.type !== "refused"
    )
      return;
    const job = this.take();
    this.pool.next();
    job?.answer(message);
  }

  take(): Waiting | null {
    const job = this.job;
    this.job = null;
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    return job;
  }

  private check(): void {
    const total = performance.now() - this.began;
    const left = Math.min(USER_MS - this.used(total), TOTAL_MS - total);
    if (left > 0) {
      this.timer = setTimeout(() => this.check(), Math.max(1, left));
      return;
    }
    const job = this.take()!;
    const limit = total >= TOTAL_MS ? TOTAL_MS : USER_MS;
    this.pool.replace(this);
    job.answer({
      type: "timeout",
      id: job.request.id,
      message: `Function execution timed out (maximum duration: ${limit / 1000}s)`,
    });
  }

  /** User code's time so far, ms. Others' load on the machine is not held against it. */
  private used(total: number): number {
    const cpu = cpuMs(this.threadNumber);
    if (cpu === null) return total - this.clock[0]!;
    // At the first look, soon after the start, it has had all the time there was.
    this.beganCpu ??= cpu - Math.min(total, LOOK_MS);
    return cpu - this.beganCpu - this.clock[0]!;
  }

  private died(): void {
    if (!this.pool.owns(this)) return;
    const job = this.take();
    this.pool.replace(this);
    job?.answer({
      type: "timeout",
      id: job.request.id,
      message:
        "Function execution ran out of memory (maximum memory usage: 512 MB)",
    });
  }
}

/** Time of the processor that a thread has used; null where the system does not tell. */
function cpuMs(thread: string | null): number | null {
  if (thread === null) return null;
  try {
    const line = readFileSync(`/proc/self/task/${thread}/schedstat`, "utf8");
    return Number(line.split(" ")[0]) / 1e6;
  } catch {
    return null;
  }
}

export class Pool {
  private threads: Thread[] = [];
  private retiring = new Set<Thread>();
  private readonly lines: Record<Kind, Waiting[]> = { Query: [], Mutation: [] };
  /** What was given to a thread last. */
  private given: Kind = "Query";
  private nextId = 1;
  private closed = false;

  private constructor(
    private start: ThreadStart,
    private readonly size: number,
    private readonly log: (message: string) => void,
  ) {}

  static async open(
    start: ThreadStart,
    size: number,
    log: (message: string) => void,
  ): Promise<Pool> {
    const pool = new Pool(start, size, log);
    (await pool.prepare(start)).takeOver();
    return pool;
  }

  /** Starts threads with other code, to be put in place of the present ones or given up. */
  async prepare(start: ThreadStart): Promise<Prepared> {
    const fresh = Array.from(
      { length: this.size },
      () => new Thread(start, this),
    );
    const drop = () => {
      for (const thread of fresh) void thread.end();
    };
    try {
      await Promise.all(fresh.map((thread) => thread.ready));
    } catch (error) {
      drop();
      throw error;
    }
    return { drop, takeOver: () => this.takeOver(start, fresh) };
  }

  /** Running calls still end on the threads that are replaced. */
  private takeOver(start: ThreadStart, fresh: Thread[]): void {
    // Tables may have changed while they started.
    this.start = { ...start, catalog: this.start.catalog };
    const old = this.threads;
    this.threads = fresh;
    for (const thread of fresh) {
      thread.usable = true;
      this.refresh(thread);
    }
    for (const thread of old) this.retire(thread);
    this.next();
  }

  /** Tells a thread what changed while it started. */
  private refresh(thread: Thread): void {
    this.tell(thread, { type: "catalog", catalog: this.start.catalog });
  }

  private retire(thread: Thread): void {
    if (thread.job === null) void thread.end();
    else this.retiring.add(thread);
  }

  owns(thread: Thread): boolean {
    return this.threads.includes(thread) || this.retiring.has(thread);
  }

  replace(thread: Thread): void {
    this.retiring.delete(thread);
    void thread.end();
    const at = this.threads.indexOf(thread);
    if (at < 0 || this.closed) return;
    const fresh = new Thread(this.start, this);
    this.threads[at] = fresh;
    fresh.ready.then(
      () => {
        fresh.usable = true;
        this.refresh(fresh);
        this.next();
      },
      (error: Error) => this.log(`A worker did not start: ${error.message}`),
    );
  }

  private tell(thread: Thread, message: ToWorker): void {
    thread.worker.postMessage(message);
  }

  setCatalog(catalog: Catalog): void {
    this.start = { ...this.start, catalog };
    for (const thread of this.threads)
      this.tell(thread, { type: "catalog", catalog });
  }

  run(
    request: Omit<RunTransaction, "id" | "type">,
  ): Promise<TransactionAnswer> {
    return new Promise((answer) => {
      const full: RunTransaction = {
        ...request,
        type: "run",
        id: this.nextId++,
      };
      this.lines[full.kind].push({ request: full, answer });
      this.next();
    });
  }

  /** Gives waiting calls to free threads. */
  next(): void {
    for (const thread of this.retiring)
      if (thread.job === null) {
        this.retiring.delete(thread);
        void thread.end();
      }
    const { Query: queries, Mutation: mutations } = this.lines;
    while (queries.length + mutations.length > 0) {
      const free = this.threads.find(
        (thread) => thread.usable && thread.job === null,
      );
      if (free === undefined) return;
      const other = this.given === "Query" ? "Mutation" : "Query";
      if (this.lines[other].length > 0) this.given = other;
      free.give(this.lines[this.given].shift()!);
    }
  }

  async close(): Promise<void> {
    this.closed = true;
    const all = [...this.threads, ...this.retiring];
    for (const waiting of [
      ...this.lines.Query.splice(0),
      ...this.lines.Mutation.splice(0),
      ...all.flatMap((thread) => thread.take() ?? []),
    ])
      waiting.answer({
        type: "refused",
        id: waiting.request.id,
        message: "The engine is closing",
      });
    this.threads = [];
    this.retiring = new Set();
    await Promise.all(all.map((thread) => thread.end()));
  }
}
