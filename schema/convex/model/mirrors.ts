// mirrors.ts - from the actual posts of the customer guild to the desired.
//
// A row wants work while what is desired differs from what is there. Rows of
// one mirror channel form a lane: work leaves it in source order, and only to
// one bot at a time. So a row that is leased holds those behind it, as does a
// post that waits for a retry; an edit or a delete that does holds nobody, and
// neither does a row that was given up, which wants no work.
//
// Invariants: `wants` says exactly whether the row has an operation to do;
// a row has at most one lease, and only the newest fence may report.

import type { Doc, Id } from "../_generated/dataModel";
import type { MutationCtx, QueryCtx } from "../_generated/server";
import * as Communities from "./communities";
import { failure } from "./failure";
import * as Leases from "./leases";
import { orderOf } from "./versions";

export const LEASE_MS = 15_000;
const MAX_LANES = 200; // of one community, as many as channels
const MAX_PER_LANE = 64; // looked at, at once
const MAX_OURS = 200; // rows of a mirror channel told of at once
const MAX_LOOKED_AT = 100; // rows of a mirror channel whose posts are looked for
const MAX_NEAR = 16; // rows among which that of a deleted post is looked for
const MAX_ERROR_LENGTH = 500;
export const MAX_LOST = 100; // as many as Discord deletes at once
/** A post that is deleted by hand is made again so often, then the bot gives in. */
export const MAX_REMAKES = 3;

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

/** Must those behind a row that is held wait, too? */
function holds(row: Mirror): boolean {
  return row.lease !== null || operationOf(row) === "post";
}

/** The rows of a lane that may be handed out at a time, and what comes after. */
export function free(
  lane: readonly Mirror[],
  isHeld: (until: number) => boolean,
): Mirror[] {
  const found: Mirror[] = [];
  for (const row of lane) {
    const until = heldUntil(row);
    if (until === null || !isHeld(until)) found.push(row);
    else if (holds(row)) break;
  }
  return found;
}

/**
 * The lanes that have work, each with its first rows in source order. Reads
 * the index of wanting rows only: mostly all of them at once, and never more
 * than MAX_PER_LANE for each lane.
 */
export async function* lanes(
  ctx: QueryCtx,
  communityId: Id<"communities">,
): AsyncGenerator<Mirror[]> {
  let last = ""; // sorts before every channel id
  for (let reads = 0; reads < MAX_LANES; reads++) {
    const block = await wanting(ctx, communityId, last);
    const full = block.length === MAX_PER_LANE;
    for (const rows of byLane(block)) {
      // A full block may end within its last lane, which then begins the next one.
      const isCut = full && rows.at(-1) === block.at(-1);
      if (isCut && rows.length < block.length) break;
      last = rows[0]!.mirrorChannelId;
      yield rows;
    }
    if (!full) return;
  }
}

function byLane(rows: Mirror[]): Iterable<Mirror[]> {
  const found = new Map<string, Mirror[]>();
  for (const row of rows) {
    const lane = found.get(row.mirrorChannelId);
    if (lane === undefined) found.set(row.mirrorChannelId, [row]);
    else lane.push(row);
  }
  return found.values();
}

async function wanting(
  ctx: QueryCtx,
  communityId: Id<"communities">,
  afterLane: string,
): Promise<Mirror[]> {
  return await ctx.db
    .query("mirrors")
    .withIndex("by_communityId_and_wants_and_lane", (q) =>
      q
        .eq("communityId", communityId)
        .eq("wants", true)
        .gt("mirrorChannelId", afterLane),
    )
    .take(MAX_PER_LANE);
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
 *   nextAt  when the first of the held rows may be handed out
 *   mark    grows with new work: two queues that only look alike differ in it
 */
export async function queue(ctx: QueryCtx): Promise<Queue> {
  let ready = 0;
  let head: Mirror | null = null;
  let nextAt: number | null = null;
  let mark = 0;
  for (const { _id } of await Communities.all(ctx))
    for await (const rows of lanes(ctx, _id)) {
      const first = rows[0]!;
      ready += free(rows, () => true).length;
      if (head === null || first.order < head.order) head = first;
      for (const row of rows) {
        const held = heldUntil(row);
        if (held !== null) nextAt = Math.min(nextAt ?? held, held);
        mark = Math.max(mark, row.wantedAt);
      }
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
          ...doubted(row, now),
          dead: false,
          attempts: 0,
          error: undefined,
          remakes: undefined,
        }
      : {}),
  });
}

/** The post may not be there any more: an edit tells, also one that changes nothing. */
function doubted(row: Mirror, now: number): Partial<Mirror> {
  const right = row.actual !== null && operationOf(row) === null;
  const firstAttemptAt = right ? now : row.firstAttemptAt;
  return {
    firstAttemptAt,
    wants: operationOf({ ...row, firstAttemptAt }) !== null,
    wantedAt: now,
  };
}

