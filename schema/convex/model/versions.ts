// versions.ts - what a message says, whatever order its events arrive in.
//
// Pure. The state of a live message is a set of layers, one per event that can
// still matter; joining an event to it is commutative, associative and
// idempotent, so every order and every repetition ends in the same state.
//
// - A whole event says everything. The one with the greatest stamp
//   (at, capturedAt, digest) is the base; whatever is below it is gone for good.
// - A partial event that knows its edit time lies on the base by its stamp.
// - A partial event without one (link previews that resolve later) knows only
//   when it was captured: it shows where it was captured after what it covers.
//
// The trade that was read out of a text goes with that text, never beside
// another's, and is no part of what makes a version.
//
// Deletes are not here: a tombstone absorbs everything and has no layers.

import { digest } from "./digest";
import type { Body, BodyPatch, Layer, Stamp, UpsertEvent } from "./fields";

const DISCORD_EPOCH_MS = 1420070400000n;
const KEYS = [
  "author",
  "content",
  "embeds",
  "attachments",
  "stickers",
  "poll",
  "replyToId",
  "kind",
  "sentAt",
  "editedAt",
] as const satisfies readonly (keyof Body)[];
const READINGS = {
  content: ["contentTrade", "contentTrades"],
  embeds: ["embedsTrade", "embedsTrades"],
} as const;
const READ_FROM: Record<string, string> = Object.fromEntries(
  Object.entries(READINGS).flatMap(([text, found]) =>
    found.map((reading) => [reading, text]),
  ),
);

/** A snowflake as a string that sorts like the number it is. */
export function orderOf(snowflake: string): string {
  return snowflake.padStart(20, "0");
}

/** When Discord made a snowflake, in ms; 0 for what is not one. */
export function snowflakeTime(snowflake: string): number {
  if (!/^\d{1,20}$/.test(snowflake)) return 0;
  return Number((BigInt(snowflake) >> 22n) + DISCORD_EPOCH_MS);
}

/** Negative, zero or positive: is `a` older than, the same as, newer than `b`. */
export function compareStamps(a: Stamp, b: Stamp): number {
  if (a.at !== null && b.at !== null && a.at !== b.at) return a.at - b.at;
  if (a.capturedAt !== b.capturedAt) return a.capturedAt - b.capturedAt;
  return a.digest < b.digest ? -1 : a.digest > b.digest ? 1 : 0;
}

/** The layer an event adds. A whole event gets a value for every key. */
export function layerOf(event: UpsertEvent): Layer {
  const given = pick(event);
  if (event.partial) {
    const at = typeof given.editedAt === "number" ? given.editedAt : null;
    return {
      whole: false,
      stamp: stampOf(at, event.capturedAt, given),
      fields: given,
    };
  }
  const fields = complete(given, event.messageId);
  return {
    whole: true,
    stamp: stampOf(fields.editedAt ?? fields.sentAt, event.capturedAt, fields),
    fields,
  };
}

/** The layers after one more; equal to `layers` when it changes nothing. */
export function join(layers: readonly Layer[], added: Layer): Layer[] {
  const base = [...layers, added]
    .filter((one) => one.whole)
    .reduce<Layer | null>(
      (best, one) =>
        best === null || compareLayers(one, best) > 0 ? one : best,
      null,
    );
  const over = [...layers, added].filter((one) => !one.whole);
  const timed = over.filter(
    (one) =>
      one.stamp.at !== null &&
      (base === null || compareStamps(one.stamp, base.stamp) > 0),
  );
  const untimed = over.filter((one) => one.stamp.at === null);
  return [...(base ? [base] : []), ...uncovered(timed), ...uncovered(untimed)];
}

/** What the layers say together, or null while no whole event is known. */
export function bodyOf(layers: readonly Layer[]): Body | null {
  const base = layers.find((one) => one.whole);
  if (base === undefined) return null;
  const shown: Record<string, unknown> = {};
  const capturedAt: Record<string, number> = {};
  for (const { whole, stamp, fields } of layers)
    for (const key of KEYS) {
      // What a whole event leaves out is not there.
      if (!whole && fields[key] === undefined) continue;
      const known = capturedAt[key];
      if (stamp.at === null && known !== undefined && stamp.capturedAt <= known)
        continue;
      if (fields[key] !== undefined) shown[key] = fields[key];
      capturedAt[key] = stamp.capturedAt;
      for (const reading of readingsOf(key))
        if (fields[reading]) shown[reading] = fields[reading];
        else delete shown[reading];
    }
  return shown as Body;
}

