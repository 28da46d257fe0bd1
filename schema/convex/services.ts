import { v } from "convex/values";
import { mutation } from "./_generated/server";
import { requireService } from "./model/caller";
import * as Services from "./model/services";

/** A daemon says how it is doing, for itself only. */
export const heartbeat = mutation({
  args: Services.beat.fields,
  returns: v.null(),
  handler: async (ctx, beat) => {
    await requireService(ctx, beat.service);
    await Services.heartbeat(ctx, beat);
    return null;
  },
});
