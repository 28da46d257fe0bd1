// work.ts - hands out what mirrors want: one batch, leased to one instance.
//
// Invariant: within a lane a batch is a run from its head without holes.

import { v, type Infer } from "convex/values";
import type { Doc, Id } from "../_generated/dataModel";
import type { MutationCtx, QueryCtx } from "../_generated/server";
import * as Communities from "./communities";
import { digest } from "./digest";
import { attachment, author, embed, type Body } from "./fields";
import * as Mirrors from "./mirrors";
import * as Signals from "./signals";

export const MAX_BATCH = 64;
const UNCERTAIN_AFTER_MS = 60_000; // Discord forgets nonces after some minutes
const NEIGHBOURS = 8; // some of them may be deleted
const NONCE_LENGTH = 20; // Discord's limit is 25; part i of a long text adds "." and i

export const work = v.object({
  mirrorId: v.id("mirrors"),
  fence: v.number(),
  op: v.union(v.literal("post"), v.literal("edit"), v.literal("delete")),
  channelId: v.string(), // mirror channel
  messageIds: v.array(v.string()), // ours, in order, to edit or delete; none to post
  nonce: v.string(),
  uncertain: v.boolean(), // may exist already, and the nonce is too old to tell
  firstAttemptAt: v.number(),
  version: v.string(),
  author,
  content: v.string(),
  embeds: v.array(embed),
  attachments: v.array(attachment),
  afterMessageId: v.optional(v.string()), // ours: if uncertain, the post is newer than this
  replyToMessageId: v.optional(v.string()), // ours, the first of its target
  sentAt: v.number(),
  sourceAt: v.number(),
  attempts: v.number(), // before this one
});
export type Work = Infer<typeof work>;

type Mirror = Doc<"mirrors">;
type Community = Id<"communities">;

// Posted only to learn the id of a message that is deleted right after.
const WITHDRAWN: Body = {
  author: { id: "0", name: "Unknown", bot: false },
  content: "*(withdrawn)*",
  embeds: [],
  attachments: [],
  kind: "default",
  sentAt: 0,
  editedAt: null,
};

/** Leases up to `limit` rows to `instance` and says what to do with each. */
export async function claim(
  ctx: MutationCtx,
  instance: string,
  limit: number,
): Promise<Work[]> {
  const now = Date.now();
  const batch: Work[] = [];
  const most = Math.min(Math.floor(limit) || 0, MAX_BATCH);
  const left = () => most - batch.length;
  for (const { _id } of await Communities.all(ctx)) {
    if (left() <= 0) break;
    for await (const rows of Mirrors.lanes(ctx, _id, left())) {
      batch.push(...(await takeRun(ctx, rows.slice(0, left()), instance, now)));
      if (left() <= 0) break;
    }
  }
  return batch;
}

async function takeRun(
  ctx: MutationCtx,
  rows: Mirror[],
  instance: string,
  now: number,
): Promise<Work[]> {
  const run: Work[] = [];
  const posting = new Set<string>();
  for (const row of rows) {
    if ((Mirrors.heldUntil(row) ?? 0) > now) break;
    const op = Mirrors.operationOf(row);
    if (op === null) throw new Error(`${row._id} wants work without any`);
    const signal = await Signals.byMessage(ctx, row.communityId, row.messageId);
    const replyToId = signal?.body?.replyToId;
    // Its target's id is known only after this batch.
    if (op === "post" && replyToId && posting.has(replyToId)) break;
    if (op === "post") posting.add(row.messageId);
    run.push(await lease(ctx, row, op, signal, instance, now));
  }
  return run;
}

async function lease(
  ctx: MutationCtx,
  row: Mirror,
  op: Work["op"],
  signal: Doc<"signals"> | null,
  instance: string,
  now: number,
): Promise<Work> {
  const fence = row.fence + 1;
  const firstAttemptAt = row.firstAttemptAt ?? now;
  const version = signal?.version ?? "";
  await ctx.db.patch(row._id, {
    fence,
    firstAttemptAt,
    attempted: Mirrors.attemptedWith(row, version),
    lease: { instance, until: now + Mirrors.LEASE_MS },
    attempts: row.attempts + 1,
    nextAttemptAt: null,
  });
  const said = signal?.body ?? WITHDRAWN;
  const replyTo =
    op === "post" && said.replyToId !== undefined
      ? await ourMessage(ctx, row, said.replyToId)
      : undefined;
  const uncertain = op === "post" && now - firstAttemptAt > UNCERTAIN_AFTER_MS;
  return {
    mirrorId: row._id,
    fence,
    op,
    channelId: row.mirrorChannelId,
    messageIds: row.actual?.messageIds ?? [],
    nonce: digest(`${row._id}/${row.generation}`).slice(0, NONCE_LENGTH),
    uncertain,
    afterMessageId: uncertain ? await ourMessageBefore(ctx, row) : undefined,
    firstAttemptAt,
    version,
    author: said.author,
    content: said.content,
    embeds: said.embeds,
    attachments: said.attachments,
    replyToMessageId: replyTo,
    sentAt: said.sentAt,
    sourceAt: signal?.sourceAt ?? 0,
    attempts: row.attempts,
  };
}

// Posts of a lane are made in order: ours is newer than its neighbours before it.
async function ourMessageBefore(
  ctx: QueryCtx,
  row: Mirror,
): Promise<string | undefined> {
  const before = await ctx.db
    .query("mirrors")
    .withIndex("by_communityId_and_wants_and_lane", (q) =>
      q
        .eq("communityId", row.communityId)
        .eq("wants", false)
        .eq("mirrorChannelId", row.mirrorChannelId)
        .lt("order", row.order),
    )
    .order("desc")
    .take(NEIGHBOURS);
  return before
    .find(({ actual }) => actual !== null)
    ?.actual?.messageIds.at(-1);
}

// Discord lets a message reply within its channel only.
async function ourMessage(
  ctx: QueryCtx,
  row: Mirror,
  messageId: string,
): Promise<string | undefined> {
  const communityId: Community = row.communityId;
  const target = await Mirrors.byMessage(ctx, communityId, messageId);
  if (target?.mirrorChannelId !== row.mirrorChannelId) return undefined;
  return target.actual?.messageIds[0];
}
