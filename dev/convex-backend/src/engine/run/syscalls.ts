/* syscalls.ts - what queries and mutations ask of the engine, by name. */

import { Buffer } from "node:buffer";
import type { JSONObject, JSONValue } from "../api.js";
import { storedPath } from "../functions.js";
import { READABLE_SYSTEM_TABLES } from "../store/format.js";
import { decodeId, InvalidIdError, tryDecodeId } from "../values/id.js";
import { type Address, addressHandle, addressPath } from "./address.js";
import type { Table } from "./catalog.js";
import type { Execution } from "./execution.js";
import { SyscallError, unsupported } from "./failure.js";
import { type PageRequest, runPage } from "./page.js";
import { fileUuid, uploadToken } from "./secrets.js";
import { type QueryJson, QueryStream } from "./stream.js";
import { LIMITS } from "./transaction.js";

type Args = JSONObject;
/** Gives JSON text. */
type Syscall = (run: Execution, args: Args) => string | Promise<string>;

const MAX_IDENTIFIER = 64;
const FIVE_YEARS_MS = 5 * 365.25 * 86_400_000;

// ---------------------------------------------------------------- helpers

function guardSystem(name: string, isSystem: boolean): void {
  if (isSystem && !name.startsWith("_"))
    throw new SyscallError(
      "SystemTableError",
      "User tables cannot be accessed with db.system.",
    );
  if (!isSystem && name.startsWith("_"))
    throw new SyscallError(
      "SystemTableError",
      "System tables can only be accessed with db.system.",
    );
}

function decoded(id: JSONValue, method: string): number {
  try {
    return decodeId(id as string).tableNumber;
  } catch (error) {
    if (error instanceof InvalidIdError)
      throw new SyscallError(
        "InvalidArgument",
        `Invalid argument \`id\` for \`${method}\`: ${error.message}`,
      );
    throw error;
  }
}

/** The table of an id that is to be read or written; null when there is none. */
function tableOfId(run: Execution, args: Args, method: string): Table | null {
  const number = decoded(args["id"]!, method);
  const table = run.catalog.tableByNumber(number);
  if (table === undefined) {
    run.transaction.dependOn(`number:${number}`);
    return null;
  }
  const said = args["table"];
  if (typeof said === "string" && said !== table.name)
    throw new SyscallError(
      "InvalidArgument",
      `Invalid argument \`id\` for \`${method}\`: expected to be an Id<"${said}">, got Id<"${table.name}"> instead.`,
    );
  return table;
}

function tableToWrite(run: Execution, args: Args, method: string): Table {
  run.mustWrite();
  const table = tableOfId(run, args, method);
  if (table === null)
    throw new SyscallError(
      "InvalidArgument",
      `Invalid argument \`id\` for \`${method}\`: Table for ID "${args["id"] as string}" not found`,
    );
  guardSystem(table.name, false);
  return table;
}

function queryTable(query: QueryJson): string {
  const { source } = query;
  return source.type === "FullTableScan"
    ? source.tableName
    : source.indexName.split(".")[0]!;
}

/** System tables are reached through `db.system`, which sends the same queries. */
function checkReadable(query: QueryJson): void {
  const name = queryTable(query);
  if (name.startsWith("_") && !READABLE_SYSTEM_TABLES.has(name))
    throw new SyscallError(
      "SystemTableError",
      `System table ${name} cannot be read.`,
    );
}

// ---------------------------------------------------------------- sync

type SyncSyscall = (run: Execution, args: Args) => string;

export const SYNC: Record<string, SyncSyscall> = {
  "1.0/queryStream": (run, args) => {
    const query = args["query"] as unknown as QueryJson;
    checkReadable(query);
    return JSON.stringify({ queryId: run.addStream(query) });
  },
  "1.0/queryCleanup": (run, args) =>
    JSON.stringify(run.streams.delete(args["queryId"] as number)),
  "1.0/db/normalizeId": (run, args) => {
    const id = tryDecodeId(args["idString"]);
    const table = run.transaction.table(args["table"] as string);
    const fits =
      id !== null && table !== undefined && table.number === id.tableNumber;
    return JSON.stringify({ id: fits ? args["idString"] : null });
  },
  "1.0/getSnapshotTs": (run) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(run.transaction.ts);
    return JSON.stringify({ $integer: bytes.toString("base64") });
  },
  "1.0/componentArgument": () => "{}",
};

