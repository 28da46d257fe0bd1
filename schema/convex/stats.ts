import { v } from "convex/values";
import { internal } from "./_generated/api";
import { internalMutation, query } from "./_generated/server";
import { requireOperator } from "./model/caller";
import * as Communities from "./model/communities";
import * as Stats from "./model/stats";

/** Volumes and latency percentiles over time. */
export const range = query({
  args: { community: v.string(), from: v.number(), to: v.number() },
  returns: Stats.range,
  handler: async (ctx, { community, from, to }) => {
    await requireOperator(ctx);
    const { _id } = await Communities.requireBySlug(ctx, community);
    return await Stats.read(ctx, _id, from, to);
  },
});

/** Gives back what it was given: the page measures the way there and back. */
export const echo = query({
  args: { mark: v.number() },
  returns: v.number(),
  handler: async (ctx, { mark }) => {
    await requireOperator(ctx);
    return mark;
  },
});

/** Counts what is new, of every community; what is younger than `lagMs` waits for the next. */
export const tick = internalMutation({
  args: { lagMs: v.number() },
  returns: v.null(),
  handler: async (ctx, { lagMs }) => {
    const to = Date.now() - lagMs;
    for (const { _id } of await Communities.all(ctx)) {
      const span = await Stats.nextSpan(ctx, _id, to);
      if (span === null) continue;
      for (const source of Stats.SOURCES)
        if (await Stats.any(ctx, source, span))
          await ctx.scheduler.runAfter(0, internal.stats.roll, {
            source,
            ...span,
            cursor: null,
          });
    }
    return null;
  },
});

/** One batch of a span; goes on by itself. */
export const roll = internalMutation({
  args: {
    source: Stats.source,
    communityId: v.id("communities"),
    from: v.number(),
    to: v.number(),
    cursor: v.union(v.string(), v.null()),
  },
  returns: v.null(),
  handler: async (ctx, { source, cursor, ...span }) => {
    const next = await Stats.roll(ctx, source, span, cursor);
    if (next !== null)
      await ctx.scheduler.runAfter(0, internal.stats.roll, {
        source,
        ...span,
        cursor: next,
      });
    return null;
  },
});
