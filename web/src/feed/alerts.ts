// alerts.ts - a tone and a notification for what is new, to those who want them.
//
// Only of signals that arrive while the page is open, never of history, edits or muted
// channels; at most one of each in a while.

import { useEffect, useRef } from "react";
import type { Signal } from "../app/api";
import { href } from "../app/router";
import { plain } from "./markup";
import { later } from "./rows";
import { tradesOf } from "./trade";
import type { Preferences } from "./usePreferences";

const APART_MS = 3_000;

export function useAlerts(
  signals: readonly Signal[],
  loaded: boolean,
  preferences: Preferences | undefined,
): void {
  const newest = useRef<string | null>(null);
  const last = useRef(0);
  useEffect(() => {
    if (!loaded) return;
    const known = newest.current;
    newest.current = signals[0]?.messageId ?? known ?? "0";
    if (known === null || preferences === undefined) return;
    const { sound, notify, mutedChannels } = preferences;
    const fresh = signals.find(
      ({ messageId, state, channel }) =>
        later(messageId, known) &&
        state === "live" &&
        !mutedChannels.includes(channel.id),
    );
    if (fresh === undefined || Date.now() - last.current < APART_MS) return;
    last.current = Date.now();
    if (sound) tone();
    if (notify && document.hidden) notification(fresh);
  }, [signals, loaded, preferences]);
}

function notification(signal: Signal): void {
  if (!("Notification" in window) || Notification.permission !== "granted")
    return;
  const { author, content, messageId, channel } = signal;
  const title =
    tradesOf(signal)
      .filter(({ symbol }) => symbol !== undefined)
      .map(({ symbol, side }) => [symbol, side].filter(Boolean).join(" "))
      .join(", ") || author.name;
  const shown = new Notification(title, {
    body: plain(content).slice(0, 160) || `${author.name} in #${channel.name}`,
    tag: "signals", // the newest replaces the one before
  });
  shown.onclick = () => {
    window.focus();
    window.location.hash = href("/signal/:messageId", { messageId });
    shown.close();
  };
}

// Two short notes. Before the person has done anything the browser stays silent.
function tone(): void {
  const audio = new AudioContext();
  const gain = audio.createGain();
  gain.connect(audio.destination);
  gain.gain.setValueAtTime(0.08, audio.currentTime);
  gain.gain.exponentialRampToValueAtTime(0.001, audio.currentTime + 0.35);
  for (const [at, hertz] of [
    [0, 660],
    [0.12, 880],
  ] as const) {
    const note = audio.createOscillator();
    note.frequency.value = hertz;
    note.connect(gain);
    note.start(audio.currentTime + at);
    note.stop(audio.currentTime + at + 0.12);
  }
  setTimeout(() => void audio.close(), 1_000);
}
