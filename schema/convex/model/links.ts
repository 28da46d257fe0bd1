// links.ts - which Discord account is whose. One to one, both ways.

import type { Doc, Id } from "../_generated/dataModel";
import type { QueryCtx } from "../_generated/server";

export async function ofUser(
  ctx: QueryCtx,
  userId: Id<"users">,
): Promise<Doc<"discordLinks"> | null> {
  return await ctx.db
    .query("discordLinks")
    .withIndex("by_userId", (q) => q.eq("userId", userId))
    .unique();
}

export async function ofDiscord(
  ctx: QueryCtx,
  discordId: string,
): Promise<Doc<"discordLinks"> | null> {
  return await ctx.db
    .query("discordLinks")
    .withIndex("by_discordId", (q) => q.eq("discordId", discordId))
    .unique();
}
