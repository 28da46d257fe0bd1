import { ConvexError, v } from "convex/values";
import { paginationOptsValidator } from "convex/server";
import { mutation, query, type QueryCtx } from "./_generated/server";

const item = v.object({ key: v.string(), value: v.any() });

const withPrefix = (ctx: QueryCtx, prefix: string) =>
  ctx.db
    .query("items")
    .withIndex("by_key", (q) =>
      q.gte("key", prefix).lt("key", prefix + "\uffff"),
    );

/** Items whose key begins with `prefix`, in order. */
export const list = query({
  args: { prefix: v.string() },
  returns: v.array(item),
  handler: async (ctx, { prefix }) =>
    (await withPrefix(ctx, prefix).take(500)).map(({ key, value }) => ({
      key,
      value,
    })),
});

/** The same, page by page. */
export const page = query({
  args: { prefix: v.string(), paginationOpts: paginationOptsValidator },
  handler: async (ctx, { prefix, paginationOpts }) => {
    const found = await withPrefix(ctx, prefix).paginate(paginationOpts);
    return {
      ...found,
      page: found.page.map(({ key, value }) => ({ key, value })),
    };
  },
});

/** Sets an item; null removes it, "refused" is refused. */
export const put = mutation({
  args: { key: v.string(), value: v.any() },
  returns: v.null(),
  handler: async (ctx, { key, value }) => {
    const row = await ctx.db
      .query("items")
      .withIndex("by_key", (q) => q.eq("key", key))
      .unique();
    if (value === "refused") throw new ConvexError("refused");
    if (row) await ctx.db.delete(row._id);
    if (value !== null) await ctx.db.insert("items", { key, value });
    return null;
  },
});

/** Moves one from the value of an item to that of another: their sum stays. */
export const move = mutation({
  args: { from: v.string(), to: v.string() },
  returns: v.null(),
  handler: async (ctx, { from, to }) => {
    for (const [key, change] of [
      [from, -1],
      [to, 1],
    ] as const) {
      const row = await ctx.db
        .query("items")
        .withIndex("by_key", (q) => q.eq("key", key))
        .unique();
      if (row) await ctx.db.patch(row._id, { value: row.value + change });
      else await ctx.db.insert("items", { key, value: change });
    }
    return null;
  },
});
