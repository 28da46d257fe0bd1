// feed.ts - a community's live signals as its members read them.

import { v, type Infer } from "convex/values";
import type { PaginationOptions } from "convex/server";
import type { Doc, Id } from "../_generated/dataModel";
import type { QueryCtx } from "../_generated/server";
import * as Attachments from "./attachments";
import * as Channels from "./channels";
import { author, poll, trade } from "./fields";
import * as Latency from "./latency";
import * as Search from "./search";
import * as Signals from "./signals";
import * as Symbols from "./symbols";
import { Book } from "./tradeLinks";
import * as Trades from "./trades";
import { snowflakeTime } from "./versions";

const EXCERPT_LENGTH = 140;
const MAX_PAGE = 100;

export const item = v.object({
  _id: v.id("signals"),
  messageId: v.string(), // source
  state: v.union(v.literal("live"), v.literal("deleted")), // deleted: nothing is said in it
  channel: v.object({ id: v.id("channels"), name: v.string() }),
  author,
  content: v.string(),
  embeds: v.array(Attachments.embedView),
  attachments: v.array(Attachments.view),
  stickers: v.optional(v.array(Attachments.stickerView)),
  poll: v.optional(poll),
  trade: v.optional(trade),
  trades: v.optional(v.array(trade)), // several: two or more, and then no single one
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
  sourceAt: v.number(), // of this version; of a deleted one: when it was deleted
  capturedAt: v.number(),
  committedAt: v.number(),
  version: v.string(),
});
export type Item = Infer<typeof item>;

// An update or its entry, and how one was found from the other.
const link = v.object({
  signal: item,
  found: v.union(v.literal("reply"), v.literal("symbol")),
});
type Link = Infer<typeof link>;

export const detail = v.object({
  signal: item,
  entries: v.array(link), // of an update, as far as they are known: one, or one for each of its trades
  updates: v.array(link), // of the trade, oldest first; of an update of one entry: its siblings too
  postedAt: v.union(v.number(), v.null()), // in the customer guild
  seenAt: v.union(v.number(), v.null()), // by the first viewer
});
export type Detail = Infer<typeof detail>;

type Signal = Doc<"signals">;

export type Filter = {
  channelId?: Id<"channels">;
  symbol?: string; // as Symbols.all() names it
  hideDeleted?: boolean; // false: tombstones in their places, where no symbol is asked for
};

/** One page, newest first. */
export async function list(
  ctx: QueryCtx,
  communityId: Id<"communities">,
  filter: Filter,
  options: PaginationOptions,
) {
  const bounded = {
    ...options,
    numItems: Math.min(Math.max(1, options.numItems), MAX_PAGE),
  };
  const { symbol, channelId } = filter;
  if (symbol === undefined) {
    const page = await range(ctx, communityId, filter)
      .order("desc")
      .paginate(bounded);
    return { ...page, page: await items(ctx, communityId, page.page) };
  }
  const page = await Symbols.range(ctx, communityId, { symbol, channelId })
    .order("desc")
    .paginate(bounded);
  const signals = await Symbols.signalsOf(ctx, page.page);
  return { ...page, page: await items(ctx, communityId, signals) };
}

// One index for each way to look at it: nothing is read to be left out.
function range(
  ctx: QueryCtx,
  communityId: Id<"communities">,
  { channelId, hideDeleted = true }: Filter,
) {
  const rows = ctx.db.query("signals");
  if (channelId === undefined)
    return hideDeleted
      ? rows.withIndex("by_communityId_and_state_and_order", (q) =>
          q.eq("communityId", communityId).eq("state", "live"),
        )
      : rows.withIndex("by_communityId_and_order", (q) =>
          q.eq("communityId", communityId),
        );
  return hideDeleted
    ? rows.withIndex("by_communityId_and_channelId_and_state_and_order", (q) =>
        q
          .eq("communityId", communityId)
          .eq("channelId", channelId)
          .eq("state", "live"),
      )
    : rows.withIndex("by_communityId_and_channelId_and_order", (q) =>
        q.eq("communityId", communityId).eq("channelId", channelId),
      );
}

/** The signals that fit what is asked for best, newest first. */
export async function search(
  ctx: QueryCtx,
  communityId: Id<"communities">,
  wanted: { text: string; channelId?: Id<"channels">; symbol?: string },
): Promise<Item[]> {
  return await items(
    ctx,
    communityId,
    await Search.find(ctx, communityId, wanted),
  );
}

/** One signal with all that is known of it, or null where there never was one. */
export async function get(
  ctx: QueryCtx,
  communityId: Id<"communities">,
  messageId: string,
): Promise<Detail | null> {
  const signal = await Signals.byMessage(ctx, communityId, messageId);
  if (signal === null) return null;
  const book = new Book(ctx, communityId);
  const entries = await book.entriesOf(signal);
  const only = entries.length === 1 ? entries[0]!.signal : signal;
  const updates = await book.updatesOf(only);
  const linked = [...entries, ...updates];
  const [item, ...others] = await items(ctx, communityId, [
    signal,
    ...linked.map((one) => one.signal),
  ]);
  const links = linked.map(({ found }, i): Link => {
    return { found, signal: others[i]! };
  });
  const { postedAt, seenAt } = await Latency.hopsOf(ctx, signal);
  return {
    signal: item!,
    entries: links.slice(0, entries.length),
    updates: links.slice(entries.length),
    postedAt: postedAt ?? null,
    seenAt: seenAt ?? null,
  };
}

/** Signals as members read them, in the order given. */
export async function items(
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
    const replyToId = signal.body?.replyToId;
    found.push({
      ...(await said(ctx, signal)),
      _id: signal._id,
      messageId: signal.messageId,
      state: signal.state,
      channel: {
        id: signal.channelId,
        name: names.get(signal.channelId) ?? "",
      },
      trade: signal.trade,
      trades: Trades.several(signal.body),
      replyTo: replyToId
        ? quoted(
            replyToId,
            known.get(replyToId) ??
              (await Signals.byMessage(ctx, communityId, replyToId)),
          )
        : undefined,
      sourceAt: signal.sourceAt,
      capturedAt: signal.capturedAt,
      committedAt: signal.committedAt,
      version: signal.version,
    });
  }
  return found;
}

// A tombstone says nothing but when it was written.
async function said(ctx: QueryCtx, signal: Signal) {
  const { body, messageId } = signal;
  if (body === null)
    return {
      author: { id: "0", name: "", bot: false },
      content: "",
      embeds: [],
      attachments: [],
      sentAt: snowflakeTime(messageId),
      editedAt: null,
    };
  const { author, content, poll, sentAt, editedAt } = body;
  const files = await Attachments.views(ctx, signal, body);
  return { author, content, ...files, poll, sentAt, editedAt };
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
