import { v } from "convex/values";
import { internal } from "./_generated/api";
import { internalMutation } from "./_generated/server";
import * as Communities from "./model/communities";

/** Makes a community, or changes it. */
export const setUp = internalMutation({
  args: {
    slug: v.string(),
    name: v.string(),
    sourceGuildId: v.string(),
    customerGuildId: v.string(),
    memberRoleIds: v.optional(v.array(v.string())),
    graceDays: v.optional(v.number()),
    partialRefundEnds: v.optional(v.boolean()),
    acceptsTestPurchases: v.optional(v.boolean()),
  },
  returns: v.id("communities"),
  handler: async (ctx, wanted) => {
    const id = await Communities.setUp(ctx, wanted);
    await ctx.scheduler.runAfter(0, internal.discord.followAll, {
      cursor: null,
    });
    return id;
  },
});
