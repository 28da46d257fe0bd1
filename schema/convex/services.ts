import { v } from "convex/values";
import { mutation, query } from "./_generated/server";
import { requireOperator, requireService } from "./model/caller";
import { serviceRole } from "./model/fields";
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

/** How the daemons are doing. Who looks decides by `seenAt` whether that is still so. */
export const list = query({
  args: {},
  returns: v.array(Services.instance),
  handler: async (ctx) => {
    await requireOperator(ctx);
    return await Services.list(ctx);
  },
});

/** Forgets an instance that is gone; false: there was none. */
export const forget = mutation({
  args: { service: serviceRole, instance: v.string() },
  returns: v.boolean(),
  handler: async (ctx, { service, instance }) => {
    await requireOperator(ctx);
    return await Services.forget(ctx, service, instance);
  },
});
