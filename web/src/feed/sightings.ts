// sightings.ts - tells the backend when signals were painted.
//
// Only of signals that arrive while the page is watched, never of history;
// a few at a time, because they share the way with the signals themselves.

import { useMutation } from "convex/react";
import { useEffect, useRef } from "react";
import { api, type Signal } from "../app/api";

const MAX_BATCH = 10;
const MAX_WAITING = 50; // beyond that, samples are left out
const INTERVAL_MS = 500;

type Sample = { messageId: string; version: string; seenAt: number };

/** Reports paint times of what is new in `signals`. */
export function useSightings(
  community: string,
  signals: readonly Signal[],
  loaded: boolean,
  sampling: number,
): void {
  const report = useMutation(api.latency.seen);
  const known = useRef<Map<string, string> | null>(null);
  const waiting = useRef<Sample[]>([]);

  useEffect(() => {
    if (!loaded) return;
    const history = known.current === null;
    known.current ??= new Map();
    const fresh = notice(known.current, signals);
    if (history || document.hidden) return;
    const chosen = fresh.filter(() => Math.random() < sampling);
    if (chosen.length > 0)
      afterPaint((seenAt) => {
        const room = MAX_WAITING - waiting.current.length;
        for (const { messageId, version } of chosen.slice(0, room))
          waiting.current.push({ messageId, version, seenAt });
      });
  }, [signals, loaded, sampling]);

  useEffect(() => {
    const timer = setInterval(() => {
      const samples = waiting.current.splice(0, MAX_BATCH);
      if (samples.length === 0) return;
      report({ community, samples }).catch((error: unknown) => {
        // A measurement that is lost costs nobody anything but a number.
        console.warn("paint times were not reported", error);
      });
    }, INTERVAL_MS);
    return () => clearInterval(timer);
  }, [community, report]);
}

// Older pages come with times long past; they are history too.
function notice(
  known: Map<string, string>,
  signals: readonly Signal[],
): Signal[] {
  const fresh: Signal[] = [];
  const recent = Date.now() - 60_000;
  for (const signal of signals) {
    if (known.get(signal.messageId) === signal.version) continue;
    known.set(signal.messageId, signal.version);
    if (signal.committedAt > recent) fresh.push(signal);
  }
  return fresh;
}

// A frame callback runs before its frame is painted; a task after it, after.
function afterPaint(then: (at: number) => void): void {
  requestAnimationFrame(() => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => then(Date.now());
    port2.postMessage(null);
  });
}
