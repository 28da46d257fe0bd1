import { paginationOptsValidator } from "convex/server";
import { ConvexError, v } from "convex/values";
import type { Doc, Id } from "./_generated/dataModel";
import {
  mutation,
  query,
  type MutationCtx,
  type QueryCtx,
} from "./_generated/server";

const MAX_LENGTH = 2000;
const TYPING_MS = 5000;

async function countMessages(
  ctx: MutationCtx,
  channelId: Id<"channels">,
  change: number,
) {
  const channel = await ctx.db.get(channelId);
  if (channel === null) throw new ConvexError("No such channel");
  await ctx.db.patch(channelId, {
    messageCount: channel.messageCount + change,
  });
}

async function ownMessage(
  ctx: QueryCtx,
  messageId: Id<"messages">,
  author: string,
): Promise<Doc<"messages">> {
  const message = await ctx.db.get(messageId);
  if (message === null) throw new ConvexError("No such message");
  if (message.author !== author) throw new ConvexError("Not your message");
  return message;
}

export const send = mutation({
  args: { channelId: v.id("channels"), author: v.string(), body: v.string() },
  returns: v.id("messages"),
  handler: async (ctx, { channelId, author, body }) => {
    const text = body.trim();
    if (text === "" || text.length > MAX_LENGTH)
      throw new ConvexError("A message has 1 to 2000 characters");
    await countMessages(ctx, channelId, 1);
    await stopTyping(ctx, channelId, author);
    return await ctx.db.insert("messages", {
      channelId,
      author,
      body: text,
      reactions: {},
    });
  },
});

/** Newest first. */
export const list = query({
  args: {
    channelId: v.id("channels"),
    paginationOpts: paginationOptsValidator,
  },
  handler: async (ctx, { channelId, paginationOpts }) =>
    await ctx.db
      .query("messages")
      .withIndex("by_channel", (q) => q.eq("channelId", channelId))
      .order("desc")
      .paginate(paginationOpts),
});

export const since = query({
  args: { channelId: v.id("channels"), time: v.number() },
  handler: async (ctx, { channelId, time }) =>
    await ctx.db
      .query("messages")
      .withIndex("by_channel", (q) =>
        q.eq("channelId", channelId).gt("_creationTime", time),
      )
      .collect(),
});

export const search = query({
  args: {
    text: v.string(),
    channelId: v.optional(v.id("channels")),
    author: v.optional(v.string()),
  },
  handler: async (ctx, { text, channelId, author }) =>
    await ctx.db
      .query("messages")
      .withSearchIndex("search_body", (q) => {
        let search = q.search("body", text);
        if (channelId !== undefined) search = search.eq("channelId", channelId);
        if (author !== undefined) search = search.eq("author", author);
        return search;
      })
      .take(10),
});

export const searchPages = query({
  args: { text: v.string(), paginationOpts: paginationOptsValidator },
  handler: async (ctx, { text, paginationOpts }) =>
    await ctx.db
      .query("messages")
      .withSearchIndex("search_body", (q) => q.search("body", text))
      .paginate(paginationOpts),
});

export const edit = mutation({
  args: { messageId: v.id("messages"), author: v.string(), body: v.string() },
  handler: async (ctx, { messageId, author, body }) => {
    await ownMessage(ctx, messageId, author);
    await ctx.db.patch(messageId, { body, editedAt: Date.now() });
  },
});

export const remove = mutation({
  args: { messageId: v.id("messages"), author: v.string() },
  handler: async (ctx, { messageId, author }) => {
    const { channelId } = await ownMessage(ctx, messageId, author);
    await ctx.db.delete(messageId);
    await countMessages(ctx, channelId, -1);
  },
});

export const react = mutation({
  args: { messageId: v.id("messages"), author: v.string(), emoji: v.string() },
  handler: async (ctx, { messageId, author, emoji }) => {
    const message = await ctx.db.get(messageId);
    if (message === null) return;
    const who = new Set(message.reactions[emoji] ?? []);
    if (!who.delete(author)) who.add(author);
    const reactions = { ...message.reactions, [emoji]: [...who] };
    if (who.size === 0) delete reactions[emoji];
    await ctx.db.patch(messageId, { reactions });
  },
});

/** How many messages in the channel others have written. */
export const byOthers = query({
  args: { channelId: v.id("channels"), author: v.string() },
  returns: v.number(),
  handler: async (ctx, { channelId, author }) => {
    let count = 0;
    const messages = ctx.db
      .query("messages")
      .withIndex("by_channel_and_author", (q) => q.eq("channelId", channelId))
      .filter((q) => q.neq(q.field("author"), author));
    for await (const _ of messages) count++;
    return count;
  },
});

export const typing = mutation({
  args: { channelId: v.id("channels"), author: v.string() },
  handler: async (ctx, { channelId, author }) => {
    await stopTyping(ctx, channelId, author);
    const until = Date.now() + TYPING_MS;
    await ctx.db.insert("typing", { channelId, author, until });
  },
});

async function stopTyping(
  ctx: MutationCtx,
  channelId: Id<"channels">,
  author: string,
) {
  const present = await ctx.db
    .query("typing")
    .withIndex("by_channel_and_author", (q) =>
      q.eq("channelId", channelId).eq("author", author),
    )
    .unique();
  if (present !== null) await ctx.db.delete(present._id);
}

export const whoIsTyping = query({
  args: { channelId: v.id("channels") },
  handler: async (ctx, { channelId }) => {
    const rows = await ctx.db
      .query("typing")
      .withIndex("by_channel_and_author", (q) => q.eq("channelId", channelId))
      .collect();
    return rows.map((row) => row.author);
  },
});
