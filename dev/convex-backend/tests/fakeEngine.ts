// fakeEngine.ts - the engine's interface over a map in memory, so that the
// server's tests decide when things happen.

import { Readable } from "node:stream";
import {
  EngineError,
  type ActionResult,
  type AuthInfo,
  type Engine,
  type HttpRequestIn,
  type HttpResponseOut,
  type Identity,
  type JSONValue,
  type LogEntry,
  type MutationCall,
  type MutationResult,
  type Outcome,
  type QueryCall,
  type QueryResult,
  type ReadSet,
  type SystemResult,
  type Ts,
  type Watch,
  type WriteSet,
} from "../src/engine/api.js";

export interface Context {
  get(key: string): JSONValue;
  set(key: string, value: JSONValue): void;
  identity: Identity;
  log(line: string): void;
}

type Handler = (
  ctx: Context,
  args: Record<string, JSONValue>,
) => JSONValue | Promise<JSONValue>;

interface Definition {
  kind: "query" | "mutation" | "action";
  handler: Handler;
}

/** A failure with data, as ConvexError makes. */
export class DataError extends Error {
  constructor(readonly data: JSONValue) {
    super("data error");
  }
}

class Keys implements ReadSet, WriteSet {
  readonly keys = new Set<string>();
  get size(): number {
    return this.keys.size;
  }
  overlaps(writes: WriteSet): boolean {
    return [...(writes as Keys).keys].some((key) => this.keys.has(key));
  }
}

class FakeWatch implements Watch {
  valid = true;
  constructor(
    readonly reads: Keys,
    readonly onInvalid: (() => void) | undefined,
    readonly engine: FakeEngine,
  ) {}
  validThrough(): Ts {
    return this.engine.latestTs();
  }
  close(): void {
    this.engine.watches.delete(this);
  }
}

const unsupported = (): never => {
  throw new EngineError(500, "Fake", "not part of the fake");
};

export class FakeEngine implements Engine {
  readonly cloudOrigin = "http://cloud.test";
  readonly siteOrigin = "http://site.test";
  readonly functions = new Map<string, Definition>();
  readonly data = new Map<string, JSONValue>();
  readonly commits: { ts: Ts; writes: Keys }[] = [];
  readonly watches = new Set<FakeWatch>();
  readonly stored = new Map<string, MutationResult>();
  readonly calls: string[] = [];
  providers: AuthInfo[] = [];
  site: (request: HttpRequestIn) => {
    status: number;
    headers: [string, string][];
    body: string;
  } = () => ({
    status: 404,
    headers: [],
    body: "No matching routes found",
  });
  clock = Date.now();
  #ts = BigInt(Date.now()) * 1_000_000n;
  readonly #held = new Map<string, Promise<void>>();
  readonly #logListeners = new Set<(entry: LogEntry) => void>();

  define(kind: Definition["kind"], path: string, handler: Handler): void {
    this.functions.set(path, { kind, handler });
  }

  /** Calls of `path` wait until the returned function is called. */
  hold(path: string): () => void {
    let release: () => void = () => undefined;
    this.#held.set(path, new Promise((resolve) => (release = resolve)));
    return () => {
      this.#held.delete(path);
      release();
    };
  }

  now = (): number => this.clock;
  clockMoved(): void {
    // Nothing is due.
  }

  latestTs = (): Ts => this.#ts;

  /** A write from outside any connection. */
  write(changes: Record<string, JSONValue>): Ts {
    return this.#commit(new Map(Object.entries(changes)));
  }

