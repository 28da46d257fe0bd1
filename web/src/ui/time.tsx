// time.tsx - times in words. One ticker serves every time on the page.

import { useSyncExternalStore } from "react";

const TICK_MS = 1_000;
const listeners = new Set<() => void>();
let now = Date.now();
let timer: ReturnType<typeof setInterval> | undefined;

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  timer ??= setInterval(tick, TICK_MS);
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
}

// Nobody keeps the time while nobody asks for it.
function present(): number {
  if (timer === undefined) now = Date.now();
  return now;
}

function tick(): void {
  now = Date.now();
  for (const listener of listeners) listener();
}

/** Follows a value that is computed from the time, as coarsely as it changes. */
export function useTimed<T extends string | number>(
  compute: (now: number) => T,
): T {
  return useSyncExternalStore(subscribe, () => compute(present()));
}

const dayTime = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit",
  minute: "2-digit",
});
const exact = new Intl.DateTimeFormat(undefined, {
  dateStyle: "full",
  timeStyle: "medium",
});
const day = new Intl.DateTimeFormat(undefined, {
  weekday: "long",
  day: "numeric",
  month: "long",
});
const date = new Intl.DateTimeFormat(undefined, { dateStyle: "long" });
const shortDate = new Intl.DateTimeFormat(undefined, {
  day: "numeric",
  month: "short",
  hour: "2-digit",
  minute: "2-digit",
});

export function longDate(at: number): string {
  return date.format(at);
}

export function clock(at: number): string {
  return dayTime.format(at);
}

export function exactTime(at: number): string {
  return exact.format(at);
}

/** "today", "yesterday" or the day's name: heads a day of the feed. */
export function dayOf(at: number, present: number): string {
  const days = dayNumber(present) - dayNumber(at);
  if (days <= 0) return "Today";
  return days === 1 ? "Yesterday" : day.format(at);
}

function dayNumber(at: number): number {
  const local = new Date(at);
  return Math.floor(
    Date.UTC(local.getFullYear(), local.getMonth(), local.getDate()) /
      86_400_000,
  );
}

/** How long ago, in the fewest words. */
export function ago(at: number, present: number): string {
  const seconds = Math.max(0, Math.round((present - at) / 1000));
  if (seconds < 10) return "just now";
  if (seconds < 60) return `${Math.floor(seconds / 10) * 10} s ago`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ago`;
  const hours = Math.floor(minutes / 60);
  return hours < 24 ? `${hours} h ago` : shortDate.format(at);
}

/** The same below the heading of its day, where the clock says more than hours. */
export function when(at: number, present: number): string {
  return present - at < 3_600_000 ? ago(at, present) : clock(at);
}

/** The same of a time that may be of another day than what surrounds it. */
export function whenElsewhere(at: number, present: number): string {
  const near = present - at < 3_600_000 || dayNumber(at) === dayNumber(present);
  return near ? when(at, present) : shortDate.format(at);
}

/** A time in words, exact on hover and for machines. */
export function Time(props: {
  at: number;
  words?: (at: number, present: number) => string;
  className?: string;
}) {
  const { at, words = ago, className } = props;
  const shown = useTimed((present) => words(at, present));
  return (
    <time
      className={className}
      dateTime={new Date(at).toISOString()}
      title={exact.format(at)}
    >
      {shown}
    </time>
  );
}

/** A point in time that a message speaks of. */
export function PointInTime({ at }: { at: number }) {
  const valid = Math.abs(at) <= 8.64e15;
  if (!valid) return <span>{at}</span>;
  return (
    <time dateTime={new Date(at).toISOString()} title={exact.format(at)}>
      {shortDate.format(at)}
    </time>
  );
}
