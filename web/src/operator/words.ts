// words.ts - figures and states as operators read them. Pure.

import type { Tone } from "../ui/Badge";

const whole = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 });

export function count(value: number): string {
  return whole.format(value);
}

/** A time that something took, with two or three figures. */
export function took(ms: number | null | undefined): string {
  if (ms === null || ms === undefined) return "–";
  if (ms < 10) return `${Math.max(0, ms).toFixed(1)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const seconds = ms / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const minutes = seconds / 60;
  if (minutes < 60) return `${Math.round(minutes)} min`;
  const hours = minutes / 60;
  return hours < 48 ? `${Math.round(hours)} h` : `${Math.round(hours / 24)} d`;
}

export type EventState =
  "applied" | "ignored" | "parked" | "test" | "conflict" | "unparsable";

export const EVENT_STATES: Record<EventState, { tone: Tone; about: string }> = {
  applied: { tone: "good", about: "It counts." },
  ignored: { tone: "neutral", about: "It is about nobody's access." },
  parked: {
    tone: "warn",
    about: "Nobody knows yet what was bought, or by whom.",
  },
  test: { tone: "info", about: "No real money." },
  conflict: {
    tone: "bad",
    about: "Its key came before, with another body.",
  },
  unparsable: {
    tone: "bad",
    about: "Signed, but not what this provider sends.",
  },
};

export function isEventState(text: string): text is EventState {
  return Object.hasOwn(EVENT_STATES, text);
}

export const STALE_MS = 45_000; // three heartbeats

export type Health = { words: string; tone: Tone };

/** What a daemon said of itself, as far as it still holds. */
export function healthOf(
  instance: { state: string; seenAt: number },
  now: number,
): Health {
  const stale = now - instance.seenAt > STALE_MS;
  switch (instance.state) {
    case "stopping":
      return { words: "stopped", tone: stale ? "neutral" : "warn" };
    case "ready":
      return stale
        ? { words: "silent", tone: "bad" }
        : { words: "ready", tone: "good" };
    default:
      return stale
        ? { words: "silent", tone: "bad" }
        : { words: instance.state, tone: "warn" };
  }
}

/** Discord ids in a text field: by commas, spaces or lines. */
export function idsOf(text: FormDataEntryValue | null): string[] {
  return String(text ?? "")
    .split(/[\s,;]+/)
    .filter((id) => id !== "");
}
