// work.ts - hands out what mirrors want: one batch, leased to one instance.
//
// Invariant: within a lane a batch is a run from its head without holes.

import { v, type Infer } from "convex/values";
import type { Doc, Id } from "../_generated/dataModel";
import type { MutationCtx, QueryCtx } from "../_generated/server";
import * as Channels from "./channels";
import * as Attachments from "./attachments";
import * as Communities from "./communities";
import { digest } from "./digest";
import {
  attachment,
  author,
  embed,
  messageKind,
  poll,
  postIdentity,
  sticker,
  type Body,
} from "./fields";
import * as Leases from "./leases";
import * as Mirrors from "./mirrors";
import * as Signals from "./signals";
import { orderOf } from "./versions";

export const MAX_BATCH = 64;
const MAX_RUN = 16; // of one lane: Discord takes about one a second, and edits should be fresh
const UNCERTAIN_AFTER_MS = 60_000; // Discord forgets nonces after some minutes
const LATE_AFTER_MS = 60_000; // a message is not posted for the first time so late, as a rule
const CLOCKS_DIFFER_MS = 15_000;
const NONCE_LENGTH = 20; // Discord's limit is 25; part i of a long text adds "." and i
const EXCERPT = 100; // of a text that a webhook's post replies to

export const work = v.object({
  mirrorId: v.id("mirrors"),
  fence: v.number(),
  op: v.union(v.literal("post"), v.literal("edit"), v.literal("delete")),
  channelId: v.string(), // mirror channel
  guildId: v.string(), // the customers'
  identity: postIdentity, // how it was posted, or is to be
  webhookId: v.optional(v.string()), // through which it was posted
  messageIds: v.array(v.string()), // ours, in order, to edit or delete; none to post
  nonce: v.string(),
  uncertain: v.boolean(), // may exist already, and the nonce is too old to tell
  late: v.boolean(), // the same, for it is old: its record may have been lost
  remade: v.boolean(), // if somebody deleted the post: the next one replaces all of it
  withdrawn: v.boolean(), // posted only to learn the id of what is deleted right after
  firstAttemptAt: v.number(),
  version: v.string(),
  author,
  kind: messageKind,
  content: v.string(),
  embeds: v.array(embed),
  attachments: v.array(
    v.object({
      ...attachment.fields,
      storedUrl: v.optional(v.string()), // of our copy, for when Discord's address is dead
    }),
  ),
  stickers: v.array(sticker),
  poll: v.optional(poll),
  afterMessageId: v.optional(v.string()), // what may be there already is newer than this
  replyToMessageId: v.optional(v.string()), // ours, the first of its target
  replyTo: v.optional(v.object({ author: v.string(), excerpt: v.string() })),
  sentAt: v.number(),
  sourceAt: v.number(),
  attempts: v.number(), // before this one
});
export type Work = Infer<typeof work>;

// Of the lanes in which a post has to be looked for: what of ours there is known.
export const lane = v.object({
  channelId: v.string(),
  messageIds: v.array(v.string()), // newer than all that is looked for
  until: v.union(v.string(), v.null()), // nothing is said of what is newer
});

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
): Promise<{ work: Work[]; lanes: Mirrors.Ours[] }> {
  const now = Date.now();
  const batch: Work[] = [];
  const lanes: Mirrors.Ours[] = [];
  const most = Leases.bounded(limit, MAX_BATCH);
  const left = () => Math.min(most - batch.length, MAX_RUN);
  for (const community of await Communities.all(ctx)) {
    if (left() <= 0) break;
    for await (const rows of Mirrors.lanes(ctx, community._id)) {
      const run = await takeRun(ctx, community, rows, left(), instance, now);
      batch.push(...run);
      const ours = await oursOf(ctx, run);
      if (ours !== null) lanes.push(ours);
      if (left() <= 0) break;
    }
  }
  return { work: batch, lanes };
}

async function takeRun(
  ctx: MutationCtx,
  community: Doc<"communities">,
  rows: Mirror[],
  limit: number,
  instance: string,
  now: number,
): Promise<Work[]> {
  const run: Work[] = [];
  const posting = new Set<string>();
  if (rows.some((row) => isAnothers(row, instance, now))) return run;
  for (const row of Mirrors.free(rows, (until) => until > now)) {
    const op = Mirrors.operationOf(row);
    if (op === null) throw new Error(`${row._id} wants work without any`);
    const signal = await Signals.byMessage(ctx, row.communityId, row.messageId);
    const replyToId = signal?.body?.replyToId;
    // Its target's id is known only after this batch.
    if (op === "post" && replyToId && posting.has(replyToId)) break;
    if (op === "post") posting.add(row.messageId);
    run.push(await lease(ctx, community, row, op, signal, instance, now));
    if (run.length >= limit) break;
  }
  return run;
}

// A lane is one bot's at a time: what another one posts meanwhile cannot be
// told from what was posted before and its record lost.
function isAnothers(row: Mirror, instance: string, now: number): boolean {
  const { lease } = row;
  return lease !== null && lease.instance !== instance && lease.until > now;
}

