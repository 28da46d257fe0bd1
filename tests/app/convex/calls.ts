import { paginationOptsValidator } from "convex/server";
import { ConvexError, v } from "convex/values";
import { action, internalQuery, mutation, query } from "./_generated/server";
import { api } from "./_generated/api";

/** What it was given, with a line in the log. */
export const echo = query({
  args: { value: v.any() },
  handler: (_ctx, { value }) => {
    console.log("echo");
    return value ?? null;
  },
});

/** What it was given, once `ms` have passed. */
export const echoLater = action({
  args: { value: v.any(), ms: v.number() },
  handler: async (_ctx, { value, ms }) => {
    await new Promise((resolve) => setTimeout(resolve, ms));
    return value;
  },
});

/** Throws a ConvexError with `data`, or an Error without. */
export const fail = query({
  args: { data: v.optional(v.any()) },
  handler: (_ctx, { data }) => {
    throw data === undefined
      ? new Error("failed as asked")
      : new ConvexError(data);
  },
});

/** Says and throws what would steer a terminal. */
export const paint = query({
  args: {},
  handler: () => {
    console.log("\u001b[31mred\u009b0m");
    throw new Error("\u001b]0;title\u0007 é");
  },
});

export const hidden = internalQuery({
  args: {},
  returns: v.string(),
  handler: () => "seen by admins only",
});

/** Who asks. */
export const whoAmI = query({
  args: {},
  handler: async (ctx) => {
    const identity = await ctx.auth.getUserIdentity();
    return identity && { subject: identity.subject, issuer: identity.issuer };
  },
});

/** Needs a bigint: the number 1 will not do. */
export const needsInt64 = query({
  args: { n: v.int64() },
  returns: v.int64(),
  handler: (_ctx, { n }) => n,
});

/** Adds one to the number under `key`; the new number. */
export const increment = mutation({
  args: { key: v.string() },
  returns: v.number(),
  handler: async (ctx, { key }) => {
    const row = await ctx.db
      .query("items")
      .withIndex("by_key", (q) => q.eq("key", key))
      .unique();
    const value = ((row?.value as number | undefined) ?? 0) + 1;
    if (row) await ctx.db.patch(row._id, { value });
    else await ctx.db.insert("items", { key, value });
    return value;
  },
});

export const incrementByAction = action({
  args: { key: v.string() },
  returns: v.number(),
  handler: async (ctx, { key }): Promise<number> =>
    await ctx.runMutation(api.calls.increment, { key }),
});

/** Items whose key begins with `prefix`, page by page. */
export const page = query({
  args: { prefix: v.string(), paginationOpts: paginationOptsValidator },
  handler: async (ctx, { prefix, paginationOpts }) => {
    const result = await ctx.db
      .query("items")
      .withIndex("by_key", (q) =>
        q.gte("key", prefix).lt("key", prefix + "\uffff"),
      )
      .paginate(paginationOpts);
    return { ...result, page: result.page.map(({ key }) => key) };
  },
});
