/* engine/api.ts - what the engine promises to the server around it.
 *
 * The engine owns the data folder: documents, indexes, the deployed functions, environment
 * variables, files, the scheduler. It speaks no network protocol. Everything here is called on
 * the main thread; no listener is called while the caller is still inside an engine method,
 * unless that method is asynchronous.
 *
 * Failures come in two kinds. A function that failed (threw, was not found, was given bad
 * arguments, ran too long) is an *outcome*: `{ success: false }`. Anything else (a bad request,
 * a conflict that did not end, an engine that is closing) is an `EngineError`, thrown, with the
 * HTTP status and the code that the real backend uses.
 */

import type { Readable } from "node:stream";

/** Nanoseconds since 1970. Strictly increasing per commit, also across restarts. */
export type Ts = bigint;

/** Encoded Convex JSON (`{"$integer": ...}` and so on), parsed, never text. */
export type JSONValue =
  null | boolean | number | string | JSONValue[] | { [key: string]: JSONValue };

export type JSONObject = { [key: string]: JSONValue };

/** Thrown for everything that is not the outcome of a function. */
export class EngineError extends Error {
  constructor(
    /** The HTTP status that the real backend answers with. */
    readonly status: number,
    /** Short code, such as "OptimisticConcurrencyControlFailure". */
    readonly code: string,
    message: string,
  ) {
    super(message);
    this.name = "EngineError";
  }
}

// ---------------------------------------------------------------- identity

/** What `ctx.auth.getUserIdentity()` returns. */
export type UserIdentity = {
  tokenIdentifier: string;
  issuer: string;
  subject: string;
  [claim: string]: JSONValue;
};

export type Identity =
  | { kind: "none" }
  | { kind: "user"; attributes: UserIdentity }
  /** May call internal functions; `actingAs` is what getUserIdentity() gives, else null. */
  | { kind: "admin"; actingAs?: UserIdentity }
  /** The engine itself: scheduled functions and crons. No user, may call internal functions. */
  | { kind: "system" }
  /** An HTTP action called with a bad token: getUserIdentity() throws `message`. */
  | { kind: "invalid"; code: string; message: string };

/** Equal keys: functions cannot tell the two callers apart. */
export function identityKey(identity: Identity): string {
  switch (identity.kind) {
    case "user":
      return `u${stableJson(identity.attributes)}`;
    case "admin":
      return identity.actingAs === undefined
        ? "a"
        : `a${stableJson(identity.actingAs)}`;
    case "system":
      return "s";
    case "invalid":
      return `i${identity.code}:${identity.message}`;
    default:
      return "n";
  }
}

function stableJson(value: JSONValue | undefined): string {
  if (Array.isArray(value)) return `[${value.map(stableJson).join()}]`;
  if (value !== null && typeof value === "object") {
    const parts = Object.keys(value)
      .sort()
      .map((key) => `${JSON.stringify(key)}:${stableJson(value[key])}`);
    return `{${parts.join()}}`;
  }
  return JSON.stringify(value ?? null);
}

// ---------------------------------------------------------------- results

export type Outcome =
  | { success: true; value: JSONValue }
  | {
      success: false;
      /** "[Request ID: x] Server Error\nUncaught Error: ...\n    at ..." */
      errorMessage: string;
      /** Present (null counts) exactly when the function threw a ConvexError. */
      errorData?: JSONValue;
    };

/** Opaque: what a query read, at the precision of index ranges. */
export interface ReadSet {
  /** Number of index ranges, for logs. */
  readonly size: number;
  /** Whether a commit that wrote `writes` changes something read here. */
  overlaps(writes: WriteSet): boolean;
}

/** Opaque: what a commit changed, as index keys. */
export interface WriteSet {
  /** Number of changed documents, for logs. */
  readonly size: number;
}

export type QueryResult = {
  outcome: Outcome;
  /** The snapshot it ran at, or up to which a shared result is known to hold. */
  ts: Ts;
  reads: ReadSet;
  /** For `QueryUpdated.journal`; null when nothing was paginated. */
  journal: string | null;
  /** "[LOG] 'text'" lines. */
  logLines: string[];
  /** False: the same result serves every identity. */
  usedIdentity: boolean;
};

export type MutationResult = {
  outcome: Outcome;
  /** Commit time; for a mutation that wrote nothing, its snapshot. Null after a failure. */
  ts: Ts | null;
  logLines: string[];
  /** True when this is the stored result of an earlier call with the same session request. */
  replayed: boolean;
};

export type ActionResult = { outcome: Outcome; logLines: string[] };