// ---------------------------------------------------------------- documents

function get(run: Execution, args: Args): string {
  const method = args["isSystem"] === true ? "db.system.get" : "db.get";
  const table = tableOfId(run, args, method);
  if (table === null) return "null";
  guardSystem(table.name, args["isSystem"] === true);
  if (table.name.startsWith("_") && !READABLE_SYSTEM_TABLES.has(table.name))
    return "null";
  return (
    run.transaction.get(table, args["id"] as string, run.seesWrites) ?? "null"
  );
}

function queryStreamNext(run: Execution, args: Args): string {
  const id = args["queryId"] as number;
  let stream = run.streams.get(id);
  if (stream === undefined)
    throw new SyscallError("QueryNotFound", "in-progress query not found");
  if (!(stream instanceof QueryStream)) {
    stream = new QueryStream(run.transaction, stream, run.seesWrites);
    run.streams.set(id, stream);
  }
  const text = stream.next();
  return text === null
    ? '{"value":null,"done":true}'
    : `{"value":${text},"done":false}`;
}

function queryPage(run: Execution, args: Args): string {
  const request = { cursor: null, ...args } as unknown as PageRequest;
  checkReadable(request.query);
  const { result, journal } = runPage(run.transaction, request, run.journal);
  if (run.nextJournal !== null)
    throw new SyscallError(
      "MultiplePaginatedDatabaseQueries",
      "This query or mutation function ran multiple paginated queries. Convex only supports a single paginated query in each function.",
    );
  run.nextJournal = journal;
  return result;
}

function count(run: Execution, args: Args): string {
  const stream = new QueryStream(
    run.transaction,
    {
      source: {
        type: "FullTableScan",
        tableName: args["table"] as string,
        order: "asc",
      },
      operators: [],
    },
    run.seesWrites,
  );
  let found = 0;
  while (stream.next() !== null) found++;
  return String(found);
}

/** Why `name` cannot name a table; null when it can. */
function identifierFault(name: string): string | null {
  if (name === "") return "Identifier cannot be empty";
  if (!/^[A-Za-z_]/.test(name))
    return `Invalid first character '${String.fromCodePoint(name.codePointAt(0)!)}' in ${name}: Identifiers must start with an alphabetic character or underscore`;
  const other = /[^A-Za-z0-9_]/u.exec(name);
  if (other !== null)
    return `Identifier ${name} has invalid character '${other[0]}': Identifiers can only contain alphanumeric characters or underscores`;
  if (name.length > MAX_IDENTIFIER)
    return `Identifier is too long (${name.length} > maximum ${MAX_IDENTIFIER})`;
  return null;
}

function insert(run: Execution, args: Args): string {
  run.mustWrite();
  const table = args["table"] as string;
  guardSystem(table, false);
  const fault = identifierFault(table);
  if (fault !== null)
    throw new SyscallError(
      "InvalidArgument",
      `Invalid argument \`table\` for \`db.insert\`: ${fault}`,
    );
  return JSON.stringify({ _id: run.transaction.insert(table, args["value"]!) });
}

// ---------------------------------------------------------------- scheduler

function schedule(run: Execution, args: Args): string {
  run.mustWrite();
  const path = addressPath(args as Address);
  const info = run.functions.get(path);
  if (info === undefined)
    throw new SyscallError(
      "InvalidScheduledFunction",
      `Attempted to schedule function at nonexistent path: ${path}`,
    );
  if (info.udfType === "Query")
    throw new SyscallError(
      "InvalidScheduledFunction",
      `Attempted to schedule ${path}, but queries cannot be scheduled.`,
    );
  const at = (args["ts"] as number) * 1000;
  checkDelay(at, run.now);
  countScheduled(run, JSON.stringify(args["args"] ?? null).length);
  const list = Array.isArray(args["args"]) ? args["args"] : [args["args"]!];
  const id = run.transaction.insert("_scheduled_functions", {
    name: storedPath(path),
    args: list,
    scheduledTime: Math.max(at, run.now),
    state: { kind: "pending" },
  });
  return JSON.stringify(id);
}

