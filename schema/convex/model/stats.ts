// stats.ts - what passed through the pipeline, by the minute and by the hour.
//
// Once a minute each community's new rows are read by the time at which this database got
// them, up to a mark that lies a little back, so that no transaction still under way is missed.
// Every row falls into exactly one such span and is counted in the minute of that time.
// Invariant: an hour's row is the sum of its minutes'.

import { v, type Infer } from "convex/values";
import type { Doc, Id } from "../_generated/dataModel";
import type { MutationCtx, QueryCtx } from "../_generated/server";
import * as Counts from "./counts";
import { failure } from "./failure";
import * as Histogram from "./histogram";
import * as Signals from "./signals";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const BATCH = 200;
const KEPT_DAYS = 30;
const MINUTES_SHOWN = 6 * HOUR; // a longer range is shown by the hour
const MAX_SPANS = 800; // 30 days of hours, or 6 hours of minutes, and some

export const source = v.union(
  v.literal("live"),
  v.literal("deleted"),
  v.literal("posts"),
  v.literal("sightings"),
);
export type Source = Infer<typeof source>;
export const SOURCES: readonly Source[] = [
  "live",
  "deleted",
  "posts",
  "sightings",
];

type Row = Doc<"stats">;
type Volumes = Row["counts"];
type Hops = Row["hops"];
type Hop = keyof Hops;
const HOPS: readonly Hop[] = ["capture", "commit", "post", "seen", "whole"];

/** One thing that happened, and what it took. */
type Happening = {
  at: number; // ms: when the database got it
  count: keyof Volumes;
  times: Partial<Record<Hop, number>>;
  madeIn?: Id<"channels">; // a signal that was not there before
};

export type Span = {
  communityId: Id<"communities">;
  from: number; // after
  to: number; // up to
};

/** The span that is not counted yet; it counts as counted from now on. Null: too short. */
export async function nextSpan(
  ctx: MutationCtx,
  communityId: Id<"communities">,
  to: number,
): Promise<Span | null> {
  const mark = await markOf(ctx, communityId);
  const from = mark?.until ?? 0;
  if (to <= from) return null;
  if (mark === null)
    await ctx.db.insert("statsMarks", { communityId, until: to });
  else await ctx.db.patch(mark._id, { until: to });
  return { communityId, from, to };
}

async function markOf(
  ctx: QueryCtx,
  communityId: Id<"communities">,
): Promise<Doc<"statsMarks"> | null> {
  return await ctx.db
    .query("statsMarks")
    .withIndex("by_communityId", (q) => q.eq("communityId", communityId))
    .unique();
}

function rowsOf(
  ctx: QueryCtx,
  from: "live" | "deleted",
  { communityId, from: after, to }: Span,
) {
  return ctx.db
    .query("signals")
    .withIndex("by_communityId_and_state_and_committedAt", (q) =>
      q
        .eq("communityId", communityId)
        .eq("state", from)
        .gt("committedAt", after)
        .lte("committedAt", to),
    );
}

function postsOf(ctx: QueryCtx, { communityId, from, to }: Span) {
  return ctx.db
    .query("mirrors")
    .withIndex("by_communityId_and_reportedAt", (q) =>
      q
        .eq("communityId", communityId)
        .gt("reportedAt", from)
        .lte("reportedAt", to),
    );
}

function sightingsOf(ctx: QueryCtx, { communityId, from, to }: Span) {
  return ctx.db
    .query("sightings")
    .withIndex("by_communityId_and_reportedAt", (q) =>
      q
        .eq("communityId", communityId)
        .gt("reportedAt", from)
        .lte("reportedAt", to),
    );
}

/** Is there anything of this source in the span? */
export async function any(
  ctx: QueryCtx,
  from: Source,
  span: Span,
): Promise<boolean> {
  if (from === "posts") return (await postsOf(ctx, span).first()) !== null;
  if (from === "sightings")
    return (await sightingsOf(ctx, span).first()) !== null;
  return (await rowsOf(ctx, from, span).first()) !== null;
}

