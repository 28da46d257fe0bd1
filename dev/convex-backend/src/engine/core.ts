/* core.ts - what the parts of the engine share: the store, the deployment, the clock.
 *
 * Owns the catalog in memory and every change to it. Main thread only.
 */

import { randomBytes } from "node:crypto";
import { performance } from "node:perf_hooks";
import type { EngineOptions, LogEntry, Ts } from "./api.js";
import { type Deployment, FunctionTable } from "./functions.js";
import { CompiledCatalog, indexKey, type Table } from "./run/catalog.js";
import { Random } from "./run/random.js";
import { Transaction } from "./run/transaction.js";
import type { Connection } from "./store/database.js";
import {
  type DocumentWrite,
  FIRST_USER_TABLE,
  type IndexInfo,
  SYSTEM_TABLES,
  type TableInfo,
} from "./store/format.js";
import type { Order, Row } from "./store/reader.js";
import type { Store } from "./store/store.js";
import { KEY_END, prefixEnd, sortKey } from "./values/sortkey.js";
import type { JSONObject, JSONValue } from "./api.js";

/** Indexes of the engine's own tables. */
const SYSTEM_INDEXES: Record<string, { name: string; fields: string[] }[]> = {
  _scheduled_functions: [
    { name: "by_state_and_time", fields: ["state.kind", "scheduledTime"] },
    { name: "by_completed_time", fields: ["completedTime"] },
  ],
  _environment_variables: [{ name: "by_name", fields: ["name"] }],
  _cron_jobs: [{ name: "by_name", fields: ["name"] }],
};

/** Wall clock with the fraction of a millisecond. */
export function wallClock(): () => number {
  let offset = 0;
  return () => {
    const fine = performance.timeOrigin + performance.now() + offset;
    const drift = Date.now() - fine;
    if (Math.abs(drift) < 20) return fine;
    offset += drift;
    return fine + drift;
  };
}

export class Core {
  compiled: CompiledCatalog;
  functions: FunctionTable;
  readonly catalogListeners = new Set<() => void>();
  readonly logListeners = new Set<(entry: LogEntry) => void>();
  private lastBegin = 0;
  private readonly seeds: Random;

  constructor(
    readonly options: EngineOptions,
    readonly store: Store,
    readonly clock: () => number,
    public deployment: Deployment,
  ) {
    // With what was committed before, so that a restart does not repeat ids.
    this.seeds = new Random(
      options.seed === undefined
        ? randomBytes(32).toString("hex")
        : `${options.seed} ${store.commits.latestTs}`,
    );
    this.functions = new FunctionTable(deployment.analysis);
    this.compiled = new CompiledCatalog(store.catalog);
    if (store.catalog.tables.length === 0) this.createSystemTables();
  }

  log(level: "info" | "warn" | "error", message: string): void {
    this.options.log?.(level, message);
  }

  /** Start time of a call: ms with fraction, never the same twice. */
  beginTime(): number {
    const now = this.clock();
    this.lastBegin = now > this.lastBegin ? now : this.lastBegin + 2 ** -12;
    return this.lastBegin;
  }

  seed(): string {
    return this.seeds.uuid();
  }

  latestTs(): Ts {
    return this.store.commits.latestTs;
  }

  // ------------------------------------------------------------ catalog

  private createSystemTables(): void {
    const tables = Object.entries(SYSTEM_TABLES).map(([name, number]) =>
      this.newTable(name, number, SYSTEM_INDEXES[name] ?? []),
    );
    this.setCatalog(tables, ["catalog"]);
  }

  /** Index ids are never used again. */
  allocateIndexId(): number {
    const id = this.store.readMeta<number>("nextIndex") ?? 1;
    this.store.writeMeta("nextIndex", id + 1);
    return id;
  }

  private allocateIndex(name: string, fields: string[]): IndexInfo {
    return { id: this.allocateIndexId(), name, fields };
  }