export type Outcome =
  | {
      type: "posted";
      messageIds: string[];
      webhookId?: string;
      postedAt: number;
      version: string;
    }
  | { type: "deleted" }
  | { type: "gone"; error: string; again: boolean }
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
  const doubt = row.attempted === UNKNOWN_VERSION; // it was one before that, too
  const first = row.attempts <= 1 && !doubt;
  const firstAttemptAt = first ? null : row.firstAttemptAt;
  return {
    lease: null,
    attempts: Math.max(0, row.attempts - 1),
    firstAttemptAt,
    attempted: first ? null : row.attempted,
    attemptedAs: first ? undefined : row.attemptedAs,
    wants: operationOf({ ...row, firstAttemptAt }) !== null,
  };
}

const ANSWERED = {
  lease: null,
  attempts: 0,
  firstAttemptAt: null,
  attempted: null,
  attemptedAs: undefined,
  nextAttemptAt: null,
} as const;

/** There is no post any more, and the next is another one: it gets another nonce. */
function without(row: Mirror, now: number): Partial<Mirror> {
  const wants = row.desired.state === "present";
  return {
    ...ANSWERED,
    actual: null,
    lastPost: undefined,
    generation: row.generation + 1,
    wants,
    wantedAt: wants ? now : row.wantedAt,
    dead: false,
    error: undefined,
  };
}

/** Is a post of the row that is gone made again? `recreates`: its channel says so. */
export function isRemade(row: Mirror, recreates: boolean): boolean {
  return recreates && (row.remakes ?? 0) < MAX_REMAKES;
}

/** What becomes of a row whose post somebody deleted. */
function gone(
  row: Mirror,
  { error, again }: { error: string; again: boolean },
  now: number,
  recreates: boolean,
): Partial<Mirror> {
  if (again || row.desired.state === "absent") return without(row, now);
  if (isRemade(row, recreates))
    return { ...without(row, now), remakes: (row.remakes ?? 0) + 1 };
  const last = recreates
    ? `, again after it was made anew ${MAX_REMAKES} times`
    : "";
  return dead(`${error}${last}`);
}

function dead(error: string): Partial<Mirror> {
  return {
    ...ANSWERED,
    wants: false,
    dead: true,
    error: error.slice(0, MAX_ERROR_LENGTH),
  };
}

/** What an outcome makes of a row; pure. `recreates`: a post that is gone is made again. */
export function settled(
  row: Mirror,
  outcome: Outcome,
  now: number,
  recreates = false,
): Partial<Mirror> {
  if (outcome.type === "untried") return untried(row);
  if (outcome.type === "gone") return gone(row, outcome, now, recreates);
  if (outcome.type === "retry")
    return {
      lease: null,
      nextAttemptAt: now + Math.max(0, outcome.retryAfterMs),
      error: outcome.error.slice(0, MAX_ERROR_LENGTH),
    };
  if (outcome.type === "dead") return dead(outcome.error);
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
          webhookId: outcome.webhookId,
          version: certain ? outcome.version : UNKNOWN_VERSION,
          postedAt: outcome.postedAt,
        };
  const wants =
    operationOf({ desired: row.desired, actual, firstAttemptAt: null }) !==
    null;
  return {
    ...ANSWERED,
    actual,
    lastPost: lastOf(actual?.messageIds),
    wants,
    wantedAt: wants ? now : row.wantedAt,
    error: undefined,
    ...(outcome.type === "posted" ? { reportedAt: now } : {}),
  };
}

function lastOf(messageIds: readonly string[] = []): string | undefined {
  return messageIds.map(orderOf).sort().at(-1);
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
    const current = Leases.mayReport(row, instance, fence);
    if (current) {
      const again = outcome.type === "gone" && (await recreates(ctx, row));
      await ctx.db.patch(mirrorId, settled(row, outcome, now, again));
    }
    accepted.push(current);
  }
  return accepted;
}

/** The channel that a row's signal was written in. */
export async function channelOf(
  ctx: QueryCtx,
  row: Mirror,
): Promise<Doc<"channels"> | null> {
  const signal = await ctx.db
    .query("signals")
    .withIndex("by_communityId_and_messageId", (q) =>
      q.eq("communityId", row.communityId).eq("messageId", row.messageId),
    )
    .unique();
  return signal === null ? null : await ctx.db.get(signal.channelId);
}

export async function recreates(ctx: QueryCtx, row: Mirror): Promise<boolean> {
  return (await channelOf(ctx, row))?.recreates ?? false;
}

/** Rows with a post in a mirror channel that is not older than one, oldest first. */
async function postedSince(
  ctx: QueryCtx,
  communityId: Id<"communities">,
  mirrorChannelId: string,
  lastPost: string,
  most = MAX_OURS,
): Promise<Mirror[]> {
  return await ctx.db
    .query("mirrors")
    .withIndex("by_communityId_and_mirrorChannelId_and_lastPost", (q) =>
      q
        .eq("communityId", communityId)
        .eq("mirrorChannelId", mirrorChannelId)
        .gte("lastPost", lastPost),
    )
    .take(most);
}

