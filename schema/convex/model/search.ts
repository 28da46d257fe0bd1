// search.ts - signals by their words.
//
// What a signal is found by follows from its body and is stored beside it; a deleted one is
// found by nothing.

import type { Doc, Id } from "../_generated/dataModel";
import type { QueryCtx } from "../_generated/server";
import { failure } from "./failure";
import type { Body } from "./fields";
import { signalsOf } from "./symbols";
import { tradesOf } from "./trades";

const MAX_TEXT = 16_000; // more than a message with its embeds can have
const MAX_QUERY = 200;
const MAX_FOUND = 50; // with a symbol: of messages with one trade, and of those with several

/** What a signal's row says beside its body, for the search index. */
export function columnsOf(body: Body | null) {
  return { text: body === null ? undefined : textOf(body) };
}

/** Everything in it that is written in words. */
export function textOf(body: Body): string {
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
    ...tradesOf(body).map(
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
  if (symbol !== undefined)
    rows.push(...(await ofSeveral(ctx, communityId, text, symbol, channelId)));
  return rows.sort((a, b) => (a.order < b.order ? 1 : -1));
}

// A message of several trades has no symbol of its own.
async function ofSeveral(
  ctx: QueryCtx,
  communityId: Id<"communities">,
  text: string,
  symbol: string,
  channelId: Id<"channels"> | undefined,
): Promise<Doc<"signals">[]> {
  const rows = await ctx.db
    .query("signalSymbols")
    .withSearchIndex("by_text", (q) => {
      const found = q
        .search("text", text)
        .eq("communityId", communityId)
        .eq("symbol", symbol);
      return channelId === undefined ? found : found.eq("channelId", channelId);
    })
    .take(MAX_FOUND);
  return await signalsOf(ctx, rows);
}