  newTable(
    name: string,
    number: number,
    indexes: { name: string; fields: string[] }[],
  ): TableInfo {
    return {
      name,
      number,
      byId: this.allocateIndex("by_id", []),
      byCreationTime: this.allocateIndex("by_creation_time", []),
      indexes: indexes.map((index) =>
        this.allocateIndex(index.name, index.fields),
      ),
      search: [],
      validator: null,
    };
  }

  nextTableNumber(tables: TableInfo[]): number {
    return Math.max(FIRST_USER_TABLE - 1, ...tables.map((t) => t.number)) + 1;
  }

  /** Makes an empty table; nothing when it exists. */
  createTable(name: string): void {
    if (this.store.table(name) !== undefined) return;
    const { tables } = this.store.catalog;
    const number = this.nextTableNumber(tables);
    this.setCatalog(
      [...tables, this.newTable(name, number, [])],
      [`table:${name}`, `number:${number}`, "tables"],
    );
  }

  /** One commit: the new catalog, `also`, and then every thread knows it. */
  setCatalog(
    tables: TableInfo[],
    meta: string[],
    also?: (connection: Connection, ts: Ts) => void,
    writes: DocumentWrite[] = [],
  ): Ts {
    const catalog = { version: this.store.catalog.version + 1, tables };
    const ts = this.store.commit(
      {
        writes,
        meta,
        also: (connection, at) => {
          this.store.writeMeta("catalog", catalog);
          also?.(connection, at);
        },
      },
      null,
      0n,
    )!;
    this.store.catalog = catalog;
    this.compiled = new CompiledCatalog(catalog);
    for (const listener of this.catalogListeners) listener();
    return ts;
  }

  // ------------------------------------------------------------ documents, on this thread

  table(name: string): Table | undefined {
    return this.compiled.table(name);
  }

  /**
   * Reads and writes documents in one commit. Nothing else can commit in between, so it never
   * conflicts. `work` gives the result; without writes nothing is committed.
   */
  transact<T>(
    work: (transaction: Transaction) => T,
    also?: (connection: Connection, ts: Ts) => void,
    meta: string[] = [],
  ): { result: T; ts: Ts } {
    const { result, writes, ts } = this.prepare(work);
    if (writes.length === 0 && also === undefined && meta.length === 0)
      return { result, ts };
    const request = { writes, meta, ...(also === undefined ? {} : { also }) };
    return { result, ts: this.store.commit(request, null, 0n)! };
  }

  private prepare<T>(work: (transaction: Transaction) => T): {
    result: T;
    writes: DocumentWrite[];
    ts: Ts;
  } {
    return this.store.view(undefined, (reader) => {
      const random = new Random(this.seed());
      const transaction = new Transaction(
        reader,
        this.compiled,
        true,
        this.beginTime(),
        random.fill,
      );
      const result = work(transaction);
      return { result, writes: transaction.writes(), ts: reader.ts };
    });
  }

  /** The writes of `work`, for a commit that follows at once. */
  plan(work: (transaction: Transaction) => void): DocumentWrite[] {
    return this.prepare(work).writes;
  }

  /** Rows of an index whose first fields are `equal`, by `order`. */
  scan(
    table: string,
    index: string,
    equal: JSONValue[],
    limit: number,
    order: Order = "asc",
  ): Row[] {
    const found = this.table(table)!.indexes.find((i) => i.name === index)!;
    const prefix = equal.map(sortKey).join("");
    return this.store.view(undefined, (reader) =>
      reader.scan(
        found.id,
        prefix,
        prefix === "" ? KEY_END : prefixEnd(prefix),
        order,
        limit,
      ),
    );
  }

  keyOf(table: Table, index: number, document: JSONObject): string {
    return indexKey(table.indexes[index]!, document);
  }

  emit(entry: LogEntry): void {
    for (const listener of this.logListeners) listener(entry);
  }
}