export type FunctionKind = "query" | "mutation" | "action" | "httpAction";

/** What a call came from; only getRequestMetadata and the log read it. */
export type Caller = {
  ip?: string;
  userAgent?: string;
  /** "npm-1.48.0", for the log. */
  client?: string;
};

type Call = {
  /** "dir/module:function"; ".js" tolerated, ":default" implied. */
  path: string;
  /** An object, or an array of one object (anything else meets the validator). */
  args: JSONValue;
  identity: Identity;
  /** Shown in error texts as `[Request ID: ...]`. */
  requestId: string;
  /** Anything but "" or absent is answered "not supported by the development backend". */
  componentPath?: string | undefined;
  caller?: Caller | undefined;
};

export type QueryCall = Call & {
  /** Snapshot to run at: at most latestTs(), not older than about 4 minutes. Default: latest. */
  ts?: Ts | undefined;
  /** From an earlier result of the same subscription: its last page keeps its end. */
  journal?: string | null | undefined;
};

export type MutationCall = Call & {
  /** The sync protocol's identity of this request: run at most once, for two weeks. */
  session?: { sessionId: string; requestId: number } | undefined;
};

export type ActionCall = Call;

export type HttpRequestIn = {
  method: string;
  /** Absolute, as the client sees it, without the "/http" prefix of the main origin. */
  url: string;
  headers: [string, string][];
  /** Absent for GET, HEAD, OPTIONS. */
  body?: Uint8Array | undefined;
};

export type HttpResponseOut = {
  status: number;
  headers: [string, string][];
  /** Chunks as the function writes them; ends when it is done. Must be read or destroyed. */
  body: Readable;
};

/**
 * A result that is being watched. `valid` turns false in the commit that overlaps the reads,
 * before that commit's mutation is answered and before `onInvalid` is called (once, at most,
 * and never from inside watch()). While it is true the result holds at `engine.latestTs()`.
 */
export interface Watch {
  readonly valid: boolean;
  /** The latest time the result is known to hold at. */
  validThrough(): Ts;
  /** Stop watching; `valid` keeps its last value. Twice is fine. */
  close(): void;
}

// ---------------------------------------------------------------- deploying

export type ModuleSource = {
  path: string;
  source: string;
  sourceMap?: string | undefined;
  environment: "isolate" | "node";
};

export type ModuleHash = {
  path: string;
  /** Hex SHA-256 of `source` then `sourceMap`. */
  hash: string;
  environment: "isolate" | "node";
};

/** The CLI's push body, decompressed and parsed, credentials removed. */
export type PushRequest = {
  dryRun: boolean;
  functions?: string;
  appDefinition: {
    definition: ModuleSource | null;
    dependencies: string[];
    schema: ModuleSource | null;
    changedModules: ModuleSource[];
    unchangedModuleHashes: {
      path: string;
      environment: "isolate" | "node";
      sha256: string;
    }[];
    udfServerVersion: string;
  };
  componentDefinitions: unknown[];
};

export type IndexConfig = JSONObject & { name: string; type: string };

export type IndexDiff = {
  added_indexes: IndexConfig[];
  removed_indexes: IndexConfig[];
  enabled_indexes: IndexConfig[];
  disabled_indexes: IndexConfig[];
};

export type AuthInfo = JSONObject;

export type AnalyzedFunction = {
  name: string;
  pos: JSONValue;
  udfType: "Query" | "Mutation" | "Action" | "HttpAction";
  visibility: { kind: "public" | "internal" } | null;
  /** Validator as JSON text, or null where undeclared. */
  args: string | null;
  returns: string | null;
};

export type AnalyzedModule = {
  functions: AnalyzedFunction[];
  httpRoutes:
    { route: { path: string; method: string }; pos: JSONValue }[] | null;
  cronSpecs: { identifier: string; spec: JSONValue }[] | null;
  sourceMapped: null;
};

/** Ready to be put under the root component `""` of the CLI's replies. */
export type PushStarted = {
  /** Names the evaluated sources, kept until finishPush or an hour later. */
  pushId: string;
  environmentVariables: Record<string, string>;
  appAuth: AuthInfo[];
  /** What `analysis[""]` wants. */
  analysis: {
    definition: JSONValue;
    schema: JSONValue;
    functions: Record<string, AnalyzedModule>;
    udfConfig: JSONValue;
  };
  /** `app.httpRoutes.httpModuleRoutes`. */
  httpModuleRoutes: { path: string; method: string }[] | null;
  /** Names the schema inside schemaChange; null without schema.ts. */
  schemaId: string | null;
  indexDiff: IndexDiff;
};

