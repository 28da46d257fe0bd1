// database.ts - one SQLite file that holds everything a restart must keep.
// Owns the connection. Invariant: a change is on its way to nobody before the
// transaction that made it has committed; afterCommit() is how it gets out.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import Sqlite from "libsql";

const SCHEMA = `
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
PRAGMA busy_timeout = 5000;
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS entities (
  kind TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL,
  PRIMARY KEY (kind, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS messages (
  position TEXT PRIMARY KEY, channel_id TEXT NOT NULL, body TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS messages_by_channel ON messages (channel_id, position);
CREATE TABLE IF NOT EXISTS nonces (
  author_id TEXT NOT NULL, nonce TEXT NOT NULL, message_id TEXT NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY (author_id, nonce)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS files (
  id TEXT PRIMARY KEY, channel_id TEXT NOT NULL, message_id TEXT NOT NULL,
  filename TEXT NOT NULL, content_type TEXT, bytes BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS files_by_message ON files (message_id);
CREATE TABLE IF NOT EXISTS sessions (id TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS session_events (
  session_id TEXT NOT NULL, seq INTEGER NOT NULL, frame TEXT NOT NULL,
  PRIMARY KEY (session_id, seq)) WITHOUT ROWID;
`;

export type Value = string | number | null | Uint8Array;

export interface Statement {
  run(...values: Value[]): unknown;
  get(...values: Value[]): unknown;
  all(...values: Value[]): unknown[];
}

export class Database {
  readonly #sqlite: Sqlite.Database;
  #depth = 0;
  #later: (() => void)[] = [];

  constructor(directory: string) {
    mkdirSync(directory, { recursive: true });
    this.#sqlite = new Sqlite(join(directory, "discord.sqlite"));
    this.#sqlite.exec(SCHEMA);
  }

  prepare(sql: string): Statement {
    return this.#sqlite.prepare(sql) as unknown as Statement;
  }

  /** Runs `body` as one transaction; a transaction inside another joins it. */
  transaction<T>(body: () => T): T {
    if (this.#depth > 0) return body();
    this.#sqlite.exec("BEGIN IMMEDIATE");
    this.#depth = 1;
    let result: T;
    try {
      result = body();
      this.#sqlite.exec("COMMIT");
    } catch (error) {
      this.#later = [];
      this.#sqlite.exec("ROLLBACK");
      throw error;
    } finally {
      this.#depth = 0;
    }
    const later = this.#later;
    this.#later = [];
    for (const act of later) act();
    return result;
  }

  /** What the outside world may see only once the transaction is durable. */
  afterCommit(act: () => void): void {
    if (this.#depth > 0) this.#later.push(act);
    else act();
  }

  meta(key: string): string | undefined {
    const row = this.prepare("SELECT value FROM meta WHERE key = ?").get(key);
    return (row as { value: string } | undefined)?.value;
  }

  setMeta(key: string, value: string): void {
    this.prepare("INSERT OR REPLACE INTO meta VALUES (?, ?)").run(key, value);
  }

  close(): void {
    this.#sqlite.close();
  }
}
