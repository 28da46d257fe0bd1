// signals.ts - source messages in their latest state.
//
// Invariant: a row depends only on the set of events recorded for its
// message and its channel, never on their order or number (the times of
// arrival excepted). The mirror row, the attachments, the rows of its symbols
// and what it said before change in the same transaction.

import type { Doc, Id } from "../_generated/dataModel";
import type { MutationCtx, QueryCtx } from "../_generated/server";
import * as Attachments from "./attachments";
import * as Channels from "./channels";
import * as Communities from "./communities";
import type {
  Body,
  Layer,
  RecordResult,
  SourceEvent,
  UpsertEvent,
} from "./fields";
import * as Gone from "./gone";
import * as Held from "./held";
import * as Mirrors from "./mirrors";
import * as Revisions from "./revisions";
import * as Search from "./search";
import * as Symbols from "./symbols";
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

/** What identifies a message and says where it is. */
export type Place = { messageId: string; threadId?: string };

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
    results.push(channel ? await apply(ctx, channel, event, now) : "ignored");
  }
  return results;
}

async function apply(
  ctx: MutationCtx,
  channel: Channel,
  event: SourceEvent,
  now: number,
): Promise<RecordResult> {
  if (event.type === "channel_delete")
    return await Gone.remember(ctx, channel, event, now);
  if (event.type === "delete")
    return await bury(ctx, channel, event, event.capturedAt, now);
  const goneAt = await Gone.since(ctx, channel, event.threadId);
  if (goneAt === null) return await upsert(ctx, channel, event, now);
  return await bury(ctx, channel, event, goneAt, now);
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

/** Only what is configured and on; everything else is not ours to keep. */
export async function channelOf(
  ctx: QueryCtx,
  place: { guildId: string; channelId: string },
): Promise<Channel | null> {
  const community = await Communities.bySourceGuild(ctx, place.guildId);
  if (community === null) return null;
  const channel = await Channels.bySource(ctx, community._id, place.channelId);
  return channel?.enabled ? channel : null;
}

/** Makes a message a tombstone, known or not, with its post. */
export async function bury(
  ctx: MutationCtx,
  channel: Channel,
  place: Place,
  capturedAt: number,
  now: number,
): Promise<RecordResult> {
  const { messageId } = place;
  const known = await byMessage(ctx, channel.communityId, messageId);
  if (known?.state === "deleted") return "unchanged";
  const tombstone = {
    state: "deleted" as const,
    body: null,
    version: DELETED_VERSION,
    stamp: null,
    layers: undefined,
    ...Trades.columnsOf(null),
    ...Search.columnsOf(null),
    sourceAt: capturedAt, // Discord tells no time of deletion
    capturedAt,
    committedAt: now,
  };
  if (known !== null) {
    await ctx.db.patch(known._id, tombstone);
    await Symbols.follow(ctx, known._id, known, known, tombstone);
    await Revisions.forget(ctx, known);
  } else
    await ctx.db.insert("signals", { ...keyOf(channel, place), ...tombstone });
  await Held.release(ctx, channel.communityId, messageId);
  await Mirrors.desire(ctx, channel, messageId, null, now);
  await Attachments.follow(
    ctx,
    { communityId: channel.communityId, messageId },
    known?.body ?? null,
    null,
    now,
  );
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
  const added = layerOf(event);
  if (known === null && !added.whole)
    return await Held.add(ctx, channel, event, added, now);

  const before = known
    ? layersOf(known)
    : await Held.release(ctx, channel.communityId, event.messageId);
  const layers = join(before, added);
  const body = bodyOf(layers)!; // one of them is whole
  if (known !== null && sameLayers(layers, before)) return "unchanged";

  const version = versionOf(body);
  const row = { ...keyOf(channel, event), ...stored(layers, body), version };
  const times = {
    sourceAt: added.stamp.at ?? event.capturedAt,
    capturedAt: event.capturedAt,
    committedAt: now,
  };
  const id =
    known?._id ??
    (await ctx.db.insert("signals", { ...row, ...times, state: "live" }));
  if (known?.version === version)
    // Seen again later: remember that, but nobody sees anything new.
    await ctx.db.patch(id, row);
  else if (known !== null) {
    await ctx.db.patch(id, { ...row, ...times });
    await Revisions.keep(ctx, known, body);
  }
  await Symbols.follow(ctx, id, row, known, row);
  await Attachments.follow(ctx, row, known?.body ?? null, body, now);
  if (known?.version !== version)
    await Mirrors.desire(ctx, channel, event.messageId, version, now);
  return "recorded";
}

function keyOf(channel: Channel, { messageId, threadId }: Place) {
  return {
    communityId: channel.communityId,
    channelId: channel._id,
    ...(threadId === undefined ? {} : { threadId }),
    messageId,
    order: orderOf(messageId),
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
    ...Search.columnsOf(body),
  };
}

export function layersOf(signal: Signal): Layer[] {
  if (signal.layers !== undefined) return signal.layers;
  if (signal.body === null || signal.stamp === null) return [];
  return [{ whole: true, stamp: signal.stamp, fields: signal.body }];
}
