// fetches.ts - the queue of files to be fetched from Discord and stored.
//
// A job for each pending row of `attachments`. Several collectors may share the queue: a job has at
// most one lease, only its newest fence may report, and bytes that come with any other report are
// deleted. Where a file is fetched from is read from the signal when the job is handed out, so a
// renewed signature of its address counts at once.

import { v, type Infer } from "convex/values";
import type { Doc, Id } from "../_generated/dataModel";
import type { MutationCtx, QueryCtx } from "../_generated/server";
import * as Attachments from "./attachments";
import * as Communities from "./communities";
import { fileKind, filesOf, type NamedFile } from "./files";
import * as Leases from "./leases";
import * as Signals from "./signals";

export const LEASE_MS = 180_000; // longer than a fetch and an upload may take together
export const MAX_BATCH = 16;
export const MAX_ATTEMPTS = 8;
const RETRY_BASE_MS = 2_000; // doubled with each attempt
const RETRY_CAP_MS = 600_000;
const MAX_LEASES = 1000; // looked at when a collector starts
const MAX_REASON_LENGTH = 300;

type Job = Doc<"attachmentJobs">;
type Row = Doc<"attachments">;
type Community = Id<"communities">;

// ---- from the rows ----

export async function add(
  ctx: MutationCtx,
  communityId: Community,
  rowId: Id<"attachments">,
  now: number,
): Promise<void> {
  await ctx.db.insert("attachmentJobs", {
    communityId,
    rowId,
    wantedAt: now,
    readyAt: now,
    fence: 0,
    lease: null,
    attempts: 0,
  });
}

/** Nobody wants it any more; a report that is under way will find nothing. */
export async function drop(
  ctx: MutationCtx,
  communityId: Community,
  rowId: Id<"attachments">,
): Promise<void> {
  const job = await ctx.db
    .query("attachmentJobs")
    .withIndex("by_communityId_and_rowId", (q) =>
      q.eq("communityId", communityId).eq("rowId", rowId),
    )
    .unique();
  if (job !== null) await ctx.db.delete(job._id);
}

/** Tries again what failed or was refused. */
export async function retry(ctx: MutationCtx, row: Row): Promise<void> {
  if (row.state !== "failed" && row.state !== "refused") return;
  await ctx.db.patch(row._id, { state: "pending", reason: undefined });
  await add(ctx, row.communityId, row._id, Date.now());
}

// ---- work ----

export const work = v.object({
  jobId: v.id("attachmentJobs"),
  fence: v.number(),
  channelId: v.string(), // source; of a thread its own
  messageId: v.string(),
  attachmentId: v.string(),
  kind: fileKind,
  filename: v.string(),
  url: v.string(),
  size: v.number(), // as Discord says; 0: it does not
  uploadUrl: v.string(),
  attempts: v.number(), // before this one
});
export type Work = Infer<typeof work>;

async function firstOf(
  ctx: QueryCtx,
  communityId: Community,
  until: number,
  limit: number,
): Promise<Job[]> {
  return await ctx.db
    .query("attachmentJobs")
    .withIndex("by_communityId_and_readyAt", (q) =>
      q.eq("communityId", communityId).lte("readyAt", until),
    )
    .take(limit);
}

/** Leases up to `limit` jobs, those that wait longest first. */
export async function claim(
  ctx: MutationCtx,
  instance: string,
  limit: number,
): Promise<Work[]> {
  const now = Date.now();
  const most = Leases.bounded(limit, MAX_BATCH);
  const batch: Work[] = [];
  for (const { _id } of await Communities.all(ctx)) {
    const left = most - batch.length;
    if (left <= 0) break;
    for (const job of await firstOf(ctx, _id, now, left)) {
      const about = await aboutOf(ctx, job);
      if (about !== null)
        batch.push(await lease(ctx, job, about, instance, now));
    }
  }
  return batch;
}

async function lease(
  ctx: MutationCtx,
  job: Job,
  { row, file, channelId }: About,
  instance: string,
  now: number,
): Promise<Work> {
  const claimed = Leases.claimedReady(job, instance, now + LEASE_MS);
  await ctx.db.patch(job._id, claimed);
  const { id: attachmentId, kind, filename, url, size } = file;
  return {
    jobId: job._id,
    fence: claimed.fence,
    channelId,
    messageId: row.messageId,
    attachmentId,
    kind,
    filename,
    url,
    size,
    uploadUrl: await ctx.storage.generateUploadUrl(),
    attempts: job.attempts,
  };
}

type About = { row: Row; file: NamedFile; channelId: string };

// A signal is followed by its rows; should rules of an older version have named a file that
// those of today do not, it holds nobody up.
async function aboutOf(ctx: MutationCtx, job: Job): Promise<About | null> {
  const row = await ctx.db.get(job.rowId);
  const signal =
    row && (await Signals.byMessage(ctx, row.communityId, row.messageId));
  const channel = signal && (await ctx.db.get(signal.channelId));
  const file = filesOf(signal?.body ?? null).find(
    ({ id }) => id === row?.attachmentId,
  );
  if (!row) await ctx.db.delete(job._id);
  else if (!signal || !channel || !file)
    await end(ctx, job, { state: "failed", reason: "no signal names it" });
  if (!row || !signal || !channel || !file) return null;
  const channelId = signal.threadId ?? channel.sourceChannelId;
  return { row, file, channelId };
}

