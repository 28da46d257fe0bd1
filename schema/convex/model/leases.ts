// leases.ts - what the queues have in common: posts (mirrors.ts, work.ts), roles, checks, files.
//
// A daemon claims a row for a while. Each claim counts the row's fence up, and only the instance
// that holds the newest fence may report; an instance that starts gives up what an earlier life
// of it held. A claim that is never reported ends by its time: the row is handed out again.
//
// Rows with `readyAt` are handed out in its order: it is when they are ready, and while they are
// leased when the lease ends. Posts have lanes instead; see mirrors.ts.

import { v, type Infer } from "convex/values";

/** Who has a row, and until when. */
export const lease = v.union(
  v.object({ instance: v.string(), until: v.number() }),
  v.null(),
);

type Leased = {
  fence: number; // counts leases: an older one may no longer report
  lease: Infer<typeof lease>;
  attempts: number; // handed out so far
};

/** How many rows a claim of `limit` may have. */
export function bounded(limit: number, most: number): number {
  return Math.min(Math.floor(limit) || 0, most);
}

/** What a claim makes of a row. */
export function claimed(row: Leased, instance: string, until: number) {
  const { fence, attempts } = row;
  return {
    fence: fence + 1,
    lease: { instance, until },
    attempts: attempts + 1,
  };
}

/** The same of a row that is handed out by `readyAt`. */
export function claimedReady(row: Leased, instance: string, until: number) {
  return { ...claimed(row, instance, until), readyAt: until };
}

/** May this report be taken? */
export function mayReport<Row extends Leased>(
  row: Row | null,
  instance: string,
  fence: number,
): row is Row {
  return row?.fence === fence && row.lease?.instance === instance;
}

/** What becomes of a row that is tried again after a while. */
export function putOff(now: number, afterMs: number) {
  return { lease: null, readyAt: now + Math.max(0, afterMs) };
}

/** Has `free` give up each row that an earlier life of `instance` held; how many. */
export async function release<Row extends Leased>(
  rows: readonly Row[],
  instance: string,
  free: (row: Row) => Promise<void>,
): Promise<number> {
  const held = rows.filter(({ lease }) => lease?.instance === instance);
  for (const row of held) await free(row);
  return held.length;
}

/**
 * What a daemon watches. No clock: a time in the past is for the caller to see.
 *   nextAt  when the first row may be handed out; null: there is none
 *   mark    grows with new work: two queues that only look alike differ in it
 */
export type Queue = { nextAt: number | null; mark: number };

export const EMPTY: Queue = { nextAt: null, mark: 0 };

/** A queue to which rows came; what is not known of them is absent. */
export function withRows(
  { nextAt, mark }: Queue,
  { readyAt, wantedAt }: { readyAt?: number; wantedAt?: number },
): Queue {
  return {
    nextAt:
      readyAt === undefined ? nextAt : Math.min(nextAt ?? readyAt, readyAt),
    mark: Math.max(mark, wantedAt ?? 0),
  };
}
