// trades.ts - what a message says it trades, as the collector read it (collector/trades.md).
// Which update is about which entry: see tradeLinks.ts.

import type { Body, Trade } from "./fields";

/** What a signal's row says beside its body, for the indexes. */
export function columnsOf(body: Body | null) {
  const trades = tradesOf(body);
  const trade = trades.length === 1 ? trades[0] : undefined;
  return { trade, symbol: trade?.base, repliesTo: body?.replyToId };
}

/** What a message tells of, in the order of its text: mostly one trade, or none. */
export function tradesOf(body: Body | null): readonly Trade[] {
  const several = body?.contentTrades ?? body?.embedsTrades ?? [];
  if (several.length > 0) return several;
  const one = better(body?.contentTrade, body?.embedsTrade);
  return one === undefined ? [] : [one];
}

/** The same for whoever reads one trade elsewhere: absent unless there are several. */
export function several(body: Body | null): Trade[] | undefined {
  const trades = tradesOf(body);
  return trades.length > 1 ? [...trades] : undefined;
}

// A text and an embed of one message are seldom both a trade.
function better(a: Trade | undefined, b: Trade | undefined) {
  if (a === undefined || b === undefined) return a ?? b;
  if (a.kind !== b.kind) return a.kind === "entry" ? a : b;
  return b.confidence > a.confidence ? b : a;
}
