import { v } from "convex/values";
import { mutation } from "./_generated/server";
import { requireService } from "./model/caller";
import * as Webhooks from "./model/webhooks";

/** Stores a provider's event; the second time its key comes, nothing. */
export const ingest = mutation({
  args: Webhooks.receivedEvent.fields,
  returns: v.object({
    outcome: v.union(v.literal("stored"), v.literal("duplicate")),
  }),
  handler: async (ctx, event) => {
    await requireService(ctx, "webhook-proxy");
    return { outcome: await Webhooks.ingest(ctx, event) };
  },
});
