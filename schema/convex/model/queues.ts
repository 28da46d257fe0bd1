// queues.ts - what waits for a daemon and what was given up, as operators look at it.
//
// Counts are of at most MAX_COUNTED rows: beyond that "more" is all that anybody needs.

import { v, type Infer } from "convex/values";
import type { Doc, Id } from "../_generated/dataModel";
import type { MutationCtx, QueryCtx } from "../_generated/server";
import { audit } from "./audit";
import { failure } from "./failure";
import * as Mirrors from "./mirrors";
import * as Roles from "./roles";

const MAX_COUNTED = 500;
const MAX_LISTED = 50;
const MAX_RETRIED = 100; // in one call

export const name = v.union(v.literal("mirrors"), v.literal("roles"));
export type Name = Infer<typeof name>;
export const NAMES: readonly Name[] = ["mirrors", "roles"];

export const state = v.union(v.literal("waiting"), v.literal("dead"));
export type State = Infer<typeof state>;

export const overview = v.object({
  queue: name,
  waiting: v.number(),
  dead: v.number(),
  more: v.boolean(), // there are more than these
  oldestAt: v.union(v.number(), v.null()), // ms: since when the oldest waits
});
export type Overview = Infer<typeof overview>;

export const entry = v.object({
  id: v.string(),
  what: v.string(), // in words
  subject: v.string(), // the message or the person
  place: v.string(), // the channel or the role
  wantedAt: v.number(),
  attempts: v.number(),
  nextAt: v.union(v.number(), v.null()), // ms: not before; null: now
  error: v.union(v.string(), v.null()),
});
export type Entry = Infer<typeof entry>;

type Community = Id<"communities">;

async function mirrors(
  ctx: QueryCtx,
  communityId: Community,
  of: State,
  limit: number,
): Promise<Doc<"mirrors">[]> {
  return await ctx.db
    .query("mirrors")
    .withIndex("by_communityId_and_wants_and_dead_and_wantedAt", (q) =>
      q
        .eq("communityId", communityId)
        .eq("wants", of === "waiting")
        .eq("dead", of === "dead"),
    )
    .take(limit);
}

async function roleJobs(
  ctx: QueryCtx,
  communityId: Community,
  of: State,
  limit: number,
): Promise<Doc<"roleJobs">[]> {
  const rows = ctx.db.query("roleJobs");
  return of === "dead"
    ? await rows
        .withIndex("by_communityId_and_dead_and_wantedAt", (q) =>
          q.eq("communityId", communityId).eq("dead", true),
        )
        .take(limit)
    : await rows
        .withIndex("by_communityId_and_wants_and_wantedAt", (q) =>
          q.eq("communityId", communityId).eq("wants", true),
        )
        .take(limit);
}

function rowsOf(
  ctx: QueryCtx,
  communityId: Community,
  queue: Name,
  of: State,
  limit: number,
): Promise<(Doc<"mirrors"> | Doc<"roleJobs">)[]> {
  return queue === "mirrors"
    ? mirrors(ctx, communityId, of, limit)
    : roleJobs(ctx, communityId, of, limit);
}

export async function look(
  ctx: QueryCtx,
  communityId: Community,
): Promise<Overview[]> {
  return await Promise.all(
    NAMES.map(async (queue) => {
      const rows = (of: State) =>
        rowsOf(ctx, communityId, queue, of, MAX_COUNTED + 1);
      const [waiting, dead] = [await rows("waiting"), await rows("dead")];
      return {
        queue,
        waiting: Math.min(waiting.length, MAX_COUNTED),
        dead: Math.min(dead.length, MAX_COUNTED),
        more: waiting.length > MAX_COUNTED || dead.length > MAX_COUNTED,
        oldestAt: waiting[0]?.wantedAt ?? null,
      };
    }),
  );
}

/** The first of a queue, the oldest first. */
export async function list(
  ctx: QueryCtx,
  communityId: Community,
  queue: Name,
  of: State,
): Promise<Entry[]> {
  if (queue === "mirrors") {
    const rows = await mirrors(ctx, communityId, of, MAX_LISTED);
    return rows.map((row) => ({
      id: row._id,
      what: mirrorWords(row),
      subject: row.messageId,
      place: row.mirrorChannelId,
      wantedAt: row.wantedAt,
      attempts: row.attempts,
      nextAt: Mirrors.heldUntil(row),
      error: row.error ?? null,
    }));
  }
  const rows = await roleJobs(ctx, communityId, of, MAX_LISTED);
  return rows.map((row) => ({
    id: row._id,
    what: row.desired ? "give a role" : "take a role away",
    subject: row.discordId,
    place: row.roleId,
    wantedAt: row.wantedAt,
    attempts: row.attempts,
    nextAt: row.readyAt,
    error: row.error ?? null,
  }));
}

function mirrorWords(row: Doc<"mirrors">): string {
  switch (Mirrors.operationOf(row)) {
    case "post":
      return "post a signal";
    case "edit":
      return "edit a post";
    case "delete":
      return "delete a post";
    case null:
      return "nothing left to do";
  }
}

/** What was given up is tried again; what waits for its next try is tried now. */
export async function retry(
  ctx: MutationCtx,
  communityId: Community,
  queue: Name,
  id: string,
): Promise<void> {
  const row =
    queue === "mirrors"
      ? await found(ctx, communityId, "mirrors", id)
      : await found(ctx, communityId, "roleJobs", id);
  await again(ctx, queue, row);
  await audit(
    ctx,
    communityId,
    `queue.retry`,
    `${queue}/${id}`,
    row.error ?? "",
  );
}

async function found(
  ctx: QueryCtx,
  communityId: Community,
  table: "mirrors" | "roleJobs",
  text: string,
): Promise<Doc<"mirrors"> | Doc<"roleJobs">> {
  const id = ctx.db.normalizeId(table, text);
  const row = id === null ? null : await ctx.db.get(id);
  if (row === null || row.communityId !== communityId)
    throw failure("not_found", "id: nothing in this queue has it");
  return row;
}

/** The same of everything that was given up, at most so many at once. */
export async function retryAll(
  ctx: MutationCtx,
  communityId: Community,
  queue: Name,
): Promise<{ retried: number; left: boolean }> {
  const rows = await rowsOf(ctx, communityId, queue, "dead", MAX_RETRIED + 1);
  const batch = rows.slice(0, MAX_RETRIED);
  for (const row of batch) await again(ctx, queue, row);
  await audit(ctx, communityId, "queue.retryAll", queue, `${batch.length}`);
  return { retried: batch.length, left: rows.length > MAX_RETRIED };
}

async function again(
  ctx: MutationCtx,
  queue: Name,
  row: Doc<"mirrors"> | Doc<"roleJobs">,
): Promise<void> {
  const now = Date.now();
  if (queue === "mirrors")
    await Mirrors.tryAgain(ctx, row as Doc<"mirrors">, now);
  else await Roles.tryAgain(ctx, row as Doc<"roleJobs">, now);
}
