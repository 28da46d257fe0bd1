// journal.ts - what clients did, for assertions. A bounded list in memory;
// numbers go on counting when old entries fall out.

const KEPT = 50_000;

export interface RestEntry {
  n: number;
  at: number; // ms, when the request had arrived
  tookMs: number;
  method: string;
  path: string; // with its query
  route: string | null; // the template, null when none matched
  bot: string | null; // user id
  status: number; // 0: cut off or never answered
  code?: number; // Discord's JSON code of a refusal
  reason?: string; // X-Audit-Log-Reason
  body?: unknown; // parsed; a multipart body lists its files
}

export interface GatewayEntry {
  n: number;
  at: number;
  event: string; // open, identify, resume, ready, resumed, invalid_session, close
  [detail: string]: unknown;
}

export class Journal<T extends { n: number }> {
  #entries: T[] = [];
  #next = 1;

  add(entry: Omit<T, "n">): void {
    this.#entries.push({ n: this.#next++, ...entry } as T);
    if (this.#entries.length > KEPT) this.#entries.splice(0, KEPT / 10);
  }

  /** Entries with a number greater than `n`, oldest first. */
  since(n: number): T[] {
    return this.#entries.filter((entry) => entry.n > n);
  }

  get last(): number {
    return this.#next - 1;
  }
}
