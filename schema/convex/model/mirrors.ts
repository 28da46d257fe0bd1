// mirrors.ts - from the actual posts of the customer guild to the desired.
//
// A row wants work while what is desired differs from what is there. Rows of
// one mirror channel form a lane: work leaves it in source order, so whatever
// is at its head and cannot be handed out now (leased, waiting for a retry)
// holds the rest. A row that was given up does not want work and holds nobody.
//
// Invariants: `wants` says exactly whether the row has an operation to do;
// a row has at most one lease, and only the newest fence may report.

import type { Doc, Id } from "../_generated/dataModel";
import type { MutationCtx, QueryCtx } from "../_generated/server";
import * as Communities from "./communities";
import { orderOf } from "./versions";

export const LEASE_MS = 15_000;
const MAX_LANES = 200; // of one community, as many as channels
const MAX_PER_LANE = 64; // looked at, at once
const MAX_ERROR_LENGTH = 500;

type Mirror = Doc<"mirrors">;
type Wish = Pick<Mirror, "desired" | "actual" | "firstAttemptAt">;

/**
 * What has to be done to the row, or null. `firstAttemptAt` set means that
 * what is really there is not known: the outcome of an attempt is missing.
 *
 * - Such an edit is made again, even if the row looks right by now.
 * - Such a post may exist. When the signal is deleted meanwhile, the post is
 *   finished first - the nonce makes it the same message - because only its
 *   id lets us delete it.
 */
export function operationOf(row: Wish): "post" | "edit" | "delete" | null {
  const { desired, actual, firstAttemptAt } = row;
  if (desired.state === "absent") {
    if (actual !== null) return "delete";
    return firstAttemptAt !== null ? "post" : null;
  }
  if (actual === null) return "post";
  const same = actual.version === desired.version && firstAttemptAt === null;
  return same ? null : "edit";
}

/** Sets what is desired of a signal; `version` null means no post at all. */
export async function desire(
  ctx: MutationCtx,
  channel: Doc<"channels">,
  messageId: string,
  version: string | null,
  now: number,
): Promise<void> {
  const desired =
    version === null
      ? ({ state: "absent" } as const)
      : ({ state: "present", version } as const);
  const known = await byMessage(ctx, channel.communityId, messageId);
  if (known === null) {
    await ctx.db.insert("mirrors", {
      communityId: channel.communityId,
      messageId,
      order: orderOf(messageId),
      mirrorChannelId: channel.mirrorChannelId,
      desired,
      actual: null,
      wants: version !== null,
      wantedAt: now,
      generation: 1,
      fence: 0,
      lease: null,
      attempts: 0,
      firstAttemptAt: null,
      attempted: null,
      nextAttemptAt: null,
      dead: false,
    });
    return;
  }
  const wants = operationOf({ ...known, desired }) !== null;
  await ctx.db.patch(known._id, {
    desired,
    wants,
    wantedAt: wants ? now : known.wantedAt,
    // Something new to try: what was given up is tried again.
    ...(known.dead ? { dead: false, attempts: 0, error: undefined } : {}),
  });
}

export async function byMessage(
  ctx: QueryCtx,
  communityId: Id<"communities">,
  messageId: string,
): Promise<Mirror | null> {
  return await ctx.db
    .query("mirrors")
    .withIndex("by_communityId_and_messageId", (q) =>
      q.eq("communityId", communityId).eq("messageId", messageId),
    )
    .unique();
}

/** When a row at the head of its lane may be handed out; null: now. */
export function heldUntil(row: Mirror): number | null {
  const { lease, nextAttemptAt } = row;
  if (lease === null) return nextAttemptAt;
  return Math.max(lease.until, nextAttemptAt ?? 0);
}

/**
 * The lanes that have work, each with its first rows in source order. Reads
 * the index of wanting rows only, and of idle lanes nothing.
 */
export async function* lanes(
  ctx: QueryCtx,
  communityId: Id<"communities">,
  perLane: number,
): AsyncGenerator<Mirror[]> {
  let last = ""; // sorts before every channel id
  for (let count = 0; count < MAX_LANES; count++) {
    const after = last;
    const head = await ctx.db
      .query("mirrors")
      .withIndex("by_communityId_and_wants_and_lane", (q) =>
        q
          .eq("communityId", communityId)
          .eq("wants", true)
          .gt("mirrorChannelId", after),
      )
      .first();
    if (head === null) return;
    last = head.mirrorChannelId;
    yield await laneRows(ctx, head, Math.min(perLane, MAX_PER_LANE));
  }
}

async function laneRows(
  ctx: QueryCtx,
  head: Mirror,
  count: number,
): Promise<Mirror[]> {
  return await ctx.db
    .query("mirrors")
    .withIndex("by_communityId_and_wants_and_lane", (q) =>
      q
        .eq("communityId", head.communityId)
        .eq("wants", true)
        .eq("mirrorChannelId", head.mirrorChannelId),
    )
    .take(count);
}

export type Queue = {
  ready: number;
  head: Id<"mirrors"> | null;
  nextAt: number | null;
  mark: number;
};