/** Names one state of a message: the same for equal text at the same edit. */
export function versionOf(body: Body): string {
  return `${body.editedAt ?? body.sentAt}-${contentDigest(body).slice(0, 16)}`;
}

export const DELETED_VERSION = "deleted";

/** Do two sets of layers say the same, written or not? */
export function sameLayers(a: readonly Layer[], b: readonly Layer[]): boolean {
  return canonical(a) === canonical(b);
}

/** Equal to the letter, signatures of URLs included? */
export function sameBody(a: Body, b: Body): boolean {
  return canonical(a) === canonical(b);
}

// Ascending, each key only in the newest layer that has it.
function uncovered(layers: readonly Layer[]): Layer[] {
  const seen = new Set<string>();
  const kept: Layer[] = [];
  const newestFirst = [...layers].sort((a, b) => compareLayers(b, a));
  for (const { stamp, fields } of newestFirst) {
    const left = Object.entries(fields).filter(
      ([key]) => !seen.has(READ_FROM[key] ?? key),
    );
    for (const [key] of left) seen.add(key);
    if (left.length > 0)
      kept.unshift({ whole: false, stamp, fields: Object.fromEntries(left) });
  }
  return kept;
}

// One text may have been read twice, by collectors of different age.
function compareLayers(a: Layer, b: Layer): number {
  const stamps = compareStamps(a.stamp, b.stamp);
  if (stamps !== 0) return stamps;
  const [said, other] = [canonical(a.fields), canonical(b.fields)];
  return said < other ? -1 : said > other ? 1 : 0;
}

function pick(event: UpsertEvent): Partial<Body> {
  const given: [string, unknown][] = [];
  for (const key of KEYS) {
    if (event[key] === undefined) continue;
    given.push([key, event[key]]);
    for (const reading of readingsOf(key))
      if (event[reading]) given.push([reading, event[reading]]);
  }
  return Object.fromEntries(given);
}

function readingsOf(key: string) {
  return key === "content" || key === "embeds" ? READINGS[key] : [];
}

// Discord leaves out what is empty; the time of writing is in the id itself.
function complete(given: Partial<Body>, messageId: string): Body {
  return {
    author: { id: "0", name: "Unknown", bot: false },
    content: "",
    embeds: [],
    attachments: [],
    kind: "default",
    sentAt: snowflakeTime(messageId),
    editedAt: null,
    ...given,
  };
}

function stampOf(
  at: number | null,
  capturedAt: number,
  fields: BodyPatch,
): Stamp {
  return { at, capturedAt, digest: contentDigest(fields).slice(0, 16) };
}

// Who wrote it is not part of it: a renamed author edits no message. Nor is where Discord has its
// own copy of a picture, which it may find out later.
function contentDigest(fields: BodyPatch): string {
  const { content, embeds, attachments, stickers, poll, replyToId, kind } =
    fields;
  return digest(
    canonical(
      { content, embeds, attachments, stickers, poll, replyToId, kind },
      withoutSignature,
    ),
  );
}

// JSON with sorted keys.
function canonical(
  value: unknown,
  text: (value: string) => string = (same) => same,
): string {
  return JSON.stringify(value, (key, inner: unknown) => {
    if (typeof inner === "string")
      return key.startsWith("proxy") && text === withoutSignature
        ? undefined
        : text(inner);
    if (inner === null || typeof inner !== "object" || Array.isArray(inner))
      return inner;
    return Object.fromEntries(
      Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)),
    );
  });
}

/** Discord renews the signature of a file's URL; the file stays the same. */
export function withoutSignature(text: string): string {
  if (!/^https?:\/\/\S+[?&]hm=[0-9a-f]+/.test(text)) return text;
  return text.replace(/([?&])(?:ex|is|hm)=[0-9a-f]*(?=&|$)/g, "$1");
}
