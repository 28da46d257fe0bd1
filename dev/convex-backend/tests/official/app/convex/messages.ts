import { paginationOptsValidator } from "convex/server";
import { ConvexError, v } from "convex/values";
import { internal } from "./_generated/api";
import {
  action,
  internalMutation,
  internalQuery,
  mutation,
  query,
} from "./_generated/server";

export const list = query({
  args: { author: v.optional(v.string()) },
  returns: v.array(v.string()),
  handler: async (ctx, { author }) => {
    const rows =
      author === undefined
        ? await ctx.db.query("messages").collect()
        : await ctx.db
            .query("messages")
            .withIndex("by_author", (q) => q.eq("author", author))
            .collect();
    return rows.map((row) => row.body);
  },
});

export const page = query({
  args: { paginationOpts: paginationOptsValidator },
  handler: async (ctx, { paginationOpts }) =>
    ctx.db.query("messages").order("desc").paginate(paginationOpts),
});

export const send = mutation({
  args: { author: v.string(), body: v.string() },
  returns: v.id("messages"),
  handler: async (ctx, message) => {
    console.log("sending", message.body);
    return ctx.db.insert("messages", message);
  },
});

export const count = query({
  args: { name: v.string() },
  handler: async (ctx, { name }) => {
    const row = await ctx.db
      .query("counters")
      .withIndex("by_name", (q) => q.eq("name", name))
      .unique();
    return row?.value ?? 0;
  },
});

export const increment = mutation({
  args: { name: v.string() },
  handler: async (ctx, { name }) => {
    const row = await ctx.db
      .query("counters")
      .withIndex("by_name", (q) => q.eq("name", name))
      .unique();
    if (row === null) await ctx.db.insert("counters", { name, value: 1 });
    else await ctx.db.patch(row._id, { value: row.value + 1 });
    return (row?.value ?? 0) + 1;
  },
});

export const sendTwice = action({
  args: { body: v.string() },
  handler: async (ctx, { body }): Promise<number> => {
    await ctx.runMutation(internal.messages.sendInternal, {
      body: `${body} 1`,
    });
    await ctx.runMutation(internal.messages.sendInternal, {
      body: `${body} 2`,
    });
    return (await ctx.runQuery(internal.messages.all, {})).length;
  },
});

export const sendInternal = internalMutation({
  args: { body: v.string() },
  handler: async (ctx, { body }) =>
    ctx.db.insert("messages", { author: "action", body }),
});

export const all = internalQuery({
  args: {},
  handler: async (ctx) => ctx.db.query("messages").collect(),
});

export const whoami = query({
  args: {},
  handler: async (ctx) => ctx.auth.getUserIdentity(),
});

export const refuse = mutation({
  args: {},
  handler: async (ctx) => {
    await ctx.db.insert("messages", { author: "nobody", body: "never seen" });
    throw new ConvexError({ code: "refused", amount: 5n });
  },
});

export const crash = query({
  args: {},
  handler: async () => {
    throw new Error("it broke");
  },
});

export const greeting = query({
  args: {},
  handler: async () => process.env.GREETING ?? "unset",
});

// Larger than one frame of the sync protocol may be.
export const large = query({
  args: { size: v.number() },
  handler: async (_ctx, { size }) => "😀".repeat(size),
});
