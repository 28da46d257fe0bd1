// roles.ts - from the roles that people have in the customer guild to the roles they should have.
//
// One row for each person and role that they ever had a right to: a role that somebody else
// gave is not ours to take. Desired follows from live entitlements, actual from what the bot
// did and saw. A row wants work while the two
// differ; taking a role away is handed out before giving one. Adding and removing a role are
// idempotent at Discord, so an attempt of unknown outcome is simply made again.
//
// Invariants: `wants` is needs() of the row; `readyAt` says when it may be handed out; a row
// has at most one lease, and only the newest fence may report.

import { v, type Infer } from "convex/values";
import type { Doc, Id } from "../_generated/dataModel";
import type { MutationCtx, QueryCtx } from "../_generated/server";
import * as Communities from "./communities";
import * as Leases from "./leases";
import * as Plans from "./plans";

export const LEASE_MS = 15_000;
export const MAX_BATCH = 64;
const MAX_LEASES = 1000; // looked at when a bot starts
const MAX_ROLES = 200; // of one person in one community
const MAX_ERROR_LENGTH = 500;

type Job = Doc<"roleJobs">;
type Community = Doc<"communities">;
type Standing = Pick<Job, "desired" | "actual" | "tried" | "absent">;

/** Is there something to do? */
export function needs({ desired, actual, tried, absent }: Standing): boolean {
  if (absent) return false;
  return tried || (desired ? actual !== true : actual === true);
}

const ADD = 1;
const REMOVE = 0; // sorts first

// ---- desired ----

/**
 * Has the jobs of a person in one community say what their entitlements do. What was given up
 * is tried again.
 */
export async function follow(
  ctx: MutationCtx,
  community: Community,
  discordId: string,
  live: readonly Doc<"entitlements">[],
): Promise<void> {
  const now = Date.now();
  const wanted = await rolesOf(ctx, community, live);
  const known = await jobsOf(ctx, community._id, discordId);
  for (const job of known)
    await set(ctx, job, { desired: wanted.has(job.roleId) }, now);
  const have = new Set(known.map((job) => job.roleId));
  for (const roleId of wanted)
    if (!have.has(roleId))
      await add(ctx, community._id, discordId, roleId, now);
}

async function rolesOf(
  ctx: QueryCtx,
  community: Community,
  live: readonly Doc<"entitlements">[],
): Promise<Set<string>> {
  const roles = new Set<string>();
  if (live.length > 0)
    for (const roleId of community.memberRoleIds ?? []) roles.add(roleId);
  for (const { purchaseId } of live) {
    const purchase = purchaseId === null ? null : await ctx.db.get(purchaseId);
    const plan = purchase?.planId ? await ctx.db.get(purchase.planId) : null;
    for (const roleId of plan?.roleIds ?? []) roles.add(roleId);
  }
  return roles;
}

/** Every role that is ours to give and to take. */
export async function managed(
  ctx: QueryCtx,
  community: Community,
): Promise<string[]> {
  const plans = await Plans.all(ctx, community._id);
  const all = [
    ...(community.memberRoleIds ?? []),
    ...plans.flatMap((plan) => plan.roleIds),
  ];
  return [...new Set(all)];
}

/** All rows of a Discord account in a community. */
export async function jobsOf(
  ctx: QueryCtx,
  communityId: Id<"communities">,
  discordId: string,
): Promise<Job[]> {
  return await ctx.db
    .query("roleJobs")
    .withIndex("by_communityId_and_discordId_and_roleId", (q) =>
      q.eq("communityId", communityId).eq("discordId", discordId),
    )
    .take(MAX_ROLES);
}

async function add(
  ctx: MutationCtx,
  communityId: Id<"communities">,
  discordId: string,
  roleId: string,
  now: number,
): Promise<void> {
  await ctx.db.insert("roleJobs", {
    communityId,
    discordId,
    roleId,
    desired: true,
    actual: null,
    tried: false,
    absent: false,
    wants: true,
    urgency: ADD,
    wantedAt: now,
    readyAt: now,
    fence: 0,
    lease: null,
    attempts: 0,
    dead: false,
  });
}

