import {
  paginationOptsValidator,
  paginationResultValidator,
} from "convex/server";
import { v } from "convex/values";
import { mutation, query } from "./_generated/server";
import { isOperator, standings } from "./model/access";
import { requireMember, requirePerson } from "./model/caller";
import { failure } from "./model/failure";
import * as Feed from "./model/feed";
import { revision } from "./model/fields";
import * as Reading from "./model/reading";
import * as Revisions from "./model/revisions";
import * as Signals from "./model/signals";
import * as Symbols from "./model/symbols";

const filter = {
  channelId: v.optional(v.id("channels")),
  symbol: v.optional(v.string()), // as feed:symbols names it
};

/** The signals of a community, newest first. */
export const list = query({
  args: {
    community: v.string(),
    ...filter,
    hideDeleted: v.optional(v.boolean()), // absent: yes; no: as such, without their text
    paginationOpts: paginationOptsValidator,
  },
  returns: paginationResultValidator(Feed.item),
  handler: async (ctx, { community, paginationOpts, ...filter }) => {
    const { _id } = await requireMember(ctx, community, Date.now());
    return await Feed.list(ctx, _id, filter, paginationOpts);
  },
});

/** The live signals whose words fit best, newest first. */
export const search = query({
  args: { community: v.string(), text: v.string(), ...filter },
  returns: v.array(Feed.item),
  handler: async (ctx, { community, ...wanted }) => {
    const { _id } = await requireMember(ctx, community, Date.now());
    return await Feed.search(ctx, _id, wanted);
  },
});

/** One signal with its trade's updates and its times, or null. */
export const get = query({
  args: { community: v.string(), messageId: v.string() },
  returns: v.union(Feed.detail, v.null()),
  handler: async (ctx, { community, messageId }) => {
    const { _id } = await requireMember(ctx, community, Date.now());
    return await Feed.get(ctx, _id, messageId);
  },
});

/** What a live signal said before each edit of its author, and what it says, oldest first. */
export const versions = query({
  args: { community: v.string(), messageId: v.string() },
  returns: v.array(revision),
  handler: async (ctx, { community, messageId }) => {
    const { _id } = await requireMember(ctx, community, Date.now());
    const signal = await Signals.byMessage(ctx, _id, messageId);
    return await Revisions.upTo(ctx, signal);
  },
});

/** How far the caller has read, and how many came since. */
export const unread = query({
  args: { community: v.string() },
  returns: Reading.unread,
  handler: async (ctx, { community }) => {
    const { _id } = await requireMember(ctx, community, Date.now());
    return await Reading.unreadOf(ctx, _id, await requirePerson(ctx));
  },
});

/** The caller has read everything up to this signal. */
export const markRead = mutation({
  args: { community: v.string(), messageId: v.string() },
  returns: v.null(),
  handler: async (ctx, { community, messageId }) => {
    const { _id } = await requireMember(ctx, community, Date.now());
    const userId = await requirePerson(ctx);
    await Reading.markRead(ctx, _id, userId, messageId);
    return null;
  },
});

/** What the signals trade, to filter by: "BTC", "ETH". */
export const symbols = query({
  args: { community: v.string() },
  returns: v.array(v.string()),
  handler: async (ctx, { community }) => {
    const { _id } = await requireMember(ctx, community, Date.now());
    return await Symbols.all(ctx, _id);
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
