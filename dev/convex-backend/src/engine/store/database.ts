/* database.ts - the SQLite file: its tables, and how a connection to it is opened.
 *
 * `documents` and `entries` hold the present; `old_documents` and `old_entries` hold what was
 * replaced in the last minutes, valid from `ts` until before `until`, so that a query can run
 * at a slightly older time. The present therefore carries no dead rows: a queue's head stays
 * cheap to read however fast rows pass through it.
 *
 * WAL with synchronous=NORMAL: a commit is safe from kill -9 of this process the moment it
 * returns (the operating system holds it). A power cut can lose the last commits, never tear one.
 */

import Database from "libsql";

export type Connection = InstanceType<typeof Database>;

const SCHEMA = `
CREATE TABLE IF NOT EXISTS meta(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS clock(one INTEGER PRIMARY KEY CHECK(one = 1), ts INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS documents(
  row INTEGER PRIMARY KEY, tbl INTEGER NOT NULL, ts INTEGER NOT NULL, json TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS old_documents(
  row INTEGER NOT NULL, until INTEGER NOT NULL, ts INTEGER NOT NULL, json TEXT NOT NULL,
  PRIMARY KEY(row, until)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS old_documents_until ON old_documents(until);
CREATE TABLE IF NOT EXISTS entries(
  idx INTEGER NOT NULL, key BLOB NOT NULL, row INTEGER NOT NULL, ts INTEGER NOT NULL,
  PRIMARY KEY(idx, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS old_entries(
  until INTEGER NOT NULL, idx INTEGER NOT NULL, key BLOB NOT NULL, row INTEGER NOT NULL,
  ts INTEGER NOT NULL, PRIMARY KEY(until, idx, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS session_requests(
  session TEXT NOT NULL, request INTEGER NOT NULL, at INTEGER NOT NULL, result TEXT NOT NULL,
  PRIMARY KEY(session, request)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS session_requests_at ON session_requests(at);
CREATE TABLE IF NOT EXISTS modules(
  path TEXT PRIMARY KEY, hash TEXT NOT NULL, environment TEXT NOT NULL,
  source TEXT NOT NULL, source_map TEXT) WITHOUT ROWID;
`;

const FORMAT = "1";

function configure(connection: Connection): void {
  connection.exec("PRAGMA busy_timeout = 5000");
  connection.exec("PRAGMA synchronous = NORMAL");
  connection.exec("PRAGMA cache_size = -16000");
  connection.exec("PRAGMA mmap_size = 268435456");
}

/** The main thread's connection, the only one that writes. */
export function openWriter(path: string): Connection {
  const connection = new Database(path);
  connection.exec("PRAGMA journal_mode = WAL");
  configure(connection);
  // Another thread copies the log into the file, so that no commit has to wait for it.
  connection.exec("PRAGMA wal_autocheckpoint = 50000");
  connection.exec(SCHEMA);
  connection.exec(
    `INSERT OR IGNORE INTO meta VALUES ('format', '${FORMAT}');
     INSERT OR IGNORE INTO clock VALUES (1, 0);`,
  );
  const row = connection
    .prepare("SELECT value FROM meta WHERE name = 'format'")
    .get([]) as { value: string };
  if (row.value !== FORMAT)
    throw new Error(
      `${path} has format ${row.value}, this program needs ${FORMAT}`,
    );
  return connection;
}

/** A connection for checkpoint() alone. */
export function openCheckpointer(path: string): Connection {
  const connection = new Database(path);
  configure(connection);
  return connection;
}

/** Copies committed pages into the file, as far as readers allow. Not on the main thread. */
export function checkpoint(connection: Connection): void {
  connection.prepare("PRAGMA wal_checkpoint(PASSIVE)").all([]);
}

/** A connection for reading, one per thread. */
export function openReader(path: string): Connection {
  const connection = new Database(path);
  configure(connection);
  connection.exec("PRAGMA query_only = ON");
  return connection;
}