/** The row whose post a message is; null: none, as far as is looked. */
async function byPost(
  ctx: QueryCtx,
  channelId: string,
  id: string,
): Promise<Mirror | null> {
  const last = orderOf(id);
  for (const { _id } of await Communities.all(ctx)) {
    const near = await postedSince(ctx, _id, channelId, last, MAX_NEAR);
    const row = near.find(({ actual }) => actual?.messageIds.includes(id));
    if (row) return row;
  }
  return null;
}

/** Is work on one of a channel's posts under way? */
async function isBusy(ctx: QueryCtx, mirrorChannelId: string) {
  for (const { _id } of await Communities.all(ctx)) {
    const rows = await ctx.db
      .query("mirrors")
      .withIndex("by_communityId_and_wants_and_lane", (q) =>
        q
          .eq("communityId", _id)
          .eq("wants", true)
          .eq("mirrorChannelId", mirrorChannelId),
      )
      .take(MAX_PER_LANE);
    if (rows.some(({ lease }) => lease !== null)) return true;
  }
  return false;
}

/**
 * Messages of a mirror channel are deleted, say those who watch: rows whose
 * posts they are get an edit, and that says whether it is so. What work under
 * way may have deleted itself, or has not reported yet, is to be told later
 * again.
 */
export async function lost(
  ctx: MutationCtx,
  channelId: string,
  messageIds: readonly string[],
): Promise<string[]> {
  if (messageIds.length > MAX_LOST)
    throw failure("bad_argument", `messageIds: more than ${MAX_LOST}`);
  const now = Date.now();
  const later: string[] = [];
  for (const id of messageIds) {
    const row = await byPost(ctx, channelId, id);
    const busy = row ? row.lease !== null : await isBusy(ctx, channelId);
    if (busy) later.push(id);
    else if (row && !row.wants && !row.dead)
      await ctx.db.patch(row._id, doubted(row, now));
  }
  return later;
}

export type Ours = {
  channelId: string;
  messageIds: string[];
  until: string | null;
};

/**
 * The posts of a mirror channel, newer than one, that rows know of: among all
 * others of the bot is what an attempt of unknown outcome made, or an attempt
 * that a lost record told of. `until`: where there are too many, nothing is
 * said of posts after this one.
 */
export async function ours(
  ctx: QueryCtx,
  channelId: string,
  after: string,
): Promise<Ours> {
  const messageIds: string[] = [];
  let until: string | null = null;
  for (const { _id } of await Communities.all(ctx)) {
    const rows = await postedSince(ctx, _id, channelId, after);
    for (const { actual } of rows)
      for (const id of actual?.messageIds ?? [])
        if (orderOf(id) > after) messageIds.push(id);
    const last = rows.at(-1)?.actual?.messageIds.at(-1);
    if (rows.length === MAX_OURS && last !== undefined)
      if (until === null || orderOf(last) < orderOf(until)) until = last;
  }
  return { channelId, messageIds, until };
}

export type Posts = { channelId: string | null; messageIds: string[] };

/**
 * The newest posts of the mirror channel after another one, null for the
 * first; `channelId` null: there is none. Rows that want work are left out,
 * for it will tell what became of their posts, and so are those given up.
 */
export async function posts(
  ctx: QueryCtx,
  after: string | null,
): Promise<Posts> {
  const communities = await Communities.all(ctx);
  const next = await Promise.all(
    communities.map(({ _id }) => laneAfter(ctx, _id, after ?? "")),
  );
  const channelId = next.filter((lane) => lane !== null).sort()[0] ?? null;
  if (channelId === null) return { channelId, messageIds: [] };
  const messageIds: string[] = [];
  for (const { _id } of communities)
    for (const row of await newestPosts(ctx, _id, channelId))
      if (!row.wants && !row.dead)
        messageIds.push(...(row.actual?.messageIds ?? []));
  return { channelId, messageIds };
}

async function laneAfter(
  ctx: QueryCtx,
  communityId: Id<"communities">,
  after: string,
): Promise<string | null> {
  const row = await ctx.db
    .query("mirrors")
    .withIndex("by_communityId_and_mirrorChannelId_and_lastPost", (q) =>
      q.eq("communityId", communityId).gt("mirrorChannelId", after),
    )
    .first();
  return row?.mirrorChannelId ?? null;
}

async function newestPosts(
  ctx: QueryCtx,
  communityId: Id<"communities">,
  mirrorChannelId: string,
): Promise<Mirror[]> {
  return await ctx.db
    .query("mirrors")
    .withIndex("by_communityId_and_mirrorChannelId_and_lastPost", (q) =>
      q
        .eq("communityId", communityId)
        .eq("mirrorChannelId", mirrorChannelId)
        .gt("lastPost", ""),
    )
    .order("desc")
    .take(MAX_LOOKED_AT);
}

/** Gives up every lease that an earlier life of `instance` left. */
export async function release(
  ctx: MutationCtx,
  instance: string,
): Promise<number> {
  let released = 0;
  for (const { _id } of await Communities.all(ctx))
    for await (const rows of lanes(ctx, _id))
      released += await Leases.release(rows, instance, (row) =>
        ctx.db.patch(row._id, { lease: null }),
      );
  return released;
}
