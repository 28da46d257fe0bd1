import { v } from "convex/values";
import { mutation, query } from "./_generated/server";
import { requireService } from "./model/caller";
import * as Mirrors from "./model/mirrors";
import * as Work from "./model/work";

/** What waits for the bot; changes whenever there is something new to claim. */
export const queue = query({
  args: {},
  returns: v.object({
    ready: v.number(),
    head: v.union(v.id("mirrors"), v.null()),
    nextAt: v.union(v.number(), v.null()),
    mark: v.number(),
  }),
  handler: async (ctx) => {
    await requireService(ctx, "bot");
    return await Mirrors.queue(ctx);
  },
});

/** Leases work to `instance`, in source order within each mirror channel. */
export const claim = mutation({
  args: { instance: v.string(), limit: v.number() },
  returns: v.object({ work: v.array(Work.work), lanes: v.array(Work.lane) }),
  handler: async (ctx, { instance, limit }) => {
    await requireService(ctx, "bot");
    return await Work.claim(ctx, instance, limit);
  },
});

const outcome = v.union(
  v.object({
    type: v.literal("posted"), // or edited
    messageIds: v.array(v.string()), // ours, in order; several for a long text
    webhookId: v.optional(v.string()), // through which they were posted
    postedAt: v.number(),
    version: v.string(),
  }),
  v.object({ type: v.literal("deleted") }),
  v.object({
    type: v.literal("gone"), // somebody deleted our post
    error: v.string(),
    again: v.boolean(), // it is to be made again, whatever the channel says
  }),
  v.object({ type: v.literal("untried") }), // given back: nothing was sent
  v.object({
    type: v.literal("retry"),
    error: v.string(),
    retryAfterMs: v.number(),
  }),
  v.object({ type: v.literal("dead"), error: v.string() }),
);

/** Takes outcomes; false for those whose lease is no longer the newest. */
export const report = mutation({
  args: {
    instance: v.string(),
    results: v.array(
      v.object({ mirrorId: v.id("mirrors"), fence: v.number(), outcome }),
    ),
  },
  returns: v.object({ accepted: v.array(v.boolean()) }),
  handler: async (ctx, { instance, results }) => {
    await requireService(ctx, "bot");
    return { accepted: await Mirrors.report(ctx, instance, results) };
  },
});

/** Somebody deleted these messages of a mirror channel; answers those to be told of again, later. */
export const lost = mutation({
  args: { channelId: v.string(), messageIds: v.array(v.string()) },
  returns: v.object({ later: v.array(v.string()) }),
  handler: async (ctx, { channelId, messageIds }) => {
    await requireService(ctx, "bot");
    return { later: await Mirrors.lost(ctx, channelId, messageIds) };
  },
});

/** The newest posts of the next mirror channel: the bot looks whether they are still there. */
export const posts = query({
  args: { after: v.union(v.string(), v.null()) },
  returns: v.object({
    channelId: v.union(v.string(), v.null()),
    messageIds: v.array(v.string()),
  }),
  handler: async (ctx, { after }) => {
    await requireService(ctx, "bot");
    return await Mirrors.posts(ctx, after);
  },
});

/** Gives up the leases of an earlier life of `instance`. */
export const release = mutation({
  args: { instance: v.string() },
  returns: v.object({ released: v.number() }),
  handler: async (ctx, { instance }) => {
    await requireService(ctx, "bot");
    return { released: await Mirrors.release(ctx, instance) };
  },
});
