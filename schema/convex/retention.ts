import { v } from "convex/values";
import { internal } from "./_generated/api";
import { internalMutation } from "./_generated/server";
import * as Communities from "./model/communities";
import * as Webhooks from "./model/webhooks";

const DAY = 24 * 3600 * 1000;
const KEPT_DAYS = 400; // a year of disputes and questions; far beyond any provider's retries
const BATCH = 50;

/** Forgets what was received longer ago than is kept, a batch at a time. */
export const webhookEvents = internalMutation({
  args: {},
  returns: v.null(),
  handler: async (ctx) => {
    const before = Date.now() - KEPT_DAYS * DAY;
    let more = false;
    for (const { _id } of await Communities.all(ctx))
      more = (await Webhooks.forget(ctx, _id, before, BATCH)) || more;
    if (more)
      await ctx.scheduler.runAfter(0, internal.retention.webhookEvents, {});
    return null;
  },
});