/**
 * What waits. No clock: a time in the past is for the caller to see.
 *   ready   rows that a claim would hand out now, at most 64 a lane
 *   head    the oldest row that wants work
 *   nextAt  when the first of the held lanes opens
 *   mark    grows with new work: two queues that only look alike differ in it
 */
export async function queue(ctx: QueryCtx): Promise<Queue> {
  let ready = 0;
  let head: Mirror | null = null;
  let nextAt: number | null = null;
  let mark = 0;
  for (const { _id } of await Communities.all(ctx))
    for await (const rows of lanes(ctx, _id, MAX_PER_LANE)) {
      const first = rows[0]!;
      const free = rows.findIndex((row) => heldUntil(row) !== null);
      const held = heldUntil(first);
      ready += free === -1 ? rows.length : free;
      if (head === null || first.order < head.order) head = first;
      if (held !== null) nextAt = Math.min(nextAt ?? held, held);
      mark = Math.max(mark, first.wantedAt);
    }
  return { ready, head: head?._id ?? null, nextAt, mark };
}

/** What was given up is wanted again; what waits for a retry may be handed out now. */
export async function tryAgain(
  ctx: MutationCtx,
  row: Mirror,
  now: number,
): Promise<void> {
  await ctx.db.patch(row._id, {
    nextAttemptAt: null,
    ...(row.dead
      ? {
          dead: false,
          attempts: 0,
          error: undefined,
          wants: operationOf(row) !== null,
          wantedAt: now,
        }
      : {}),
  });
}

export type Outcome =
  | {
      type: "posted";
      messageIds: string[];
      postedAt: number;
      version: string;
    }
  | { type: "deleted" }
  | { type: "untried" }
  | { type: "retry"; error: string; retryAfterMs: number }
  | { type: "dead"; error: string };

export type Report = {
  mirrorId: Id<"mirrors">;
  fence: number;
  outcome: Outcome;
};

// No signal's version: whatever is there, it has to be edited.
const UNKNOWN_VERSION = "unknown";

/** What a row has attempted once `version` is handed out too. */
export function attemptedWith(row: Mirror, version: string): string {
  const first = row.firstAttemptAt === null;
  return first || row.attempted === version ? version : UNKNOWN_VERSION;
}

/** As if it had not been handed out; what earlier attempts left stays unknown. */
function untried(row: Mirror): Partial<Mirror> {
  const first = row.attempts <= 1;
  const firstAttemptAt = first ? null : row.firstAttemptAt;
  return {
    lease: null,
    attempts: Math.max(0, row.attempts - 1),
    firstAttemptAt,
    attempted: first ? null : row.attempted,
    wants: operationOf({ ...row, firstAttemptAt }) !== null,
  };
}

/** What an outcome makes of a row; pure. */
export function settled(
  row: Mirror,
  outcome: Outcome,
  now: number,
): Partial<Mirror> {
  if (outcome.type === "untried") return untried(row);
  if (outcome.type === "retry")
    return {
      lease: null,
      nextAttemptAt: now + Math.max(0, outcome.retryAfterMs),
      error: outcome.error.slice(0, MAX_ERROR_LENGTH),
    };
  const done = {
    lease: null,
    attempts: 0,
    firstAttemptAt: null,
    attempted: null,
    nextAttemptAt: null,
  };
  if (outcome.type === "dead")
    return {
      ...done,
      wants: false,
      dead: true,
      error: outcome.error.slice(0, MAX_ERROR_LENGTH),
    };
  // A repeated post finds the message of the first attempt, as that one wrote
  // it. When it wrote something else, an edit has to follow.
  const certain =
    row.actual !== null ||
    (outcome.type === "posted" && row.attempted === outcome.version);
  const actual =
    outcome.type === "deleted"
      ? null
      : {
          messageIds: outcome.messageIds,
          version: certain ? outcome.version : UNKNOWN_VERSION,
          postedAt: outcome.postedAt,
        };
  const wants =
    operationOf({ desired: row.desired, actual, firstAttemptAt: null }) !==
    null;
  return {
    ...done,
    actual,
    wants,
    wantedAt: wants ? now : row.wantedAt,
    error: undefined,
    ...(outcome.type === "posted" ? { reportedAt: now } : {}),
  };
}

/** Takes the outcomes of work. An older fence than the row's is refused. */
export async function report(
  ctx: MutationCtx,
  instance: string,
  results: Report[],
): Promise<boolean[]> {
  const now = Date.now();
  const accepted: boolean[] = [];
  for (const { mirrorId, fence, outcome } of results) {
    const row = await ctx.db.get(mirrorId);
    const current =
      row !== null && row.fence === fence && row.lease?.instance === instance;
    if (current) await ctx.db.patch(mirrorId, settled(row, outcome, now));
    accepted.push(current);
  }
  return accepted;
}

/** Gives up every lease that an earlier life of `instance` left. */
export async function release(
  ctx: MutationCtx,
  instance: string,
): Promise<number> {
  let released = 0;
  for (const { _id } of await Communities.all(ctx))
    for await (const rows of lanes(ctx, _id, MAX_PER_LANE))
      for (const row of rows) {
        if (row.lease?.instance !== instance) continue;
        await ctx.db.patch(row._id, { lease: null });
        released++;
      }
  return released;
}
