// webhooks.ts - providers' events: each stored once, and applied with the same mutation.
//
// What an event means for access is billing/'s business; here is what was received, what
// became of it, and how to try again. Nothing that a provider signed is ever refused: what
// cannot be applied is kept in a state that says why.

import { v, type Infer } from "convex/values";
import type { Doc, Id } from "../_generated/dataModel";
import type { MutationCtx, QueryCtx } from "../_generated/server";
import { audit } from "./audit";
import * as Purchases from "./billing/purchases";
import { read } from "./billing/readers";
import type { Reading } from "./billing/reading";
import * as Communities from "./communities";
import { failure } from "./failure";
import type { EventState } from "./fields";

export const receivedEvent = v.object({
  community: v.string(), // slug
  source: v.string(),
  provider: v.string(),
  key: v.string(), // the provider's own id of the event
  type: v.string(),
  receivedAt: v.number(),
  occurredAt: v.optional(v.number()), // ms, the provider's clock
  subject: v.optional(v.string()), // the order or subscription it is about
  body: v.string(), // as received
  bodySha256: v.string(),
  headers: v.array(v.object({ name: v.string(), value: v.string() })),
  verdict: v.union(v.literal("verified"), v.literal("unparsable")),
  polled: v.optional(v.boolean()), // we asked for it: it may be spelt otherwise than when sent
});
export type ReceivedEvent = Infer<typeof receivedEvent>;

// A row holds 1 MiB; so many UTF-16 units are at most 750 kB of UTF-8.
const PART_UNITS = 250_000;
const MAX_LISTED = 200;

type Event = Doc<"webhookEvents">;
type Verdict = { state: EventState; detail: string };

export async function ingest(
  ctx: MutationCtx,
  received: ReceivedEvent,
): Promise<"stored" | "duplicate"> {
  const { community: slug, body, ...fields } = received;
  const community = await Communities.requireBySlug(ctx, slug);
  const known = await byKey(ctx, community._id, fields.source, fields.key);
  if (known?.bodySha256 === fields.bodySha256) return "duplicate";
  if (known?.polled || (known !== null && fields.polled)) return "duplicate";
  // The provider says something else under the same key: kept beside it, for an operator.
  const key =
    known === null ? fields.key : `${fields.key}#${fields.bodySha256}`;
  if (known !== null && (await byKey(ctx, community._id, fields.source, key)))
    return "duplicate";

  const parts = partsOf(body);
  const id = await ctx.db.insert("webhookEvents", {
    communityId: community._id,
    ...fields,
    key,
    body: parts[0]!,
    storedAt: Date.now(),
    state: "ignored",
    detail: "",
  });
  for (const [part, text] of parts.entries())
    if (part > 0)
      await ctx.db.insert("webhookBodies", {
        communityId: community._id,
        eventId: id,
        part,
        text,
      });
  const event = (await ctx.db.get(id))!;
  const verdict: Verdict =
    known === null
      ? await apply(ctx, community, event, body)
      : { state: "conflict", detail: `another body came with ${fields.key}` };
  await conclude(ctx, event, "webhook-proxy", fields.receivedAt, verdict);
  return "stored";
}

/** Applies a stored event once more; what was applied already changes nothing. */
export async function replay(
  ctx: MutationCtx,
  wanted: { id: Id<"webhookEvents">; by: string },
): Promise<Verdict> {
  const event = await ctx.db.get(wanted.id);
  if (event === null) throw failure("not_found", "There is no such event");
  const community = (await ctx.db.get(event.communityId))!;
  const body = await wholeBody(ctx, event);
  const verdict = await apply(ctx, community, event, body);
  await conclude(ctx, event, wanted.by, Date.now(), verdict);
  await audit(
    ctx,
    event.communityId,
    "webhook.replay",
    event.key,
    `${event.type}: ${verdict.state}`,
  );
  return verdict;
}

/** What a replay would read from it, without doing anything. */
export async function explain(
  ctx: QueryCtx,
  id: Id<"webhookEvents">,
): Promise<Reading> {
  const event = await ctx.db.get(id);
  if (event === null) throw failure("not_found", "There is no such event");
  return read(event.provider, event, await wholeBody(ctx, event));
}

