import { ConvexError, v } from "convex/values";
import { action, mutation, query } from "./_generated/server";

const item = v.object({ key: v.string(), value: v.any() });

/** Items whose key begins with `prefix`, in order; throws while there is one named `<prefix>bad`. */
export const list = query({
  args: { prefix: v.string() },
  returns: v.array(item),
  handler: async (ctx, { prefix }) => {
    const rows = await ctx.db
      .query("items")
      .withIndex("by_key", (q) =>
        q.gte("key", prefix).lt("key", prefix + "\uffff"),
      )
      .take(100);
    if (rows.some((row) => row.key === `${prefix}bad`))
      throw new ConvexError({ code: "bad", prefix });
    return rows.map(({ key, value }) => ({ key, value }));
  },
});

/** Sets an item; undefined is not a value, so null removes it. */
export const set = mutation({
  args: { key: v.string(), value: v.any() },
  returns: v.null(),
  handler: async (ctx, { key, value }) => {
    const row = await ctx.db
      .query("items")
      .withIndex("by_key", (q) => q.eq("key", key))
      .unique();
    if (value === null) {
      if (row) await ctx.db.delete(row._id);
    } else if (row) {
      await ctx.db.patch(row._id, { value });
    } else {
      await ctx.db.insert("items", { key, value });
    }
    return null;
  },
});

/** One item's value, or null; throws what the item says. */
export const get = query({
  args: { key: v.string() },
  handler: async (ctx, { key }) => {
    const row = await ctx.db
      .query("items")
      .withIndex("by_key", (q) => q.eq("key", key))
      .unique();
    if (row?.value === "throw") throw new Error(`${key} throws`);
    if (row?.value === "null") throw new ConvexError(null);
    return row?.value ?? null;
  },
});

/** Adds to a number and returns it; refuses to go above ten. */
export const add = mutation({
  args: { key: v.string(), by: v.number() },
  returns: v.number(),
  handler: async (ctx, { key, by }) => {
    const row = await ctx.db
      .query("items")
      .withIndex("by_key", (q) => q.eq("key", key))
      .unique();
    const value = (typeof row?.value === "number" ? row.value : 0) + by;
    if (by === 0) throw new Error("nothing to add");
    if (value > 10) throw new ConvexError({ code: "limit", value });
    if (row) await ctx.db.patch(row._id, { value });
    else await ctx.db.insert("items", { key, value });
    return value;
  },
});

export const echo = action({
  args: { value: v.any() },
  handler: async (_ctx, { value }) => {
    if (value === "throw") throw new Error("asked to throw");
    if (value === "refuse") throw new ConvexError(["refused", 1]);
    return value;
  },
});

/** Who the server takes the caller for. */
export const whoami = query({
  args: {},
  returns: v.union(v.null(), v.string()),
  handler: async (ctx) => (await ctx.auth.getUserIdentity())?.subject ?? null,
});
