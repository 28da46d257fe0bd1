import { ConvexError, v } from "convex/values";
import { mutation, query } from "./_generated/server";

export const create = mutation({
  args: { name: v.string(), topic: v.optional(v.string()) },
  returns: v.id("channels"),
  handler: async (ctx, { name, topic }) => {
    if (!/^[a-z][a-z0-9-]*$/.test(name))
      throw new ConvexError({ code: "BAD_NAME", name });
    const taken = await ctx.db
      .query("channels")
      .withIndex("by_name", (q) => q.eq("name", name))
      .unique();
    if (taken !== null) throw new ConvexError({ code: "TAKEN", name });
    return await ctx.db.insert("channels", { name, topic, messageCount: 0 });
  },
});

export const list = query({
  args: {},
  handler: async (ctx) =>
    await ctx.db.query("channels").withIndex("by_name").collect(),
});

/** By id or by name, as the address bar has it. */
export const find = query({
  args: { idOrName: v.string() },
  handler: async (ctx, { idOrName }) => {
    const id = ctx.db.normalizeId("channels", idOrName);
    if (id !== null) return await ctx.db.get(id);
    return await ctx.db
      .query("channels")
      .withIndex("by_name", (q) => q.eq("name", idOrName))
      .first();
  },
});

export const setTopic = mutation({
  args: { channelId: v.id("channels"), topic: v.union(v.string(), v.null()) },
  handler: async (ctx, { channelId, topic }) => {
    await ctx.db.patch(channelId, { topic: topic ?? undefined });
  },
});