async function apply(
  ctx: MutationCtx,
  community: Doc<"communities">,
  event: Event,
  body: string,
): Promise<Verdict> {
  const reading = readingOf(event, body);
  if (reading.type !== "facts")
    return { state: reading.type, detail: reading.why };
  const state = await Purchases.apply(ctx, community, event, reading);
  return { state, detail: wordsOf(reading) };
}

type Unparsable = { type: "unparsable"; why: string };

/** What a stored event says about access. */
export function readingOf(event: Event, body: string): Reading | Unparsable {
  return event.verdict === "unparsable"
    ? { type: "unparsable", why: "signed, but not what this provider sends" }
    : read(event.provider, event, body);
}

export function wordsOf(reading: Extract<Reading, { type: "facts" }>): string {
  const said = reading.facts.map((fact) => fact.kind).join(", ");
  return `${reading.subject}: ${said}`;
}

async function conclude(
  ctx: MutationCtx,
  event: Event,
  by: string,
  since: number,
  verdict: Verdict,
): Promise<void> {
  const now = Date.now();
  await ctx.db.patch(event._id, verdict);
  await ctx.db.insert("webhookAttempts", {
    communityId: event.communityId,
    eventId: event._id,
    by,
    at: now,
    latencyMs: Math.max(0, now - since),
    ...verdict,
  });
}

async function byKey(
  ctx: QueryCtx,
  communityId: Id<"communities">,
  source: string,
  key: string,
): Promise<Event | null> {
  return await ctx.db
    .query("webhookEvents")
    .withIndex("by_communityId_and_source_and_key", (q) =>
      q.eq("communityId", communityId).eq("source", source).eq("key", key),
    )
    .unique();
}

/** The latest events in a state, or of any. */
export async function list(
  ctx: QueryCtx,
  communityId: Id<"communities">,
  state: EventState | null,
  limit: number,
): Promise<Event[]> {
  const rows = ctx.db.query("webhookEvents");
  const range =
    state === null
      ? rows.withIndex("by_communityId_and_receivedAt", (q) =>
          q.eq("communityId", communityId),
        )
      : rows.withIndex("by_communityId_and_state_and_receivedAt", (q) =>
          q.eq("communityId", communityId).eq("state", state),
        );
  return await range.order("desc").take(Math.min(limit, MAX_LISTED));
}

// ---- bodies ----

/** Cut so that no character is cut in two. */
export function partsOf(text: string): string[] {
  const parts: string[] = [];
  for (let from = 0; from < text.length;) {
    let to = Math.min(from + PART_UNITS, text.length);
    const last = text.charCodeAt(to - 1);
    if (to < text.length && last >= 0xd800 && last <= 0xdbff) to--;
    parts.push(text.slice(from, to));
    from = to;
  }
  return parts.length > 0 ? parts : [""];
}

export async function wholeBody(ctx: QueryCtx, event: Event): Promise<string> {
  const rest = await ctx.db
    .query("webhookBodies")
    .withIndex("by_communityId_and_eventId_and_part", (q) =>
      q.eq("communityId", event.communityId).eq("eventId", event._id),
    )
    .take(100);
  return [event.body, ...rest.map((row) => row.text)].join("");
}

// ---- clean-up ----

/**
 * Forgets a batch of events received before a time. Their keys go too, so the time must lie
 * beyond any provider's retries. Says how many they were.
 */
export async function forget(
  ctx: MutationCtx,
  communityId: Id<"communities">,
  before: number,
  limit: number,
): Promise<number> {
  const old = await ctx.db
    .query("webhookEvents")
    .withIndex("by_communityId_and_receivedAt", (q) =>
      q.eq("communityId", communityId).lt("receivedAt", before),
    )
    .take(limit);
  for (const event of old) {
    const of = { communityId, eventId: event._id };
    const parts = await ctx.db
      .query("webhookBodies")
      .withIndex("by_communityId_and_eventId_and_part", (q) =>
        q.eq("communityId", of.communityId).eq("eventId", of.eventId),
      )
      .take(100);
    const attempts = await ctx.db
      .query("webhookAttempts")
      .withIndex("by_communityId_and_eventId", (q) =>
        q.eq("communityId", of.communityId).eq("eventId", of.eventId),
      )
      .take(1000);
    for (const row of [...parts, ...attempts]) await ctx.db.delete(row._id);
    await ctx.db.delete(event._id);
  }
  return old.length;
}
