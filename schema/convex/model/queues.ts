// queues.ts - what waits for a daemon and what was given up, as operators look at it.
//
// Counts are of at most MAX_COUNTED rows: beyond that "more" is all that anybody needs.

import { v, type Infer } from "convex/values";
import type { Doc, Id, TableNames } from "../_generated/dataModel";
import type { MutationCtx, QueryCtx } from "../_generated/server";
import { audit } from "./audit";
import { failure } from "./failure";
import * as Fetches from "./fetches";
import * as Mirrors from "./mirrors";
import * as Roles from "./roles";

const MAX_COUNTED = 500;
const MAX_LISTED = 50;
const MAX_RETRIED = 100; // in one call

export const name = v.union(
  v.literal("mirrors"),
  v.literal("roles"),
  v.literal("attachments"),
  v.literal("checks"),
);
export type Name = Infer<typeof name>;

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
  place: v.string(), // the channel, the role or the file
  wantedAt: v.number(),
  attempts: v.number(),
  nextAt: v.union(v.number(), v.null()), // ms: not before; null: now
  error: v.union(v.string(), v.null()),
});
export type Entry = Infer<typeof entry>;

type Community = Id<"communities">;

/** A row of a queue: what every one has, and what it takes to show it or to try it again. */
type Item = {
  wantedAt: number;
  error: string | null;
  entry: () => Promise<Entry>;
  again: (ctx: MutationCtx, now: number) => Promise<void>;
};

type Queue = {
  rows(
    ctx: QueryCtx,
    communityId: Community,
    of: State,
    limit: number,
  ): Promise<Item[]>;
  /** The row of that id, if it is one of the community's. */
  row(ctx: QueryCtx, communityId: Community, id: string): Promise<Item | null>;
};

async function own<Table extends TableNames>(
  ctx: QueryCtx,
  table: Table,
  communityId: Community,
  text: string,
): Promise<Doc<Table> | null> {
  const id = ctx.db.normalizeId(table, text);
  const row = id === null ? null : await ctx.db.get(id);
  const theirs =
    row !== null && "communityId" in row && row.communityId === communityId;
  return theirs ? row : null;
}

// ---- posts ----