/** Changes a row, and what follows from the change. */
async function set(
  ctx: MutationCtx,
  job: Job,
  change: Partial<Standing>,
  now: number,
): Promise<void> {
  const after = { ...job, ...change };
  const wants = needs(after);
  const turned = wants && (!job.wants || after.desired !== job.desired);
  await ctx.db.patch(job._id, {
    ...change,
    wants,
    urgency: after.desired ? ADD : REMOVE,
    // Something new to try: what was given up, or put off, is tried now. A lease runs on.
    ...(turned
      ? {
          wantedAt: now,
          readyAt: job.lease?.until ?? now,
          dead: false,
          attempts: 0,
          error: undefined,
        }
      : {}),
  });
}

/**
 * What was given up is wanted again; what waits for a retry may be handed out now. `anyway`:
 * what looks right is done once more too, in case it is not.
 */
export async function tryAgain(
  ctx: MutationCtx,
  job: Job,
  now: number,
  anyway = false,
): Promise<void> {
  const tried = job.tried || anyway;
  const wants = needs({ ...job, tried });
  await ctx.db.patch(job._id, {
    tried,
    wants,
    readyAt: Math.max(now, job.lease?.until ?? 0),
    ...(wants && !job.wants ? { wantedAt: now } : {}),
    ...(job.dead ? { dead: false, attempts: 0, error: undefined } : {}),
  });
}

// ---- actual ----

/**
 * What the bot saw: the roles that a member has now, or null of somebody who is not in the
 * guild. Says how many of ours differed from what we believed.
 */
export async function observe(
  ctx: MutationCtx,
  communityId: Id<"communities">,
  discordId: string,
  roleIds: readonly string[] | null,
): Promise<number> {
  const now = Date.now();
  let drift = 0;
  for (const job of await jobsOf(ctx, communityId, discordId)) {
    const actual = roleIds?.includes(job.roleId) ?? false;
    if (job.actual !== null && job.actual !== actual) drift++;
    const seen = { actual, absent: roleIds === null };
    // What was given up is not tried at each look.
    if (job.dead && job.actual === actual && job.absent === seen.absent)
      continue;
    await set(
      ctx,
      job,
      job.lease === null ? { ...seen, tried: false } : seen,
      now,
    );
  }
  return drift;
}

// ---- work ----

export const job = v.object({
  jobId: v.id("roleJobs"),
  fence: v.number(),
  guildId: v.string(),
  discordId: v.string(),
  roleId: v.string(),
  give: v.boolean(), // else: take away
  attempts: v.number(), // before this one
});
export type Work = Infer<typeof job>;

async function firstOf(
  ctx: QueryCtx,
  communityId: Id<"communities">,
  urgency: number,
  until: number,
  limit: number,
): Promise<Job[]> {
  return await ctx.db
    .query("roleJobs")
    .withIndex("by_communityId_and_wants_and_urgency_and_readyAt", (q) =>
      q
        .eq("communityId", communityId)
        .eq("wants", true)
        .eq("urgency", urgency)
        .lte("readyAt", until),
    )
    .take(limit);
}

/** Jobs that may be handed out until a time, those that take a role away first. */
async function ready(
  ctx: QueryCtx,
  until: number,
  limit: number,
): Promise<{ row: Job; guildId: string }[]> {
  const most = Leases.bounded(limit, MAX_BATCH);
  const batch: { row: Job; guildId: string }[] = [];
  for (const urgency of [REMOVE, ADD])
    for (const { _id, customerGuildId: guildId } of await Communities.all(
      ctx,
    )) {
      const left = most - batch.length;
      if (left <= 0) return batch;
      for (const row of await firstOf(ctx, _id, urgency, until, left))
        batch.push({ row, guildId });
    }
  return batch;
}

/** Leases up to `limit` jobs. */
export async function claim(
  ctx: MutationCtx,
  instance: string,
  limit: number,
): Promise<Work[]> {
  const now = Date.now();
  const batch: Work[] = [];
  for (const { row, guildId } of await ready(ctx, now, limit))
    batch.push(await lease(ctx, row, guildId, instance, now));
  return batch;
}

/** What waits, whether it may be handed out now or later. */
export async function pending(ctx: QueryCtx, limit: number): Promise<Work[]> {
  const rows = await ready(ctx, Infinity, limit);
  return rows.map(({ row, guildId }) => workOf(row, row.fence, guildId));
}

