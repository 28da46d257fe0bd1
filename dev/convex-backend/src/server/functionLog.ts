// functionLog.ts - the recent calls, for `convex logs` and `convex dev`, and
// the line each call leaves in the server's own log.
// Owns a bounded history; cursors are ms since 1970 and never go back.

import type { Engine, LogEntry } from "../engine/api.js";
import type { Log } from "./log.js";

interface Stored {
  cursor: number;
  entry: LogEntry;
}

const HISTORY = 1000;
const HOLD_MS = 60_000;

export class FunctionLog {
  readonly #entries: Stored[] = [];
  readonly #waiting = new Set<() => void>();
  readonly #off: () => void;
  #cursor: number;

  constructor(engine: Engine, log: Log) {
    this.#cursor = Date.now();
    this.#off = engine.onLog((entry) => {
      this.#add(entry);
      writeLine(log, entry);
    });
  }

  /** Everything after `cursor`; waits for something unless the cursor is 0. */
  async after(
    cursor: number,
    signal: AbortSignal,
  ): Promise<{ entries: unknown[]; newCursor: number }> {
    if (cursor > 0 && cursor >= this.#cursor) await this.#next(signal);
    const entries = this.#entries.filter((stored) => stored.cursor > cursor);
    return {
      entries: entries.map(({ entry }) => toWire(entry)),
      newCursor: Math.max(this.#cursor, cursor),
    };
  }

  /** Answers everyone who waits. */
  close(): void {
    this.#off();
    this.#wake();
  }

  #add(entry: LogEntry): void {
    this.#cursor = Math.max(Date.now(), this.#cursor + 0.001);
    this.#entries.push({ cursor: this.#cursor, entry });
    if (this.#entries.length > HISTORY) this.#entries.shift();
    this.#wake();
  }

  #wake(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const resume of waiting) resume();
  }

  async #next(signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => {
      const resume = () => {
        clearTimeout(timer);
        this.#waiting.delete(resume);
        resolve();
      };
      const timer = setTimeout(resume, HOLD_MS);
      signal.addEventListener("abort", resume, { once: true });
      this.#waiting.add(resume);
    });
  }
}

function toWire(entry: LogEntry): unknown {
  const common = {
    udfType: entry.udfType,
    componentPath: null,
    identifier: entry.identifier,
    timestamp: entry.timestamp / 1000,
    logLines: entry.logLines.map((line) => structured(line, entry.timestamp)),
    requestId: entry.requestId,
    executionId: entry.requestId,
  };
  if (entry.kind === "Progress") return { kind: "Progress", ...common };
  return {
    kind: "Completion",
    ...common,
    cachedResult: entry.cached,
    caller: entry.source,
    executionTime: entry.executionMs / 1000,
    success: entry.success ? null : undefined,
    error: entry.success ? null : (entry.errorMessage ?? entry.error),
    willRetry: false,
    usageStats: {
      databaseReadDocuments: entry.documentsRead,
      databaseWriteDocuments: entry.documentsWritten,
    },
  };
}

function structured(line: string, timestamp: number): unknown {
  const [, level, message] =
    /^\[(DEBUG|INFO|LOG|WARN|ERROR)\] ?(.*)$/s.exec(line) ?? [];
  return {
    messages: [message ?? line],
    level: level ?? "LOG",
    timestamp,
    isTruncated: false,
  };
}

function writeLine(log: Log, entry: LogEntry): void {
  if (entry.kind === "Progress") return;
  const fields = {
    function: entry.identifier,
    ms: Math.round(entry.executionMs * 100) / 100,
    read: entry.documentsRead,
    written: entry.documentsWritten,
    ...(entry.retries > 0 ? { retries: entry.retries } : {}),
    ...(entry.source === "client" ? {} : { by: entry.source }),
  };
  const event = entry.udfType.toLowerCase();
  if (!entry.success) {
    log.warn(event, {
      ...fields,
      error: (entry.error ?? "failed").slice(0, 300),
    });
  } else if (entry.cached) {
    log.debug(event, { ...fields, cached: true });
  } else {
    log.info(event, fields);
  }
}
