// channels.ts - which source channels are captured, and where they go.

import type { Doc, Id } from "../_generated/dataModel";
import type { MutationCtx, QueryCtx } from "../_generated/server";
import { audit } from "./audit";
import * as Communities from "./communities";
import { failure } from "./failure";
import type { PostIdentity } from "./fields";

const MAX_CHANNELS = 200; // of one community

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
