import {
  paginationOptsValidator,
  paginationResultValidator,
} from "convex/server";
import { v } from "convex/values";
import { internal } from "./_generated/api";
import type { Id } from "./_generated/dataModel";
import { action, internalMutation, mutation, query } from "./_generated/server";
import { requireOperator } from "./model/caller";
import { digestOf, newSecret } from "./model/secrets";
import * as Shares from "./model/shares";

const wanted = {
  community: v.string(),
  channelId: v.optional(v.id("channels")),
  messageId: v.optional(v.string()), // source
  expiresAt: v.number(), // ms
  label: v.string(),
};

/** Makes a link; its token is said here and never again. */
export const create = action({
  args: wanted,
  returns: v.object({ id: v.id("shares"), token: v.string() }),
  handler: async (
    ctx,
    wanted,
  ): Promise<{ id: Id<"shares">; token: string }> => {
    const token = newSecret();
    const tokenDigest = await digestOf(token);
    const id = await ctx.runMutation(internal.shares.insert, {
      ...wanted,
      tokenDigest,
    });
    return { id, token };
  },
});

/** The half of `create` that checks the caller and writes. */
export const insert = internalMutation({
  args: { ...wanted, tokenDigest: v.string() },
  returns: v.id("shares"),
  handler: async (ctx, wanted): Promise<Id<"shares">> =>
    await Shares.create(ctx, await requireOperator(ctx), wanted),
});

export const list = query({
  args: { community: v.string() },
  returns: v.array(Shares.listed),
  handler: async (ctx, { community }) => {
    await requireOperator(ctx);
    return await Shares.list(ctx, community);
  },
});

/** Ends a link now, for those too who are reading. */
export const revoke = mutation({
  args: { id: v.id("shares") },
  returns: v.null(),
  handler: async (ctx, { id }) => {
    await requireOperator(ctx);
    await Shares.revoke(ctx, id);
    return null;
  },
});

/** The end of a link, at its time. */
export const expire = internalMutation({
  args: { id: v.id("shares") },
  returns: v.null(),
  handler: async (ctx, { id }) => {
    await Shares.expire(ctx, id);
    return null;
  },
});

// ---- for whoever has the link: the token is the right ----

export const about = query({
  args: { token: v.string() },
  returns: Shares.about,
  handler: async (ctx, { token }) => await Shares.describe(ctx, token),
});

/** What a link opens, newest first. */
export const feed = query({
  args: { token: v.string(), paginationOpts: paginationOptsValidator },
  returns: paginationResultValidator(Shares.sharedItem),
  handler: async (ctx, { token, paginationOpts }) =>
    await Shares.feed(ctx, token, paginationOpts),
});
