// signals.ts - source messages in their latest state.
//
// Invariant: a row depends only on the set of events recorded for its
// message, never on their order or number (the times of arrival excepted).
// The mirror row changes in the same transaction as the signal.

import type { Doc, Id } from "../_generated/dataModel";
import type { MutationCtx, QueryCtx } from "../_generated/server";
import * as Channels from "./channels";
import * as Communities from "./communities";
import type {
  Body,
  DeleteEvent,
  Layer,
  RecordResult,
  SourceEvent,
  UpsertEvent,
} from "./fields";
import * as Mirrors from "./mirrors";
import * as Trades from "./trades";
import {
  bodyOf,
  DELETED_VERSION,
  join,
  layerOf,
  orderOf,
  sameBody,
  sameLayers,
  versionOf,
} from "./versions";

type Signal = Doc<"signals">;
type Channel = Doc<"channels">;

/** Applies events one after another; each result stands for one event. */
export async function record(
  ctx: MutationCtx,
  events: SourceEvent[],
): Promise<RecordResult[]> {
  const now = Date.now();
  const channels = new Map<string, Channel | null>();
  const results: RecordResult[] = [];
  for (const event of events) {
    const key = `${event.guildId}/${event.channelId}`;
    if (!channels.has(key)) channels.set(key, await channelOf(ctx, event));
    const channel = channels.get(key);
    if (!channel) results.push("ignored");
    else if (event.type === "delete")
      results.push(await bury(ctx, channel, event, now));
    else results.push(await upsert(ctx, channel, event, now));
  }
  return results;
}

export async function byMessage(
  ctx: QueryCtx,
  communityId: Id<"communities">,
  messageId: string,
): Promise<Signal | null> {
  return await ctx.db
    .query("signals")
    .withIndex("by_communityId_and_messageId", (q) =>
      q.eq("communityId", communityId).eq("messageId", messageId),
    )
    .unique();
}

// Only what is configured and on; everything else is not ours to keep.
async function channelOf(
  ctx: QueryCtx,
  event: SourceEvent,
): Promise<Channel | null> {
  const community = await Communities.bySourceGuild(ctx, event.guildId);
  if (community === null) return null;
  const channel = await Channels.bySource(ctx, community._id, event.channelId);
  return channel?.enabled ? channel : null;
}

async function bury(
  ctx: MutationCtx,
  channel: Channel,
  event: DeleteEvent,
  now: number,
): Promise<RecordResult> {
  const known = await byMessage(ctx, channel.communityId, event.messageId);
  if (known?.state === "deleted") return "unchanged";
  const tombstone = {
    ...keyOf(channel, event),
    state: "deleted" as const,
    body: null,
    version: DELETED_VERSION,
    stamp: null,
    layers: undefined,
    ...Trades.columnsOf(null),
    sourceAt: event.capturedAt, // Discord tells no time of deletion
    capturedAt: event.capturedAt,
    committedAt: now,
  };
  if (known === null) await ctx.db.insert("signals", tombstone);
  else await ctx.db.patch(known._id, tombstone);
  await Mirrors.desire(ctx, channel, event.messageId, null, now);
  return "recorded";
}

async function upsert(
  ctx: MutationCtx,
  channel: Channel,
  event: UpsertEvent,
  now: number,
): Promise<RecordResult> {
  const known = await byMessage(ctx, channel.communityId, event.messageId);
  if (known?.state === "deleted") return "unchanged";
  if (known === null && event.partial) return "ignored";

  const before = known === null ? [] : layersOf(known);
  const added = layerOf(event);
  const layers = join(before, added);
  const body = bodyOf(layers);
  if (body === null) return "ignored";
  if (known !== null && sameLayers(layers, before)) return "unchanged";

  const version = versionOf(body);
  const row = { ...keyOf(channel, event), ...stored(layers, body), version };
  const times = {
    sourceAt: added.stamp.at ?? event.capturedAt,
    capturedAt: event.capturedAt,
    committedAt: now,
  };
  if (known === null)
    await ctx.db.insert("signals", { ...row, ...times, state: "live" });
  else if (known.version === version)
    // Seen again later: remember that, but nobody sees anything new.
    await ctx.db.patch(known._id, row);
  else await ctx.db.patch(known._id, { ...row, ...times });
  if (known?.version !== version)
    await Mirrors.desire(ctx, channel, event.messageId, version, now);
  return "recorded";
}

function keyOf(channel: Channel, event: SourceEvent) {
  return {
    communityId: channel.communityId,
    channelId: channel._id,
    messageId: event.messageId,
    order: orderOf(event.messageId),
  };
}

// Almost every message is one whole event: then the body is the layer.
function stored(layers: Layer[], body: Body) {
  const base = layers.find((one) => one.whole)!;
  const plain = layers.length === 1 && sameBody(base.fields as Body, body);
  return {
    body,
    stamp: base.stamp,
    layers: plain ? undefined : layers,
    ...Trades.columnsOf(body),
  };
}

function layersOf(signal: Signal): Layer[] {
  if (signal.layers !== undefined) return signal.layers;
  if (signal.body === null || signal.stamp === null) return [];
  return [{ whole: true, stamp: signal.stamp, fields: signal.body }];
}
