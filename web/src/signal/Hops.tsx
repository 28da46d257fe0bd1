// Hops.tsx - when each hop had the newest version of a signal.

import type { Detail } from "../app/api";
import { exactTime } from "../ui/time";

export function Hops({ detail }: { detail: Detail }) {
  const { signal, postedAt, seenAt } = detail;
  const deleted = signal.state === "deleted";
  const { sourceAt, capturedAt, committedAt } = signal;
  const hops: [string, number | null][] = [
    [deleted ? "Deletion noticed" : "Written in Discord", sourceAt],
    ["Captured", capturedAt],
    ["On the dashboard", committedAt],
    ["In the members’ Discord", deleted ? null : postedAt],
    ["First on a screen", deleted ? null : seenAt],
  ];
  return (
    <ol className="hops">
      {hops.map(
        ([name, at]) =>
          at !== null && (
            <li key={name}>
              <span>{name}</span>
              <time dateTime={new Date(at).toISOString()} title={exactTime(at)}>
                {clockTime(at)}
              </time>
              <span className="hop-after">{after(at - sourceAt)}</span>
            </li>
          ),
      )}
    </ol>
  );
}

const withMs = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  fractionalSecondDigits: 3,
});

function clockTime(at: number): string {
  return withMs.format(at);
}

// Clocks of several machines: the first may seem to be after the second.
function after(ms: number): string {
  if (ms === 0) return "";
  const sign = ms > 0 ? "+" : "−";
  const size = Math.abs(ms);
  if (size < 10_000) return `${sign}${size} ms`;
  const seconds = Math.round(size / 1000);
  if (seconds < 120) return `${sign}${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 120
    ? `${sign}${minutes} min`
    : `${sign}${Math.round(minutes / 60)} h`;
}
