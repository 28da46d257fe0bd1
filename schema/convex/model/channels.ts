// channels.ts - which source channels are captured, and where they go.

import { v, type Infer } from "convex/values";
import type { Doc, Id } from "../_generated/dataModel";
import type { MutationCtx, QueryCtx } from "../_generated/server";
import { audit } from "./audit";
import * as Communities from "./communities";
import * as Counts from "./counts";
import { failure } from "./failure";
import { postIdentity, type PostIdentity } from "./fields";

const MAX_CHANNELS = 200; // of one community
const SNOWFLAKE = /^\d{17,20}$/;

export const overview = v.object({
  id: v.id("channels"),
  sourceChannelId: v.string(),
  mirrorChannelId: v.string(),
  name: v.string(),
  enabled: v.boolean(),
  identity: postIdentity, // of the posts
  recreates: v.boolean(), // a post deleted by hand is made again
  signals: v.number(), // ever, up to the last count
  lastAt: v.union(v.number(), v.null()), // ms: when its newest live signal was written
});
export type Overview = Infer<typeof overview>;

export async function ofCommunity(
  ctx: QueryCtx,
  communityId: Id<"communities">,
): Promise<Doc<"channels">[]> {
  return await ctx.db
    .query("channels")
    .withIndex("by_communityId_and_sourceChannelId", (q) =>
      q.eq("communityId", communityId),
    )
    .take(MAX_CHANNELS);
}

export async function bySource(
  ctx: QueryCtx,
  communityId: Id<"communities">,
  sourceChannelId: string,
): Promise<Doc<"channels"> | null> {
  return await ctx.db
    .query("channels")
    .withIndex("by_communityId_and_sourceChannelId", (q) =>
      q.eq("communityId", communityId).eq("sourceChannelId", sourceChannelId),
    )
    .unique();
}

/** Under whose name the channel's posts are made. */
export function identityOf(channel: Doc<"channels">): PostIdentity {
  return channel.identity ?? "bot";
}

/** What the collector is to listen to, over all communities. */
export async function captured(
  ctx: QueryCtx,
): Promise<{ guildId: string; channelId: string; since: number }[]> {
  const found = [];
  for (const community of await Communities.all(ctx))
    for (const channel of await ofCommunity(ctx, community._id))
      if (channel.enabled)
        found.push({
          guildId: community.sourceGuildId,
          channelId: channel.sourceChannelId,
          since: channel.since ?? channel._creationTime,
        });
  return found;
}

/** For operators: each channel with how much came from it, and when last. */
export async function overviews(
  ctx: QueryCtx,
  communityId: Id<"communities">,
): Promise<Overview[]> {
  const rows = await ofCommunity(ctx, communityId);
  return await Promise.all(
    rows.map(async (row) => ({
      id: row._id,
      sourceChannelId: row.sourceChannelId,
      mirrorChannelId: row.mirrorChannelId,
      name: row.name,
      enabled: row.enabled,
      identity: identityOf(row),
      recreates: row.recreates ?? false,
      signals: await Counts.of(ctx, communityId, row._id),
      lastAt: await lastOf(ctx, communityId, row._id),
    })),
  );
}

async function lastOf(
  ctx: QueryCtx,
  communityId: Id<"communities">,
  channelId: Id<"channels">,
): Promise<number | null> {
  const last = await ctx.db
    .query("signals")
    .withIndex("by_communityId_and_channelId_and_state_and_order", (q) =>
      q
        .eq("communityId", communityId)
        .eq("channelId", channelId)
        .eq("state", "live"),
    )
    .order("desc")
    .first();
  return last?.body?.sentAt ?? null;
}

/** Makes a channel, or changes the one with this source. */
export async function setUp(
  ctx: MutationCtx,
  wanted: {
    community: string;
    sourceChannelId: string;
    name: string;
    mirrorChannelId: string;
    enabled: boolean;
    identity?: PostIdentity;
    recreates?: boolean;
  },
): Promise<Id<"channels">> {
  const { community: slug, ...fields } = wanted;
  const community = await Communities.requireBySlug(ctx, slug);
  check(fields);
  const known = await bySource(ctx, community._id, fields.sourceChannelId);
  if (known === null) {
    const others = await ofCommunity(ctx, community._id);
    if (others.length >= MAX_CHANNELS)
      throw failure("bad_argument", `At most ${MAX_CHANNELS} channels`);
  }
  const since = known?.enabled ? known.since : Date.now();
  const row = { communityId: community._id, ...fields, since };
  const id = known?._id ?? (await ctx.db.insert("channels", row));
  if (known !== null) await ctx.db.patch(id, { ...fields, since });
  await audit(
    ctx,
    community._id,
    "channel.setUp",
    fields.sourceChannelId,
    JSON.stringify(fields),
  );
  return id;
}

function check(fields: {
  sourceChannelId: string;
  mirrorChannelId: string;
  name: string;
}): void {
  for (const field of ["sourceChannelId", "mirrorChannelId"] as const)
    if (!SNOWFLAKE.test(fields[field]))
      throw failure(
        "bad_argument",
        `${field}: "${fields[field]}" is no Discord id (17 to 20 digits)`,
      );
  if (fields.sourceChannelId === fields.mirrorChannelId)
    throw failure(
      "bad_argument",
      "mirrorChannelId: a channel cannot be mirrored to itself",
    );
  if (fields.name.trim() === "" || fields.name.length > 100)
    throw failure("bad_argument", "name: 1 to 100 characters");
}
