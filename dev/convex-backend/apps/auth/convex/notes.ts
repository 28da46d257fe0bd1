import { getAuthUserId } from "@convex-dev/auth/server";
import { ConvexError, v } from "convex/values";
import type { Id } from "./_generated/dataModel";
import {
  mutation,
  query,
  type MutationCtx,
  type QueryCtx,
} from "./_generated/server";

async function requireUser(ctx: QueryCtx | MutationCtx): Promise<Id<"users">> {
  const user = await getAuthUserId(ctx);
  if (user === null) throw new ConvexError({ code: "SIGNED_OUT" });
  return user;
}

export const list = query({
  args: {},
  handler: async (ctx) => {
    const owner = await requireUser(ctx);
    return await ctx.db
      .query("notes")
      .withIndex("by_owner", (q) => q.eq("owner", owner))
      .collect();
  },
});

export const add = mutation({
  args: { text: v.string() },
  handler: async (ctx, { text }) =>
    await ctx.db.insert("notes", { owner: await requireUser(ctx), text }),
});

export const remove = mutation({
  args: { noteId: v.id("notes") },
  handler: async (ctx, { noteId }) => {
    const owner = await requireUser(ctx);
    const note = await ctx.db.get(noteId);
    if (note?.owner !== owner) throw new ConvexError({ code: "NOT_YOURS" });
    await ctx.db.delete(noteId);
  },
});
