// levels.ts - where a ladder's labels go, and which of its levels were reached. Pure.

import type { Detail, Trade } from "../app/api";
import { tradesOf, type Level } from "../feed/trade";

/**
 * Positions as near to `wanted` as `apart` lets them be, within `from` and `to`. Both
 * ascend. What does not fit is crowded evenly.
 */
export function spread(
  wanted: readonly number[],
  apart: number,
  [from, to]: [number, number],
): number[] {
  const count = wanted.length;
  const gap = count < 2 ? 0 : Math.min(apart, (to - from) / (count - 1));
  const out: number[] = [];
  for (const [i, at] of wanted.entries())
    out.push(Math.max(at, i === 0 ? from : out[i - 1]! + gap));
  for (let i = count - 1; i >= 0; i--) {
    const most = i === count - 1 ? to : out[i + 1]! - gap;
    out[i] = Math.min(out[i]!, most);
  }
  return out;
}

// An update may tell of other trades, too.
function isAbout(news: Trade, { base }: Trade): boolean {
  return (
    news.kind === "update" &&
    (news.base === undefined || base === undefined || news.base === base)
  );
}

/** What the entry's own edits and its updates say was reached. */
export function hitsOf(
  trade: Trade,
  updates: Detail["updates"],
): { isHit: (level: Pick<Level, "kind" | "index">) => boolean } {
  const said = [
    trade.update,
    ...updates.flatMap(({ signal }) =>
      tradesOf(signal)
        .filter((news) => isAbout(news, trade))
        .map(({ update }) => update),
    ),
  ];
  const targets = new Set<number>();
  let [all, stop, entered] = [false, false, false];
  for (const update of said) {
    if (update?.type === "target_hit") {
      all ||= update.all === true;
      // The second was not reached without the first.
      const highest = Math.max(0, ...(update.targets ?? []));
      for (let i = 1; i <= highest; i++) targets.add(i);
    }
    stop ||= update?.type === "stop_hit";
    entered ||= update?.type === "entered";
  }
  return {
    isHit: ({ kind, index }) => {
      if (kind === "target") return all || targets.has(index);
      return kind === "stop" ? stop : entered;
    },
  };
}