export const outcome = v.union(
  v.object({
    type: v.literal("stored"),
    storageId: v.id("_storage"),
    contentType: v.string(),
    size: v.number(),
    sha256: v.string(), // hexadecimal
  }),
  v.object({ type: v.literal("refused"), reason: v.string() }),
  v.object({ type: v.literal("failed"), reason: v.string() }), // for good
  v.object({
    type: v.literal("retry"),
    error: v.string(),
    retryAfterMs: v.number(),
  }),
);
export type Outcome = Infer<typeof outcome>;
type Stored = Extract<Outcome, { type: "stored" }>;

/** Takes outcomes; false for those whose lease is no longer the newest. */
export async function report(
  ctx: MutationCtx,
  instance: string,
  results: { jobId: Id<"attachmentJobs">; fence: number; outcome: Outcome }[],
): Promise<boolean[]> {
  const now = Date.now();
  const accepted: boolean[] = [];
  for (const { jobId, fence, outcome } of results) {
    const job = await ctx.db.get(jobId);
    const current = Leases.mayReport(job, instance, fence);
    if (current) await settle(ctx, job, outcome, now);
    else if (outcome.type === "stored") await discard(ctx, outcome.storageId);
    accepted.push(current);
  }
  return accepted;
}

// Its signal is gone, or somebody else stored it: a report that came twice is not meant.
async function discard(
  ctx: MutationCtx,
  storageId: Id<"_storage">,
): Promise<void> {
  if (!(await Attachments.isNamed(ctx, storageId)))
    await Attachments.erase(ctx, storageId);
}

async function settle(
  ctx: MutationCtx,
  job: Job,
  outcome: Outcome,
  now: number,
): Promise<void> {
  if (outcome.type === "retry")
    return await putOff(ctx, job, outcome.error, outcome.retryAfterMs, now);
  if (outcome.type !== "stored")
    return await end(ctx, job, {
      state: outcome.type,
      reason: shortened(outcome.reason),
    });
  const wrong = await doubt(ctx, outcome);
  if (wrong !== null) {
    await discard(ctx, outcome.storageId);
    return await putOff(ctx, job, wrong, 0, now);
  }
  const { storageId, contentType, size, sha256 } = outcome;
  await end(ctx, job, {
    state: "stored",
    storageId,
    contentType,
    size,
    sha256,
  });
}

async function end(
  ctx: MutationCtx,
  job: Job,
  change: Partial<Row>,
): Promise<void> {
  await ctx.db.patch(job.rowId, { ...change });
  await ctx.db.delete(job._id);
}

async function putOff(
  ctx: MutationCtx,
  job: Job,
  error: string,
  atLeastMs: number,
  now: number,
): Promise<void> {
  if (job.attempts >= MAX_ATTEMPTS)
    return await end(ctx, job, {
      state: "failed",
      reason: shortened(`given up after ${job.attempts} attempts: ${error}`),
    });
  await ctx.db.patch(job._id, {
    ...Leases.putOff(now, Math.max(atLeastMs, delayAfter(job.attempts))),
    error: shortened(error),
  });
}

/** How long to wait after so many attempts, in ms. */
export function delayAfter(attempts: number): number {
  return Math.min(RETRY_BASE_MS * 2 ** Math.max(0, attempts - 1), RETRY_CAP_MS);
}

// What is in the storage has to be what was read.
async function doubt(ctx: QueryCtx, told: Stored): Promise<string | null> {
  const file = await ctx.db.system.get(told.storageId);
  if (file === null) return "the stored copy is gone";
  if (file.size !== told.size || hexOf(file.sha256) !== told.sha256)
    return "the stored copy differs from what was read";
  return (await Attachments.isNamed(ctx, told.storageId))
    ? "the stored copy is another file's"
    : null;
}

// Servers have told it in both ways.
function hexOf(sha256: string): string {
  if (/^[0-9a-f]{64}$/.test(sha256)) return sha256;
  return Array.from(atob(sha256), (char) =>
    char.charCodeAt(0).toString(16).padStart(2, "0"),
  ).join("");
}

function shortened(text: string): string {
  return text.slice(0, MAX_REASON_LENGTH);
}

/** What waits. */
export async function queue(ctx: QueryCtx): Promise<Leases.Queue> {
  let found = Leases.EMPTY;
  for (const { _id } of await Communities.all(ctx)) {
    const [first] = await firstOf(ctx, _id, Infinity, 1);
    const newest = await ctx.db
      .query("attachmentJobs")
      .withIndex("by_communityId_and_wantedAt", (q) => q.eq("communityId", _id))
      .order("desc")
      .first();
    found = Leases.withRows(found, {
      readyAt: first?.readyAt,
      wantedAt: newest?.wantedAt,
    });
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
    released += await Leases.release(
      await firstOf(ctx, _id, Infinity, MAX_LEASES),
      instance,
      (job) => ctx.db.patch(job._id, Leases.putOff(now, 0)),
    );
  return released;
}