/** What of ours is known in a lane in which something has to be looked for. */
async function oursOf(
  ctx: QueryCtx,
  run: readonly Work[],
): Promise<Mirrors.Ours | null> {
  const after = run
    .filter(({ afterMessageId }) => afterMessageId !== undefined)
    .map(({ afterMessageId }) => orderOf(afterMessageId!))
    .sort();
  if (after.length === 0) return null;
  return await Mirrors.ours(ctx, run[0]!.channelId, after[0]!);
}

async function lease(
  ctx: MutationCtx,
  community: Doc<"communities">,
  row: Mirror,
  op: Work["op"],
  signal: Doc<"signals"> | null,
  instance: string,
  now: number,
): Promise<Work> {
  const claimed = Leases.claimed(row, instance, now + Mirrors.LEASE_MS);
  const { fence } = claimed;
  const firstAttemptAt = row.firstAttemptAt ?? now;
  const version = signal?.version ?? "";
  const identity = await identityOf(ctx, row, signal);
  await ctx.db.patch(row._id, {
    ...claimed,
    firstAttemptAt,
    attempted: Mirrors.attemptedWith(row, version),
    attemptedAs: identity,
    nextAttemptAt: null,
  });
  const said = signal?.body ?? WITHDRAWN;
  const again = row.firstAttemptAt !== null;
  // A webhook knows no nonces at all.
  const forgotten =
    identity === "webhook" || now - firstAttemptAt > UNCERTAIN_AFTER_MS;
  const uncertain = op === "post" && again && forgotten;
  const late =
    op === "post" && !again && now - timeOf(row.messageId) > LATE_AFTER_MS;
  return {
    mirrorId: row._id,
    fence,
    op,
    channelId: row.mirrorChannelId,
    guildId: community.customerGuildId,
    identity,
    webhookId: row.actual?.webhookId,
    messageIds: row.actual?.messageIds ?? [],
    nonce: digest(`${row._id}/${row.generation}`).slice(0, NONCE_LENGTH),
    uncertain,
    late,
    remade:
      op === "edit" && Mirrors.isRemade(row, await Mirrors.recreates(ctx, row)),
    withdrawn: op === "post" && !signal?.body,
    afterMessageId:
      uncertain || late
        ? lowestPossible(row)
        : op === "edit" && again
          ? row.actual?.messageIds.at(-1) // it may have grown since
          : undefined,
    firstAttemptAt,
    version,
    author: said.author,
    kind: said.kind,
    content: said.content,
    embeds: said.embeds,
    attachments: await Attachments.withCopies(ctx, row, said.attachments),
    stickers: said.stickers ?? [],
    poll: said.poll,
    ...(op === "delete" ? {} : await replyOf(ctx, row, said)),
    sentAt: said.sentAt,
    sourceAt: signal?.sourceAt ?? 0,
    attempts: row.attempts,
  };
}

/** A post keeps the identity that it was made with, or may have been. */
async function identityOf(
  ctx: QueryCtx,
  row: Mirror,
  signal: Doc<"signals"> | null,
): Promise<Work["identity"]> {
  if (row.actual !== null) return row.actual.webhookId ? "webhook" : "bot";
  if (row.firstAttemptAt !== null && row.attemptedAs) return row.attemptedAs;
  const channel = signal === null ? null : await ctx.db.get(signal.channelId);
  return channel === null ? "bot" : Channels.identityOf(channel);
}

const DISCORD_EPOCH_MS = 1420070400000;

/** When a snowflake was made. */
function timeOf(snowflake: string): number {
  return Number(BigInt(snowflake) >> 22n) + DISCORD_EPOCH_MS;
}

/**
 * What our post of a message is newer than: the message itself, and the first
 * attempt to post it. Not what was posted before: an older message may have
 * come after it.
 */
function lowestPossible(row: Mirror): string {
  const { firstAttemptAt, messageId } = row;
  if (firstAttemptAt === null) return messageId;
  const since = BigInt(firstAttemptAt - CLOCKS_DIFFER_MS - DISCORD_EPOCH_MS);
  const lowest = since > 0n ? since << 22n : 0n;
  return lowest > BigInt(messageId) ? String(lowest) : messageId;
}

/** Whom it replies to: our post where there is one, and in words for posts that cannot. */
async function replyOf(
  ctx: QueryCtx,
  row: Mirror,
  { replyToId }: Body,
): Promise<Pick<Work, "replyTo" | "replyToMessageId">> {
  if (replyToId === undefined) return {};
  const target = await Signals.byMessage(ctx, row.communityId, replyToId);
  const body = target?.body;
  return {
    replyToMessageId: await ourMessage(ctx, row, replyToId),
    ...(body && {
      replyTo: { author: body.author.name, excerpt: excerptOf(body) },
    }),
  };
}

function excerptOf({ content, embeds }: Body): string {
  const text = content || embeds[0]?.title || embeds[0]?.description || "";
  const line = text.replace(/\s+/g, " ").trim();
  const kept = Array.from(line).slice(0, EXCERPT).join("");
  return kept === line ? line : `${kept}…`;
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
