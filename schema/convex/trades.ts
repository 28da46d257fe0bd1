import { v } from "convex/values";
import { internalQuery } from "./_generated/server";
import * as Communities from "./model/communities";
import { failure } from "./model/failure";
import * as Signals from "./model/signals";
import { Book, type Link } from "./model/tradeLinks";

const link = v.object({
  messageId: v.string(),
  found: v.union(v.literal("reply"), v.literal("symbol")),
});

/** For the command line: which entries an update is about, and an entry's updates. */
export const links = internalQuery({
  args: { community: v.string(), messageId: v.string() },
  returns: v.object({
    entries: v.array(link),
    updates: v.array(link),
  }),
  handler: async (ctx, { community, messageId }) => {
    const { _id } = await Communities.requireBySlug(ctx, community);
    const signal = await Signals.byMessage(ctx, _id, messageId);
    if (signal === null) throw failure("not_found", "No such message");
    const book = new Book(ctx, _id);
    const links = (found: Link[]) =>
      found.map(({ signal: { messageId }, found }) => ({ messageId, found }));
    return {
      entries: links(await book.entriesOf(signal)),
      updates: links(await book.updatesOf(signal)),
    };
  },
});
