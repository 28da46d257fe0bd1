// counts.ts - how many signals each channel ever had, up to the last count (stats.ts).

import type { Doc, Id } from "../_generated/dataModel";
import type { MutationCtx, QueryCtx } from "../_generated/server";

async function find(
  ctx: QueryCtx,
  communityId: Id<"communities">,
  channelId: Id<"channels">,
): Promise<Doc<"channelCounts"> | null> {
  return await ctx.db
    .query("channelCounts")
    .withIndex("by_communityId_and_channelId", (q) =>
      q.eq("communityId", communityId).eq("channelId", channelId),
    )
    .unique();
}

export async function of(
  ctx: QueryCtx,
  communityId: Id<"communities">,
  channelId: Id<"channels">,
): Promise<number> {
  return (await find(ctx, communityId, channelId))?.signals ?? 0;
}

export async function add(
  ctx: MutationCtx,
  communityId: Id<"communities">,
  channelId: Id<"channels">,
  count: number,
): Promise<void> {
  const known = await find(ctx, communityId, channelId);
  if (known === null)
    await ctx.db.insert("channelCounts", {
      communityId,
      channelId,
      signals: count,
    });
  else await ctx.db.patch(known._id, { signals: known.signals + count });
}
