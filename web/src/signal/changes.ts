// changes.ts - what one version of a signal says otherwise than the one before. Pure.

import { diffArrays } from "diff";
import type { Trade } from "../app/api";
import { entriesText, leverageText, price, updateText } from "../feed/trade";

const MAX_EDITS = 2_000; // of words; with more it is another text

export type Piece = { text: string; how: "same" | "added" | "removed" };
export type FieldChange = {
  trade: string | null; // whose it is, where a message has several
  name: string;
  from: string | null;
  to: string | null;
};

/** The words of both texts in one row. */
export function wordChanges(before: string, after: string): Piece[] {
  const changes = diffArrays(words(before), words(after), {
    maxEditLength: MAX_EDITS,
  });
  const pieces =
    changes?.map(({ value, added, removed }): Piece => {
      const how = added ? "added" : removed ? "removed" : "same";
      return { text: value.join(""), how };
    }) ??
    ([
      { text: before, how: "removed" },
      { text: after, how: "added" },
    ] satisfies Piece[]);
  return pieces.filter(({ text }) => text !== "");
}

// As the reader's language has them: not every one puts spaces between words. A price is one.
function words(text: string): string[] {
  if (typeof Intl.Segmenter !== "function") return text.match(/\s+|\S+/g) ?? [];
  const segmenter = new Intl.Segmenter(undefined, { granularity: "word" });
  return [...segmenter.segment(text)].map(({ segment }) => segment);
}

/** The fields of the trades that were read otherwise. */
export function fieldChanges(
  before: readonly Trade[],
  after: readonly Trade[],
): FieldChange[] {
  const several = before.length > 1 || after.length > 1;
  const left = [...before];
  const changes: FieldChange[] = [];
  const compare = (old: Trade | undefined, now: Trade | undefined) => {
    const [from, to] = [fieldsOf(old), fieldsOf(now)];
    const trade = several ? ((now ?? old)?.symbol ?? "Trade") : null;
    for (const name of new Set([...from.keys(), ...to.keys()])) {
      const change = { from: from.get(name), to: to.get(name) };
      if (change.from !== change.to)
        changes.push({
          ...{ trade, name },
          from: change.from ?? null,
          to: change.to ?? null,
        });
    }
  };
  for (const now of after) {
    const at = several
      ? left.findIndex((old) => old.base === now.base)
      : left.length - 1;
    compare(at < 0 ? undefined : left.splice(at, 1)[0], now);
  }
  for (const old of left) compare(old, undefined);
  return changes;
}

function fieldsOf(trade: Trade | undefined): Map<string, string> {
  if (trade === undefined) return new Map();
  const fields: [string, string | null | undefined][] = [
    ["Pair", trade.symbol],
    ["Side", trade.side],
    ["Leverage", leverageText(trade)],
    ["Entry", entriesText(trade)],
    ["Targets", trade.targets?.map(price).join(" · ")],
    ["Stop", trade.stop && price(trade.stop)],
    ["News", updateText(trade)],
  ];
  return new Map(
    fields.filter((field): field is [string, string] => Boolean(field[1])),
  );
}
