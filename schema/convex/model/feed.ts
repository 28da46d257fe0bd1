// feed.ts - a community's live signals as its members read them.

import { v, type Infer } from "convex/values";
import type { PaginationOptions } from "convex/server";
import type { Doc, Id } from "../_generated/dataModel";
import type { QueryCtx } from "../_generated/server";
import * as Channels from "./channels";
import { attachment, author, embed, trade } from "./fields";
import * as Signals from "./signals";

const EXCERPT_LENGTH = 140;
const MAX_PAGE = 100;

export const item = v.object({
  _id: v.id("signals"),
  messageId: v.string(), // source
  channel: v.object({ id: v.id("channels"), name: v.string() }),
  author,
  content: v.string(),
  embeds: v.array(embed),
  attachments: v.array(attachment),
  trade: v.optional(trade),
  // null, null: the message replied to is deleted or was never recorded.
  replyTo: v.optional(
    v.object({
      messageId: v.string(),
      authorName: v.union(v.string(), v.null()),
      excerpt: v.union(v.string(), v.null()),
    }),
  ),
  sentAt: v.number(),
  editedAt: v.union(v.number(), v.null()),
  sourceAt: v.number(),
  capturedAt: v.number(),
  committedAt: v.number(),
  version: v.string(),
});
export type Item = Infer<typeof item>;

type Signal = Doc<"signals">;

/** One page, newest first, of one channel or all. */
export async function list(
  ctx: QueryCtx,
  communityId: Id<"communities">,
  channelId: Id<"channels"> | undefined,
  options: PaginationOptions,
) {
  const bounded = {
    ...options,
    numItems: Math.min(Math.max(1, options.numItems), MAX_PAGE),
  };
  const rows = ctx.db.query("signals");
  const range =
    channelId === undefined
      ? rows.withIndex("by_communityId_and_state_and_order", (q) =>
          q.eq("communityId", communityId).eq("state", "live"),
        )
      : rows.withIndex(
          "by_communityId_and_channelId_and_state_and_order",
          (q) =>
            q
              .eq("communityId", communityId)
              .eq("channelId", channelId)
              .eq("state", "live"),
        );
  const page = await range.order("desc").paginate(bounded);
  return { ...page, page: await items(ctx, communityId, page.page) };
}

async function items(
  ctx: QueryCtx,
  communityId: Id<"communities">,
  signals: Signal[],
): Promise<Item[]> {
  const names = new Map<Id<"channels">, string>();
  for (const { _id, name } of await Channels.ofCommunity(ctx, communityId))
    names.set(_id, name);
  const known = new Map(signals.map((signal) => [signal.messageId, signal]));
  const found: Item[] = [];
  for (const signal of signals) {
    if (signal.body === null) continue; // not among the live
    const { replyToId, author, content, embeds, attachments, ...times } =
      signal.body;
    found.push({
      _id: signal._id,
      messageId: signal.messageId,
      channel: {
        id: signal.channelId,
        name: names.get(signal.channelId) ?? "",
      },
      author,
      content,
      embeds,
      attachments,
      trade: signal.trade,
      replyTo: replyToId
        ? quoted(
            replyToId,
            known.get(replyToId) ??
              (await Signals.byMessage(ctx, communityId, replyToId)),
          )
        : undefined,
      sentAt: times.sentAt,
      editedAt: times.editedAt,
      sourceAt: signal.sourceAt,
      capturedAt: signal.capturedAt,
      committedAt: signal.committedAt,
      version: signal.version,
    });
  }
  return found;
}

function quoted(messageId: string, target: Signal | null): Item["replyTo"] {
  const said = target?.body ?? null;
  if (said === null) return { messageId, authorName: null, excerpt: null };
  const text = said.content || said.embeds[0]?.title || "";
  return {
    messageId,
    authorName: said.author.name,
    excerpt: shortened(text.replace(/\s+/g, " ").trim()),
  };
}

// By code points: half a character is none.
function shortened(text: string): string {
  const points = [...text];
  return points.length <= EXCERPT_LENGTH
    ? text
    : `${points.slice(0, EXCERPT_LENGTH - 1).join("")}…`;
}

/** The channels a member may filter by: those that are on. */
export async function channels(
  ctx: QueryCtx,
  communityId: Id<"communities">,
): Promise<{ id: Id<"channels">; name: string }[]> {
  const rows = await Channels.ofCommunity(ctx, communityId);
  return rows
    .filter((row) => row.enabled)
    .map((row) => ({ id: row._id, name: row.name }));
}
