// trades.ts - which update is about which entry.
//
// A signal's trade follows from its body (columnsOf). Links are never stored:
// they are made when they are read, from the rows that are there then, so the
// order in which events arrived cannot matter.
//
// - By reply: the update answers the entry, or answers something that does.
//   A reply to what is gone, or to an entry of another symbol, links by reply to nothing.
// - Else by symbol: exactly one entry of the symbol was open in the channel
//   when the update was written. Two, or none: no link.
//
// A message may tell of several trades. Then its row has no single one and no
// symbol; replies that name one of its pairs are about that one.
//
// An entry is open until an update of it ends it, for OPEN_MS at most.
// entryOf and updatesOf look at the same window, so they always agree.

import type { Doc, Id } from "../_generated/dataModel";
import type { QueryCtx } from "../_generated/server";
import type { Body, Trade } from "./fields";
import { orderOf, snowflakeTime } from "./versions";

type Signal = Doc<"signals">;
type Found = "reply" | "symbol";

const WINDOW = 48; // signals of the symbol, in the channel, before an update
const REPLIES = 32; // to one message
const HOPS = 4; // from an update to its entry
const OPEN_MS = 45 * 24 * 3_600_000;
const MAX_SYMBOLS = 200;
const DOLLARS = new Set(["USD", "USDT", "USDC", "BUSD", "FDUSD", "DAI"]);

/** What a signal's row says beside its body, for the indexes. */
export function columnsOf(body: Body | null) {
  const trade =
    body && severalOf(body).length === 0
      ? better(body.contentTrade, body.embedsTrade)
      : undefined;
  return { trade, symbol: trade?.base, repliesTo: body?.replyToId };
}

/** Two or more that one message tells of, in the order of its text; else none. */
export function severalOf(body: Body | null): readonly Trade[] {
  return body?.contentTrades ?? body?.embedsTrades ?? [];
}

function tradesOf({ trade, body }: Signal): readonly Trade[] {
  return trade === undefined ? severalOf(body) : [trade];
}

function tells(signal: Signal, kind: Trade["kind"]): boolean {
  return tradesOf(signal).some((trade) => trade.kind === kind);
}

// A text and an embed of one message are seldom both a trade.
function better(a: Trade | undefined, b: Trade | undefined) {
  if (a === undefined || b === undefined) return a ?? b;
  if (a.kind !== b.kind) return a.kind === "entry" ? a : b;
  return b.confidence > a.confidence ? b : a;
}

/** The entry an update is about, and how that was found. */
export async function entryOf(
  ctx: QueryCtx,
  update: Signal,
): Promise<{ signal: Signal; found: Found } | null> {
  if (!tells(update, "update")) return null;
  const book = new Book(ctx, update.communityId);
  const rows = await book.rowsBefore(update);
  return await book.entryOf(update, rows);
}

/** The updates of an entry, oldest first. */
export async function updatesOf(
  ctx: QueryCtx,
  entry: Signal,
): Promise<{ signal: Signal; found: Found }[]> {
  if (!tells(entry, "entry")) return [];
  const book = new Book(ctx, entry.communityId);
  const before = await book.rowsBefore(entry);
  const rows = [...before, entry, ...(await book.rowsAfter(entry))];
  const about = new Map<string, { signal: Signal; found: Found }>();
  for (const signal of await book.answers(entry))
    about.set(signal.messageId, { signal, found: "reply" });
  for (const [at, signal] of rows.entries()) {
    if (at <= before.length || signal.trade?.kind !== "update") continue;
    if (about.has(signal.messageId)) continue;
    const window = rows.slice(Math.max(0, at - WINDOW), at);
    const link = await book.entryOf(signal, window);
    if (link?.signal._id === entry._id)
      about.set(signal.messageId, { signal, found: link.found });
  }
  return [...about.values()].sort((a, b) => byOrder(a.signal, b.signal));
}

/** What a community's live signals trade: "BTC", "XAU". */
export async function symbolsOf(
  ctx: QueryCtx,
  communityId: Id<"communities">,
): Promise<string[]> {
  const symbols: string[] = [];
  for (let last = ""; symbols.length < MAX_SYMBOLS;) {
    const next = await ctx.db
      .query("signals")
      .withIndex("by_communityId_and_symbol_and_order", (q) =>
        q.eq("communityId", communityId).gt("symbol", last),
      )
      .first();
    if (next?.symbol === undefined) break;
    symbols.push((last = next.symbol));
  }
  return symbols;
}

/** The entry among `open` that an update by symbol is about: the only one that fits. */
export function onlyFit<T extends Pick<Signal, "messageId" | "trade">>(
  open: readonly T[],
  update: Pick<Signal, "messageId" | "trade">,
): T | null {
  const at = snowflakeTime(update.messageId);
  const side = update.trade?.side;
  const fitting = open.filter(
    (entry) =>
      at - snowflakeTime(entry.messageId) <= OPEN_MS &&
      samePair(entry.trade, update.trade) &&
      (side === undefined ||
        entry.trade?.side === undefined ||
        entry.trade.side === side),
  );
  return fitting.length === 1 ? fitting[0]! : null;
}

/** Is the trade of `entry` over once `update` was said of it? */
export function ends(update: Trade["update"], entry: Trade): boolean {
  switch (update?.type) {
    case "stop_hit":
    case "closed":
    case "cancelled":
      return true;
    case "target_hit": {
      const last = entry.targets?.length ?? 0;
      return (
        update.all === true ||
        (last > 0 && (update.targets ?? []).includes(last))
      );
    }
    default:
      return false;
  }
}

const byOrder = (a: Signal, b: Signal) =>
  a.order < b.order ? -1 : a.order > b.order ? 1 : 0;

