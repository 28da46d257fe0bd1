import { v } from "convex/values";
import { mutation } from "./_generated/server";
import { requireService } from "./model/caller";
import { failure } from "./model/failure";
import { recordResult, sourceEvent } from "./model/fields";
import * as Signals from "./model/signals";

const MAX_EVENTS = 64;

/** Applies events of the source guild, in any order, any number of times. */
export const record = mutation({
  args: { events: v.array(sourceEvent) },
  returns: v.object({ results: v.array(recordResult) }),
  handler: async (ctx, { events }) => {
    await requireService(ctx, "collector");
    if (events.length < 1 || events.length > MAX_EVENTS)
      throw failure("bad_argument", `1 to ${MAX_EVENTS} events`);
    return { results: await Signals.record(ctx, events) };
  },
});
