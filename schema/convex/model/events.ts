// events.ts - providers' events as operators look at them: found, read, explained, tried out.

import {
  paginationResultValidator,
  type PaginationOptions,
} from "convex/server";
import { v, type Infer } from "convex/values";
import type { Doc, Id } from "../_generated/dataModel";
import type { QueryCtx } from "../_generated/server";
import * as Purchases from "./billing/purchases";
import { failure } from "./failure";
import { eventState } from "./fields";
import { bounded } from "./pages";
import * as Webhooks from "./webhooks";

// Each row carries up to 750 kB of body, and a query reads sixteen megabytes.
const MAX_PAGE = 20;
const MAX_ATTEMPTS = 100;

type Event = Doc<"webhookEvents">;

export const filter = v.object({
  state: v.optional(eventState),
  source: v.optional(v.string()),
  type: v.optional(v.string()),
  subject: v.optional(v.string()),
  from: v.optional(v.number()), // ms: received not before
  to: v.optional(v.number()), // ms: received before
});
export type Filter = Infer<typeof filter>;

export const summary = v.object({
  id: v.id("webhookEvents"),
  source: v.string(),
  provider: v.string(),
  key: v.string(),
  type: v.string(),
  subject: v.union(v.string(), v.null()),
  receivedAt: v.number(),
  occurredAt: v.union(v.number(), v.null()),
  polled: v.boolean(), // we asked for it
  state: eventState,
  detail: v.string(), // in words, why it is in that state
});
export type Summary = Infer<typeof summary>;
export const page = paginationResultValidator(summary);

/**
 * One page, newest first. One of the filters chooses the index; the others drop rows of the
 * page, which may come out short, or empty, with more behind it.
 */
export async function list(
  ctx: QueryCtx,
  communityId: Id<"communities">,
  wanted: Filter,
  options: PaginationOptions,
) {
  const { from = 0, to = Number.MAX_SAFE_INTEGER } = wanted;
  const rows = ctx.db.query("webhookEvents");
  const range =
    wanted.subject !== undefined
      ? rows.withIndex("by_communityId_and_subject", (q) =>
          q.eq("communityId", communityId).eq("subject", wanted.subject),
        )
      : wanted.state !== undefined
        ? rows.withIndex("by_communityId_and_state_and_receivedAt", (q) =>
            q
              .eq("communityId", communityId)
              .eq("state", wanted.state!)
              .gte("receivedAt", from)
              .lt("receivedAt", to),
          )
        : wanted.type !== undefined
          ? rows.withIndex("by_communityId_and_type_and_receivedAt", (q) =>
              q
                .eq("communityId", communityId)
                .eq("type", wanted.type!)
                .gte("receivedAt", from)
                .lt("receivedAt", to),
            )
          : wanted.source !== undefined
            ? rows.withIndex("by_communityId_and_source_and_receivedAt", (q) =>
                q
                  .eq("communityId", communityId)
                  .eq("source", wanted.source!)
                  .gte("receivedAt", from)
                  .lt("receivedAt", to),
              )
            : rows.withIndex("by_communityId_and_receivedAt", (q) =>
                q
                  .eq("communityId", communityId)
                  .gte("receivedAt", from)
                  .lt("receivedAt", to),
              );
  const found = await range.order("desc").paginate(bounded(options, MAX_PAGE));
  return {
    ...found,
    page: found.page.filter((row) => fits(row, wanted)).map(summaryOf),
  };
}

function fits(row: Event, wanted: Filter): boolean {
  const { from = 0, to = Infinity } = wanted;
  return (
    (wanted.state === undefined || row.state === wanted.state) &&
    (wanted.source === undefined || row.source === wanted.source) &&
    (wanted.type === undefined || row.type === wanted.type) &&
    row.receivedAt >= from &&
    row.receivedAt < to
  );
}

export function summaryOf(row: Event): Summary {
  return {
    id: row._id,
    source: row.source,
    provider: row.provider,
    key: row.key,
    type: row.type,
    subject: row.subject ?? null,
    receivedAt: row.receivedAt,
    occurredAt: row.occurredAt ?? null,
    polled: row.polled ?? false,
    state: row.state,
    detail: row.detail,
  };
}

export const whole = v.object({
  ...summary.fields,
  community: v.string(),
  verdict: v.union(v.literal("verified"), v.literal("unparsable")),
  storedAt: v.number(),
  headers: v.array(v.object({ name: v.string(), value: v.string() })),
  body: v.string(), // as received
  bodySha256: v.string(),
  attempts: v.array(
    v.object({
      at: v.number(),
      by: v.string(),
      latencyMs: v.number(),
      state: eventState,
      detail: v.string(),
    }),
  ),
});

/** All that is kept of one event. */
export async function get(
  ctx: QueryCtx,
  id: Id<"webhookEvents">,
): Promise<Infer<typeof whole>> {
  const event = await require(ctx, id);
  const { communityId } = event;
  const community = (await ctx.db.get(communityId))!;
  const attempts = await ctx.db
    .query("webhookAttempts")
    .withIndex("by_communityId_and_eventId", (q) =>
      q.eq("communityId", communityId).eq("eventId", id),
    )
    .take(MAX_ATTEMPTS);
  return {
    ...summaryOf(event),
    community: community.slug,
    verdict: event.verdict,
    storedAt: event.storedAt,
    headers: event.headers,
    body: await Webhooks.wholeBody(ctx, event),
    bodySha256: event.bodySha256,
    attempts: attempts.map(({ at, by, latencyMs, state, detail }) => ({
      ...{ at, by, latencyMs, state, detail },
    })),
  };
}

async function require(ctx: QueryCtx, id: Id<"webhookEvents">): Promise<Event> {
  const event = await ctx.db.get(id);
  if (event === null) throw failure("not_found", "id: there is no such event");
  return event;
}

export const dryRun = v.object({
  state: eventState, // that a replay would leave it in
  detail: v.string(),
  before: v.union(Purchases.standing, v.null()), // null: the purchase is not known yet
  after: v.union(Purchases.standing, v.null()), // null: it is about no purchase
});

/** What a replay would do, without doing it. */
export async function tryOut(
  ctx: QueryCtx,
  id: Id<"webhookEvents">,
): Promise<Infer<typeof dryRun>> {
  const event = await require(ctx, id);
  const community = (await ctx.db.get(event.communityId))!;
  const body = await Webhooks.wholeBody(ctx, event);
  const reading = Webhooks.readingOf(event, body);
  if (reading.type !== "facts")
    return {
      state: reading.type,
      detail: reading.why,
      before: null,
      after: null,
    };
  const found = await Purchases.preview(ctx, community, event, reading);
  return { ...found, detail: Webhooks.wordsOf(reading) };
}
