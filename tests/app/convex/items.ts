import { ConvexError, v } from "convex/values";
import { mutation, query } from "./_generated/server";

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
