import { paginationOptsValidator } from "convex/server";
import { v } from "convex/values";
import { mutation, query } from "./_generated/server";
import { actorOf } from "./model/audit";
import { requireOperator } from "./model/caller";
import * as Communities from "./model/communities";
import * as Events from "./model/events";
import { eventState } from "./model/fields";
import * as Webhooks from "./model/webhooks";

/** Providers' events, newest first. */
export const list = query({
  args: {
    community: v.string(),
    filter: Events.filter,
    paginationOpts: paginationOptsValidator,
  },
  returns: Events.page,
  handler: async (ctx, { community, filter, paginationOpts }) => {
    await requireOperator(ctx);
    const { _id } = await Communities.requireBySlug(ctx, community);
    return await Events.list(ctx, _id, filter, paginationOpts);
  },
});

/** One event with its body, headers and every attempt. */
export const get = query({
  args: { id: v.id("webhookEvents") },
  returns: Events.whole,
  handler: async (ctx, { id }) => {
    await requireOperator(ctx);
    return await Events.get(ctx, id);
  },
});

/** What a replay would change. Changes nothing. */
export const dryRun = query({
  args: { id: v.id("webhookEvents") },
  returns: Events.dryRun,
  handler: async (ctx, { id }) => {
    await requireOperator(ctx);
    return await Events.tryOut(ctx, id);
  },
});

/** Applies a stored event again; what was applied already changes nothing. */
export const replay = mutation({
  args: { id: v.id("webhookEvents") },
  returns: v.object({ state: eventState, detail: v.string() }),
  handler: async (ctx, { id }) => {
    await requireOperator(ctx);
    return await Webhooks.replay(ctx, { id, by: await actorOf(ctx) });
  },
});
