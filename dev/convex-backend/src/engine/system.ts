/* system.ts - reads of the deployment itself, for the CLI's system queries. Main thread only. */

import { Buffer } from "node:buffer";
import {
  type DocumentPage,
  EngineError,
  type EnvironmentVariable,
  type FunctionSpec,
  type JSONObject,
  type JSONValue,
  type PageOptions,
  type SystemResult,
  type Ts,
} from "./api.js";
import type { Core } from "./core.js";
import { storedPath } from "./functions.js";
import { SyscallError } from "./run/failure.js";
import { runPage } from "./run/page.js";
import { Random } from "./run/random.js";
import type { QueryJson } from "./run/stream.js";
import { Transaction } from "./run/transaction.js";
import { type Interval, metaInterval } from "./store/format.js";
import { SnapshotError } from "./store/reader.js";
import { Reads } from "./store/readset.js";
import { KEY_END } from "./values/sortkey.js";

export class SystemReads {
  constructor(
    private readonly core: Core,
    private readonly schemaJson: () => JSONValue,
  ) {}

  private result<T>(value: T, reads: Interval[], ts?: Ts): SystemResult<T> {
    return { value, ts: ts ?? this.core.latestTs(), reads: new Reads(reads) };
  }

  constant<T>(value: T): SystemResult<T> {
    return this.result(value, []);
  }

  /** Runs `work` in a read-only transaction at `ts`. */
  private read<T>(
    ts: Ts | undefined,
    work: (transaction: Transaction) => T,
  ): SystemResult<T> {
    const { core } = this;
    try {
      return core.store.view(ts, (reader) => {
        const transaction = new Transaction(
          reader,
          core.compiled,
          false,
          core.clock(),
          new Random("").fill,
        );
        const value = work(transaction);
        return this.result(value, transaction.reads, reader.ts);
      });
    } catch (error) {
      if (error instanceof SnapshotError)
        throw new EngineError(503, "InternalServerError", error.message);
      if (error instanceof SyscallError)
        throw new EngineError(400, error.code, error.message);
      throw error;
    }
  }

  environmentVariables(ts?: Ts): SystemResult<EnvironmentVariable[]> {
    return this.read(ts, (transaction) => {
      const page = this.page(transaction, "_environment_variables", {
        numItems: 10_000,
        cursor: null,
      });
      return (page.page as unknown as EnvironmentVariable[]).sort((a, b) =>
        a.name < b.name ? -1 : 1,
      );
    });
  }

  tables(ts?: Ts): SystemResult<{ name: string; numDocs: number }[]> {
    const user = this.core.store.catalog.tables.filter(
      (table) => !table.name.startsWith("_"),
    );
    const reads = user.map((table) => everything(table.byCreationTime.id));
    const value = this.core.store.view(undefined, (reader) =>
      user
        .map((table) => ({
          name: table.name,
          numDocs: reader.entryCount(table.byCreationTime.id),
        }))
        .sort((a, b) => (a.name < b.name ? -1 : 1)),
    );
    return this.result(value, [metaInterval("tables"), ...reads], ts);
  }

  tableSize(name: string, ts?: Ts): SystemResult<number> {
    const table = this.core.store.table(name);
    if (table === undefined)
      return this.result(0, [metaInterval(`table:${name}`)], ts);
    const size = this.core.store.view(undefined, (reader) =>
      reader.entryCount(table.byCreationTime.id),
    );
    return this.result(size, [everything(table.byCreationTime.id)], ts);
  }

  tablePage(
    table: string,
    options: PageOptions,
    ts?: Ts,
  ): SystemResult<DocumentPage> {
    return this.read(ts, (transaction) =>
      this.page(transaction, table, options),
    );
  }

  private page(
    transaction: Transaction,
    table: string,
    options: PageOptions,
  ): DocumentPage {
    const query: QueryJson = {
      source: {
        type: "FullTableScan",
        tableName: table,
        order: options.order ?? "asc",
      },
      operators: [],
    };
    const { result } = runPage(
      transaction,
      {
        query,
        cursor: options.cursor,
        endCursor: null,
        pageSize: options.numItems,
        maximumRowsRead: null,
      },
      null,
    );
    const { page, isDone, continueCursor } = JSON.parse(result) as DocumentPage;
    return { page, isDone, continueCursor };
  }

  functionSpecs(ts?: Ts): SystemResult<FunctionSpec[]> {
    const specs: FunctionSpec[] = [];
    for (const info of this.core.functions.values())
      specs.push({
        identifier: storedPath(info.path),
        functionType: info.udfType,
        visibility: { kind: info.isPublic ? "public" : "internal" },
        args: (info.args ?? { type: "any" }) as unknown as JSONValue,
        returns: (info.returns ?? { type: "any" }) as unknown as JSONValue,
      });
    for (const { route } of this.core.deployment.analysis["http.js"]
      ?.httpRoutes ?? [])
      specs.push({
        functionType: "HttpAction",
        method: route.method,
        path: route.path,
      });
    return this.result(specs, [metaInterval("modules")], ts);
  }

  schema(ts?: Ts): SystemResult<JSONValue> {
    return this.result(this.schemaJson(), [metaInterval("schema")], ts);
  }
}

function everything(index: number): Interval {
  return { index, lower: "", upper: KEY_END };
}

const NAME = /^[A-Za-z_][A-Za-z0-9_]{0,255}$/;
const MAX_VALUE = 8 << 10;
const MAX_VARIABLES = 512;

/** Throws EngineError 400 with the real backend's codes. */
export function checkVariables(
  changes: { name: string; value: string | null }[],
  present: Record<string, string>,
): Record<string, string> {
  const next = { ...present };
  for (const { name, value } of changes) {
    if (!NAME.test(name))
      throw new EngineError(
        400,
        "EnvironmentVariableNameInvalid",
        `Environment variable name "${name}" is invalid: it must start with a letter or underscore and consist of letters, digits and underscores, at most 256.`,
      );
    if (name === "CONVEX_SITE_URL" || name === "CONVEX_CLOUD_URL")
      throw new EngineError(
        400,
        "EnvironmentVariableNameForbidden",
        `Environment variable "${name}" is built-in and cannot be overridden`,
      );
    if (value === null) delete next[name];
    else if (Buffer.byteLength(value) > MAX_VALUE)
      throw new EngineError(
        400,
        "EnvironmentVariableValueTooLarge",
        `The value of environment variable "${name}" is larger than ${MAX_VALUE} bytes`,
      );
    else next[name] = value;
  }
  if (Object.keys(next).length > MAX_VARIABLES)
    throw new EngineError(
      400,
      "EnvironmentVariableLimitReached",
      `There cannot be more than ${MAX_VARIABLES} environment variables`,
    );
  return next;
}

/** The documents of changed variables, written in `transaction`. */
export function writeVariables(
  core: Core,
  transaction: Transaction,
  changes: { name: string; value: string | null }[],
  rows: { json: string }[],
): void {
  const table = core.table("_environment_variables")!;
  const present = new Map(
    rows.map((row) => {
      const document = JSON.parse(row.json) as JSONObject;
      return [document["name"] as string, document];
    }),
  );
  for (const { name, value } of changes) {
    const document = present.get(name);
    if (value === null) {
      if (document !== undefined)
        transaction.remove(document["_id"] as string, table);
      present.delete(name);
    } else if (document === undefined) {
      const id = transaction.insert("_environment_variables", { name, value });
      present.set(name, { _id: id });
    } else transaction.merge(document["_id"] as string, { value }, table);
  }
}
