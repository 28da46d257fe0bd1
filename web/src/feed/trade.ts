// trade.ts - what the numbers of a trade come to. Pure.
//
// Prices are decimal strings and are shown as they were written; only ratios are computed,
// and only where the numbers make sense of each other.

import type { Signal, Trade } from "../app/api";

export type Level = {
  kind: "target" | "entry" | "stop";
  index: number; // from 1, of its kind
  price: string;
  value: number;
  distance: number | null; // from the entry, a share: 0.02 is 2 %
  ratio: number | null; // of a target: reward to risk
};

export type Ladder = {
  levels: Level[]; // highest first
  entry: number | null; // the middle of the entries
  long: boolean | null;
};

/** What a signal trades: mostly one, or none. */
export function tradesOf(signal: Pick<Signal, "trade" | "trades">): Trade[] {
  return signal.trade ? [signal.trade] : (signal.trades ?? []);
}

export function ladderOf(trade: Trade): Ladder {
  const values = trade.entries?.values ?? [];
  const entries = values.map(Number).filter(sane);
  const entry =
    entries.length === 0
      ? null
      : entries.reduce((sum, one) => sum + one, 0) / entries.length;
  const stop = trade.stop === undefined ? null : Number(trade.stop);
  const long = sideOf(trade, entry, stop);
  // A stop among the entries was moved there: what it risks is no measure any more.
  const moved =
    stop !== null &&
    stop >= Math.min(...entries) &&
    stop <= Math.max(...entries);
  const risk =
    entry !== null && stop !== null && long !== null && !moved
      ? (entry - stop) * (long ? 1 : -1)
      : null;
  const level = (
    kind: Level["kind"],
    price: string,
    at: number,
  ): Level | null => {
    const value = Number(price);
    if (!sane(value)) return null;
    const distance = entry === null ? null : value / entry - 1;
    const reward =
      entry === null || long === null
        ? null
        : (value - entry) * (long ? 1 : -1);
    const ratio =
      kind === "target" && reward !== null && risk !== null && risk > 0
        ? reward / risk
        : null;
    return {
      kind,
      index: at + 1,
      price,
      value,
      distance: kind === "entry" ? null : distance,
      ratio: ratio !== null && ratio > 0 ? ratio : null,
    };
  };
  const levels = [
    ...(trade.targets ?? []).map((price, i) => level("target", price, i)),
    ...values.map((price, i) => level("entry", price, i)),
    ...(trade.stop === undefined ? [] : [level("stop", trade.stop, 0)]),
  ].filter((one) => one !== null);
  levels.sort((a, b) => b.value - a.value);
  return { levels, entry, long };
}

// Where the text does not say it, the stop does.
function sideOf(
  trade: Trade,
  entry: number | null,
  stop: number | null,
): boolean | null {
  if (trade.side !== undefined) return trade.side === "long";
  if (entry === null || stop === null || entry === stop) return null;
  return stop < entry;
}

function sane(value: number): boolean {
  return Number.isFinite(value) && value > 0;
}

/** "64000.50" as "64,000.50": the digits as they were written, in groups. */
export function price(text: string): string {
  const [, whole = "", rest = ""] = /^(\d+)(.*)$/.exec(text) ?? [];
  if (whole === "") return text;
  return whole.replace(/\B(?=(\d{3})+$)/g, ",") + rest;
}

export function percent(share: number): string {
  const digits = Math.abs(share) < 0.1 ? 2 : 1;
  return `${share >= 0 ? "+" : "−"}${Math.abs(share * 100).toFixed(digits)} %`;
}

/** "1 : 2.4" */
export function ratio(value: number): string {
  return `1 : ${value >= 10 ? Math.round(value) : value.toFixed(1)}`;
}

export function entriesText({ entries, order }: Trade): string | null {
  if (entries === undefined || entries.values.length === 0)
    return order === "market" ? "at market" : null;
  const values = entries.values.map(price);
  return entries.type === "range" ? values.join(" – ") : values.join(" · ");
}

export function leverageText({ leverage }: Trade): string | null {
  if (leverage === undefined) return null;
  const { min, max, mode } = leverage;
  const times = min === max ? `${max}×` : `${min}–${max}×`;
  return mode === undefined ? times : `${times} ${mode}`;
}

/** What an update says, in words. */
export function updateText({ update }: Trade): string | null {
  if (update === undefined) return null;
  const { targets = [], all } = update;
  const more = [
    update.price && `at ${price(update.price)}`,
    update.percent && `${update.percent} %`,
  ].filter(Boolean);
  const what = {
    target_hit: all
      ? "All targets hit"
      : targets.length > 0
        ? `Target ${targets.join(", ")} hit`
        : "Target hit",
    stop_hit: "Stop hit",
    entered: "Entered",
    closed: "Closed",
    cancelled: "Cancelled",
    stop_moved: update.price ? "Stop moved" : "Stop moved to entry",
    partial_close: "Closed in part",
  }[update.type];
  const at = update.type === "stop_moved" ? "to" : "at";
  return [what, ...more].join(" ").replace(" at ", ` ${at} `);
}

export function updateTone({ update }: Trade) {
  switch (update?.type) {
    case "target_hit":
    case "partial_close":
      return "good" as const;
    case "stop_hit":
      return "bad" as const;
    case "cancelled":
      return "warn" as const;
    default:
      return "info" as const;
  }
}

/** How sure the reading is, in words. */
export function confidenceText(confidence: number): string {
  if (confidence >= 0.85) return "Read with confidence";
  if (confidence >= 0.6) return "Probably read right; compare it with the text";
  return "Uncertain: trust the text, not this";
}
