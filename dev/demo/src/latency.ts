// Latency by hop: a bounded window of samples and its percentiles.

export const HOPS = [
  "source to captured",
  "captured to committed",
  "committed to seen",
  "committed to posted",
  "source to seen",
  "source to posted",
] as const;
export type Hop = (typeof HOPS)[number];

export interface Times {
  sourceAt: number;
  capturedAt: number;
  committedAt: number;
  seenAt?: number;
  postedAt?: number;
}

export function percentile(sorted: number[], p: number): number {
  if (sorted.length === 0) return NaN;
  return sorted[
    Math.min(sorted.length - 1, Math.ceil((p / 100) * sorted.length) - 1)
  ]!;
}

export class Latency {
  private readonly samples = new Map<Hop, number[]>(
    HOPS.map((hop) => [hop, []]),
  );

  constructor(private readonly window = 5000) {}

  add(hop: Hop, ms: number): void {
    const list = this.samples.get(hop)!;
    list.push(ms);
    if (list.length > this.window) list.shift();
  }

  addTimes(t: Times): void {
    this.add("source to captured", t.capturedAt - t.sourceAt);
    this.add("captured to committed", t.committedAt - t.capturedAt);
    if (t.seenAt !== undefined) {
      this.add("committed to seen", t.seenAt - t.committedAt);
      this.add("source to seen", t.seenAt - t.sourceAt);
    }
    if (t.postedAt !== undefined) {
      this.add("committed to posted", t.postedAt - t.committedAt);
      this.add("source to posted", t.postedAt - t.sourceAt);
    }
  }

  row(hop: Hop): {
    n: number;
    p50: number;
    p95: number;
    p99: number;
    max: number;
  } {
    const sorted = [...this.samples.get(hop)!].sort((a, b) => a - b);
    return {
      n: sorted.length,
      p50: percentile(sorted, 50),
      p95: percentile(sorted, 95),
      p99: percentile(sorted, 99),
      max: percentile(sorted, 100),
    };
  }

  table(): string[] {
    const cell = (n: number) =>
      (Number.isNaN(n) ? "–" : n.toFixed(0)).padStart(8);
    return [
      `${"hop, ms".padEnd(24)}${["n", "p50", "p95", "p99", "max"].map((h) => h.padStart(8)).join("")}`,
      ...HOPS.map((hop) => {
        const r = this.row(hop);
        return `${hop.padEnd(24)}${String(r.n).padStart(8)}${cell(r.p50)}${cell(r.p95)}${cell(r.p99)}${cell(r.max)}`;
      }),
    ];
  }
}
