import { v } from "convex/values";
import { mutation, query } from "./_generated/server";
import { requireMember, requireStaff } from "./model/caller";
import * as Latency from "./model/latency";

/** Times at every hop of the signals that changed last. */
export const recent = query({
  args: { community: v.string(), limit: v.number() },
  returns: v.array(Latency.hops),
  handler: async (ctx, { community, limit }) => {
    const { _id } = await requireStaff(ctx, community);
    return await Latency.recent(ctx, _id, limit);
  },
});

/** A viewer says when versions of signals were painted. */
export const seen = mutation({
  args: { community: v.string(), samples: v.array(Latency.sample) },
  returns: v.null(),
  handler: async (ctx, { community, samples }) => {
    const { _id } = await requireMember(ctx, community, Date.now());
    await Latency.seen(ctx, _id, samples);
    return null;
  },
});