/** Counts one batch of a span; the cursor of the next, or null. */
export async function roll(
  ctx: MutationCtx,
  from: Source,
  span: Span,
  cursor: string | null,
): Promise<string | null> {
  const options = { numItems: BATCH, cursor };
  let next: { isDone: boolean; continueCursor: string };
  let happened: Happening[];
  if (from === "posts") {
    const page = await postsOf(ctx, span).paginate(options);
    happened = await Promise.all(page.page.map((row) => posted(ctx, row)));
    next = page;
  } else if (from === "sightings") {
    const page = await sightingsOf(ctx, span).paginate(options);
    happened = await Promise.all(page.page.map((row) => sighted(ctx, row)));
    next = page;
  } else {
    const page = await rowsOf(ctx, from, span).paginate(options);
    happened = page.page.map((row) => recorded(row, span));
    next = page;
  }
  await add(ctx, span.communityId, happened);
  return next.isDone ? null : next.continueCursor;
}

function recorded(signal: Doc<"signals">, span: Span): Happening {
  const made = signal._creationTime > span.from;
  const { sourceAt, capturedAt, committedAt } = signal;
  return {
    at: committedAt,
    count: signal.state === "deleted" ? "deletes" : made ? "signals" : "edits",
    times: { capture: capturedAt - sourceAt, commit: committedAt - capturedAt },
    madeIn: made && signal.state === "live" ? signal.channelId : undefined,
  };
}

async function posted(
  ctx: QueryCtx,
  mirror: Doc<"mirrors">,
): Promise<Happening> {
  const at = mirror.reportedAt!;
  const { communityId, messageId, actual } = mirror;
  const signal = await Signals.byMessage(ctx, communityId, messageId);
  const known = actual !== null && signal?.version === actual.version;
  return {
    at,
    count: "posts",
    times: known
      ? {
          post: actual.postedAt - signal.committedAt,
          whole: actual.postedAt - signal.sourceAt,
        }
      : {},
  };
}

async function sighted(
  ctx: QueryCtx,
  sighting: Doc<"sightings">,
): Promise<Happening> {
  const { communityId, messageId, version, seenAt } = sighting;
  const signal = await Signals.byMessage(ctx, communityId, messageId);
  const known = signal?.version === version;
  return {
    at: sighting.reportedAt!,
    count: "sightings",
    times: known ? { seen: seenAt - signal.committedAt } : {},
  };
}

async function add(
  ctx: MutationCtx,
  communityId: Id<"communities">,
  happened: readonly Happening[],
): Promise<void> {
  for (const [step, length] of [
    ["minute", MINUTE],
    ["hour", HOUR],
  ] as const) {
    const spans = new Map<number, Happening[]>();
    for (const one of happened) {
      const at = Math.floor(one.at / length) * length;
      spans.set(at, [...(spans.get(at) ?? []), one]);
    }
    for (const [at, some] of spans)
      await addTo(ctx, communityId, step, at, some);
  }
  const made = new Map<Id<"channels">, number>();
  for (const { madeIn } of happened)
    if (madeIn !== undefined) made.set(madeIn, (made.get(madeIn) ?? 0) + 1);
  for (const [channelId, count] of made)
    await Counts.add(ctx, communityId, channelId, count);
}

async function addTo(
  ctx: MutationCtx,
  communityId: Id<"communities">,
  step: Row["step"],
  at: number,
  happened: readonly Happening[],
): Promise<void> {
  const known = await ctx.db
    .query("stats")
    .withIndex("by_communityId_and_step_and_at", (q) =>
      q.eq("communityId", communityId).eq("step", step).eq("at", at),
    )
    .unique();
  const counts: Volumes = known?.counts ?? {
    signals: 0,
    edits: 0,
    deletes: 0,
    posts: 0,
    sightings: 0,
  };
  const sum = { ...counts };
  for (const { count } of happened) sum[count]++;
  const hops = Object.fromEntries(
    HOPS.map((hop) => {
      const times = happened
        .map((one) => one.times[hop])
        .filter((ms) => ms !== undefined);
      const before = known?.hops[hop] ?? Histogram.empty();
      return [hop, Histogram.merged(before, Histogram.of(times))];
    }),
  ) as Hops;
  const row = { communityId, step, at, counts: sum, hops };
  if (known === null) await ctx.db.insert("stats", row);
  else await ctx.db.replace(known._id, row);
}