/** One table's part in what checkSchema has to do, for evaluate_schema. */
export type SchemaEvaluation = {
  schemaValidation: boolean;
  tables: {
    name: string;
    outcome: "notValidated" | "supersetOfEnforced" | "mustWalk";
    numDocs: number;
    sizeBytes: number;
  }[];
  indexes: (IndexConfig & {
    change: "added" | "identical" | "enabled" | "disabled" | "dropped";
    needsBackfill: boolean;
    numDocs: number;
  })[];
};

export type SchemaCheck =
  | { type: "complete" }
  | {
      type: "failed";
      error: string;
      componentPath: "";
      tableName: string | null;
    }
  | { type: "raceDetected" };

/** Ready to be sent as the reply of finish_push, with `componentDiffs[""] = component`. */
export type PushFinished = {
  authDiff: { added: string[]; removed: string[] };
  component: {
    diffType: { type: "create" | "modify" };
    moduleDiff: { added: string[]; removed: string[] };
    udfConfigDiff: { previous_version: string; next_version: string } | null;
    cronDiff: { added: string[]; updated: string[]; deleted: string[] };
    indexDiff: IndexDiff;
    schemaDiff: { previous_schema: JSONValue; next_schema: JSONValue } | null;
  };
};

// ---------------------------------------------------------------- system reads

/** A value of the deployment itself, with what it depends on (for subscriptions). */
export type SystemResult<T> = { value: T; ts: Ts; reads: ReadSet };

export type DocumentPage = {
  page: JSONObject[];
  isDone: boolean;
  continueCursor: string;
};

export type PageOptions = {
  numItems: number;
  cursor: string | null;
  order?: "asc" | "desc";
};

export type FunctionSpec =
  | {
      /** "messages.js:list" */
      identifier: string;
      functionType: "Query" | "Mutation" | "Action";
      visibility: { kind: "public" | "internal" };
      /** Parsed validators. */
      args: JSONValue;
      returns: JSONValue;
    }
  | { functionType: "HttpAction"; method: string; path: string };

export type EnvironmentVariable = {
  _id: string;
  _creationTime: number;
  name: string;
  value: string;
};

// ---------------------------------------------------------------- files

export type StoredFile = {
  /** The `_storage` document id. */
  storageId: string;
  uuid: string;
  size: number;
  contentType: string | null;
  /** Base64. */
  sha256: string;
  /** Bytes from `start` to `end` (inclusive; default: all of it). */
  read(start?: number, end?: number): Readable;
};

// ---------------------------------------------------------------- log

/** One finished call. The server makes stream_function_logs entries and log lines from it. */
export type LogEntry = {
  kind: "Completion" | "Progress";
  udfType: "Query" | "Mutation" | "Action" | "HttpAction";
  /** "messages:list", or "GET /path" of an HTTP action. */
  identifier: string;
  requestId: string;
  /** ms since 1970, end of the call. */
  timestamp: number;
  /** ms from arrival to answer. */
  executionMs: number;
  logLines: string[];
  success: boolean;
  /** First line of the failure, without the request id. */
  error: string | null;
  /** Full text of the failure. */
  errorMessage: string | null;
  documentsRead: number;
  documentsWritten: number;
  /** Answered from a valid earlier result. */
  cached: boolean;
  /** Conflicts before it went through. */
  retries: number;
  /** Who called: a client, the scheduler, a cron, or another function. */
  source: "client" | "scheduler" | "cron" | "function";
};

export type EngineOptions = {
  /** Created when missing. One engine at a time; a second one is refused. */
  dataDir: string;
  /** CONVEX_CLOUD_URL, and the base of file and upload URLs. No trailing slash. */
  cloudOrigin: string;
  /** CONVEX_SITE_URL, without trailing slash. */
  siteOrigin: string;
  /** Threads that run functions. Default 2. */
  workers?: number;
  /** An action that computes for so long without a pause is ended. Default 30,000. */
  actionSilenceMs?: number;
  /** ms since 1970. Default Date.now. */
  clock?: () => number;
  /** Makes ids and random numbers repeatable, for tests. */
  seed?: string;
  /** What the engine itself has to say (never a secret). Default: nothing. */
  log?: (level: "info" | "warn" | "error", message: string) => void;
};

// ---------------------------------------------------------------- the engine

export interface Engine {
  readonly cloudOrigin: string;
  readonly siteOrigin: string;

  /** ms since 1970 by the engine's clock. */
  now(): number;
  /** To be called after the clock was moved: looks again at what is due. */
  clockMoved(): void;
  /** Time of the newest commit: every commit answered before is visible at it. */
  latestTs(): Ts;