export function checkDelay(at: number, now: number): void {
  if (Math.abs(at - now) <= FIVE_YEARS_MS) return;
  const where = at > now ? "future" : "past";
  throw new SyscallError(
    "InvalidScheduledFunctionDelay",
    `${at} is more than 5 years in the ${where}`,
  );
}

function countScheduled(run: Execution, bytes: number): void {
  const transaction = run.transaction;
  transaction.functionsScheduled += 1;
  transaction.scheduledBytes += bytes;
  if (transaction.functionsScheduled > LIMITS.functionsScheduled)
    throw new SyscallError(
      "TooManyFunctionsScheduled",
      `Too many functions scheduled by this mutation (limit: ${LIMITS.functionsScheduled})`,
    );
  if (transaction.scheduledBytes > LIMITS.scheduledBytes)
    throw new SyscallError(
      "ScheduledFunctionsArgumentsTooLarge",
      "Too large total size of the arguments of scheduled functions from this mutation",
    );
}

function cancelJob(run: Execution, args: Args): string {
  run.mustWrite();
  const table = tableOfId(run, args, "scheduler.cancel");
  if (table?.name !== "_scheduled_functions")
    throw new SyscallError(
      "InvalidArgument",
      "Invalid scheduled function ID. The ID must be an ID on the '_scheduled_functions' table.",
    );
  if (args["id"] === run.job)
    throw new SyscallError(
      "ScheduledFunctionCancelingItself",
      "A mutation cannot cancel itself",
    );
  cancelScheduled(run, table, args["id"] as string);
  return "null";
}

function cancelScheduled(run: Execution, table: Table, id: string): void {
  const text = run.transaction.get(table, id);
  if (text === null) return;
  const state = (JSON.parse(text) as JSONObject)["state"] as JSONObject;
  if (state["kind"] !== "pending" && state["kind"] !== "inProgress") return;
  run.transaction.merge(
    id,
    { state: { kind: "canceled" }, completedTime: run.now },
    table,
  );
}

// ---------------------------------------------------------------- storage

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** `number` is the `_storage` table's. False for a UUID, by which nothing is found. */
export function checkStorageId(
  id: string,
  number: number,
  method: string,
): boolean {
  const decoded = tryDecodeId(id);
  if (decoded?.tableNumber === number) return true;
  if (decoded !== null)
    throw new SyscallError(
      "InvalidArgument",
      "Invalid storage ID. Storage ID cannot be an ID on any table other than '_storage'.",
    );
  if (UUID.test(id)) return false;
  throw new SyscallError(
    "InvalidArgument",
    `Invalid argument \`storageId\` for \`${method}\`: Invalid storage ID: "${id}". Storage ID should be an Id of '_storage' table, or a UUID string.`,
  );
}

function storageDocument(
  run: Execution,
  args: Args,
  method: string,
): JSONObject | null {
  const id = args["storageId"] as string;
  const table = run.catalog.table("_storage")!;
  if (!checkStorageId(id, table.number, method)) return null;
  const text = run.transaction.get(table, id);
  return text === null ? null : (JSON.parse(text) as JSONObject);
}

function storageGetUrl(run: Execution, args: Args): string {
  if (storageDocument(run, args, "storage.getUrl") === null) return "null";
  const { secret, cloudOrigin } = run.deployment;
  const uuid = fileUuid(secret, args["storageId"] as string);
  return JSON.stringify(`${cloudOrigin}/api/storage/${uuid}`);
}