function mirror(row: Doc<"mirrors">): Item {
  return {
    wantedAt: row.wantedAt,
    error: row.error ?? null,
    entry: async () => ({
      id: row._id,
      what: mirrorWords(row),
      subject: row.messageId,
      place: row.mirrorChannelId,
      wantedAt: row.wantedAt,
      attempts: row.attempts,
      nextAt: Mirrors.heldUntil(row),
      error: row.error ?? null,
    }),
    again: (ctx, now) => Mirrors.tryAgain(ctx, row, now),
  };
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

const mirrors: Queue = {
  rows: async (ctx, communityId, of, limit) =>
    (
      await ctx.db
        .query("mirrors")
        .withIndex("by_communityId_and_wants_and_dead_and_wantedAt", (q) =>
          q
            .eq("communityId", communityId)
            .eq("wants", of === "waiting")
            .eq("dead", of === "dead"),
        )
        .take(limit)
    ).map(mirror),
  row: async (ctx, communityId, id) => {
    const row = await own(ctx, "mirrors", communityId, id);
    return row && mirror(row);
  },
};

// ---- roles ----

function roleJob(row: Doc<"roleJobs">): Item {
  return {
    wantedAt: row.wantedAt,
    error: row.error ?? null,
    entry: async () => ({
      id: row._id,
      what: row.desired ? "give a role" : "take a role away",
      subject: row.discordId,
      place: row.roleId,
      wantedAt: row.wantedAt,
      attempts: row.attempts,
      nextAt: row.readyAt,
      error: row.error ?? null,
    }),
    again: (ctx, now) => Roles.tryAgain(ctx, row, now),
  };
}

const roles: Queue = {
  rows: async (ctx, communityId, of, limit) => {
    const table = ctx.db.query("roleJobs");
    const range =
      of === "dead"
        ? table.withIndex("by_communityId_and_dead_and_wantedAt", (q) =>
            q.eq("communityId", communityId).eq("dead", true),
          )
        : table.withIndex("by_communityId_and_wants_and_wantedAt", (q) =>
            q.eq("communityId", communityId).eq("wants", true),
          );
    return (await range.take(limit)).map(roleJob);
  },
  row: async (ctx, communityId, id) => {
    const row = await own(ctx, "roleJobs", communityId, id);
    return row && roleJob(row);
  },
};

// ---- attachments: a job waits; what failed has none any more ----

function fetchJob(ctx: QueryCtx, job: Doc<"attachmentJobs">): Item {
  return {
    wantedAt: job.wantedAt,
    error: job.error ?? null,
    entry: async () => {
      const row = await ctx.db.get(job.rowId);
      return {
        id: job._id,
        what: "store a file",
        subject: row?.messageId ?? "",
        place: row?.filename ?? "",
        wantedAt: job.wantedAt,
        attempts: job.attempts,
        nextAt: job.readyAt,
        error: job.error ?? null,
      };
    },
    again: (ctx, now) =>
      ctx.db.patch(job._id, { readyAt: Math.max(now, job.lease?.until ?? 0) }),
  };
}

function failedFile(row: Doc<"attachments">): Item {
  return {
    wantedAt: row._creationTime,
    error: row.reason ?? null,
    entry: async () => ({
      id: row._id,
      what: "store a file",
      subject: row.messageId,
      place: row.filename,
      wantedAt: row._creationTime,
      attempts: Fetches.MAX_ATTEMPTS,
      nextAt: null,
      error: row.reason ?? null,
    }),
    again: (ctx) => Fetches.retry(ctx, row),
  };
}

const attachments: Queue = {
  rows: async (ctx, communityId, of, limit) =>
    of === "waiting"
      ? (
          await ctx.db
            .query("attachmentJobs")
            .withIndex("by_communityId_and_wantedAt", (q) =>
              q.eq("communityId", communityId),
            )
            .take(limit)
        ).map((job) => fetchJob(ctx, job))
      : (
          await ctx.db
            .query("attachments")
            .withIndex("by_communityId_and_state_and_order", (q) =>
              q.eq("communityId", communityId).eq("state", "failed"),
            )
            .take(limit)
        ).map(failedFile),
  row: async (ctx, communityId, id) => {
    const job = await own(ctx, "attachmentJobs", communityId, id);
    if (job !== null) return fetchJob(ctx, job);
    const row = await own(ctx, "attachments", communityId, id);
    return row && failedFile(row);
  },
};

// ---- checks: one that fails says so to who asked, so none is given up ----

function check(ctx: QueryCtx, row: Doc<"checks">): Item {
  return {
    wantedAt: row.at,
    error: null,
    entry: async () => {
      const channel = await ctx.db.get(row.channelId);
      return {
        id: row._id,
        what:
          row.kind === "permissions"
            ? "look at permissions"
            : "send a test post",
        subject: channel?.name ?? "",
        place: channel?.mirrorChannelId ?? "",
        wantedAt: row.at,
        attempts: row.attempts,
        nextAt: row.readyAt,
        error: null,
      };
    },
    again: (ctx, now) =>
      ctx.db.patch(row._id, { readyAt: Math.max(now, row.lease?.until ?? 0) }),
  };
}

const checks: Queue = {
  rows: async (ctx, communityId, of, limit) =>
    of === "dead"
      ? []
      : (
          await ctx.db
            .query("checks")
            .withIndex("by_communityId_and_wants_and_readyAt", (q) =>
              q.eq("communityId", communityId).eq("wants", true),
            )
            .take(limit)
        ).map((row) => check(ctx, row)),
  row: async (ctx, communityId, id) => {
    const row = await own(ctx, "checks", communityId, id);
    return row?.wants ? check(ctx, row) : null;
  },
};

const QUEUES: Record<Name, Queue> = { mirrors, roles, attachments, checks };

// ---- all of them ----

export async function look(
  ctx: QueryCtx,
  communityId: Community,
): Promise<Overview[]> {
  return await Promise.all(
    (Object.keys(QUEUES) as Name[]).map(async (queue) => {
      const rows = (of: State) =>
        QUEUES[queue].rows(ctx, communityId, of, MAX_COUNTED + 1);
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
  const items = await QUEUES[queue].rows(ctx, communityId, of, MAX_LISTED);
  return await Promise.all(items.map((item) => item.entry()));
}

/** What was given up is tried again; what waits for its next try is tried now. */
export async function retry(
  ctx: MutationCtx,
  communityId: Community,
  queue: Name,
  id: string,
): Promise<void> {
  const item = await QUEUES[queue].row(ctx, communityId, id);
  if (item === null)
    throw failure("not_found", "id: nothing in this queue has it");
  await item.again(ctx, Date.now());
  await audit(
    ctx,
    communityId,
    "queue.retry",
    `${queue}/${id}`,
    item.error ?? "",
  );
}

/** The same of everything that was given up, at most so many at once. */
export async function retryAll(
  ctx: MutationCtx,
  communityId: Community,
  queue: Name,
): Promise<{ retried: number; left: boolean }> {
  const dead = await QUEUES[queue].rows(
    ctx,
    communityId,
    "dead",
    MAX_RETRIED + 1,
  );
  const batch = dead.slice(0, MAX_RETRIED);
  const now = Date.now();
  for (const item of batch) await item.again(ctx, now);
  await audit(ctx, communityId, "queue.retryAll", queue, `${batch.length}`);
  return { retried: batch.length, left: dead.length > MAX_RETRIED };
}
