// rows.ts - the feed as the rows that its list shows. Pure.

import type { Signal } from "../app/api";
import { dayOf } from "../ui/time";
import { tradesOf } from "./trade";

export type Row =
  | { type: "day"; key: string; label: string }
  | { type: "new"; key: string } // all above it came after what was read
  | { type: "signal"; key: string; signal: Signal }
  | { type: "end"; key: string };

/**
 * `signals` newest first, day by day, with a line above what had been read: `readTo` is the
 * newest signal that had; null: no line.
 */
export function rowsOf(
  signals: readonly Signal[],
  today: number,
  readTo: string | null,
): Row[] {
  const rows: Row[] = [];
  const seen = new Map<string, number>();
  let day = "";
  let marked = readTo === null;
  for (const [i, signal] of signals.entries()) {
    const { messageId } = signal;
    if (!marked && !later(messageId, readTo!)) {
      marked = true;
      // Nothing new, nothing to divide.
      if (i > 0) rows.push({ type: "new", key: "new" });
    }
    const label = dayOf(signal.sentAt, today);
    if (label !== day) {
      day = label;
      // Messages that were moved may be out of the order of time: a day may come twice.
      const times = (seen.get(label) ?? 0) + 1;
      seen.set(label, times);
      rows.push({ type: "day", key: `${label} ${times}`, label });
    }
    rows.push({ type: "signal", key: messageId, signal });
  }
  rows.push({ type: "end", key: "end" });
  return rows;
}

/** Is message `a` later than `b`? Their ids are numbers too large for a number. */
export function later(a: string, b: string): boolean {
  return a.length !== b.length ? a.length > b.length : a > b;
}

/** What is shown while updates are held: `held` as it was, and older pages as they come. */
export function whileHeld(
  held: readonly Signal[],
  live: readonly Signal[],
): Signal[] {
  const last = held.at(-1)?.messageId;
  const older = last
    ? live.filter(({ messageId }) => later(last, messageId))
    : [];
  return [...held, ...older];
}

/** How many signals are not shown as they are by now. */
export function countHeld(
  held: readonly Signal[],
  live: readonly Signal[],
): number {
  const last = held.at(-1)?.messageId;
  const left = new Map(held.map((one) => [one.messageId, one.version]));
  let count = 0;
  for (const { messageId, version } of live) {
    if (last !== undefined && later(last, messageId)) break; // shown as they are
    if (left.get(messageId) !== version) count++;
    left.delete(messageId);
  }
  return count + left.size; // those that are gone
}

/** About how high a row will be, px; what is shown is measured. */
export function estimate(row: Row): number {
  if (row.type === "day") return 44;
  if (row.type === "new") return 34;
  if (row.type === "end") return 90;
  const { signal } = row;
  if (signal.state === "deleted") return 50;
  const lines = (text: string) =>
    text
      .split("\n")
      .reduce((sum, line) => sum + Math.max(1, Math.ceil(line.length / 80)), 0);
  const { content, embeds, attachments, replyTo } = signal;
  const cards = tradesOf(signal).filter(({ kind }) => kind === "entry");
  return (
    52 +
    (content === "" ? 0 : lines(content) * 22) +
    cards.length * 92 +
    (replyTo ? 26 : 0) +
    embeds.reduce(
      (sum, embed) =>
        sum +
        60 +
        lines(embed.description ?? "") * 21 +
        Math.ceil((embed.fields?.length ?? 0) / 3) * 50 +
        (embed.image ? 200 : 0),
      0,
    ) +
    (attachments.length > 0 ? 230 : 0)
  );
}