function storageGetMetadata(run: Execution, args: Args): string {
  const document = storageDocument(run, args, "storage.getMetadata");
  if (document === null) return "null";
  const sha256 = Buffer.from(document["sha256"] as string, "base64");
  return JSON.stringify({
    storageId: args["storageId"]!,
    sha256: sha256.toString("hex"),
    size: document["size"]!,
    contentType: document["contentType"] ?? null,
  });
}

function storageDelete(run: Execution, args: Args): string {
  run.mustWrite();
  if (storageDocument(run, args, "storage.delete") === null)
    throw new SyscallError(
      "NonexistentDocument",
      `storage id ${args["storageId"] as string} not found`,
    );
  run.transaction.remove(
    args["storageId"] as string,
    run.catalog.table("_storage")!,
  );
  return "null";
}

// ---------------------------------------------------------------- metadata

function metrics(run: Execution): string {
  const t = run.transaction;
  const entry = (used: number, limit: number) => ({
    used,
    remaining: Math.max(0, limit - used),
  });
  return JSON.stringify({
    bytesRead: entry(t.bytesRead, LIMITS.bytesRead),
    bytesWritten: entry(t.bytesWritten, LIMITS.bytesWritten),
    databaseQueries: entry(t.reads.length, LIMITS.intervals),
    documentsRead: entry(t.documentsRead, LIMITS.documentsRead),
    documentsWritten: entry(t.documentsWritten, LIMITS.documentsWritten),
    functionsScheduled: entry(t.functionsScheduled, LIMITS.functionsScheduled),
    scheduledFunctionArgsBytes: entry(t.scheduledBytes, LIMITS.scheduledBytes),
  });
}

function requestMetadata(run: Execution): string {
  if (run.kind === "Query")
    throw new SyscallError(
      "RequestMetadataNotAllowed",
      "Cannot get request metadata in a Query",
    );
  return JSON.stringify({
    ip: run.caller?.ip ?? null,
    userAgent: run.caller?.userAgent ?? null,
    requestId: run.requestId,
    scheduledFunctionId: run.job,
    authToken: null,
  });
}

export const ASYNC: Record<string, Syscall> = {
  "1.0/get": get,
  "1.0/queryStreamNext": queryStreamNext,
  "1.0/queryPage": queryPage,
  "1.0/count": count,
  "1.0/insert": insert,
  "1.0/shallowMerge": (run, args) => {
    const table = tableToWrite(run, args, "db.patch");
    return run.transaction.merge(args["id"] as string, args["value"]!, table);
  },
  "1.0/replace": (run, args) => {
    const table = tableToWrite(run, args, "db.replace");
    return run.transaction.replace(args["id"] as string, args["value"]!, table);
  },
  "1.0/remove": (run, args) => {
    const table = tableToWrite(run, args, "db.delete");
    return run.transaction.remove(args["id"] as string, table);
  },
  "1.0/getUserIdentity": (run) => JSON.stringify(run.userIdentity()),
  "1.0/runUdf": (run, args) => run.runNested(args),
  "1.0/createFunctionHandle": (_run, args) =>
    JSON.stringify(addressHandle(args as Address)),
  "1.0/schedule": schedule,
  "1.0/cancel_job": cancelJob,
  "1.0/storageGetUrl": storageGetUrl,
  "1.0/storageGetMetadata": storageGetMetadata,
  "1.0/storageGenerateUploadUrl": (run) => {
    run.mustWrite();
    const { secret, cloudOrigin } = run.deployment;
    const token = uploadToken(secret, run.now);
    return JSON.stringify(`${cloudOrigin}/api/storage/upload?token=${token}`);
  },
  "1.0/storageDelete": storageDelete,
  "1.0/getFunctionMetadata": (run) =>
    JSON.stringify({ name: run.path, componentPath: "" }),
  "1.0/getDeploymentMetadata": () =>
    JSON.stringify({ name: "development", region: null, class: "s16" }),
  "1.0/getRequestMetadata": requestMetadata,
  "1.0/getTransactionMetrics": metrics,
  "1.0/auditLog": () => "null",
  "1.0/signJwt": () => {
    throw new SyscallError("Unsupported", unsupported("ctx.auth.signJwt"));
  },
};
