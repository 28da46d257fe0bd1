/* runner.ts - queries and mutations: sharing results, committing, running again.
 *
 * Owns the cache of query results and the line of retries. Main thread only.
 */

import { Buffer } from "node:buffer";
import {
  type Caller,
  EngineError,
  type Identity,
  identityKey,
  type JSONValue,
  type LogEntry,
  type MutationResult,
  type Outcome,
  type QueryResult,
  type Ts,
  type Watch,
} from "./api.js";
import type { Core } from "./core.js";
import { canonicalPath } from "./functions.js";
import type { Pool, TransactionAnswer } from "./pool.js";
import { argumentList, failed } from "./run/call.js";
import type { TransactionDone, WireOutcome } from "./run/protocol.js";
import { unsupported } from "./run/failure.js";
import { metaInterval } from "./store/format.js";
import { Reads } from "./store/readset.js";

export type InternalCall = {
  path: string;
  args: JSONValue;
  identity: Identity;
  requestId: string;
  componentPath?: string | undefined;
  caller?: Caller | undefined;
  /** May be an internal function whatever the identity. */
  internal?: boolean;
  source?: LogEntry["source"];
};

export type InternalQuery = InternalCall & {
  ts?: Ts | undefined;
  journal?: string | null | undefined;
  bundle?: string;
};

export type InternalMutation = InternalCall & {
  session?: { sessionId: string; requestId: number } | undefined;
  /** The scheduled function that this is. */
  job?: string;
};

const RETRIES = 4;
/** From this attempt on nobody else commits meanwhile, so it succeeds. */
const EXCLUSIVE_ATTEMPT = 2;
const CACHE_ENTRIES = 4096;
const CACHE_BYTES = 64 << 20;

type Cached = { result: QueryResult; watch: Watch; bytes: number };

type StoredResult = { ts: string; value: JSONValue; logLines: string[] };

export function parseOutcome(outcome: WireOutcome): Outcome {
  return outcome.success
    ? { success: true, value: JSON.parse(outcome.text) as JSONValue }
    : outcome;
}

export class Runner {
  private readonly cache = new Map<string, Cached>();
  private cacheBytes = 0;
  private readonly flying = new Map<string, Promise<QueryResult>>();
  /** Paths whose last run asked who calls. */
  private readonly personal = new Set<string>();
  private readonly sessions = new Map<string, Promise<MutationResult>>();
  /** The retry that others let go first. */
  private exclusive: Promise<void> | null = null;
  private readonly getSession;
  private readonly putSession;

  constructor(
    private readonly core: Core,
    private readonly pool: Pool,
  ) {
    const { connection } = core.store;
    this.getSession = connection.prepare(
      "SELECT result FROM session_requests WHERE session = ? AND request = ?",
    );
    this.putSession = connection.prepare(
      "INSERT INTO session_requests(session, request, at, result) VALUES (?, ?, ?, ?)",
    );
  }

  private refused(call: InternalCall): Outcome | null {
    const component = call.componentPath ?? "";
    return component === ""
      ? null
      : failed(call.requestId, { message: unsupported("components") });
  }

  // ------------------------------------------------------------ queries