  async runQuery(call: QueryCall): Promise<QueryResult> {
    const ts = call.ts ?? this.latestTs();
    const reads = new Keys();
    const { outcome, logLines } = await this.#run(
      "query",
      call,
      reads,
      new Map(),
    );
    return { outcome, ts, reads, journal: null, logLines, usedIdentity: true };
  }

  async runMutation(call: MutationCall): Promise<MutationResult> {
    const key =
      call.session && `${call.session.sessionId}|${call.session.requestId}`;
    const known = key === undefined ? undefined : this.stored.get(key);
    if (known !== undefined) return { ...known, replayed: true };
    const writes = new Map<string, JSONValue>();
    const { outcome, logLines } = await this.#run(
      "mutation",
      call,
      new Keys(),
      writes,
    );
    const ts = outcome.success
      ? writes.size > 0
        ? this.#commit(writes)
        : this.#ts
      : null;
    const result = { outcome, ts, logLines, replayed: false };
    if (key !== undefined && outcome.success) this.stored.set(key, result);
    return result;
  }

  async runAction(call: QueryCall): Promise<ActionResult> {
    return this.#run("action", call, new Keys(), new Map());
  }

  async runAny(call: QueryCall): Promise<ActionResult> {
    const kind = this.functions.get(call.path)?.kind;
    if (kind === "query") return this.runQuery(call);
    return kind === "mutation" ? this.runMutation(call) : this.runAction(call);
  }

  async #run(
    kind: Definition["kind"],
    call: QueryCall,
    reads: Keys,
    writes: Map<string, JSONValue>,
  ): Promise<ActionResult> {
    this.calls.push(call.path);
    await this.#held.get(call.path);
    const logLines: string[] = [];
    const outcome = await this.#outcome(kind, call, {
      get: (key) => {
        reads.keys.add(key);
        return writes.get(key) ?? this.data.get(key) ?? null;
      },
      set: (key, value) => void writes.set(key, value),
      identity: call.identity,
      log: (line) => void logLines.push(`[LOG] ${line}`),
    });
    return { outcome, logLines };
  }

  async #outcome(
    kind: Definition["kind"],
    call: QueryCall,
    ctx: Context,
  ): Promise<Outcome> {
    const definition = this.functions.get(call.path);
    const failed = (detail: string): Outcome => ({
      success: false,
      errorMessage: `[Request ID: ${call.requestId}] Server Error\n${detail}`,
    });
    if (definition === undefined || definition.kind !== kind) {
      return failed(`Could not find public function for '${call.path}'.`);
    }
    const args = (
      Array.isArray(call.args) ? call.args[0] : call.args
    ) as Record<string, JSONValue>;
    try {
      return { success: true, value: await definition.handler(ctx, args) };
    } catch (error) {
      if (error instanceof EngineError) throw error;
      const outcome = failed(`Uncaught Error: ${(error as Error).message}`);
      return error instanceof DataError
        ? ({ ...outcome, errorData: error.data } as Outcome)
        : outcome;
    }
  }

  #commit(changes: Map<string, JSONValue>): Ts {
    this.#ts += 1000n;
    const writes = new Keys();
    for (const [key, value] of changes) {
      writes.keys.add(key);
      this.data.set(key, value);
    }
    this.commits.push({ ts: this.#ts, writes });
    for (const watch of [...this.watches]) {
      if (!watch.valid || !watch.reads.overlaps(writes)) continue;
      watch.valid = false;
      if (watch.onInvalid !== undefined) queueMicrotask(watch.onInvalid);
    }
    return this.#ts;
  }

  watch(reads: ReadSet, since: Ts, onInvalid?: () => void): Watch {
    const watch = new FakeWatch(reads as Keys, onInvalid, this);
    watch.valid = !this.commits.some(
      ({ ts, writes }) => ts > since && reads.overlaps(writes),
    );
    this.watches.add(watch);
    return watch;
  }

  onCommit = () => () => undefined;

  onLog(listener: (entry: LogEntry) => void): () => void {
    this.#logListeners.add(listener);
    return () => this.#logListeners.delete(listener);
  }

  /** Tells the listeners of a call. */
  logged(entry: Partial<LogEntry>): void {
    const full: LogEntry = {
      kind: "Completion",
      udfType: "Query",
      identifier: "q:a",
      requestId: "r",
      timestamp: 1_700_000_000_500,
      executionMs: 2,
      logLines: [],
      success: true,
      error: null,
      errorMessage: null,
      documentsRead: 0,
      documentsWritten: 0,
      cached: false,
      retries: 0,
      source: "client",
      ...entry,
    };
    for (const listener of this.#logListeners) listener(full);
  }

  async httpAction(request: HttpRequestIn): Promise<HttpResponseOut> {
    const { status, headers, body } = this.site(request);
    return { status, headers, body: Readable.from([Buffer.from(body)]) };
  }

  authProviders = (): AuthInfo[] => this.providers;
  onAuthChange = () => () => undefined;

  system<T>(value: T): SystemResult<T> {
    return { value, ts: this.latestTs(), reads: new Keys() };
  }
  constant = <T>(value: T): SystemResult<T> => this.system(value);
  environmentVariables = () =>
    this.system([{ _id: "e1", _creationTime: 1, name: "A", value: "1" }]);
  tables = () => this.system([{ name: "messages", numDocs: 2 }]);
  tableSize = () => this.system(2);
  tablePage = () => this.system({ page: [], isDone: true, continueCursor: "" });
  functionSpecs = () => this.system([]);
  schema = () => this.system(null);

  runTestQuery = unsupported;
  moduleHashes = () => [];
  udfServerVersion = () => null;
  startPush = unsupported;
  evaluateSchema = unsupported;
  checkSchema = unsupported;
  finishPush = unsupported;
  setEnvironmentVariables = unsupported;
  checkUploadToken = (token: string): void => {
    if (token !== "good") {
      throw new EngineError(
        401,
        "StorageTokenInvalid",
        "Couldn't verify storage token",
      );
    }
  };
  storeFile = unsupported;
  fileByUuid = () => null;
  close = async (): Promise<void> => undefined;
}
