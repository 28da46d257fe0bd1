// shares.ts - links with which anybody may read some signals, until they end.
//
// A link is a secret; the row keeps its digest, so it is shown once. What it opens: a
// community, or one of its channels, or one signal; words only: no files, no pictures, no
// Discord ids of people. Its end is written in its row, by an operator or at its time by the
// scheduler, so that whoever watches is told at once.

import { v, type Infer } from "convex/values";
import type { PaginationOptions } from "convex/server";
import { internal } from "../_generated/api";
import type { Doc, Id } from "../_generated/dataModel";
import type { MutationCtx, QueryCtx } from "../_generated/server";
import { audit } from "./audit";
import * as Communities from "./communities";
import { failure } from "./failure";
import { trade } from "./fields";
import { digestOf } from "./secrets";
import * as Signals from "./signals";
import { several } from "./trades";

const MAX_PAGE = 50;
const MAX_LISTED = 200;
const MAX_LABEL = 100;
const YEAR_MS = 365 * 24 * 3600 * 1000;

type Share = Doc<"shares">;

export const sharedItem = v.object({
  messageId: v.string(),
  channel: v.string(),
  author: v.string(),
  content: v.string(),
  embeds: v.array(
    v.object({
      title: v.optional(v.string()),
      description: v.optional(v.string()),
      color: v.optional(v.number()),
      fields: v.optional(
        v.array(
          v.object({
            name: v.string(),
            value: v.string(),
            inline: v.boolean(),
          }),
        ),
      ),
    }),
  ),
  files: v.number(), // how many there are; they are not shared
  trade: v.optional(trade),
  trades: v.optional(v.array(trade)), // several: two or more, and then no single one
  sentAt: v.number(),
  editedAt: v.union(v.number(), v.null()),
});
export type SharedItem = Infer<typeof sharedItem>;

export const listed = v.object({
  id: v.id("shares"),
  label: v.string(),
  channel: v.union(v.string(), v.null()), // name; null: all
  messageId: v.union(v.string(), v.null()), // null: all
  createdAt: v.number(),
  expiresAt: v.number(),
  state: v.union(v.literal("live"), v.literal("expired"), v.literal("revoked")),
});

export type WantedShare = {
  community: string;
  channelId?: Id<"channels">;
  messageId?: string;
  expiresAt: number;
  label: string;
};

export async function create(
  ctx: MutationCtx,
  userId: Id<"users">,
  wanted: WantedShare & { tokenDigest: string },
): Promise<Id<"shares">> {
  const { channelId = null, messageId = null, expiresAt } = wanted;
  const community = await Communities.requireBySlug(ctx, wanted.community);
  const communityId = community._id;
  const now = Date.now();
  const label = wanted.label.trim();
  if (label === "" || label.length > MAX_LABEL)
    throw failure("bad_argument", `label: 1 to ${MAX_LABEL} characters`);
  if (!(expiresAt > now && expiresAt <= now + YEAR_MS))
    throw failure("bad_argument", "expiresAt: in the future, within a year");
  if (channelId !== null) {
    const channel = await ctx.db.get(channelId);
    if (channel?.communityId !== communityId)
      throw failure("not_found", "channelId: no channel of this community");
  }
  if (messageId !== null) {
    const signal = await Signals.byMessage(ctx, communityId, messageId);
    if (signal === null || signal.state !== "live")
      throw failure("not_found", "messageId: no signal of this community");
  }
  const id = await ctx.db.insert("shares", {
    communityId,
    tokenDigest: wanted.tokenDigest,
    label,
    channelId,
    messageId,
    createdBy: userId,
    createdAt: now,
    expiresAt,
    revokedAt: null,
    endedAt: null,
  });
  await ctx.scheduler.runAt(expiresAt, internal.shares.expire, { id });
  await audit(ctx, communityId, "share.create", id, label);
  return id;
}

/** The newest links of a community, the ended ones too. */
export async function list(
  ctx: QueryCtx,
  slug: string,
): Promise<Infer<typeof listed>[]> {
  const { _id } = await Communities.requireBySlug(ctx, slug);
  const rows = await ctx.db
    .query("shares")
    .withIndex("by_communityId", (q) => q.eq("communityId", _id))
    .order("desc")
    .take(MAX_LISTED);
  return await Promise.all(
    rows.map(async (row) => ({
      id: row._id,
      label: row.label,
      channel: row.channelId ? await channelName(ctx, row.channelId) : null,
      messageId: row.messageId,
      createdAt: row.createdAt,
      expiresAt: row.expiresAt,
      state:
        row.revokedAt !== null
          ? ("revoked" as const)
          : isLive(row)
            ? ("live" as const)
            : ("expired" as const),
    })),
  );
}

