// drift.ts - is what is known what the source has.
//
// Read only: the collector records what differs like any other event, after
// it made sure of what is missing.

import type { Doc } from "../_generated/dataModel";
import type { QueryCtx } from "../_generated/server";
import type { UpsertEvent } from "./fields";
import * as Signals from "./signals";
import { bodyOf, join, layerOf, orderOf, versionOf } from "./versions";

const MAX_KNOWN = 512; // more than that in one page's range waits for the next look

export type Page = {
  guildId: string;
  channelId: string;
  threadId?: string;
  from: string;
  to: string;
  ids: string[];
  events: UpsertEvent[];
  capturedBefore: number;
};

export type Found = { news: string[]; missing: string[]; unsettled: boolean };

export async function of(ctx: QueryCtx, page: Page): Promise<Found> {
  const channel = await Signals.channelOf(ctx, page);
  if (channel === null) return { news: [], missing: [], unsettled: false };
  const live = await ctx.db
    .query("signals")
    .withIndex(
      "by_communityId_and_channelId_and_threadId_and_state_and_order",
      (q) =>
        q
          .eq("communityId", channel.communityId)
          .eq("channelId", channel._id)
          .eq("threadId", page.threadId)
          .eq("state", "live")
          .gte("order", orderOf(page.from))
          .lte("order", orderOf(page.to)),
    )
    .take(MAX_KNOWN);
  const there = new Set(page.ids);
  const news = [];
  for (const event of page.events) {
    const { communityId } = channel;
    const known = await Signals.byMessage(ctx, communityId, event.messageId);
    if (known === null || says(known, event)) news.push(event.messageId);
  }
  const absent = live.filter((row) => !there.has(row.messageId));
  const settled = absent.filter((row) => row.capturedAt < page.capturedBefore);
  const missing = settled.map((row) => row.messageId);
  return { news, missing, unsettled: settled.length < absent.length };
}

// Would the event change what is shown?
function says(known: Doc<"signals">, event: UpsertEvent): boolean {
  if (known.state === "deleted") return false;
  const body = bodyOf(join(Signals.layersOf(known), layerOf(event)));
  return body !== null && versionOf(body) !== known.version;
}
