/* store.ts - the one writer: commits, what is kept, what is known of the data folder.
 *
 * Owns the writing connection, the catalog and the clock of commits. Main thread only; a commit
 * is one synchronous SQLite transaction, so commits are serial by construction.
 * Invariant: the time in the file, `commits.latestTs` and the newest row agree after every commit.
 */

import { type Ts, EngineError } from "../api.js";
import { type Connection } from "./database.js";
import { keyToBlob, KEY_END, sortKey } from "../values/sortkey.js";
import {
  type Catalog,
  type DocumentWrite,
  META_INDEX,
  type TableInfo,
} from "./format.js";
import { type Row, Reader } from "./reader.js";
import { Commits, type Reads, Writes } from "./readset.js";

export type CommitRequest = {
  writes: DocumentWrite[];
  /** Names of facts that changed, see META_INDEX. */
  meta?: string[];
  /** More to be stored in the same transaction. */
  also?: (connection: Connection, ts: Ts) => void;
};

const RETENTION_NS = 300_000_000_000n;
/** Queries may not ask for a time older than this; less than what is kept. */
const QUERY_AGE_NS = 240_000_000_000n;
const RETENTION_BATCH = 500;

const STATEMENTS = {
  setClock: "UPDATE clock SET ts = ?",
  insertDocument:
    "INSERT INTO documents(row, tbl, ts, json) VALUES (?, ?, ?, ?)",
  keepDocument: `INSERT INTO old_documents(row, until, ts, json)
    SELECT row, ?1, ts, json FROM documents WHERE row = ?2`,
  updateDocument: "UPDATE documents SET ts = ?, json = ? WHERE row = ?",
  deleteDocument: "DELETE FROM documents WHERE row = ?",
  insertEntry: "INSERT INTO entries(idx, key, row, ts) VALUES (?, ?, ?, ?)",
  keepEntry: `INSERT INTO old_entries(until, idx, key, row, ts)
    SELECT ?1, idx, key, row, ts FROM entries WHERE idx = ?2 AND key = ?3`,
  deleteEntry: "DELETE FROM entries WHERE idx = ? AND key = ?",
  setMeta: "INSERT OR REPLACE INTO meta(name, value) VALUES (?, ?)",
  getMeta: "SELECT value FROM meta WHERE name = ?",
} as const;

type Statement = ReturnType<Connection["prepare"]>;

export class Store {
  readonly commits: Commits;
  readonly reader: Reader;
  catalog: Catalog;
  private readonly sql: Record<keyof typeof STATEMENTS, Statement>;
  private nextRow: number;
  private readonly listeners = new Set<(ts: Ts, writes: Writes) => void>();

  constructor(
    readonly connection: Connection,
    private readonly readConnection: Connection,
    private readonly clock: () => number,
  ) {
    this.sql = Object.fromEntries(
      Object.entries(STATEMENTS).map(([name, sql]) => [
        name,
        connection.prepare(sql),
      ]),
    ) as Record<keyof typeof STATEMENTS, Statement>;
    this.reader = new Reader(readConnection);
    const [ts] = connection
      .prepare("SELECT ts FROM clock")
      .safeIntegers(true)
      .raw()
      .get([]) as [bigint];
    this.commits = new Commits(ts);
    this.nextRow = this.highestRow() + 1;
    this.catalog = this.readMeta<Catalog>("catalog") ?? {
      version: 1,
      tables: [],
    };
  }

  private highestRow(): number {
    const [row] = this.connection
      .prepare(
        `SELECT max(coalesce((SELECT max(row) FROM documents), 0),
                    coalesce((SELECT max(row) FROM old_documents), 0))`,
      )
      .raw()
      .get([]) as [number];
    return row;
  }

  readMeta<T>(name: string): T | null {
    const found = this.sql.getMeta.get([name]) as { value: string } | undefined;
    return found === undefined ? null : (JSON.parse(found.value) as T);
  }

  /** Part of the commit whose `also` calls it. */
  writeMeta(name: string, value: unknown): void {
    this.sql.setMeta.run([name, JSON.stringify(value)]);
  }

  /** Oldest time that a query may ask for. */
  get keptSince(): Ts {
    return this.commits.latestTs - QUERY_AGE_NS;
  }

  private nextTs(): Ts {
    const now = BigInt(Math.round(this.clock() * 1000)) * 1000n;
    const least = this.commits.latestTs + 1n;
    return now > least ? now : least;
  }

