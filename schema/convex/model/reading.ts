// reading.ts - how far each person has read, in each community.
//
// Invariant: a mark only moves forward, so that two devices cannot undo each other.

import { v, type Infer } from "convex/values";
import type { Doc, Id } from "../_generated/dataModel";
import type { MutationCtx, QueryCtx } from "../_generated/server";
import { failure } from "./failure";
import * as Signals from "./signals";

const MAX_COUNT = 100; // beyond it nobody counts

export const unread = v.object({
  readTo: v.union(v.string(), v.null()), // message id; null: never read here
  count: v.number(), // of live signals after it, 100 at most; 0 while never read
});
export type Unread = Infer<typeof unread>;

export async function unreadOf(
  ctx: QueryCtx,
  communityId: Id<"communities">,
  userId: Id<"users">,
): Promise<Unread> {
  const mark = await markOf(ctx, communityId, userId);
  if (mark === null) return { readTo: null, count: 0 };
  const after = await ctx.db
    .query("signals")
    .withIndex("by_communityId_and_state_and_order", (q) =>
      q
        .eq("communityId", communityId)
        .eq("state", "live")
        .gt("order", mark.order),
    )
    .take(MAX_COUNT);
  return { readTo: mark.messageId, count: after.length };
}

/** Everything up to this signal is read. */
export async function markRead(
  ctx: MutationCtx,
  communityId: Id<"communities">,
  userId: Id<"users">,
  messageId: string,
): Promise<void> {
  const signal = await Signals.byMessage(ctx, communityId, messageId);
  if (signal === null)
    throw failure("not_found", "messageId: there is no such signal");
  const { order } = signal;
  const mark = await markOf(ctx, communityId, userId);
  if (mark !== null && mark.order >= order) return;
  const at = Date.now();
  if (mark === null)
    await ctx.db.insert("readingMarks", {
      communityId,
      userId,
      messageId,
      order,
      at,
    });
  else await ctx.db.patch(mark._id, { messageId, order, at });
}

/** How far a person has read in a community; null: never there. */
export async function markOf(
  ctx: QueryCtx,
  communityId: Id<"communities">,
  userId: Id<"users">,
): Promise<Doc<"readingMarks"> | null> {
  return await ctx.db
    .query("readingMarks")
    .withIndex("by_communityId_and_userId", (q) =>
      q.eq("communityId", communityId).eq("userId", userId),
    )
    .unique();
}
