// useFeed.ts - the signals of a feed as they are, or as they were when the reader paused.
//
// Pages are reactive and belong together: each begins where the one before it ends, whatever
// is inserted or deleted meanwhile, so nothing is shown twice or left out.

import { usePaginatedQuery } from "convex/react";
import { useMemo, useState } from "react";
import { api, type Signal } from "../app/api";
import type { Id } from "../../../schema/convex/_generated/dataModel";
import { countHeld, whileHeld } from "./rows";

// Small: an update resends the page it falls in. Older pages seldom change.
const FIRST_PAGE = 25;
const PAGE = 75;

export type Filter = {
  channelId: Id<"channels"> | null;
  symbol: string | null;
  hideDeleted: boolean;
};

export type FeedState = {
  signals: Signal[]; // newest first
  live: Signal[]; // the same without a pause
  loaded: boolean;
  more: (() => void) | null;
  loadingMore: boolean;
  paused: boolean;
  held: number; // changes that a pause keeps back
  pause: () => void;
  resume: () => void;
};

export function useFeed(community: string, filter: Filter): FeedState {
  const { channelId, symbol, hideDeleted } = filter;
  const { results, status, loadMore } = usePaginatedQuery(
    api.feed.list,
    {
      community,
      ...(channelId === null ? {} : { channelId }),
      ...(symbol === null ? {} : { symbol }),
      ...(hideDeleted ? {} : { hideDeleted }),
    },
    { initialNumItems: FIRST_PAGE },
  );
  const [frozen, setFrozen] = useState<Signal[] | null>(null);
  const [of, setOf] = useState(filter);
  // A pause is of what is looked at, not of what is looked at next.
  if (!same(of, filter)) {
    setOf(filter);
    setFrozen(null);
  }
  const signals = useMemo(
    () => (frozen === null ? results : whileHeld(frozen, results)),
    [frozen, results],
  );
  const held = useMemo(
    () => (frozen === null ? 0 : countHeld(frozen, results)),
    [frozen, results],
  );
  return {
    signals,
    live: results,
    loaded: status !== "LoadingFirstPage",
    more: status === "CanLoadMore" ? () => loadMore(PAGE) : null,
    loadingMore: status === "LoadingMore",
    paused: frozen !== null,
    held,
    pause: () => setFrozen(results),
    resume: () => setFrozen(null),
  };
}

function same(a: Filter, b: Filter): boolean {
  return (
    a.channelId === b.channelId &&
    a.symbol === b.symbol &&
    a.hideDeleted === b.hideDeleted
  );
}
