import { ConvexError, v } from "convex/values";
import { mutation, query } from "./_generated/server";

/** Writes down `n` behind all before it. Every seventeenth throws instead. */
export const append = mutation({
  args: { n: v.number() },
  returns: v.number(),
  handler: async (ctx, { n }) => {
    if (n % 17 === 0) throw new ConvexError({ n });
    const last = await ctx.db
      .query("ledger")
      .withIndex("by_position")
      .order("desc")
      .first();
    await ctx.db.insert("ledger", { position: (last?.position ?? 0) + 1, n });
    return n;
  },
});

/** What was written behind `after`, in order. */
export const list = query({
  args: { after: v.number() },
  returns: v.array(v.object({ position: v.number(), n: v.number() })),
  handler: async (ctx, { after }) =>
    (
      await ctx.db
        .query("ledger")
        .withIndex("by_position", (q) => q.gt("position", after))
        .take(1000)
    ).map(({ position, n }) => ({ position, n })),
});
