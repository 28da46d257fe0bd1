/* readset.ts - intervals that were read, keys that were written, and who is affected.
 *
 * Owns the recent commits (in memory) and the watches. Main thread only.
 * Invariant: a watch is invalid exactly when a commit after its start wrote a key in its
 * intervals, or when its start is older than the recent commits go.
 */

import type { ReadSet, Ts, Watch, WriteSet } from "../api.js";
import type { Interval } from "./format.js";

/** Sorted, disjoint [lower, upper) pairs of one index. */
type Ranges = { lowers: string[]; uppers: string[] };

function coalesce(intervals: Interval[]): Map<number, Ranges> {
  const byIndex = new Map<number, Interval[]>();
  for (const interval of intervals) {
    if (interval.lower >= interval.upper) continue;
    const list = byIndex.get(interval.index);
    if (list === undefined) byIndex.set(interval.index, [interval]);
    else list.push(interval);
  }
  const out = new Map<number, Ranges>();
  for (const [index, list] of byIndex) out.set(index, merged(list));
  return out;
}

function merged(list: Interval[]): Ranges {
  list.sort((a, b) => (a.lower < b.lower ? -1 : a.lower > b.lower ? 1 : 0));
  const ranges: Ranges = { lowers: [], uppers: [] };
  for (const { lower, upper } of list) {
    const last = ranges.uppers.length - 1;
    if (last >= 0 && lower <= ranges.uppers[last]!) {
      if (upper > ranges.uppers[last]!) ranges.uppers[last] = upper;
    } else {
      ranges.lowers.push(lower);
      ranges.uppers.push(upper);
    }
  }
  return ranges;
}

function contains(ranges: Ranges, key: string): boolean {
  let low = 0;
  let high = ranges.lowers.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ranges.lowers[middle]! <= key) low = middle + 1;
    else high = middle;
  }
  return low > 0 && key < ranges.uppers[low - 1]!;
}

export class Reads implements ReadSet {
  private coalesced: Map<number, Ranges> | null = null;

  constructor(private readonly intervals: Interval[]) {}

  get size(): number {
    return this.intervals.length;
  }

  get ranges(): Map<number, Ranges> {
    return (this.coalesced ??= coalesce(this.intervals));
  }

  overlaps(writes: WriteSet): boolean {
    for (const [index, keys] of (writes as Writes).keys) {
      const ranges = this.ranges.get(index);
      if (ranges === undefined) continue;
      for (const key of keys) if (contains(ranges, key)) return true;
    }
    return false;
  }

  and(other: Reads): Reads {
    return new Reads([...this.intervals, ...other.intervals]);
  }
}

export class Writes implements WriteSet {
  constructor(
    readonly keys: Map<number, string[]>,
    readonly size: number,
  ) {}
}

class Watching implements Watch {
  valid = true;
  /** Set when it turned invalid or was closed. */
  endedAt: Ts | null = null;

  constructor(
    private readonly registry: Commits,
    readonly reads: Reads,
    readonly onInvalid: (() => void) | undefined,
  ) {}

  validThrough(): Ts {
    return this.endedAt ?? this.registry.latestTs;
  }

  close(): void {
    this.registry.remove(this);
    this.endedAt ??= this.registry.latestTs;
  }
}

type Commit = { ts: Ts; writes: Writes };

const KEEP_NS = 300_000_000_000n;
const KEEP_COMMITS = 100_000;

export class Commits {
  private recent: Commit[] = [];
  /** Commits up to here are forgotten. */
  private floor: Ts;
  private readonly watchers = new Map<number, Set<Watching>>();

  constructor(public latestTs: Ts) {
    this.floor = latestTs;
  }

  /** Whether some commit after `since` wrote what was read. */
  conflicts(reads: Reads, since: Ts): boolean {
    return this.conflictAfter(reads, since) !== null;
  }

  private conflictAfter(reads: Reads, since: Ts): Commit | null {
    if (since < this.floor)
      return { ts: this.floor, writes: new Writes(new Map(), 0) };
    for (let i = this.firstAfter(since); i < this.recent.length; i++)
      if (reads.overlaps(this.recent[i]!.writes)) return this.recent[i]!;
    return null;
  }

  private firstAfter(ts: Ts): number {
    // Nearly always asked about the newest few.
    let i = this.recent.length;
    while (i > 0 && this.recent[i - 1]!.ts > ts) i--;
    return i;
  }

  /** Records a commit; returns the watches that it ended, to be told later. */
  add(ts: Ts, writes: Writes): (() => void)[] {
    this.recent.push({ ts, writes });
    const ended = new Set<Watching>();
    for (const [index, keys] of writes.keys) {
      for (const watch of this.watchers.get(index) ?? []) {
        const ranges = watch.reads.ranges.get(index)!;
        if (keys.some((key) => contains(ranges, key))) ended.add(watch);
      }
    }
    for (const watch of ended) {
      watch.valid = false;
      watch.endedAt = this.latestTs;
      this.remove(watch);
    }
    this.latestTs = ts;
    this.trim();
    return [...ended].flatMap((watch) => watch.onInvalid ?? []);
  }

  watch(reads: Reads, since: Ts, onInvalid?: () => void): Watch {
    const watch = new Watching(this, reads, onInvalid);
    const conflict = this.conflictAfter(reads, since);
    if (conflict !== null) {
      watch.valid = false;
      watch.endedAt = conflict.ts > since ? conflict.ts - 1n : since;
      return watch;
    }
    for (const index of reads.ranges.keys()) {
      const set = this.watchers.get(index);
      if (set === undefined) this.watchers.set(index, new Set([watch]));
      else set.add(watch);
    }
    return watch;
  }

  remove(watch: Watching): void {
    for (const index of watch.reads.ranges.keys()) {
      const set = this.watchers.get(index);
      set?.delete(watch);
      if (set?.size === 0) this.watchers.delete(index);
    }
  }

  /** Everything commits after this is known. */
  get knownSince(): Ts {
    return this.floor;
  }

  private trim(): void {
    let drop = 0;
    const limit = this.latestTs - KEEP_NS;
    if (this.recent.length % 256 !== 0) return;
    while (
      drop < this.recent.length &&
      (this.recent[drop]!.ts < limit ||
        this.recent.length - drop > KEEP_COMMITS)
    )
      drop++;
    if (drop === 0) return;
    this.floor = this.recent[drop - 1]!.ts;
    this.recent.splice(0, drop);
  }
}
