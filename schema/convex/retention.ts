import { v } from "convex/values";
import { internal } from "./_generated/api";
import { internalMutation } from "./_generated/server";
import * as Communities from "./model/communities";
import * as Held from "./model/held";
import * as Stats from "./model/stats";
import * as Webhooks from "./model/webhooks";

const DAY = 24 * 3600 * 1000;
const KEPT_DAYS = 400; // a year of disputes and questions; far beyond any provider's retries
const STATS_BATCH = 1000;
const BATCH = 8; // a body may have a megabyte, and a mutation reads sixteen

/** Forgets what was received longer ago than is kept, a batch at a time. */
export const webhookEvents = internalMutation({
  args: {},
  returns: v.null(),
  handler: async (ctx) => {
    const before = Date.now() - KEPT_DAYS * DAY;
    let left = BATCH;
    for (const { _id } of await Communities.all(ctx))
      if (left > 0) left -= await Webhooks.forget(ctx, _id, before, left);
    if (left === 0)
      await ctx.scheduler.runAfter(0, internal.retention.webhookEvents, {});
    return null;
  },
});

const HELD_DAYS = 7; // a collector fetches a message within seconds, or never
const HELD_BATCH = 256;

/** Forgets changes of messages that nobody could fetch, a batch at a time. */
export const heldUpdates = internalMutation({
  args: {},
  returns: v.null(),
  handler: async (ctx) => {
    const before = Date.now() - HELD_DAYS * DAY;
    let left = HELD_BATCH;
    for (const { _id } of await Communities.all(ctx))
      if (left > 0) left -= await Held.forget(ctx, _id, before, left);
    if (left === 0)
      await ctx.scheduler.runAfter(0, internal.retention.heldUpdates, {});
    return null;
  },
});

/** Forgets what was counted longer ago than is kept, a batch at a time. */
export const stats = internalMutation({
  args: {},
  returns: v.null(),
  handler: async (ctx) => {
    const now = Date.now();
    let left = STATS_BATCH;
    for (const { _id } of await Communities.all(ctx))
      if (left > 0) left -= await Stats.forget(ctx, _id, now, left);
    if (left === 0)
      await ctx.scheduler.runAfter(0, internal.retention.stats, {});
    return null;
  },
});