export async function revoke(
  ctx: MutationCtx,
  id: Id<"shares">,
): Promise<void> {
  const row = await ctx.db.get(id);
  if (row === null) throw failure("not_found", "There is no such link");
  if (row.revokedAt !== null) return;
  await ctx.db.patch(id, { revokedAt: Date.now() });
  await audit(ctx, row.communityId, "share.revoke", id, row.label);
}

/** At its time: said in the row, so that an open page is told. */
export async function expire(
  ctx: MutationCtx,
  id: Id<"shares">,
): Promise<void> {
  const row = await ctx.db.get(id);
  if (row !== null && row.endedAt === null)
    await ctx.db.patch(id, { endedAt: Date.now() });
}

/** A batch of the links that somebody made, when they leave: revoked, and nobody's. */
export async function disown(
  ctx: MutationCtx,
  userId: Id<"users">,
  limit: number,
): Promise<number> {
  const rows = await ctx.db
    .query("shares")
    .withIndex("by_createdBy", (q) => q.eq("createdBy", userId))
    .take(limit);
  for (const row of rows)
    await ctx.db.patch(row._id, {
      createdBy: null,
      revokedAt: row.revokedAt ?? Date.now(),
    });
  return rows.length;
}

// ---- for whoever has the link ----

/** Throws when nothing is shared with this token, or no longer. */
async function requireLive(ctx: QueryCtx, token: string): Promise<Share> {
  const tokenDigest = await digestOf(token);
  const row = await ctx.db
    .query("shares")
    .withIndex("by_tokenDigest", (q) => q.eq("tokenDigest", tokenDigest))
    .unique();
  if (row === null)
    throw failure("share_over", "There is nothing at this link");
  if (row.revokedAt !== null)
    throw failure("share_over", "This link was withdrawn");
  if (!isLive(row)) throw failure("share_over", "This link has expired");
  return row;
}

function isLive({ revokedAt, endedAt, expiresAt }: Share): boolean {
  return revokedAt === null && endedAt === null && expiresAt > Date.now();
}

export const about = v.object({
  community: v.string(), // name
  channel: v.union(v.string(), v.null()),
  one: v.boolean(), // a single signal
  expiresAt: v.number(),
});

export async function describe(
  ctx: QueryCtx,
  token: string,
): Promise<Infer<typeof about>> {
  const row = await requireLive(ctx, token);
  const community = await ctx.db.get(row.communityId);
  return {
    community: community?.name ?? "",
    channel: row.channelId ? await channelName(ctx, row.channelId) : null,
    one: row.messageId !== null,
    expiresAt: row.expiresAt,
  };
}

/** A page of what the link opens, newest first. */
export async function feed(
  ctx: QueryCtx,
  token: string,
  options: PaginationOptions,
) {
  const share = await requireLive(ctx, token);
  const numItems = Math.min(Math.max(1, options.numItems), MAX_PAGE);
  const page = await rangeOf(ctx, share)
    .order("desc")
    .paginate({ ...options, numItems });
  return { ...page, page: await items(ctx, page.page) };
}

function rangeOf(ctx: QueryCtx, share: Share) {
  const { communityId, channelId, messageId } = share;
  const rows = ctx.db.query("signals");
  if (messageId !== null)
    return rows.withIndex("by_communityId_and_messageId", (q) =>
      q.eq("communityId", communityId).eq("messageId", messageId),
    );
  if (channelId !== null)
    return rows.withIndex(
      "by_communityId_and_channelId_and_state_and_order",
      (q) =>
        q
          .eq("communityId", communityId)
          .eq("channelId", channelId)
          .eq("state", "live"),
    );
  return rows.withIndex("by_communityId_and_state_and_order", (q) =>
    q.eq("communityId", communityId).eq("state", "live"),
  );
}

async function items(
  ctx: QueryCtx,
  signals: Doc<"signals">[],
): Promise<SharedItem[]> {
  const found: SharedItem[] = [];
  for (const { messageId, channelId, body, trade } of signals) {
    if (body === null) continue; // deleted
    found.push({
      messageId,
      channel: await channelName(ctx, channelId),
      author: body.author.name,
      content: body.content,
      embeds: body.embeds.map(({ title, description, color, fields }) => ({
        title,
        description,
        color,
        fields,
      })),
      files: body.attachments.length,
      trade,
      trades: several(body),
      sentAt: body.sentAt,
      editedAt: body.editedAt,
    });
  }
  return found;
}

async function channelName(ctx: QueryCtx, id: Id<"channels">): Promise<string> {
  return (await ctx.db.get(id))?.name ?? "";
}
