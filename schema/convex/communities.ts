import { v } from "convex/values";
import { internalMutation } from "./_generated/server";
import * as Communities from "./model/communities";

/** Makes a community, or changes it. */
export const setUp = internalMutation({
  args: {
    slug: v.string(),
    name: v.string(),
    sourceGuildId: v.string(),
    customerGuildId: v.string(),
    graceDays: v.optional(v.number()),
    partialRefundEnds: v.optional(v.boolean()),
    acceptsTestPurchases: v.optional(v.boolean()),
  },
  returns: v.id("communities"),
  handler: async (ctx, wanted) => await Communities.setUp(ctx, wanted),
});
