import { v } from "convex/values";
import { mutation, query } from "./_generated/server";
import { requireOperator } from "./model/caller";
import * as Communities from "./model/communities";
import * as Queues from "./model/queues";

/** How much waits and how much was given up, of each queue. */
export const overview = query({
  args: { community: v.string() },
  returns: v.array(Queues.overview),
  handler: async (ctx, { community }) => {
    await requireOperator(ctx);
    const { _id } = await Communities.requireBySlug(ctx, community);
    return await Queues.look(ctx, _id);
  },
});

/** The first of what waits, or was given up, with reasons. */
export const list = query({
  args: { community: v.string(), queue: Queues.name, state: Queues.state },
  returns: v.array(Queues.entry),
  handler: async (ctx, { community, queue, state }) => {
    await requireOperator(ctx);
    const { _id } = await Communities.requireBySlug(ctx, community);
    return await Queues.list(ctx, _id, queue, state);
  },
});

/** Tries one again, now. */
export const retry = mutation({
  args: { community: v.string(), queue: Queues.name, id: v.string() },
  returns: v.null(),
  handler: async (ctx, { community, queue, id }) => {
    await requireOperator(ctx);
    const { _id } = await Communities.requireBySlug(ctx, community);
    await Queues.retry(ctx, _id, queue, id);
    return null;
  },
});

/** Tries everything again that was given up; `left`: there is more, ask again. */
export const retryAll = mutation({
  args: { community: v.string(), queue: Queues.name },
  returns: v.object({ retried: v.number(), left: v.boolean() }),
  handler: async (ctx, { community, queue }) => {
    await requireOperator(ctx);
    const { _id } = await Communities.requireBySlug(ctx, community);
    return await Queues.retryAll(ctx, _id, queue);
  },
});
