// histogram.ts - times in buckets, so that percentiles of many can be had from sums.
//
// A bucket's bounds grow by an eighth of a power of two, so a percentile is off by at most
// five per cent. Only buckets with something in them are kept, in order.

import { v, type Infer } from "convex/values";

// [bucket, count]: pairs as two lists, for short rows.
export const histogram = v.object({
  buckets: v.array(v.number()),
  counts: v.array(v.number()),
});
export type Histogram = Infer<typeof histogram>;

const STEPS = 8; // to each doubling
const LAST = 240; // 2^30 ms: twelve days

export function empty(): Histogram {
  return { buckets: [], counts: [] };
}

/** The bucket of a time in ms; what is not above zero is in the first. */
export function bucketOf(ms: number): number {
  if (!(ms > 1)) return 0;
  return Math.min(LAST, Math.ceil(Math.log2(ms) * STEPS));
}

/** A time in the middle of a bucket. */
export function middleOf(bucket: number): number {
  return bucket === 0 ? 1 : 2 ** ((bucket - 0.5) / STEPS);
}

export function of(times: readonly number[]): Histogram {
  const counts = new Map<number, number>();
  for (const ms of times) {
    const bucket = bucketOf(ms);
    counts.set(bucket, (counts.get(bucket) ?? 0) + 1);
  }
  return sorted(counts);
}

export function merged(a: Histogram, b: Histogram): Histogram {
  const counts = new Map<number, number>();
  for (const one of [a, b])
    for (const [i, bucket] of one.buckets.entries())
      counts.set(bucket, (counts.get(bucket) ?? 0) + one.counts[i]!);
  return sorted(counts);
}

export function total({ counts }: Histogram): number {
  return counts.reduce((sum, count) => sum + count, 0);
}

/** The time below which this share of all lies; null of nothing. */
export function percentile(from: Histogram, share: number): number | null {
  const rank = Math.ceil(total(from) * share);
  if (rank === 0) return null;
  let below = 0;
  for (const [i, count] of from.counts.entries()) {
    below += count;
    if (below >= rank) return middleOf(from.buckets[i]!);
  }
  return null;
}

function sorted(counts: Map<number, number>): Histogram {
  const all = [...counts].sort(([a], [b]) => a - b);
  return {
    buckets: all.map(([bucket]) => bucket),
    counts: all.map(([, count]) => count),
  };
}