function workOf(row: Job, fence: number, guildId: string): Work {
  const { _id: jobId, discordId, roleId, desired: give, attempts } = row;
  return { jobId, fence, guildId, discordId, roleId, give, attempts };
}

async function lease(
  ctx: MutationCtx,
  row: Job,
  guildId: string,
  instance: string,
  now: number,
): Promise<Work> {
  const claimed = Leases.claimedReady(row, instance, now + LEASE_MS);
  await ctx.db.patch(row._id, { ...claimed, tried: true });
  return workOf(row, claimed.fence, guildId);
}

export const outcome = v.union(
  v.object({ type: v.literal("done"), gave: v.boolean() }),
  v.object({ type: v.literal("absent") }), // not in the guild: tried again when they join
  v.object({
    type: v.literal("retry"),
    error: v.string(),
    retryAfterMs: v.number(),
  }),
  v.object({ type: v.literal("dead"), error: v.string() }),
);
export type Outcome = Infer<typeof outcome>;

/** What an outcome makes of a row; pure. */
export function settled(row: Job, result: Outcome, now: number): Partial<Job> {
  const error =
    "error" in result ? result.error.slice(0, MAX_ERROR_LENGTH) : undefined;
  if (result.type === "retry")
    return { ...Leases.putOff(now, result.retryAfterMs), error };
  if (result.type === "dead")
    return { lease: null, wants: false, dead: true, attempts: 0, error };
  const known =
    result.type === "absent"
      ? { actual: false, absent: true, tried: false }
      : { actual: result.gave, absent: false, tried: false };
  return {
    ...known,
    lease: null,
    attempts: 0,
    readyAt: now,
    wants: needs({ ...row, ...known }),
    error,
  };
}

/** Takes outcomes; false for those whose lease is no longer the newest. */
export async function report(
  ctx: MutationCtx,
  instance: string,
  results: { jobId: Id<"roleJobs">; fence: number; outcome: Outcome }[],
): Promise<boolean[]> {
  const now = Date.now();
  const accepted: boolean[] = [];
  for (const { jobId, fence, outcome } of results) {
    const row = await ctx.db.get(jobId);
    const current = Leases.mayReport(row, instance, fence);
    if (current) await ctx.db.patch(jobId, settled(row, outcome, now));
    accepted.push(current);
  }
  return accepted;
}

/** What waits. */
export async function queue(ctx: QueryCtx): Promise<Leases.Queue> {
  let found = Leases.EMPTY;
  for (const { _id } of await Communities.all(ctx)) {
    for (const urgency of [REMOVE, ADD]) {
      const [first] = await firstOf(ctx, _id, urgency, Infinity, 1);
      found = Leases.withRows(found, { readyAt: first?.readyAt });
    }
    const newest = await ctx.db
      .query("roleJobs")
      .withIndex("by_communityId_and_wants_and_wantedAt", (q) =>
        q.eq("communityId", _id).eq("wants", true),
      )
      .order("desc")
      .first();
    found = Leases.withRows(found, { wantedAt: newest?.wantedAt });
  }
  return found;
}

/** Gives up the leases of an earlier life of `instance`. */
export async function release(
  ctx: MutationCtx,
  instance: string,
): Promise<number> {
  const now = Date.now();
  let released = 0;
  for (const { _id } of await Communities.all(ctx))
    for (const urgency of [REMOVE, ADD])
      released += await Leases.release(
        await firstOf(ctx, _id, urgency, Infinity, MAX_LEASES),
        instance,
        (job) => ctx.db.patch(job._id, Leases.putOff(now, 0)),
      );
  return released;
}

/** People whose roles are ours, a page at a time, for a look at what they really have. */
export async function people(
  ctx: QueryCtx,
  communityId: Id<"communities">,
  after: string | null,
  limit: number,
): Promise<string[]> {
  const found: string[] = [];
  let last = after ?? "";
  while (found.length < limit) {
    const from = last;
    const next = await ctx.db
      .query("roleJobs")
      .withIndex("by_communityId_and_discordId_and_roleId", (q) =>
        q.eq("communityId", communityId).gt("discordId", from),
      )
      .first();
    if (next === null) break;
    last = next.discordId;
    found.push(last);
  }
  return found;
}
