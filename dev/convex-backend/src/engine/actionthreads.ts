/* actionthreads.ts - the threads that actions run on, one action at a time each.
 *
 * Owns the threads and the line of actions that wait for one. An action that never stops, or
 * takes all memory, harms none but itself: its thread is ended. There is always one thread more
 * than is in use, so that an action need not wait for one to start.
 */

import type { Worker } from "node:worker_threads";
import { type Prepared, startWorker, type ThreadStart } from "./pool.js";
import type { FromWorker, ToWorker } from "./run/protocol.js";
import type { Catalog } from "./store/format.js";
import { Gate } from "./store/gate.js";

/** Threads for actions that clients, the scheduler and requests to the site start. */
const MAX_THREADS = 16;
/** So many unanswered pings are silence: time alone would blame a thread for a process that slept. */
const PINGS = 10;
/** Threads kept when nothing runs. */
const KEPT_IDLE = 2;

export type ThreadUser = {
  receive: (message: FromWorker) => void;
  /** The thread is gone; nothing more comes from it. */
  died: () => void;
};

export class ActionThread {
  user: ThreadUser | null = null;
  /** Pings since it was last heard of. */
  unanswered = 0;

  constructor(
    readonly worker: Worker,
    /** Which code it runs. */
    readonly start: ThreadStart,
  ) {}

  send(message: ToWorker): void {
    this.worker.postMessage(message);
  }

  end(): void {
    void this.worker.terminate();
  }
}

type Waiting = (thread: ActionThread) => void;

export class ActionThreads {
  private readonly threads = new Set<ActionThread>();
  private readonly idle: ActionThread[] = [];
  private readonly line: Waiting[] = [];
  private starting = 0;
  private closed = false;
  private readonly pinger: NodeJS.Timeout;

  constructor(
    private start: ThreadStart,
    private readonly log: (message: string) => void,
    /** A thread that says nothing for so long is taken to be in an endless loop. */
    silenceMs: number,
  ) {
    this.pinger = setInterval(() => this.ping(), silenceMs / PINGS).unref();
  }

  /** Starts a thread with other code, to be put in place of the present ones or given up. */
  async prepare(start: ThreadStart): Promise<Prepared> {
    const thread = await this.startThread(start);
    return {
      drop: () => thread.end(),
      takeOver: () => {
        this.start = { ...start, catalog: this.start.catalog };
        // Busy ones end when their action has.
        for (const old of this.idle.splice(0)) old.end();
        thread.send({ type: "catalog", catalog: this.start.catalog });
        this.release(thread);
      },
    };
  }

  setCatalog(catalog: Catalog): void {
    this.start = { ...this.start, catalog };
    for (const thread of this.threads)
      thread.send({ type: "catalog", catalog });
  }

  /**
   * Calls back with a thread of its own, at once when one is free. What another action waits for
   * (`nested`) is not held up by the limit on threads.
   */
  take(nested: boolean, callback: Waiting): void {
    const thread = this.idle.pop();
    if (thread !== undefined) callback(thread);
    else if (nested) this.line.unshift(callback);
    else this.line.push(callback);
    this.grow(nested);
  }

  /** The thread's action has ended. */
  release(thread: ActionThread): void {
    thread.user = null;
    if (!this.threads.has(thread)) return;
    const isOld = thread.start.deployment !== this.start.deployment;
    if (isOld || this.closed) {
      thread.end();
      return;
    }
    const next = this.line.shift();
    if (next !== undefined) next(thread);
    else if (this.idle.length >= KEPT_IDLE) thread.end();
    else this.idle.push(thread);
  }

  /** Starts what is missing: a thread for each that waits, and one to spare. */
  private grow(nested: boolean): void {
    const wanted = this.line.length + 1 - this.idle.length - this.starting;
    const room = MAX_THREADS - this.threads.size - this.starting;
    const count = nested ? Math.max(1, room) : room;
    for (let i = 0; i < Math.min(wanted, count); i++) this.spawn();
  }

  private spawn(): void {
    this.starting++;
    this.startThread(this.start)
      .then(
        (thread) => {
          thread.send({ type: "catalog", catalog: this.start.catalog });
          this.release(thread);
        },
        (error: Error) => {
          if (!this.closed)
            this.log(`An action's thread did not start: ${error.message}`);
        },
      )
      .finally(() => this.starting--);
  }

  private async startThread(start: ThreadStart): Promise<ActionThread> {
    const { worker, ready } = startWorker({
      ...start,
      role: "actions",
      clock: new SharedArrayBuffer(8),
      gate: Gate.buffer(),
    });
    const thread = new ActionThread(worker, start);
    this.threads.add(thread);
    worker.on("message", (message: FromWorker) => {
      thread.unanswered = 0;
      thread.user?.receive(message);
    });
    worker.on("error", (error) =>
      this.log(`An action's thread failed: ${error.message}`),
    );
    worker.on("exit", () => this.gone(thread));
    await ready;
    if (this.closed) thread.end();
    return thread;
  }

  private gone(thread: ActionThread): void {
    this.threads.delete(thread);
    const at = this.idle.indexOf(thread);
    if (at >= 0) this.idle.splice(at, 1);
    thread.user?.died();
    thread.user = null;
    if (!this.closed && this.line.length > 0) this.grow(false);
  }

  /** Ends threads that an action keeps from answering. */
  private ping(): void {
    for (const thread of this.threads) {
      if (thread.user === null) thread.unanswered = 0;
      else if (thread.unanswered++ < PINGS) thread.send({ type: "ping" });
      else thread.end();
    }
  }

  async close(): Promise<void> {
    this.closed = true;
    clearInterval(this.pinger);
    await Promise.all(
      [...this.threads].map(({ worker }) => worker.terminate()),
    );
  }
}