  onCommit(listener: (ts: Ts, writes: Writes) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /**
   * Commits, or returns null when something in `reads` changed after `snapshot`. Watches are
   * invalid when it returns; their callbacks and the listeners run in the next microtask.
   */
  commit(request: CommitRequest, reads: Reads | null, snapshot: Ts): Ts | null {
    if (reads !== null && this.commits.conflicts(reads, snapshot)) return null;
    const ts = this.nextTs();
    this.connection.exec("BEGIN IMMEDIATE");
    try {
      this.sql.setClock.run([ts]);
      for (const write of request.writes) this.apply(write, ts);
      request.also?.(this.connection, ts);
      this.connection.exec("COMMIT");
    } catch (error) {
      this.connection.exec("ROLLBACK");
      throw error;
    }
    this.announce(ts, writtenKeys(request));
    return ts;
  }

  private announce(ts: Ts, writes: Writes): void {
    const callbacks = this.commits.add(ts, writes);
    queueMicrotask(() => {
      for (const callback of callbacks) callback();
      for (const listener of this.listeners) listener(ts, writes);
    });
  }

  private apply(write: DocumentWrite, ts: Ts): void {
    const row = write.row === 0 ? this.nextRow++ : write.row;
    if (write.row === 0)
      this.sql.insertDocument.run([row, write.table, ts, write.json]);
    else {
      this.sql.keepDocument.run([ts, row]);
      if (write.json === null) this.sql.deleteDocument.run([row]);
      else this.sql.updateDocument.run([ts, write.json, row]);
    }
    for (const { index, before, after } of write.keys) {
      if (before === after) continue;
      if (before !== null) {
        const key = keyToBlob(before);
        this.sql.keepEntry.run([ts, index, key]);
        this.sql.deleteEntry.run([index, key]);
      }
      if (after !== null)
        this.sql.insertEntry.run([index, keyToBlob(after), row, ts]);
    }
  }

  // ------------------------------------------------------------ reading on this thread

  /** Runs `work` in a view at `ts` (default: the newest). */
  view<T>(ts: Ts | undefined, work: (reader: Reader) => T): T {
    this.reader.begin(ts ?? null, this.keptSince);
    try {
      return work(this.reader);
    } finally {
      this.reader.end();
    }
  }

  table(name: string): TableInfo | undefined {
    return this.catalog.tables.find((table) => table.name === name);
  }

  tableById(number: number): TableInfo | undefined {
    return this.catalog.tables.find((table) => table.number === number);
  }

  getDocument(table: TableInfo, id: string): Row | null {
    return this.view(undefined, (reader) =>
      reader.get(table.byId.id, sortKey(id)),
    );
  }

  /** All documents of a table, in order of creation, in batches. */
  *documents(reader: Reader, table: TableInfo): Generator<Row> {
    let lower = "";
    for (;;) {
      const rows = reader.scan(
        table.byCreationTime.id,
        lower,
        KEY_END,
        "asc",
        512,
      );
      yield* rows;
      if (rows.length < 512) return;
      lower = `${rows[rows.length - 1]!.key}\0`;
    }
  }

  close(): void {
    this.readConnection.close();
    this.connection.close();
  }

  // ------------------------------------------------------------ housekeeping

  /** Drops some of what is too old to be asked for. True when there may be more. */
  retain(): boolean {
    const cutoff = this.commits.latestTs - RETENTION_NS;
    const weeksAgo = Math.floor(this.clock() - 14 * 86_400_000);
    let dropped = 0;
    this.connection.exec("BEGIN IMMEDIATE");
    try {
      for (const [sql, limit] of [
        [
          `DELETE FROM old_entries WHERE (until, idx, key) IN
             (SELECT until, idx, key FROM old_entries WHERE until < ? ORDER BY until LIMIT ${RETENTION_BATCH})`,
          cutoff,
        ],
        [
          `DELETE FROM old_documents WHERE (row, until) IN
             (SELECT row, until FROM old_documents WHERE until < ? ORDER BY until LIMIT ${RETENTION_BATCH})`,
          cutoff,
        ],
        [
          `DELETE FROM session_requests WHERE (session, request) IN
             (SELECT session, request FROM session_requests WHERE at < ? LIMIT ${RETENTION_BATCH})`,
          weeksAgo,
        ],
      ] as const) {
        const result = this.connection.prepare(sql).run([limit]);
        dropped = Math.max(dropped, result.changes);
      }
      this.connection.exec("COMMIT");
    } catch (error) {
      this.connection.exec("ROLLBACK");
      throw error;
    }
    return dropped >= RETENTION_BATCH;
  }
}

function writtenKeys(request: CommitRequest): Writes {
  const keys = new Map<number, string[]>();
  const add = (index: number, key: string) => {
    const list = keys.get(index);
    if (list === undefined) keys.set(index, [key]);
    else list.push(key);
  };
  for (const write of request.writes) {
    for (const { index, before, after } of write.keys) {
      if (before !== null) add(index, before);
      if (after !== null && after !== before) add(index, after);
    }
  }
  for (const name of request.meta ?? []) add(META_INDEX, name);
  return new Writes(keys, request.writes.length);
}

/** The engine is told to use a folder that another engine holds. */
export function folderInUse(folder: string): EngineError {
  return new EngineError(
    409,
    "DataFolderInUse",
    `${folder} is in use by another process`,
  );
}
