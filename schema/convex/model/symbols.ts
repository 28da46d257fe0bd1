// symbols.ts - which live signals trade a symbol: a row for each signal and symbol.
//
// Invariant: a signal's rows follow from its body and change in its transaction, so there are
// none of what trades nothing, and none of a tombstone. A message may tell of several trades;
// only its rows carry its words, to be searched: the others are found in their signal's.

import { internal } from "../_generated/api";
import type { Doc, Id } from "../_generated/dataModel";
import type { MutationCtx, QueryCtx } from "../_generated/server";
import type { Body } from "./fields";
import { tradesOf } from "./trades";

const MAX_SYMBOLS = 200;
const SWEEP_BATCH = 128;

type Signal = Doc<"signals">;
type Row = Doc<"signalSymbols">;
type Place = Pick<Signal, "communityId" | "channelId" | "order">;
type Said = Pick<Signal, "body" | "text">;
type Wanted = { symbol: string; channelId?: Id<"channels"> };

/** What a message trades, without the quote: "BTC", "XAU". */
export function symbolsOf(body: Body | null): string[] {
  return [...new Set(tradesOf(body).flatMap(({ base }) => base ?? []))];
}

/** The rows of a signal that said `before`, null: nothing yet, and says `after`. */
export async function follow(
  ctx: MutationCtx,
  signalId: Id<"signals">,
  { communityId, channelId, order }: Place,
  before: Said | null,
  after: Said,
): Promise<void> {
  const had = symbolsOf(before?.body ?? null);
  const has = symbolsOf(after.body);
  const said = had.length > 1 ? before?.text : undefined;
  const text = has.length > 1 ? after.text : undefined;
  for (const symbol of had)
    if (!has.includes(symbol)) {
      const row = await rowOf(ctx, communityId, symbol, order);
      if (row !== null) await ctx.db.delete(row._id);
    }
  for (const symbol of has)
    if (!had.includes(symbol) || said !== text)
      await put(ctx, signalId, { communityId, channelId, symbol, order }, text);
}

/** True: there was none. */
async function put(
  ctx: MutationCtx,
  signalId: Id<"signals">,
  key: Place & { symbol: string },
  text: string | undefined,
): Promise<boolean> {
  const row = await rowOf(ctx, key.communityId, key.symbol, key.order);
  if (row !== null) await ctx.db.patch(row._id, { text });
  else
    await ctx.db.insert("signalSymbols", {
      ...key,
      signalId,
      ...(text === undefined ? {} : { text }),
    });
  return row === null;
}

async function rowOf(
  ctx: QueryCtx,
  communityId: Id<"communities">,
  symbol: string,
  order: string,
): Promise<Row | null> {
  return await ctx.db
    .query("signalSymbols")
    .withIndex("by_communityId_and_symbol_and_order", (q) =>
      q.eq("communityId", communityId).eq("symbol", symbol).eq("order", order),
    )
    .unique();
}

/** The rows of a symbol, in the order of their signals. */
export function range(
  ctx: QueryCtx,
  communityId: Id<"communities">,
  { symbol, channelId }: Wanted,
) {
  const rows = ctx.db.query("signalSymbols");
  return channelId === undefined
    ? rows.withIndex("by_communityId_and_symbol_and_order", (q) =>
        q.eq("communityId", communityId).eq("symbol", symbol),
      )
    : rows.withIndex("by_communityId_and_channelId_and_symbol_and_order", (q) =>
        q
          .eq("communityId", communityId)
          .eq("channelId", channelId)
          .eq("symbol", symbol),
      );
}

/** Signals of a symbol in a signal's channel, written before it, the newest first. */
export async function before(
  ctx: QueryCtx,
  { communityId, channelId, order }: Place,
  symbol: string,
  limit: number,
): Promise<Signal[]> {
  const rows = await ctx.db
    .query("signalSymbols")
    .withIndex("by_communityId_and_channelId_and_symbol_and_order", (q) =>
      q
        .eq("communityId", communityId)
        .eq("channelId", channelId)
        .eq("symbol", symbol)
        .lt("order", order),
    )
    .order("desc")
    .take(limit);
  return await signalsOf(ctx, rows);
}

/** The same written after it, the oldest first. */
export async function after(
  ctx: QueryCtx,
  { communityId, channelId, order }: Place,
  symbol: string,
  limit: number,
): Promise<Signal[]> {
  const rows = await ctx.db
    .query("signalSymbols")
    .withIndex("by_communityId_and_channelId_and_symbol_and_order", (q) =>
      q
        .eq("communityId", communityId)
        .eq("channelId", channelId)
        .eq("symbol", symbol)
        .gt("order", order),
    )
    .take(limit);
  return await signalsOf(ctx, rows);
}

/** The signals of rows, in their order. */
export async function signalsOf(
  ctx: QueryCtx,
  rows: readonly Pick<Row, "signalId">[],
): Promise<Signal[]> {
  const found = await Promise.all(
    rows.map(({ signalId }) => ctx.db.get(signalId)),
  );
  return found.filter((signal) => signal !== null);
}

/** What a community's live signals trade. */
export async function all(
  ctx: QueryCtx,
  communityId: Id<"communities">,
): Promise<string[]> {
  const symbols: string[] = [];
  for (let last = ""; symbols.length < MAX_SYMBOLS;) {
    const next = await ctx.db
      .query("signalSymbols")
      .withIndex("by_communityId_and_symbol_and_order", (q) =>
        q.eq("communityId", communityId).gt("symbol", last),
      )
      .first();
    if (next === null) break;
    symbols.push((last = next.symbol));
  }
  return symbols;
}

// ---- signals from before there were such rows ----

/** Gives a batch of older signals the rows that they lack; once all have them, does nothing. */
export async function sweep(ctx: MutationCtx): Promise<{ added: number }> {
  const mark = await ctx.db.query("symbolSweeps").first();
  if (mark?.done) return { added: 0 };
  const since = mark?.until ?? 0;
  const signals = await ctx.db
    .query("signals")
    .withIndex("by_creation_time", (q) => q.gt("_creationTime", since))
    .take(SWEEP_BATCH);
  let added = 0;
  for (const signal of signals) {
    const { _id, communityId, channelId, order } = signal;
    const symbols = symbolsOf(signal.body);
    const text = symbols.length > 1 ? signal.text : undefined;
    for (const symbol of symbols)
      if (await put(ctx, _id, { communityId, channelId, order, symbol }, text))
        added++;
  }
  const done = signals.length < SWEEP_BATCH;
  const until = signals.at(-1)?._creationTime ?? since;
  if (mark === null) await ctx.db.insert("symbolSweeps", { until, done });
  else await ctx.db.patch(mark._id, { until, done });
  if (!done) await ctx.scheduler.runAfter(0, internal.signals.sweepSymbols, {});
  return { added };
}
