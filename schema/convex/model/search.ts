// search.ts - signals by their words.
//
// What a signal is found by follows from its body and is stored beside it; a deleted one is
// found by nothing.

import type { Doc, Id } from "../_generated/dataModel";
import type { QueryCtx } from "../_generated/server";
import { failure } from "./failure";
import type { Body } from "./fields";
import { columnsOf as tradeOf, severalOf } from "./trades";

const MAX_TEXT = 16_000; // more than a message with its embeds can have
const MAX_QUERY = 200;
const MAX_FOUND = 50;

/** What a signal's row says beside its body, for the search index. */
export function columnsOf(body: Body | null) {
  return { text: body === null ? undefined : textOf(body) };
}

/** Everything in it that is written in words. */
export function textOf(body: Body): string {
  const { trade } = tradeOf(body);
  const trades = trade === undefined ? severalOf(body) : [trade];
  const parts = [
    body.content,
    ...body.embeds.flatMap((embed) => [
      embed.author?.name,
      embed.title,
      embed.description,
      ...(embed.fields ?? []).flatMap(({ name, value }) => [name, value]),
      embed.footer?.text,
    ]),
    body.poll?.question,
    ...(body.poll?.answers ?? []),
    ...body.attachments.flatMap((file) => [file.filename, file.description]),
    ...(body.stickers ?? []).map(({ name }) => name),
    body.author.name,
    // Found by either spelling: "BTC/USDT" is two words, "BTCUSDT" is one.
    ...trades.map(
      ({ base, quote }) => base && quote && `${base} ${base}${quote}`,
    ),
  ];
  return parts.filter(Boolean).join("\n").slice(0, MAX_TEXT);
}

/** The live signals that fit best, newest first. */
export async function find(
  ctx: QueryCtx,
  communityId: Id<"communities">,
  wanted: { text: string; channelId?: Id<"channels">; symbol?: string },
): Promise<Doc<"signals">[]> {
  const { text, channelId, symbol } = wanted;
  if (text.length > MAX_QUERY)
    throw failure("bad_argument", `text: at most ${MAX_QUERY} characters`);
  if (text.trim() === "") return [];
  const rows = await ctx.db
    .query("signals")
    .withSearchIndex("by_text", (q) => {
      let found = q.search("text", text).eq("communityId", communityId);
      if (channelId !== undefined) found = found.eq("channelId", channelId);
      if (symbol !== undefined) found = found.eq("symbol", symbol);
      return found;
    })
    .take(MAX_FOUND);
  return rows.sort((a, b) => (a.order < b.order ? 1 : -1));
}
