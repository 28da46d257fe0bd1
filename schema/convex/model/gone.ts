// gone.ts - source channels and threads that were deleted.
//
// Policy: what was written in them is deleted with them, here and in the
// customer guild. Invariant: once a channel is gone every live signal of it
// is buried, batch by batch, and none can be added.

import type { Doc, Id } from "../_generated/dataModel";
import type { MutationCtx, QueryCtx } from "../_generated/server";
import { internal } from "../_generated/api";
import type { ChannelDeleteEvent, RecordResult } from "./fields";
import * as Signals from "./signals";

const BATCH = 64;

type Channel = Doc<"channels">;

async function byId(
  ctx: QueryCtx,
  communityId: Id<"communities">,
  goneId: string,
): Promise<Doc<"goneChannels"> | null> {
  return await ctx.db
    .query("goneChannels")
    .withIndex("by_communityId_and_goneId", (q) =>
      q.eq("communityId", communityId).eq("goneId", goneId),
    )
    .unique();
}

/** When the channel or its thread was seen deleted, or null. */
export async function since(
  ctx: QueryCtx,
  { communityId, sourceChannelId }: Channel,
  threadId: string | undefined,
): Promise<number | null> {
  const channel = await byId(ctx, communityId, sourceChannelId);
  if (channel !== null || threadId === undefined)
    return channel?.capturedAt ?? null;
  return (await byId(ctx, communityId, threadId))?.capturedAt ?? null;
}

export async function remember(
  ctx: MutationCtx,
  channel: Channel,
  event: ChannelDeleteEvent,
  now: number,
): Promise<RecordResult> {
  const { communityId, _id: channelId } = channel;
  const goneId = event.threadId ?? event.channelId;
  if ((await byId(ctx, communityId, goneId)) !== null) return "unchanged";
  const { capturedAt } = event;
  const row = { communityId, channelId, goneId, capturedAt };
  await buryBatch(ctx, await ctx.db.insert("goneChannels", row), now);
  return "recorded";
}

/** Buries some of what is live in a deleted channel, and asks for the rest. */
export async function buryBatch(
  ctx: MutationCtx,
  goneId: Id<"goneChannels">,
  now: number,
): Promise<void> {
  const gone = await ctx.db.get(goneId);
  const channel = gone && (await ctx.db.get(gone.channelId));
  if (!channel) return;
  const whole = gone.goneId === channel.sourceChannelId;
  const signals = ctx.db.query("signals");
  const rows = await (
    whole
      ? signals.withIndex(
          "by_communityId_and_channelId_and_state_and_order",
          (q) =>
            q
              .eq("communityId", channel.communityId)
              .eq("channelId", channel._id)
              .eq("state", "live"),
        )
      : signals.withIndex(
          "by_communityId_and_channelId_and_threadId_and_state_and_order",
          (q) =>
            q
              .eq("communityId", channel.communityId)
              .eq("channelId", channel._id)
              .eq("threadId", gone.goneId)
              .eq("state", "live"),
        )
  ).take(BATCH);
  for (const row of rows)
    await Signals.bury(ctx, channel, row, gone.capturedAt, now);
  if (rows.length === BATCH)
    await ctx.scheduler.runAfter(0, internal.signals.buryBatch, { goneId });
}