  async query(call: InternalQuery): Promise<QueryResult> {
    const began = performance.now();
    const refusal = this.refused(call);
    if (refusal !== null) return this.constantFailure(refusal);
    const latest = this.core.latestTs();
    const ts = call.ts ?? latest;
    if (ts > latest)
      throw new EngineError(
        500,
        "InternalServerError",
        `timestamp ${ts} is in the future`,
      );
    const path = canonicalPath(call.path);
    const base = `${path}\0${JSON.stringify(call.args)}\0${call.journal ?? ""}\0${call.internal ?? false}`;
    const own = `${base}\0${identityKey(call.identity)}`;
    // What kind of caller it is decides about internal functions.
    const shared = `${base}\0*${call.identity.kind}`;
    if (call.bundle === undefined) {
      const hit = this.cached(shared, ts) ?? this.cached(own, ts);
      if (hit !== null) {
        this.logQuery(call, path, hit, null, began);
        return hit;
      }
    }
    const key = `${this.personal.has(path) ? own : shared}\0${ts}`;
    let run = this.flying.get(key);
    if (run === undefined || call.bundle !== undefined) {
      run = this.execute(call, path, ts, began);
      this.flying.set(key, run);
      run.catch(() => undefined).finally(() => this.flying.delete(key));
    }
    const result = await run;
    if (result.usedIdentity && !key.startsWith(`${own}\0`)) {
      // Shared in the belief that the function does not ask who calls.
      this.personal.add(path);
      return (
        this.cached(own, ts) ?? (await this.execute(call, path, ts, began))
      );
    }
    return result;
  }

  private constantFailure(outcome: Outcome): QueryResult {
    return {
      outcome,
      ts: this.core.latestTs(),
      reads: new Reads([metaInterval("modules")]),
      journal: null,
      logLines: [],
      usedIdentity: false,
    };
  }

  private cached(key: string, ts: Ts): QueryResult | null {
    const entry = this.cache.get(key);
    if (entry === undefined) return null;
    if (ts < entry.result.ts || ts > entry.watch.validThrough()) {
      if (!entry.watch.valid) this.forget(key, entry);
      return null;
    }
    this.cache.delete(key);
    this.cache.set(key, entry);
    return { ...entry.result, ts };
  }

  private forget(key: string, entry: Cached): void {
    this.cache.delete(key);
    this.cacheBytes -= entry.bytes;
    entry.watch.close();
  }

  private remember(key: string, result: QueryResult, bytes: number): void {
    const watch = this.core.store.commits.watch(
      result.reads as Reads,
      result.ts,
    );
    const old = this.cache.get(key);
    if (old !== undefined) this.forget(key, old);
    const entry = { result, watch, bytes: bytes + 1024 };
    this.cache.set(key, entry);
    this.cacheBytes += entry.bytes;
    while (this.cache.size > CACHE_ENTRIES || this.cacheBytes > CACHE_BYTES) {
      const [oldest, gone] = this.cache.entries().next().value!;
      this.forget(oldest, gone);
    }
  }

  private async execute(
    call: InternalQuery,
    path: string,
    ts: Ts,
    began: number,
  ): Promise<QueryResult> {
    const answer = await this.pool.run({
      kind: "Query",
      path,
      args: argumentList(call.args),
      identity: call.identity,
      internal: call.internal ?? mayCallAnything(call.identity),
      requestId: call.requestId,
      caller: call.caller,
      now: this.core.beginTime(),
      seed: this.core.seed(),
      ts,
      keptSince: this.core.store.keptSince,
      journal: call.journal ?? null,
      job: null,
      bundle: call.bundle ?? null,
    });
    if (answer.type !== "done") return this.broken(call, path, answer, began);
    const result: QueryResult = {
      outcome: parseOutcome(answer.outcome),
      ts: answer.ts,
      reads: new Reads(answer.reads),
      journal: answer.journal,
      logLines: answer.logLines,
      usedIdentity: answer.usedIdentity,
    };
    if (answer.usedIdentity) this.personal.add(path);
    else this.personal.delete(path);
    if (answer.outcome.success && call.bundle === undefined) {
      const base = `${path}\0${JSON.stringify(call.args)}\0${call.journal ?? ""}\0${call.internal ?? false}`;
      const key = answer.usedIdentity
        ? `${base}\0${identityKey(call.identity)}`
        : `${base}\0*${call.identity.kind}`;
      this.remember(key, result, answer.outcome.text.length * 2);
    }
    this.logQuery(call, path, result, answer, began);
    return result;
  }

