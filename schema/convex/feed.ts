import {
  paginationOptsValidator,
  paginationResultValidator,
} from "convex/server";
import { v } from "convex/values";
import { query } from "./_generated/server";
import { isOperator, standings } from "./model/access";
import { requireMember, requirePerson } from "./model/caller";
import { failure } from "./model/failure";
import * as Feed from "./model/feed";

/** The live signals of a community, newest first. */
export const list = query({
  args: {
    community: v.string(),
    channelId: v.optional(v.id("channels")),
    paginationOpts: paginationOptsValidator,
  },
  returns: paginationResultValidator(Feed.item),
  handler: async (ctx, { community, channelId, paginationOpts }) => {
    const { _id } = await requireMember(ctx, community, Date.now());
    return await Feed.list(ctx, _id, channelId, paginationOpts);
  },
});

export const channels = query({
  args: { community: v.string() },
  returns: v.array(v.object({ id: v.id("channels"), name: v.string() })),
  handler: async (ctx, { community }) => {
    const { _id } = await requireMember(ctx, community, Date.now());
    return await Feed.channels(ctx, _id);
  },
});

/** Who I am, and what I have access to. */
export const mine = query({
  args: {},
  returns: v.object({
    email: v.string(),
    operator: v.boolean(),
    communities: v.array(
      v.object({
        slug: v.string(),
        name: v.string(),
        until: v.union(v.number(), v.null()),
        live: v.boolean(),
      }),
    ),
  }),
  handler: async (ctx) => {
    const userId = await requirePerson(ctx);
    const user = await ctx.db.get(userId);
    if (user === null) throw failure("unauthenticated", "This account is gone");
    return {
      email: user.email ?? "",
      operator: await isOperator(ctx, userId),
      communities: await standings(ctx, userId, Date.now()),
    };
  },
});