// What has been read for one question, so that nothing is read twice.
class Book {
  readonly #messages = new Map<string, Signal | null>();
  readonly #answers = new Map<string, Signal[]>();

  constructor(
    readonly ctx: QueryCtx,
    readonly communityId: Id<"communities">,
  ) {}

  /** Signals of its symbol in its channel, oldest first. */
  async rowsBefore(signal: Signal): Promise<Signal[]> {
    if (signal.symbol === undefined) return [];
    const rows = await this.ctx.db
      .query("signals")
      .withIndex("by_communityId_and_channelId_and_symbol_and_order", (q) =>
        q
          .eq("communityId", this.communityId)
          .eq("channelId", signal.channelId)
          .eq("symbol", signal.symbol)
          .lt("order", signal.order),
      )
      .order("desc")
      .take(WINDOW);
    return rows.reverse();
  }

  async rowsAfter(signal: Signal): Promise<Signal[]> {
    if (signal.symbol === undefined) return [];
    return await this.ctx.db
      .query("signals")
      .withIndex("by_communityId_and_channelId_and_symbol_and_order", (q) =>
        q
          .eq("communityId", this.communityId)
          .eq("channelId", signal.channelId)
          .eq("symbol", signal.symbol)
          .gt("order", signal.order),
      )
      .take(WINDOW);
  }

  /** `rows`: the window before the update. */
  async entryOf(update: Signal, rows: Signal[]) {
    const answered = await this.#answered(update);
    if (answered !== undefined)
      return answered && { signal: answered, found: "reply" as const };
    if (update.symbol === undefined) return null;
    const signal = onlyFit(await this.#openAt(update, rows), update);
    return signal && { signal, found: "symbol" as const };
  }

  /** The updates that answer an entry, or answer what does. */
  async answers(entry: Signal): Promise<Signal[]> {
    const known = this.#answers.get(entry.messageId);
    if (known !== undefined) return known;
    const found: Signal[] = [];
    let level = [entry];
    for (let hop = 0; hop < HOPS && level.length > 0; hop++) {
      const next: Signal[] = [];
      for (const target of level)
        for (const reply of await this.#repliesTo(target))
          if (!tells(reply, "entry")) next.push(reply);
      found.push(...next.filter((one) => about(one, entry)));
      level = next.slice(0, REPLIES);
    }
    this.#answers.set(entry.messageId, found);
    return found;
  }

  // What was open, by what had been said before the update.
  async #openAt(update: Signal, rows: Signal[]): Promise<Signal[]> {
    const said = new Map(rows.map((row) => [row.messageId, row]));
    const answered = new Map<string, Signal>();
    for (const entry of rows.filter((row) => row.trade?.kind === "entry"))
      for (const answer of await this.answers(entry)) {
        answered.set(answer.messageId, entry);
        if (answer.order < update.order) said.set(answer.messageId, answer);
      }
    let open: Signal[] = [];
    for (const row of [...said.values()].sort(byOrder)) {
      if (row.trade?.kind === "entry") {
        if (!ends(row.trade.update, row.trade)) open.push(row);
        continue;
      }
      const entry =
        answered.get(row.messageId) ??
        ((await this.#answered(row)) === undefined ? onlyFit(open, row) : null);
      if (entry?.trade && ends(saidOf(row, entry)?.update, entry.trade))
        open = open.filter((one) => one._id !== entry._id);
    }
    return open;
  }

  // null: its reply leads to what is gone. undefined: it leads to no entry.
  async #answered(update: Signal): Promise<Signal | null | undefined> {
    let target = update.repliesTo;
    for (let hop = 0; hop < HOPS && target !== undefined; hop++) {
      const signal: Signal | null = await this.#message(target);
      if (signal === null || signal.state === "deleted") return null;
      if (tells(signal, "entry"))
        return about(update, signal) ? signal : undefined;
      target = signal.repliesTo;
    }
    return undefined;
  }

  async #message(messageId: string): Promise<Signal | null> {
    const known = this.#messages.get(messageId);
    if (known !== undefined) return known;
    const signal = await this.ctx.db
      .query("signals")
      .withIndex("by_communityId_and_messageId", (q) =>
        q.eq("communityId", this.communityId).eq("messageId", messageId),
      )
      .unique();
    this.#messages.set(messageId, signal);
    return signal;
  }

  async #repliesTo(target: Signal): Promise<Signal[]> {
    return await this.ctx.db
      .query("signals")
      .withIndex("by_communityId_and_repliesTo_and_order", (q) =>
        q
          .eq("communityId", this.communityId)
          .eq("repliesTo", target.messageId)
          .gt("order", orderOf(target.messageId)),
      )
      .take(REPLIES);
  }
}

// An update that names no symbol is about whatever it answers, if that is one trade.
function about(update: Signal, entry: Signal): boolean {
  return saidOf(update, entry) !== undefined;
}

// What an update says of an entry.
function saidOf(update: Signal, entry: Signal): Trade | undefined {
  const said = tradesOf(update).filter(({ kind }) => kind === "update");
  const calls = tradesOf(entry).filter(({ kind }) => kind === "entry");
  return said.find(
    (one) =>
      (said.length === 1 || one.base !== undefined) &&
      calls.filter((call) => samePair(one, call)).length === 1,
  );
}

// What one of them does not name is no contradiction; neither is one dollar or another.
function samePair(a: Trade | undefined, b: Trade | undefined): boolean {
  const one = (quote?: string) => (DOLLARS.has(quote ?? "") ? "USD" : quote);
  const same = (x?: string, y?: string) =>
    x === undefined || y === undefined || x === y;
  return same(a?.base, b?.base) && same(one(a?.quote), one(b?.quote));
}