/** Forgets a batch of what is older than is kept; says how many that were. */
export async function forget(
  ctx: MutationCtx,
  communityId: Id<"communities">,
  now: number,
  limit: number,
): Promise<number> {
  let gone = 0;
  for (const step of ["minute", "hour"] as const) {
    if (gone >= limit) break;
    const old = await ctx.db
      .query("stats")
      .withIndex("by_communityId_and_step_and_at", (q) =>
        q
          .eq("communityId", communityId)
          .eq("step", step)
          .lt("at", now - KEPT_DAYS * DAY),
      )
      .take(limit - gone);
    for (const { _id } of old) await ctx.db.delete(_id);
    gone += old.length;
  }
  return gone;
}

// ---- reading ----

const percentiles = v.object({
  count: v.number(),
  p50: v.union(v.number(), v.null()),
  p95: v.union(v.number(), v.null()),
  p99: v.union(v.number(), v.null()),
});
type Percentiles = Infer<typeof percentiles>;

const counts = v.object({
  signals: v.number(),
  edits: v.number(),
  deletes: v.number(),
  posts: v.number(),
  sightings: v.number(),
});
const hops = v.object({
  capture: percentiles,
  commit: percentiles,
  post: percentiles,
  seen: percentiles,
  whole: percentiles,
});

export const range = v.object({
  step: v.number(), // ms
  until: v.union(v.number(), v.null()), // counted so far
  spans: v.array(v.object({ at: v.number(), counts, hops })),
  total: v.object({ counts, hops }), // of the whole range
});
export type Range = Infer<typeof range>;

/** The spans that begin in [from, to), by the minute or, of a longer range, by the hour. */
export async function read(
  ctx: QueryCtx,
  communityId: Id<"communities">,
  from: number,
  to: number,
): Promise<Range> {
  if (!(to > from)) throw failure("bad_argument", "to: must be after from");
  if (to - from > (KEPT_DAYS + 1) * DAY)
    throw failure("bad_argument", `from: at most ${KEPT_DAYS} days before to`);
  const short = to - from <= MINUTES_SHOWN;
  const rows = await ctx.db
    .query("stats")
    .withIndex("by_communityId_and_step_and_at", (q) =>
      q
        .eq("communityId", communityId)
        .eq("step", short ? "minute" : "hour")
        .gte("at", from)
        .lt("at", to),
    )
    .take(MAX_SPANS);
  const total = rows.reduce<{ counts: Volumes; hops: Hops }>(joined, {
    counts: { signals: 0, edits: 0, deletes: 0, posts: 0, sightings: 0 },
    hops: Object.fromEntries(
      HOPS.map((hop) => [hop, Histogram.empty()]),
    ) as Hops,
  });
  return {
    step: short ? MINUTE : HOUR,
    until: (await markOf(ctx, communityId))?.until ?? null,
    spans: rows.map((row) => ({ at: row.at, ...shown(row) })),
    total: shown(total),
  };
}

type Sum = { counts: Volumes; hops: Hops };

function joined(a: Sum, b: Sum): Sum {
  const counts = { ...a.counts };
  for (const key of Object.keys(counts) as (keyof Volumes)[])
    counts[key] += b.counts[key];
  const hops = Object.fromEntries(
    HOPS.map((hop) => [hop, Histogram.merged(a.hops[hop], b.hops[hop])]),
  ) as Hops;
  return { counts, hops };
}

function shown({ counts, hops }: Sum) {
  return {
    counts,
    hops: Object.fromEntries(
      HOPS.map((hop) => [hop, percentilesOf(hops[hop])]),
    ) as Record<Hop, Percentiles>,
  };
}

function percentilesOf(from: Histogram.Histogram): Percentiles {
  return {
    count: Histogram.total(from),
    p50: Histogram.percentile(from, 0.5),
    p95: Histogram.percentile(from, 0.95),
    p99: Histogram.percentile(from, 0.99),
  };
}
