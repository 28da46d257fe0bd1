import { v } from "convex/values";
import { internalMutation, mutation, query } from "./_generated/server";
import { requireOperator, requireService } from "./model/caller";
import * as Channels from "./model/channels";
import * as Communities from "./model/communities";
import { failure } from "./model/failure";
import { postIdentity } from "./model/fields";

/** The source channels that are captured, of all communities. */
export const captured = query({
  args: {},
  returns: v.array(
    v.object({
      guildId: v.string(),
      channelId: v.string(),
      since: v.number(), // ms: what was written before is not wanted
    }),
  ),
  handler: async (ctx) => {
    await requireService(ctx, "collector");
    return await Channels.captured(ctx);
  },
});

const wanted = {
  community: v.string(),
  sourceChannelId: v.string(),
  name: v.string(),
  mirrorChannelId: v.string(),
  enabled: v.boolean(),
  identity: v.optional(postIdentity),
  recreates: v.optional(v.boolean()),
};

/** Every channel of a community, on or off, with counts. */
export const list = query({
  args: { community: v.string() },
  returns: v.array(Channels.overview),
  handler: async (ctx, { community }) => {
    await requireOperator(ctx);
    const { _id } = await Communities.requireBySlug(ctx, community);
    return await Channels.overviews(ctx, _id);
  },
});

/** A new channel; refuses a source that is mapped already. */
export const create = mutation({
  args: wanted,
  returns: v.id("channels"),
  handler: async (ctx, channel) => {
    await requireOperator(ctx);
    const { community, sourceChannelId } = channel;
    const { _id } = await Communities.requireBySlug(ctx, community);
    if ((await Channels.bySource(ctx, _id, sourceChannelId)) !== null)
      throw failure(
        "bad_argument",
        `sourceChannelId: ${sourceChannelId} is mapped already`,
      );
    return await Channels.setUp(ctx, channel);
  },
});

/** Maps it elsewhere, renames it, turns it on or off. What was posted stays where it is. */
export const update = mutation({
  args: wanted,
  returns: v.id("channels"),
  handler: async (ctx, channel) => {
    await requireOperator(ctx);
    const { community, sourceChannelId } = channel;
    const { _id } = await Communities.requireBySlug(ctx, community);
    if ((await Channels.bySource(ctx, _id, sourceChannelId)) === null)
      throw failure(
        "not_found",
        `${community} has no channel ${sourceChannelId}`,
      );
    return await Channels.setUp(ctx, channel);
  },
});

/** Makes a channel, or changes it. */
export const setUp = internalMutation({
  args: wanted,
  returns: v.id("channels"),
  handler: async (ctx, channel) => await Channels.setUp(ctx, channel),
});
