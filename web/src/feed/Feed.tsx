// Feed.tsx - the list itself: newest first, day by day, older on demand.

import {
  useEffect,
  useMemo,
  useRef,
  useState,
  useSyncExternalStore,
} from "react";
import type { Signal } from "../app/api";
import { href, navigate } from "../app/router";
import { useShortcuts } from "../app/shortcuts";
import { useTimed } from "../ui/time";
import { later, rowsOf, type Row } from "./rows";
import { SignalItem } from "./SignalItem";
import { VirtualFeed, type FeedHandle } from "./VirtualFeed";

const NEAR_TOP_PX = 160;
const SUMMARY_MS = 20_000;

export function Feed(props: {
  signals: Signal[];
  loaded: boolean;
  showChannel: boolean;
  readTo: string | null; // the line between new and read is above it
  more: (() => void) | null;
  loadingMore: boolean;
  active: boolean;
}) {
  const { signals, loaded, showChannel, readTo, active } = props;
  const today = useTimed((now) => new Date(now).setHours(0, 0, 0, 0));
  const rows = useMemo(
    () => rowsOf(signals, today, readTo),
    [signals, today, readTo],
  );
  const atTop = useAtTop();
  const list = useRef<FeedHandle>(null);
  useSteps(rows, list, active);
  if (!loaded) return <Skeleton />;
  if (signals.length === 0)
    return (
      <p className="empty">
        No signals yet. New ones appear here the moment they are posted.
      </p>
    );
  return (
    <>
      {active && <NewAbove signals={signals} atTop={atTop} />}
      <Summary signals={signals} />
      <VirtualFeed
        ref={list}
        rows={rows}
        anchored={!atTop}
        render={(row) => {
          switch (row.type) {
            case "day":
              return <h2>{row.label}</h2>;
            case "new":
              return <p className="new-line">New</p>;
            case "signal":
              return (
                <SignalItem signal={row.signal} showChannel={showChannel} />
              );
            default:
              return <Older more={props.more} loading={props.loadingMore} />;
          }
        }}
      />
    </>
  );
}

// Steps through the signals, each a stop for the focus.
function useSteps(
  rows: readonly Row[],
  list: React.RefObject<FeedHandle | null>,
  active: boolean,
): void {
  const last = useRef<string | null>(null); // stepped to, there yet or not

  function step(by: number) {
    const ids = rows.filter((row) => row.type === "signal");
    const from = last.current ?? current();
    const at = ids.findIndex(({ key }) => key === from);
    const to = at < 0 ? 0 : Math.min(Math.max(at + by, 0), ids.length - 1);
    const next = ids[to];
    if (next === undefined) return;
    last.current = next.key;
    list.current?.reveal(rows.indexOf(next));
    focus(next.key, 30);
  }

  // What was far away is there a few frames later.
  function focus(messageId: string, frames: number) {
    if (last.current !== messageId) return; // a further step was made
    const found = articleOf(messageId);
    if (found !== null) found.focus({ preventScroll: true });
    else if (frames > 0)
      requestAnimationFrame(() => focus(messageId, frames - 1));
  }

  // Who takes the focus elsewhere goes on from there.
  useEffect(() => {
    const moved = (event: FocusEvent) => {
      const to = (event.target as HTMLElement).closest<HTMLElement>(
        "[data-message-id]",
      );
      last.current = to?.dataset.messageId ?? null;
    };
    document.addEventListener("focusin", moved);
    return () => document.removeEventListener("focusin", moved);
  }, []);

  useShortcuts(
    "Signals",
    [
      { keys: "j", label: "Next signal", run: () => step(1) },
      { keys: "k", label: "Previous signal", run: () => step(-1) },
      {
        keys: "o",
        label: "Open the signal",
        run: () => {
          const messageId = current();
          if (messageId !== null)
            navigate(href("/signal/:messageId", { messageId }));
        },
      },
      { keys: ".", label: "To the newest", run: toTop },
    ],
    active,
  );
}

function current(): string | null {
  const article =
    document.activeElement?.closest<HTMLElement>("[data-message-id]");
  return article?.dataset.messageId ?? null;
}

function articleOf(messageId: string | null): HTMLElement | null {
  return document.querySelector(
    `.feed [data-message-id="${CSS.escape(messageId ?? "")}"]`,
  );
}

function Older(props: { more: (() => void) | null; loading: boolean }) {
  const { more, loading } = props;
  const end = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (more === null || end.current === null) return;
    const near = new IntersectionObserver(
      ([entry]) => entry?.isIntersecting && more(),
      { rootMargin: "1200px" },
    );
    near.observe(end.current);
    return () => near.disconnect();
  });
  return (
    <div ref={end} className="older">
      {more !== null && (
        <button className="button" onClick={more}>
          Load older signals
        </button>
      )}
      {loading && <span role="status">Loading older signals…</span>}
      {more === null && !loading && <span>That is everything.</span>}
    </div>
  );
}

/** Leads back to what arrived while the reader was further down. */
function NewAbove({ signals, atTop }: { signals: Signal[]; atTop: boolean }) {
  const newest = signals[0]?.messageId ?? "0";
  const [seen, setSeen] = useState(newest);
  useEffect(() => {
    if (atTop) setSeen(newest);
  }, [atTop, newest]);
  if (atTop) return null;
  const count = signals.findIndex(({ messageId }) => !later(messageId, seen));
  if (count <= 0) return null;
  return (
    <button className="new-above" onClick={toTop}>
      {count === 1 ? "1 new signal" : `${count} new signals`}
    </button>
  );
}

function toTop(): void {
  // Not smoothly from afar: that would pass, and load, everything between.
  const near = window.scrollY < 3 * window.innerHeight;
  const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  window.scrollTo({ top: 0, behavior: near && !calm ? "smooth" : "instant" });
}

export function useAtTop(): boolean {
  return useSyncExternalStore(
    (changed) => {
      window.addEventListener("scroll", changed, { passive: true });
      return () => window.removeEventListener("scroll", changed);
    },
    () => window.scrollY < NEAR_TOP_PX,
  );
}

/** For those who listen: how many came, now and then, never one by one. */
function Summary({ signals }: { signals: Signal[] }) {
  const [words, setWords] = useState("");
  const newest = useRef(signals);
  useEffect(() => {
    newest.current = signals;
  });
  useEffect(() => {
    let said = newest.current[0]?.messageId ?? "0";
    const timer = setInterval(() => {
      const fresh = newest.current.filter((one) => later(one.messageId, said));
      const last = fresh[0];
      if (last === undefined) return;
      said = last.messageId;
      const count =
        fresh.length === 1 ? "1 new signal" : `${fresh.length} new signals`;
      setWords(`${count}, the last by ${last.author.name}`);
    }, SUMMARY_MS);
    return () => clearInterval(timer);
  }, []);
  return (
    <p className="unseen" role="status">
      {words}
    </p>
  );
}

function Skeleton() {
  return (
    <div className="skeleton" role="status" aria-label="Loading signals">
      {[3, 2, 4, 2, 3].map((lines, i) => (
        <div key={i} className={`skeleton-item lines-${lines}`} />
      ))}
    </div>
  );
}
