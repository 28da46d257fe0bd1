import { v } from "convex/values";
import { internal } from "./_generated/api";
import type { Doc } from "./_generated/dataModel";
import {
  internalMutation,
  internalQuery,
  mutation,
  query,
  type MutationCtx,
} from "./_generated/server";
import * as Purchases from "./model/billing/purchases";
import { requireOperator } from "./model/caller";
import * as Communities from "./model/communities";
import * as Plans from "./model/plans";

const plan = v.object({
  source: v.string(),
  product: v.string(),
  name: v.string(),
  days: v.union(v.number(), v.null()),
  roleIds: v.array(v.string()),
});

function planOf(row: Doc<"plans">) {
  const { source, product, name, days, roleIds } = row;
  return { source, product, name, days, roleIds };
}

/** What each product buys, for operators. */
export const ofCommunity = query({
  args: { community: v.string() },
  returns: v.array(plan),
  handler: async (ctx, { community: slug }) => {
    await requireOperator(ctx);
    const community = await Communities.requireBySlug(ctx, slug);
    return (await Plans.all(ctx, community._id)).map(planOf);
  },
});

/** Says what a product buys. Purchases that waited for it are settled. */
export const set = mutation({
  args: { community: v.string(), ...plan.fields },
  returns: v.null(),
  handler: async (ctx, wanted) => {
    await requireOperator(ctx);
    await settleAll(ctx, await Plans.map(ctx, wanted));
    return null;
  },
});

/** The product buys nothing any more; access bought with it ends. */
export const unset = mutation({
  args: { community: v.string(), source: v.string(), product: v.string() },
  returns: v.null(),
  handler: async (ctx, wanted) => {
    await requireOperator(ctx);
    await settleAll(ctx, await Plans.unmap(ctx, wanted));
    return null;
  },
});

/** The same as `set`, by command line. */
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
    const made = await Plans.map(ctx, { ...wanted, roleIds });
    await settleAll(ctx, made);
    return made._id;
  },
});

async function settleAll(ctx: MutationCtx, row: Doc<"plans">): Promise<void> {
  const { communityId, source, product } = row;
  await ctx.scheduler.runAfter(0, internal.plans.settle, {
    communityId,
    source,
    product,
    cursor: null,
  });
}

/** One batch of the purchases of a product; goes on by itself. */
export const settle = internalMutation({
  args: {
    communityId: v.id("communities"),
    source: v.string(),
    product: v.string(),
    cursor: v.union(v.string(), v.null()),
  },
  returns: v.number(),
  handler: async (ctx, { cursor, ...of }) => {
    const { settled, next } = await Purchases.settleProduct(ctx, of, cursor);
    if (next !== null)
      await ctx.scheduler.runAfter(0, internal.plans.settle, {
        ...of,
        cursor: next,
      });
    return settled;
  },
});

export const list = internalQuery({
  args: { community: v.string() },
  returns: v.array(plan),
  handler: async (ctx, { community: slug }) => {
    const community = await Communities.requireBySlug(ctx, slug);
    return (await Plans.all(ctx, community._id)).map(planOf);
  },
});
