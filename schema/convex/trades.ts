import { v } from "convex/values";
import { internalQuery } from "./_generated/server";
import * as Communities from "./model/communities";
import { failure } from "./model/failure";
import * as Signals from "./model/signals";
import { entryOf, updatesOf } from "./model/trades";

const link = v.object({
  messageId: v.string(),
  found: v.union(v.literal("reply"), v.literal("symbol")),
});

/** For the command line: which entry an update is about, and an entry's updates. */
export const links = internalQuery({
  args: { community: v.string(), messageId: v.string() },
  returns: v.object({
    entry: v.union(link, v.null()),
    updates: v.array(link),
  }),
  handler: async (ctx, { community, messageId }) => {
    const { _id } = await Communities.requireBySlug(ctx, community);
    const signal = await Signals.byMessage(ctx, _id, messageId);
    if (signal === null) throw failure("not_found", "No such message");
    const entry = await entryOf(ctx, signal);
    const updates = await updatesOf(ctx, signal);
    return {
      entry: entry && { messageId: entry.signal.messageId, found: entry.found },
      updates: updates.map((one) => ({
        messageId: one.signal.messageId,
        found: one.found,
      })),
    };
  },
});
