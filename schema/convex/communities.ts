import { v } from "convex/values";
import { internal } from "./_generated/api";
import {
  internalMutation,
  mutation,
  query,
  type MutationCtx,
} from "./_generated/server";
import { requireOperator } from "./model/caller";
import * as Communities from "./model/communities";
import { failure } from "./model/failure";

/** All tenants, for operators. */
export const list = query({
  args: {},
  returns: v.array(Communities.settings),
  handler: async (ctx) => {
    await requireOperator(ctx);
    return (await Communities.all(ctx)).map(Communities.settingsOf);
  },
});

/** A new community; refuses a slug that is taken. */
export const create = mutation({
  args: Communities.settings.fields,
  returns: v.id("communities"),
  handler: async (ctx, wanted) => {
    await requireOperator(ctx);
    if ((await Communities.bySlug(ctx, wanted.slug)) !== null)
      throw failure("bad_argument", `slug: "${wanted.slug}" is taken`);
    return await setUpAndFollow(ctx, wanted);
  },
});

/** Changes the settings of a community; the slug is its name for good. */
export const update = mutation({
  args: Communities.settings.fields,
  returns: v.id("communities"),
  handler: async (ctx, wanted) => {
    await requireOperator(ctx);
    await Communities.requireBySlug(ctx, wanted.slug);
    return await setUpAndFollow(ctx, wanted);
  },
});

/** Makes a community, or changes it. */
export const setUp = internalMutation({
  args: Communities.settings.fields,
  returns: v.id("communities"),
  handler: async (ctx, wanted) => await setUpAndFollow(ctx, wanted),
});

// What everybody's roles should be may be another thing now.
async function setUpAndFollow(ctx: MutationCtx, wanted: Communities.Settings) {
  const id = await Communities.setUp(ctx, wanted);
  await ctx.scheduler.runAfter(0, internal.discord.followAll, { cursor: null });
  return id;
}
