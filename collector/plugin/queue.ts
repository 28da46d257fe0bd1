// queue.ts - events on their way to the collector.
//
// Invariants: an event leaves the queue only after the collector has it on
// disk, or has refused it for good; events leave in the order in which they came.

export interface CapturedEvent {
  name: string;
  data: object;
  capturedAt: number; // ms
  parentId?: string; // the channel of the thread it happened in
}

export interface Answer {
  status: number; // 0: no answer
  error: string;
}

export interface QueueOptions {
  post(body: string): Promise<Answer>;
  load(): Promise<CapturedEvent[] | undefined>;
  store(events: CapturedEvent[]): Promise<void>;
  sleep(ms: number): Promise<void>;
  report(problem: string): void;
}

const MAX_WAITING = 5000;
const MAX_BATCH = 64; // of the collector's
const FIRST_PAUSE_MS = 500;
const LAST_PAUSE_MS = 30_000;

export class Queue {
  readonly #options: QueueOptions;
  #waiting: CapturedEvent[] = [];
  #pauseMs = FIRST_PAUSE_MS;
  #batch = MAX_BATCH;
  #running = false;
  #stopped = false;

  constructor(options: QueueOptions) {
    this.#options = options;
  }

  get length(): number {
    return this.#waiting.length;
  }

  /** Takes up what an earlier life left. */
  async open(): Promise<void> {
    const left = (await this.#options.load()) ?? [];
    this.#waiting = [...left, ...this.#waiting];
    await this.#run();
  }

  close(): void {
    this.#stopped = true;
  }

  /** Resolves when the queue is at rest: empty, or closed. */
  async add(event: CapturedEvent): Promise<void> {
    if (this.#waiting.length >= MAX_WAITING) {
      this.#options.report(`${MAX_WAITING} events wait: this one is lost`);
      return;
    }
    this.#waiting.push(event);
    await this.#options.store(this.#waiting);
    await this.#run();
  }

  async #run(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    try {
      while (this.#waiting.length > 0 && !this.#stopped) await this.#step();
    } finally {
      this.#running = false;
    }
  }

  async #step(): Promise<void> {
    const batch = this.#waiting.slice(0, this.#batch);
    const body = JSON.stringify({ events: batch });
    const { status, error } = await this.#options.post(body);
    if (status === 200) await this.#taken(batch.length);
    else if (status === 400 || status === 413)
      await this.#refused(batch, error);
    else await this.#later(status, error);
  }

  async #taken(count: number): Promise<void> {
    this.#waiting.splice(0, count);
    this.#pauseMs = FIRST_PAUSE_MS;
    this.#batch = MAX_BATCH;
    await this.#options.store(this.#waiting);
  }

  // One of them is at fault: alone it is found, and holds up nobody.
  async #refused(batch: CapturedEvent[], error: string): Promise<void> {
    if (batch.length > 1) {
      this.#batch = 1;
      return;
    }
    this.#options.report(
      `the collector cannot take ${batch[0]!.name}: ${error}`,
    );
    this.#waiting.shift();
    await this.#options.store(this.#waiting);
  }

  async #later(status: number, error: string): Promise<void> {
    if (status === 401 || status === 403)
      this.#options.report(`the collector refuses us: ${error}`);
    await this.#options.sleep(this.#pauseMs);
    this.#pauseMs = Math.min(this.#pauseMs * 2, LAST_PAUSE_MS);
  }
}