  private broken(
    call: InternalQuery,
    path: string,
    answer: Exclude<TransactionAnswer, TransactionDone>,
    began: number,
  ): QueryResult {
    if (answer.type === "refused")
      throw new EngineError(503, "InternalServerError", answer.message);
    if (answer.type === "needsTable")
      throw new EngineError(500, "InternalServerError", "A query cannot write");
    const result = this.constantFailure(
      failed(call.requestId, { message: answer.message }),
    );
    this.logQuery(call, path, result, null, began);
    return result;
  }

  private logQuery(
    call: InternalQuery,
    path: string,
    result: QueryResult,
    answer: TransactionDone | null,
    began: number,
  ): void {
    if (this.core.logListeners.size === 0) return;
    this.core.emit(
      logEntry(this.core, call, "Query", path, began, {
        outcome: result.outcome,
        logLines: answer === null ? [] : result.logLines,
        documentsRead: answer?.stats.documentsRead ?? 0,
        documentsWritten: 0,
        cached: answer === null && result.outcome.success,
        retries: 0,
      }),
    );
  }

  // ------------------------------------------------------------ mutations

  async mutation(call: InternalMutation): Promise<MutationResult> {
    const { session } = call;
    if (session === undefined) return await this.mutate(call);
    const stored = this.storedResult(session);
    if (stored !== null) return stored;
    const key = `${session.sessionId} ${session.requestId}`;
    const running = this.sessions.get(key);
    if (running !== undefined) return await running;
    const run = this.mutate(call).finally(() => this.sessions.delete(key));
    this.sessions.set(key, run);
    return await run;
  }

  private storedResult(session: {
    sessionId: string;
    requestId: number;
  }): MutationResult | null {
    const found = this.getSession.get([
      session.sessionId,
      session.requestId,
    ]) as { result: string } | undefined;
    if (found === undefined) return null;
    const { ts, value, logLines } = JSON.parse(found.result) as StoredResult;
    return {
      outcome: { success: true, value },
      ts: BigInt(ts),
      logLines,
      replayed: true,
    };
  }

  private async mutate(call: InternalMutation): Promise<MutationResult> {
    const began = performance.now();
    const path = canonicalPath(call.path);
    const refusal = this.refused(call);
    if (refusal !== null)
      return { outcome: refusal, ts: null, logLines: [], replayed: false };
    let retries = 0;
    for (;;) {
      const release =
        retries >= EXCLUSIVE_ATTEMPT ? await this.goFirst() : null;
      try {
        const done = await this.attempt(call, path, release !== null);
        if (done !== null) {
          this.logMutation(
            call,
            path,
            done.result,
            done.answer,
            began,
            retries,
          );
          return done.result;
        }
      } finally {
        release?.();
      }
      if (retries++ >= RETRIES)
        throw new EngineError(
          503,
          "OptimisticConcurrencyControlFailure",
          `Documents read from or written to while this mutation was being run and on every subsequent retry. (${path})`,
        );
    }
  }

  /** Waits for its turn to be the one that others let go first. */
  private async goFirst(): Promise<() => void> {
    while (this.exclusive !== null) await this.exclusive;
    let release!: () => void;
    const mine = new Promise<void>((resolve) => {
      release = () => {
        this.exclusive = null;
        resolve();
      };
    });
    this.exclusive = mine;
    return release;
  }

  /** Null: something it read changed meanwhile. */
  private async attempt(
    call: InternalMutation,
    path: string,
    first: boolean,
  ): Promise<{
    result: MutationResult;
    answer: TransactionDone | null;
  } | null> {
    const answer = await this.runOnce(call, path);
    if (answer.type === "refused")
      throw new EngineError(503, "InternalServerError", answer.message);
    if (answer.type === "timeout")
      return {
        result: {
          outcome: failed(call.requestId, { message: answer.message }),
          ts: null,
          logLines: [],
          replayed: false,
        },
        answer: null,
      };
    if (!first) while (this.exclusive !== null) await this.exclusive;
    const outcome = parseOutcome(answer.outcome);
    const { logLines } = answer;
    if (!outcome.success)
      return {
        result: { outcome, ts: null, logLines, replayed: false },
        answer,
      };
    const committed = this.commit(call, answer, outcome.value);
    if (committed === null) return null;
    if (typeof committed !== "bigint") return { result: committed, answer };
    return {
      result: { outcome, ts: committed, logLines, replayed: false },
      answer,
    };
  }

