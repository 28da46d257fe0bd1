/* protocol.ts - the messages between the main thread and its workers. */

import type {
  Caller,
  HttpRequestIn,
  Identity,
  JSONValue,
  Outcome,
  Ts,
} from "../api.js";
import type { Deployment } from "../functions.js";
import type { Catalog, DocumentWrite, Interval } from "../store/format.js";

export type WorkerRole = "transactions" | "actions";

export type WorkerStart = {
  role: WorkerRole;
  databasePath: string;
  deployment: Deployment;
  catalog: Catalog;
  /** Float64: [0] ms spent in the engine's own code since the call began. */
  clock: SharedArrayBuffer;
  /** See store/gate.ts. */
  gate: SharedArrayBuffer;
};

export type RunTransaction = {
  type: "run";
  id: number;
  kind: "Query" | "Mutation";
  path: string;
  /** Array of arguments. */
  args: JSONValue[];
  identity: Identity;
  /** May be an internal function. */
  internal: boolean;
  requestId: string;
  caller: Caller | undefined;
  /** ms with fraction. */
  now: number;
  seed: string;
  /** Snapshot, or null for the newest. */
  ts: Ts | null;
  keptSince: Ts;
  journal: string | null;
  /** Id of the scheduled function this run completes. */
  job: string | null;
  /** Source of a bundle to run instead of a deployed function. */
  bundle: string | null;
};

export type TransactionStats = {
  documentsRead: number;
  documentsWritten: number;
};

/** An outcome on its way: the value as JSON text. */
export type WireOutcome =
  { success: true; text: string } | (Outcome & { success: false });

export type TransactionDone = {
  type: "done";
  id: number;
  outcome: WireOutcome;
  ts: Ts;
  catalogVersion: number;
  reads: Interval[];
  writes: DocumentWrite[];
  journal: string | null;
  logLines: string[];
  usedIdentity: boolean;
  stats: TransactionStats;
};

/** Must be run again once the table exists. */
export type TransactionNeedsTable = {
  type: "needsTable";
  id: number;
  table: string;
};

/** The snapshot asked for is not available. */
export type TransactionRefused = {
  type: "refused";
  id: number;
  message: string;
};

export type RunAction = {
  type: "action";
  id: number;
  /** What the engine's clock is ahead of the machine's, ms. */
  clockOffset: number;
  path: string;
  args: JSONValue[];
  requestId: string;
};

export type RunHttp = {
  type: "http";
  id: number;
  clockOffset: number;
  request: HttpRequestIn;
  requestId: string;
};

export type ActionDone = {
  type: "actionDone";
  id: number;
  outcome: WireOutcome;
  logLines: string[];
};

export type HttpHead = {
  type: "httpHead";
  id: number;
  status: number;
  headers: [string, string][];
};
export type HttpChunk = { type: "httpChunk"; id: number; bytes: Uint8Array };
/** No route matched: the server answers 404 itself. */
export type HttpNoRoute = { type: "httpNoRoute"; id: number; message: string };

/** A syscall of an action; answered by Reply. */
export type ActionSyscall = {
  type: "syscall";
  id: number;
  call: number;
  op: string;
  args: JSONValue;
  bytes?: Uint8Array;
};

export type Reply = {
  type: "reply";
  call: number;
  ok: boolean;
  value?: JSONValue;
  message?: string;
  data?: JSONValue;
  bytes?: Uint8Array;
};

export type ActionLine = { type: "line"; id: number; line: string };

export type ToWorker =
  | RunTransaction
  | RunAction
  | RunHttp
  | Reply
  | { type: "catalog"; catalog: Catalog }
  /** Answered with a pong: the thread is not in an endless loop. */
  | { type: "ping" };

export type FromWorker =
  /** `thread`: its number to the system, where it has one. */
  | { type: "ready"; thread: string | null }
  | { type: "pong" }
  | TransactionDone
  | TransactionNeedsTable
  | TransactionRefused
  | ActionDone
  | HttpHead
  | HttpChunk
  | HttpNoRoute
  | ActionSyscall
  | ActionLine;
