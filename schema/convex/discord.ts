import { v } from "convex/values";
import { internal } from "./_generated/api";
import { internalMutation } from "./_generated/server";
import * as Discord from "./model/discord";

/** Says whose Discord account this is; its roles follow. */
export const link = internalMutation({
  args: { email: v.string(), discordId: v.string() },
  returns: v.null(),
  handler: async (ctx, wanted) => {
    await Discord.linkByEmail(ctx, wanted);
    return null;
  },
});

/** Everybody's roles, after what the communities give has changed; goes on by itself. */
export const followAll = internalMutation({
  args: { cursor: v.union(v.string(), v.null()) },
  returns: v.null(),
  handler: async (ctx, { cursor }) => {
    const next = await Discord.followAll(ctx, cursor);
    if (next !== null)
      await ctx.scheduler.runAfter(0, internal.discord.followAll, {
        cursor: next,
      });
    return null;
  },
});