  private async runOnce(
    call: InternalMutation,
    path: string,
  ): Promise<Exclude<TransactionAnswer, { type: "needsTable" }>> {
    for (;;) {
      const answer = await this.pool.run({
        kind: "Mutation",
        path,
        args: argumentList(call.args),
        identity: call.identity,
        internal: call.internal ?? mayCallAnything(call.identity),
        requestId: call.requestId,
        caller: call.caller,
        now: this.core.beginTime(),
        seed: this.core.seed(),
        ts: null,
        keptSince: this.core.store.keptSince,
        journal: null,
        job: call.job ?? null,
        bundle: null,
      });
      if (answer.type !== "needsTable") return answer;
      this.core.createTable(answer.table);
    }
  }

  /** The time of the commit, the earlier result of the same request, or null on conflict. */
  private commit(
    call: InternalMutation,
    answer: TransactionDone,
    value: JSONValue,
  ): Ts | MutationResult | null {
    const { session } = call;
    if (session !== undefined) {
      const stored = this.storedResult(session);
      if (stored !== null) return stored;
    }
    if (answer.writes.length === 0 && session === undefined) return answer.ts;
    const { store } = this.core;
    if (answer.catalogVersion !== store.catalog.version) return null;
    return store.commit(
      {
        writes: answer.writes,
        also: (_connection, ts) => {
          if (session === undefined) return;
          const result: StoredResult = {
            ts: ts.toString(),
            value,
            logLines: answer.logLines,
          };
          this.putSession.run([
            session.sessionId,
            session.requestId,
            Math.floor(this.core.clock()),
            JSON.stringify(result),
          ]);
        },
      },
      new Reads(answer.reads),
      answer.ts,
    );
  }

  private logMutation(
    call: InternalMutation,
    path: string,
    result: MutationResult,
    answer: TransactionDone | null,
    began: number,
    retries: number,
  ): void {
    if (this.core.logListeners.size === 0) return;
    this.core.emit(
      logEntry(this.core, call, "Mutation", path, began, {
        outcome: result.outcome,
        logLines: result.logLines,
        documentsRead: answer?.stats.documentsRead ?? 0,
        documentsWritten: answer?.stats.documentsWritten ?? 0,
        cached: false,
        retries,
      }),
    );
  }
}

function mayCallAnything(identity: Identity): boolean {
  return identity.kind === "admin" || identity.kind === "system";
}

export function logEntry(
  core: Core,
  call: InternalCall,
  udfType: LogEntry["udfType"],
  identifier: string,
  began: number,
  facts: Pick<
    LogEntry,
    "logLines" | "documentsRead" | "documentsWritten" | "cached" | "retries"
  > & { outcome: Outcome },
): LogEntry {
  const { outcome, ...rest } = facts;
  const text = outcome.success ? null : outcome.errorMessage;
  return {
    kind: "Completion",
    udfType,
    identifier,
    requestId: call.requestId,
    timestamp: core.clock(),
    executionMs: performance.now() - began,
    success: outcome.success,
    error: text === null ? null : (text.split("\n")[1] ?? text),
    errorMessage: text,
    source: call.source ?? "client",
    ...rest,
  };
}

/** The part of an error text after "[Request ID: ...] Server Error". */
export function innerMessage(errorMessage: string): string {
  const end = errorMessage.indexOf("\n");
  return errorMessage.startsWith("[Request ID:") && end >= 0
    ? errorMessage.slice(end + 1)
    : errorMessage;
}

/** Bytes of a text, for limits. */
export function byteLength(text: string): number {
  return Buffer.byteLength(text);
}
