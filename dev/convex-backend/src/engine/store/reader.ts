/* reader.ts - a consistent view of the documents at one time.
 *
 * Owns a connection and, between begin() and end(), an open SQLite read transaction. One per
 * thread. Normally the time is SQLite's own snapshot; at an older time the replaced rows are
 * merged in.
 */

import type { Ts } from "../api.js";
import type { Connection } from "./database.js";
import { Gate } from "./gate.js";
import { blobToKey, keyToBlob } from "../values/sortkey.js";

/** An index entry with its document. */
export type Row = { key: string; row: number; json: string };

export type Order = "asc" | "desc";

/** The time asked for is in the future, or older than what is kept. */
export class SnapshotError extends Error {}

const NOW_GET = `SELECT e.key, e.row, d.json FROM entries e JOIN documents d ON d.row = e.row
  WHERE e.idx = ?1 AND e.key = ?2`;

const NOW_SCAN = `SELECT e.key, e.row, d.json FROM entries e JOIN documents d ON d.row = e.row
  WHERE e.idx = ?1 AND e.key >= ?2 AND e.key < ?3 ORDER BY e.key`;

const NOW_KEYS = `SELECT key FROM entries WHERE idx = ?1 AND key >= ?2 AND key < ?3 ORDER BY key`;

const OLD_KEYS = `SELECT key FROM entries WHERE idx = ?1 AND key >= ?2 AND key < ?3 AND ts <= ?4
  UNION SELECT key FROM old_entries
    WHERE until > ?4 AND idx = ?1 AND key >= ?2 AND key < ?3 AND ts <= ?4 ORDER BY key`;

/* At an older time T: entries made by T, plus the replaced ones that were there at T. */
const OLD_SCAN = `SELECT u.key, u.row, coalesce(
    (SELECT d.json FROM documents d WHERE d.row = u.row AND d.ts <= ?4),
    (SELECT o.json FROM old_documents o WHERE o.row = u.row AND o.until > ?4 AND o.ts <= ?4))
  FROM (SELECT key, row FROM entries
          WHERE idx = ?1 AND key >= ?2 AND key < ?3 AND ts <= ?4
        UNION ALL
        SELECT key, row FROM old_entries
          WHERE until > ?4 AND idx = ?1 AND key >= ?2 AND key < ?3 AND ts <= ?4) u
  ORDER BY u.key`;

type RawRow = [Uint8Array, number, string];

export class Reader {
  /** The time of the open view. */
  ts: Ts = 0n;
  private old = false;
  private readonly clock;
  private readonly nowGet;
  private readonly nowScan;
  private readonly oldScan;
  private readonly nowKeys;
  private readonly oldKeys;
  private readonly count;

  constructor(
    private readonly connection: Connection,
    /** What a thread that may be ended at any time goes through. */
    private readonly gate = new Gate(),
  ) {
    this.clock = connection
      .prepare("SELECT ts FROM clock")
      .safeIntegers(true)
      .raw();
    this.nowGet = connection.prepare(NOW_GET).raw();
    const both = (sql: string, limit: string) => ({
      asc: connection.prepare(`${sql} ASC LIMIT ${limit}`).raw(),
      desc: connection.prepare(`${sql} DESC LIMIT ${limit}`).raw(),
    });
    this.nowScan = both(NOW_SCAN, "?4");
    this.oldScan = both(OLD_SCAN, "?5");
    this.nowKeys = connection.prepare(`${NOW_KEYS} LIMIT ?4`).raw();
    this.oldKeys = connection.prepare(`${OLD_KEYS} LIMIT ?5`).raw();
    this.count = connection
      .prepare("SELECT count(*) FROM entries WHERE idx = ?")
      .raw();
  }

  /** Opens the view: at `ts`, or at the newest commit. Throws SnapshotError. */
  begin(ts: Ts | null, keptSince: Ts): void {
    this.gate.run(() => this.open(ts, keptSince));
  }

  private open(ts: Ts | null, keptSince: Ts): void {
    this.connection.exec("BEGIN");
    try {
      const latest = (this.clock.get([]) as [bigint])[0];
      if (ts !== null && ts > latest)
        throw new SnapshotError(`timestamp ${ts} is in the future`);
      if (ts !== null && ts < latest && ts < keptSince)
        throw new SnapshotError(`timestamp ${ts} is out of retention`);
      this.ts = ts ?? latest;
      this.old = this.ts < latest;
    } catch (error) {
      this.connection.exec("COMMIT");
      throw error;
    }
  }

  end(): void {
    this.gate.run(() => this.connection.exec("COMMIT"));
  }

  get(index: number, key: string): Row | null {
    if (this.old) return this.scan(index, key, `${key}\0`, "asc", 1)[0] ?? null;
    const found = this.gate.run(() =>
      this.nowGet.get([index, keyToBlob(key)]),
    ) as RawRow | undefined;
    return found === undefined ? null : { key, row: found[1], json: found[2] };
  }

  /** At most `limit` rows of [lower, upper), in `order`. */
  scan(
    index: number,
    lower: string,
    upper: string,
    order: Order,
    limit: number,
  ): Row[] {
    const ends = [index, keyToBlob(lower), keyToBlob(upper)];
    const rows = this.gate.run(() =>
      this.old
        ? this.oldScan[order].all([...ends, this.ts, limit])
        : this.nowScan[order].all([...ends, limit]),
    );
    return (rows as RawRow[]).map(([key, row, json]) => ({
      key: blobToKey(key),
      row,
      json,
    }));
  }

  /** The keys of [lower, upper) alone, ascending; `limit` -1 is all. */
  keys(index: number, lower: string, upper: string, limit = -1): string[] {
    const ends = [index, keyToBlob(lower), keyToBlob(upper)];
    const rows = this.gate.run(() =>
      this.old
        ? this.oldKeys.all([...ends, this.ts, limit])
        : this.nowKeys.all([...ends, limit]),
    );
    return (rows as unknown as [Uint8Array][]).map(([key]) => blobToKey(key));
  }

  /** Entries of an index now; only meaningful at the newest time. */
  entryCount(index: number): number {
    return (this.count.get([index]) as [number])[0];
  }
}
