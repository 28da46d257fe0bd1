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
};

export async function of(
  ctx: QueryCtx,
  page: Page,
): Promise<{ news: string[]; missing: string[] }> {
  const channel = await Signals.channelOf(ctx, page);
  if (channel === null) return { news: [], missing: [] };
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
  const missing = live
    .map((row) => row.messageId)
    .filter((id) => !there.has(id));
  return { news, missing };
}

// Would the event change what is shown?
function says(known: Doc<"signals">, event: UpsertEvent): boolean {
  if (known.state === "deleted") return false;
  const body = bodyOf(join(Signals.layersOf(known), layerOf(event)));
  return body !== null && versionOf(body) !== known.version;
}
