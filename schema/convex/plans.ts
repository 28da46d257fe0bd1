import { v } from "convex/values";
import { internal } from "./_generated/api";
import { internalMutation, internalQuery } from "./_generated/server";
import * as Purchases from "./model/billing/purchases";
import * as Communities from "./model/communities";
import * as Plans from "./model/plans";

/** Says what a product buys. Purchases that waited for it are settled. */
export const map = internalMutation({
  args: {
    community: v.string(),
    source: v.string(),
    product: v.string(),
    name: v.string(),
    days: v.union(v.number(), v.null()),
    roleIds: v.optional(v.array(v.string())),
  },
  returns: v.id("plans"),
  handler: async (ctx, { roleIds = [], ...wanted }) => {
    const { _id: id } = await Plans.map(ctx, { ...wanted, roleIds });
    await ctx.scheduler.runAfter(0, internal.plans.settle, {
      id,
      cursor: null,
    });
    return id;
  },
});

/** One batch of the purchases of a plan's product; goes on by itself. */
export const settle = internalMutation({
  args: { id: v.id("plans"), cursor: v.union(v.string(), v.null()) },
  returns: v.number(),
  handler: async (ctx, { id, cursor }) => {
    const plan = await ctx.db.get(id);
    if (plan === null) return 0;
    const { settled, next } = await Purchases.settleProduct(ctx, plan, cursor);
    if (next !== null)
      await ctx.scheduler.runAfter(0, internal.plans.settle, {
        id,
        cursor: next,
      });
    return settled;
  },
});

export const list = internalQuery({
  args: { community: v.string() },
  returns: v.array(
    v.object({
      source: v.string(),
      product: v.string(),
      name: v.string(),
      days: v.union(v.number(), v.null()),
      roleIds: v.array(v.string()),
    }),
  ),
  handler: async (ctx, { community: slug }) => {
    const community = await Communities.requireBySlug(ctx, slug);
    const rows = await Plans.all(ctx, community._id);
    return rows.map(({ source, product, name, days, roleIds }) => ({
      source,
      product,
      name,
      days,
      roleIds,
    }));
  },
});