  /**
   * Equal calls share one run and its result while it is valid. `ts` in the result is at least
   * the requested one (a shared result may hold longer); with `ts` given it is exactly that.
   */
  runQuery(call: QueryCall): Promise<QueryResult>;
  /** Serializable, run again on conflict; acknowledged means on disk. */
  runMutation(call: MutationCall): Promise<MutationResult>;
  runAction(call: ActionCall): Promise<ActionResult>;
  /** Whatever kind `path` is (POST /api/function); admin may call internal functions. */
  runAny(call: Call): Promise<ActionResult>;
  /** POST /api/run_test_function: a bundle whose default export is a query. */
  runTestQuery(call: {
    source: string;
    args: JSONValue;
    identity: Identity;
    requestId: string;
  }): Promise<ActionResult>;
  /** Routes through http.js; 404 and 500 replies included. HEAD runs GET without a body. */
  httpAction(
    request: HttpRequestIn,
    identity: Identity,
    requestId: string,
    caller?: Caller,
  ): Promise<HttpResponseOut>;

  /** Watches a result that held at `since`. See Watch. */
  watch(reads: ReadSet, since: Ts, onInvalid?: () => void): Watch;
  /** Called after every commit, in order, before its caller is answered. Returns "off". */
  onCommit(listener: (ts: Ts, writes: WriteSet) => void): () => void;
  /** Called after every finished call. Returns "off". */
  onLog(listener: (entry: LogEntry) => void): () => void;

  // Deployment.
  moduleHashes(): ModuleHash[];
  /** The CLI's version of the last push, or null. */
  udfServerVersion(): string | null;
  /** Evaluates and analyses; stores nothing durable. Throws EngineError with the CLI's codes. */
  startPush(request: PushRequest): Promise<PushStarted>;
  /** For evaluate_schema. Throws like startPush. */
  evaluateSchema(request: PushRequest): Promise<SchemaEvaluation>;
  /** Checks every stored document against the push's schema. */
  checkSchema(pushId: string): Promise<SchemaCheck>;
  /**
   * Swaps modules, schema, indexes, auth and crons in one commit, after checking the data once
   * more. EngineError 400 RaceDetected when the environment differs from `environmentVariables`.
   */
  finishPush(
    pushId: string,
    options: { dryRun: boolean; environmentVariables: Record<string, string> },
  ): Promise<PushFinished>;
  /** Providers of the active auth.config.ts, evaluated with the present environment. */
  authProviders(): AuthInfo[];
  /** Called after a push or a change of variables changed authProviders(). Returns "off". */
  onAuthChange(listener: () => void): () => void;

  /** Validates all names and sizes first; null removes. */
  setEnvironmentVariables(
    changes: { name: string; value: string | null }[],
  ): Promise<void>;

  // Reads of the deployment itself, for `_system/` queries. `ts` as in runQuery.
  environmentVariables(ts?: Ts): SystemResult<EnvironmentVariable[]>;
  /** User tables, by name; `withSchema` ones count even when empty. */
  tables(ts?: Ts): SystemResult<{ name: string; numDocs: number }[]>;
  /** By creation time. EngineError 400 InvalidCursor for a foreign cursor. Works for `_storage`
   * and `_scheduled_functions` too; a missing table is empty. */
  tablePage(
    table: string,
    options: PageOptions,
    ts?: Ts,
  ): SystemResult<DocumentPage>;
  tableSize(table: string, ts?: Ts): SystemResult<number>;
  functionSpecs(ts?: Ts): SystemResult<FunctionSpec[]>;
  /** JSON of the active schema, or null. */
  schema(ts?: Ts): SystemResult<JSONValue>;
  /** A constant, for values that depend on nothing. */
  constant<T>(value: T): SystemResult<T>;

  // Files.
  /** EngineError 401 StorageTokenInvalid or StorageTokenExpired. */
  checkUploadToken(token: string): void;
  /** Durable when it resolves. `sha256`: base64; EngineError 400 Sha256Mismatch if it differs. */
  storeFile(file: {
    body: AsyncIterable<Uint8Array> | Uint8Array;
    contentType: string | null;
    sha256?: string | undefined;
  }): Promise<StoredFile>;
  /** Null when unknown or deleted. */
  fileByUuid(uuid: string): StoredFile | null;

  /** Finishes running commits, stops workers and timers, closes the database. */
  close(): Promise<void>;
}

/** `openEngine(options)` is exported by ./index.ts. EngineError 409 when the folder is in use. */
export type OpenEngine = (options: EngineOptions) => Promise<Engine>;
