import { v } from "convex/values";
import { internalMutation, query } from "./_generated/server";
import { postIdentity } from "./model/fields";
import { requireService } from "./model/caller";
import * as Channels from "./model/channels";

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

/** Makes a channel, or changes it. */
export const setUp = internalMutation({
  args: {
    community: v.string(),
    sourceChannelId: v.string(),
    name: v.string(),
    mirrorChannelId: v.string(),
    enabled: v.boolean(),
    identity: v.optional(postIdentity),
    recreates: v.optional(v.boolean()),
  },
  returns: v.id("channels"),
  handler: async (ctx, wanted) => await Channels.setUp(ctx, wanted),
});
