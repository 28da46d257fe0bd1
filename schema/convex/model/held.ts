// held.ts - partial events that came before the message they belong to.
//
// Invariant: a message has held layers or a signal, never both.

import type { Doc, Id } from "../_generated/dataModel";
import type { MutationCtx, QueryCtx } from "../_generated/server";
import * as Communities from "./communities";
import type { Layer, RecordResult, UpsertEvent } from "./fields";
import { join, sameLayers } from "./versions";

const MAX_LISTED = 64; // of one community

async function byMessage(
  ctx: QueryCtx,
  communityId: Id<"communities">,
  messageId: string,
): Promise<Doc<"heldUpdates"> | null> {
  return await ctx.db
    .query("heldUpdates")
    .withIndex("by_communityId_and_messageId", (q) =>
      q.eq("communityId", communityId).eq("messageId", messageId),
    )
    .unique();
}

export async function add(
  ctx: MutationCtx,
  channel: Doc<"channels">,
  event: UpsertEvent,
  added: Layer,
  now: number,
): Promise<RecordResult> {
  const { messageId, threadId } = event;
  const { communityId } = channel;
  const known = await byMessage(ctx, communityId, messageId);
  const layers = join(known?.layers ?? [], added);
  if (known === null)
    await ctx.db.insert("heldUpdates", {
      ...{ communityId, channelId: channel._id, messageId, layers },
      ...(threadId === undefined ? {} : { threadId }),
      heldAt: now,
    });
  else if (sameLayers(layers, known.layers)) return "unchanged";
  else await ctx.db.patch(known._id, { layers });
  return "held";
}

/** What is held of a message, which is known from now on. */
export async function release(
  ctx: MutationCtx,
  communityId: Id<"communities">,
  messageId: string,
): Promise<Layer[]> {
  const known = await byMessage(ctx, communityId, messageId);
  if (known === null) return [];
  await ctx.db.delete(known._id);
  return known.layers;
}

/** The messages that somebody should fetch, of all communities. */
export async function list(ctx: QueryCtx) {
  const found = [];
  for (const { _id, sourceGuildId } of await Communities.all(ctx)) {
    const rows = await ctx.db
      .query("heldUpdates")
      .withIndex("by_communityId_and_heldAt", (q) => q.eq("communityId", _id))
      .take(MAX_LISTED);
    for (const { channelId, threadId, messageId } of rows) {
      const channel = await ctx.db.get(channelId);
      if (channel?.enabled)
        found.push({
          guildId: sourceGuildId,
          channelId: channel.sourceChannelId,
          ...(threadId === undefined ? {} : { threadId }),
          messageId,
        });
    }
  }
  return found;
}

/** Forgets at most `limit` that nobody could fetch. */
export async function forget(
  ctx: MutationCtx,
  communityId: Id<"communities">,
  before: number,
  limit: number,
): Promise<number> {
  const rows = await ctx.db
    .query("heldUpdates")
    .withIndex("by_communityId_and_heldAt", (q) =>
      q.eq("communityId", communityId).lt("heldAt", before),
    )
    .take(limit);
  for (const { _id } of rows) await ctx.db.delete(_id);
  return rows.length;
}
