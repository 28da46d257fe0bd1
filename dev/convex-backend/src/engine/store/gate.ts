/* gate.ts - ends a thread only while it is not inside SQLite.
 *
 * Ending a thread in the middle of a call into the native library aborts the whole process. So
 * a thread shows when it is inside, and one that is to end goes in no more: it waits at the
 * gate. Shared memory: one word `inside`, one word `closed`.
 */

import { setTimeout } from "node:timers/promises";
import type { Worker } from "node:worker_threads";

const INSIDE = 0;
const CLOSED = 1;

export class Gate {
  private readonly words: Int32Array;

  constructor(buffer: SharedArrayBuffer = Gate.buffer()) {
    this.words = new Int32Array(buffer);
  }

  static buffer(): SharedArrayBuffer {
    return new SharedArrayBuffer(8);
  }

  /** The thread's side: everything that calls into the native library goes in here. */
  run<T>(work: () => T): T {
    Atomics.store(this.words, INSIDE, 1);
    if (Atomics.load(this.words, CLOSED) === 1) {
      Atomics.store(this.words, INSIDE, 0);
      Atomics.wait(this.words, CLOSED, 1);
    }
    try {
      return work();
    } finally {
      Atomics.store(this.words, INSIDE, 0);
    }
  }

  /** The other side: ends the thread as soon as it is outside. */
  async end(worker: Worker): Promise<void> {
    Atomics.store(this.words, CLOSED, 1);
    while (Atomics.load(this.words, INSIDE) === 1) await setTimeout(1);
    await worker.terminate();
  }
}
