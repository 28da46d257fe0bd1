// tradeLinks.ts - which update is about which entry.
//
// A signal's trades follow from its body. Links are never stored: they are made when they are
// read, from the rows that are there then, so the order in which events arrived cannot matter.
//
// - By reply: the update answers the entry, or answers something that does.
//   A reply to what is gone links to nothing; a reply to an entry of another symbol links
//   by reply to nothing.
// - Else by symbol: exactly one entry of the symbol was open in the channel
//   when the update was written. Two, or none: no link.
//
// A message may tell of several trades; each is linked as if it stood alone. One that names no
// symbol among others is about nothing.
//
// An entry is open until an update of it ends it, for OPEN_MS at most.
// entriesOf and updatesOf look at the same window, so they always agree.

import type { Doc, Id } from "../_generated/dataModel";
import type { QueryCtx } from "../_generated/server";
import type { Trade } from "./fields";
import * as Symbols from "./symbols";
import { tradesOf } from "./trades";
import { orderOf, snowflakeTime } from "./versions";

type Signal = Doc<"signals">;
export type Link = { signal: Signal; found: "reply" | "symbol" };
// One trade of a message, and which.
type Leg = { signal: Signal; at: number; trade: Trade };

const WINDOW = 48; // signals of the symbol, in the channel, before an update
const REPLIES = 32; // to one message
const HOPS = 4; // from an update to its entry
const OPEN_MS = 45 * 24 * 3_600_000;
const DOLLARS = new Set(["USD", "USDT", "USDC", "BUSD", "FDUSD", "DAI"]);

function legsOf(signal: Signal, kind?: Trade["kind"]): Leg[] {
  return tradesOf(signal.body)
    .map((trade, at) => ({ signal, at, trade }))
    .filter(({ trade }) => kind === undefined || trade.kind === kind);
}

const entriesIn = (signal: Signal) => legsOf(signal, "entry");
const updatesIn = (signal: Signal) => legsOf(signal, "update");

const byOrder = (a: Signal, b: Signal) =>
  a.order < b.order ? -1 : a.order > b.order ? 1 : 0;

/** What has been read for one question, so that nothing is read twice. */
export class Book {
  readonly #messages = new Map<string, Signal | null>();
  readonly #answers = new Map<string, Signal[]>();

  constructor(
    readonly ctx: QueryCtx,
    readonly communityId: Id<"communities">,
  ) {}

  /** The entries that an update is about, oldest first, and how they were found. */
  async entriesOf(update: Signal): Promise<Link[]> {
    const found: Link[] = [];
    for (const leg of updatesIn(update)) {
      const link = await this.#entryOf(leg);
      if (link !== null) found.push(link);
    }
    return distinct(found);
  }

