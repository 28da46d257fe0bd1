import { v } from "convex/values";
import { query } from "./_generated/server";
import { requireOperator, requirePerson } from "./model/caller";
import * as Communities from "./model/communities";
import * as Setup from "./model/setup";

/** Does anybody run this service, is it the caller, and is there anything to run? */
export const standing = query({
  args: {},
  returns: Setup.standing,
  handler: async (ctx) => await Setup.standingOf(ctx, await requirePerson(ctx)),
});

/** The newest signal of a channel, if it was recorded since then, with every hop's time. */
export const testSignal = query({
  args: {
    community: v.string(),
    channelId: v.id("channels"),
    since: v.number(),
  },
  returns: v.union(Setup.testSignal, v.null()),
  handler: async (ctx, { community, channelId, since }) => {
    await requireOperator(ctx);
    const { _id } = await Communities.requireBySlug(ctx, community);
    return await Setup.newestSince(ctx, _id, channelId, since);
  },
});
