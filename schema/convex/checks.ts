import { v } from "convex/values";
import { internal } from "./_generated/api";
import { internalMutation, mutation, query } from "./_generated/server";
import { requireOperator, requireService } from "./model/caller";
import * as Checks from "./model/checks";
import { checkFinding, checkKind } from "./model/fields";

/** Asks the bot to try a channel: its permissions there, or a post that it takes back. */
export const request = mutation({
  args: {
    community: v.string(),
    channelId: v.id("channels"),
    kind: checkKind,
  },
  returns: v.id("checks"),
  handler: async (ctx, { community, channelId, kind }) => {
    await requireOperator(ctx);
    const asked = await Checks.request(ctx, community, channelId, kind);
    const { id, fence } = asked;
    if (asked.begun)
      await ctx.scheduler.runAfter(
        Checks.PATIENCE_MS,
        internal.checks.noteWaiting,
        { id, fence },
      );
    return id;
  },
});

/** The newest of each channel and kind. */
export const latest = query({
  args: { community: v.string() },
  returns: v.array(Checks.latestCheck),
  handler: async (ctx, { community }) => {
    await requireOperator(ctx);
    return await Checks.latest(ctx, community);
  },
});

export const noteWaiting = internalMutation({
  args: { id: v.id("checks"), fence: v.number() },
  returns: v.null(),
  handler: async (ctx, { id, fence }) => {
    await Checks.noteWaiting(ctx, id, fence);
    return null;
  },
});

/** What waits for the bot; changes whenever there is something new to claim. */
export const queue = query({
  args: {},
  returns: v.object({
    nextAt: v.union(v.number(), v.null()),
    mark: v.number(),
  }),
  handler: async (ctx) => {
    await requireService(ctx, "bot");
    return await Checks.queue(ctx);
  },
});

/** Leases checks to `instance`. */
export const claim = mutation({
  args: { instance: v.string(), limit: v.number() },
  returns: v.object({ checks: v.array(Checks.check) }),
  handler: async (ctx, { instance, limit }) => {
    await requireService(ctx, "bot");
    return { checks: await Checks.claim(ctx, instance, limit) };
  },
});

/** Takes outcomes; false for those whose lease is no longer the newest. */
export const report = mutation({
  args: {
    instance: v.string(),
    results: v.array(
      v.object({
        checkId: v.id("checks"),
        fence: v.number(),
        passed: v.boolean(),
        findings: v.array(checkFinding),
      }),
    ),
  },
  returns: v.object({ accepted: v.array(v.boolean()) }),
  handler: async (ctx, { instance, results }) => {
    await requireService(ctx, "bot");
    return { accepted: await Checks.report(ctx, instance, results) };
  },
});

/** Gives up the leases of an earlier life of `instance`. */
export const release = mutation({
  args: { instance: v.string() },
  returns: v.object({ released: v.number() }),
  handler: async (ctx, { instance }) => {
    await requireService(ctx, "bot");
    return { released: await Checks.release(ctx, instance) };
  },
});

/** The collector says whether it may read a source channel, and if not, what to do. */
export const source = mutation({
  args: {
    guildId: v.string(),
    channelId: v.string(),
    passed: v.boolean(),
    findings: v.array(checkFinding),
  },
  returns: v.boolean(), // false: the channel is not captured
  handler: async (ctx, report) => {
    await requireService(ctx, "collector");
    return await Checks.source(ctx, report);
  },
});
