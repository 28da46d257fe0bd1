// Feed.tsx - the list itself: newest first, day by day, older on demand.

import { Fragment, useEffect, useRef, useState } from "react";
import type { Signal } from "../app/api";
import { SignalItem } from "./SignalItem";
import { dayOf, useTimed } from "../ui/time";

const NEAR_TOP_PX = 160;
const SUMMARY_MS = 20_000;

export function Feed(props: {
  signals: Signal[];
  loaded: boolean;
  showChannel: boolean;
  more: (() => void) | null;
  loadingMore: boolean;
}) {
  const { signals, loaded, showChannel, more, loadingMore } = props;
  const today = useTimed((now) => new Date(now).setHours(0, 0, 0, 0));
  if (!loaded) return <Skeleton />;
  if (signals.length === 0)
    return (
      <p className="empty">
        No signals yet. New ones appear here the moment they are posted.
      </p>
    );
  return (
    <>
      <NewAbove signals={signals} />
      <Summary signals={signals} />
      <ol className="feed" aria-label="Signals, newest first">
        {signals.map((signal, i) => {
          const day = dayOf(signal.sentAt, today);
          const before = signals[i - 1];
          const first = !before || dayOf(before.sentAt, today) !== day;
          return (
            <Fragment key={signal._id}>
              {first && (
                <li className="day">
                  <h2>{day}</h2>
                </li>
              )}
              <li className="entry">
                <SignalItem signal={signal} showChannel={showChannel} />
              </li>
            </Fragment>
          );
        })}
      </ol>
      <Older more={more} loading={loadingMore} />
    </>
  );
}

function Older(props: { more: (() => void) | null; loading: boolean }) {
  const { more, loading } = props;
  const end = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (more === null || end.current === null) return;
    const near = new IntersectionObserver(
      ([entry]) => entry?.isIntersecting && more(),
      { rootMargin: "800px" },
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
function NewAbove({ signals }: { signals: Signal[] }) {
  const atTop = useAtTop();
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
  const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  window.scrollTo({ top: 0, behavior: calm ? "instant" : "smooth" });
}

function useAtTop(): boolean {
  const [atTop, setAtTop] = useState(() => window.scrollY < NEAR_TOP_PX);
  useEffect(() => {
    const look = () => setAtTop(window.scrollY < NEAR_TOP_PX);
    window.addEventListener("scroll", look, { passive: true });
    return () => window.removeEventListener("scroll", look);
  }, []);
  return atTop;
}

// Message ids are numbers too large for a number.
function later(a: string, b: string): boolean {
  return a.length !== b.length ? a.length > b.length : a > b;
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
