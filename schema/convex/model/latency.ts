// latency.ts - how long the newest version of each signal took, hop by hop.
// Joined on reading: the path it measures writes nothing for it.

import { v, type Infer } from "convex/values";
import type { Doc, Id } from "../_generated/dataModel";
import type { MutationCtx, QueryCtx } from "../_generated/server";
import { failure } from "./failure";
import * as Mirrors from "./mirrors";
import * as Signals from "./signals";

// Each signal costs two further index reads, and 4096 is the most there are.
const MAX_RECENT = 1000;
export const MAX_SAMPLES = 100;
const CLOCK_SKEW_MS = 60_000; // viewers' clocks are only roughly right

export const hops = v.object({
  messageId: v.string(),
  sourceAt: v.number(),
  capturedAt: v.number(),
  committedAt: v.number(),
  postedAt: v.optional(v.number()), // of this version; absent: not yet
  seenAt: v.optional(v.number()),
});
export type Hops = Infer<typeof hops>;

export const sample = v.object({
  messageId: v.string(),
  version: v.string(),
  seenAt: v.number(),
});
export type Sample = Infer<typeof sample>;

/** The live signals that changed last, newest first. */
export async function recent(
  ctx: QueryCtx,
  communityId: Id<"communities">,
  limit: number,
): Promise<Hops[]> {
  const signals = await ctx.db
    .query("signals")
    .withIndex("by_communityId_and_state_and_committedAt", (q) =>
      q.eq("communityId", communityId).eq("state", "live"),
    )
    .order("desc")
    .take(Math.min(Math.max(1, Math.floor(limit)), MAX_RECENT));
  return await Promise.all(signals.map((signal) => hopsOf(ctx, signal)));
}

/** When each hop had the newest version of a signal. */
export async function hopsOf(
  ctx: QueryCtx,
  signal: Doc<"signals">,
): Promise<Hops> {
  const { communityId, messageId, version } = signal;
  const mirror = await Mirrors.byMessage(ctx, communityId, messageId);
  const sighting = await sightingOf(ctx, communityId, messageId);
  return {
    messageId,
    sourceAt: signal.sourceAt,
    capturedAt: signal.capturedAt,
    committedAt: signal.committedAt,
    postedAt:
      mirror?.actual?.version === version ? mirror.actual.postedAt : undefined,
    seenAt: sighting?.version === version ? sighting.seenAt : undefined,
  };
}

/** Keeps the first sighting of each signal's newest version. */
export async function seen(
  ctx: MutationCtx,
  communityId: Id<"communities">,
  samples: Sample[],
): Promise<void> {
  if (samples.length < 1 || samples.length > MAX_SAMPLES)
    throw failure("bad_argument", `1 to ${MAX_SAMPLES} samples`);
  const now = Date.now();
  for (const { messageId, version, seenAt } of samples) {
    const signal = await Signals.byMessage(ctx, communityId, messageId);
    if (signal?.version !== version) continue; // replaced meanwhile
    if (seenAt < signal.sourceAt - CLOCK_SKEW_MS) continue;
    if (seenAt > now + CLOCK_SKEW_MS) continue;
    const known = await sightingOf(ctx, communityId, messageId);
    if (known === null)
      await ctx.db.insert("sightings", {
        communityId,
        messageId,
        version,
        seenAt,
        reportedAt: now,
      });
    else if (known.version !== version)
      await ctx.db.patch(known._id, { version, seenAt, reportedAt: now });
  }
}

async function sightingOf(
  ctx: QueryCtx,
  communityId: Id<"communities">,
  messageId: string,
): Promise<Doc<"sightings"> | null> {
  return await ctx.db
    .query("sightings")
    .withIndex("by_communityId_and_messageId", (q) =>
      q.eq("communityId", communityId).eq("messageId", messageId),
    )
    .unique();
}
