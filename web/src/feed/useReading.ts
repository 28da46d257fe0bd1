// useReading.ts - how far this person has read, and the line above it.
//
// The line is drawn when one comes to the feed and stays while one is there; the mark itself
// moves on as soon as the newest signal has been in sight for a moment.

import { useMutation, useQuery } from "convex/react";
import { useEffect, useState, useSyncExternalStore } from "react";
import { api, type Signal } from "../app/api";
import { useReadingNow } from "../app/title";
import { later } from "./rows";

const MOMENT_MS = 1_000;

function useVisible(): boolean {
  return useSyncExternalStore(
    (changed) => {
      document.addEventListener("visibilitychange", changed);
      return () => document.removeEventListener("visibilitychange", changed);
    },
    () => document.visibilityState === "visible",
  );
}

/** The newest signal that had been read when one came, to draw the line above; or null. */
export function useReading(props: {
  community: string;
  newest: Signal | undefined;
  active: boolean; // the feed is what is shown
  whole: boolean; // and all of it: neither filtered nor paused
  atTop: boolean;
}): string | null {
  const { community, newest, active, whole, atTop } = props;
  const unread = useQuery(api.feed.unread, { community });
  const markRead = useMutation(api.feed.markRead);
  const here = useVisible() && active;
  const [line, setLine] = useState<string | null>(null);
  const [came, setCame] = useState(false);

  // Coming, once it is known what is unread; leaving, so that one can come again.
  if (here && !came && unread !== undefined) {
    setCame(true);
    if (unread.count > 0) setLine(unread.readTo);
  }
  if (!here && came) setCame(false);

  const reading = here && whole && atTop;
  useReadingNow(reading);
  const readTo = unread?.readTo;
  const messageId = newest?.messageId;
  const behind =
    messageId !== undefined &&
    readTo !== undefined &&
    (readTo === null || later(messageId, readTo));
  useEffect(() => {
    if (!reading || !behind) return;
    const timer = setTimeout(() => {
      markRead({ community, messageId }).catch((error: unknown) => {
        // It stays unread, which the next moment in sight mends.
        console.warn("the reading mark was not kept", error);
      });
    }, MOMENT_MS);
    return () => clearTimeout(timer);
  }, [reading, behind, messageId, community, markRead]);
  return line;
}