  /** The updates of an entry, oldest first. */
  async updatesOf(entry: Signal): Promise<Link[]> {
    const calls = entriesIn(entry);
    if (calls.length === 0) return [];
    const found: Link[] = [];
    for (const signal of await this.#answersTo(entry))
      found.push({ signal, found: "reply" });
    for (const symbol of new Set(
      calls.flatMap(({ trade }) => trade.base ?? []),
    ))
      found.push(...(await this.#updatesBySymbol(entry, symbol)));
    return distinct(found);
  }

  async #updatesBySymbol(entry: Signal, symbol: string): Promise<Link[]> {
    const before = await this.#rowsBefore(entry, symbol);
    const after = await this.#rowsAfter(entry, symbol);
    const rows = [...before, entry, ...after];
    const found: Link[] = [];
    for (const [i, signal] of after.entries()) {
      const at = before.length + 1 + i;
      const window = rows.slice(Math.max(0, at - WINDOW), at);
      for (const leg of updatesIn(signal)) {
        if (leg.trade.base !== symbol) continue;
        const link = await this.#entryOf(leg, window);
        if (link?.signal._id === entry._id)
          found.push({ signal, found: link.found });
      }
    }
    return found;
  }

  /** `rows`: the window before the update, if it is known. */
  async #entryOf(update: Leg, rows?: Signal[]): Promise<Link | null> {
    const { signal, trade } = update;
    const answered = await this.#answered(signal);
    if (answered === null) return null;
    if (answered && callOf(answered, update))
      return { signal: answered, found: "reply" };
    if (trade.base === undefined) return null;
    const window = rows ?? (await this.#rowsBefore(signal, trade.base));
    const open = await this.#openAt(signal, trade.base, window);
    const call = onlyFit(open, update);
    return call && { signal: call.signal, found: "symbol" };
  }

  /** The entries of a symbol that were open, by what had been said before a signal. */
  async #openAt(
    until: Signal,
    symbol: string,
    rows: readonly Signal[],
  ): Promise<Leg[]> {
    const said = new Map(rows.map((row) => [row.messageId, row]));
    for (const row of rows)
      if (entriesIn(row).some(({ trade }) => trade.base === symbol))
        for (const answer of await this.#answersTo(row))
          if (answer.order < until.order) said.set(answer.messageId, answer);
    let open: Leg[] = [];
    for (const signal of [...said.values()].sort(byOrder))
      for (const leg of legsOf(signal)) {
        const { kind, base, update } = leg.trade;
        if (kind === "entry") {
          if (base === symbol && !ends(update, leg.trade)) open.push(leg);
          continue;
        }
        const call = await this.#callAmong(open, leg, symbol);
        if (call && ends(update, call.trade))
          open = open.filter((one) => one !== call);
      }
    return open;
  }

  // The open entry that an update of that time was about.
  async #callAmong(open: readonly Leg[], update: Leg, symbol: string) {
    const answered = await this.#answered(update.signal);
    if (answered === null) return null;
    const call = answered && callOf(answered, update);
    if (call)
      return open.find(
        ({ signal, at }) => signal._id === call.signal._id && at === call.at,
      );
    return update.trade.base === symbol ? onlyFit(open, update) : null;
  }

  /** The updates that answer an entry, or answer what does. */
  async #answersTo(entry: Signal): Promise<Signal[]> {
    const known = this.#answers.get(entry.messageId);
    if (known !== undefined) return known;
    this.#messages.set(entry.messageId, entry);
    const found: Signal[] = [];
    let level = [entry];
    for (let hop = 0; hop < HOPS && level.length > 0; hop++) {
      const next: Signal[] = [];
      for (const target of level) next.push(...(await this.#repliesTo(target)));
      found.push(
        ...next.filter((one) =>
          updatesIn(one).some((leg) => callOf(entry, leg)),
        ),
      );
      // What answers another entry is about that one.
      level = next
        .filter((one) => entriesIn(one).length === 0)
        .slice(0, REPLIES);
    }
    this.#answers.set(entry.messageId, found);
    return found;
  }

  // The entry that an update's reply leads to. null: it leads to what is gone. undefined: to none.
  async #answered(update: Signal): Promise<Signal | null | undefined> {
    let target = update.repliesTo;
    for (let hop = 0; hop < HOPS && target !== undefined; hop++) {
      const signal: Signal | null = await this.#message(target);
      if (signal === null || signal.state === "deleted") return null;
      if (entriesIn(signal).length > 0) return signal;
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

  /** Signals of a symbol in its channel before it, oldest first. */
  async #rowsBefore(signal: Signal, symbol: string): Promise<Signal[]> {
    const rows = await Symbols.before(this.ctx, signal, symbol, WINDOW);
    return rows.reverse();
  }

  async #rowsAfter(signal: Signal, symbol: string): Promise<Signal[]> {
    return await Symbols.after(this.ctx, signal, symbol, WINDOW);
  }
}

// What is both by reply and by symbol answers it.
function distinct(links: readonly Link[]): Link[] {
  const found = new Map<string, Link>();
  for (const link of links) {
    const known = found.get(link.signal.messageId);
    if (known === undefined || link.found === "reply")
      found.set(link.signal.messageId, link);
  }
  return [...found.values()].sort((a, b) => byOrder(a.signal, b.signal));
}

/**
 * The trade of an entry that an update which answers it is about: the only one of its pair. One
 * that names no symbol is about whatever it answers, if that is one trade.
 */
function callOf(entry: Signal, { signal, trade }: Leg): Leg | undefined {
  if (trade.base === undefined && updatesIn(signal).length > 1)
    return undefined;
  const fitting = entriesIn(entry).filter((call) =>
    samePair(trade, call.trade),
  );
  return fitting.length === 1 ? fitting[0] : undefined;
}

/** The entry among `open` that an update by symbol is about: the only one that fits. */
function onlyFit(open: readonly Leg[], update: Leg): Leg | null {
  const at = snowflakeTime(update.signal.messageId);
  const { side } = update.trade;
  const fitting = open.filter(
    ({ signal, trade }) =>
      at - snowflakeTime(signal.messageId) <= OPEN_MS &&
      samePair(trade, update.trade) &&
      (side === undefined || trade.side === undefined || trade.side === side),
  );
  return fitting.length === 1 ? fitting[0]! : null;
}

/** Is the trade of `entry` over once `update` was said of it? */
function ends(update: Trade["update"], entry: Trade): boolean {
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

// What one of them does not name is no contradiction; neither is one dollar or another.
function samePair(a: Trade | undefined, b: Trade | undefined): boolean {
  const one = (quote?: string) => (DOLLARS.has(quote ?? "") ? "USD" : quote);
  const same = (x?: string, y?: string) =>
    x === undefined || y === undefined || x === y;
  return same(a?.base, b?.base) && same(one(a?.quote), one(b?.quote));
}
