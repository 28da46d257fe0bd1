import { v } from "convex/values";
import { internalMutation, mutation, query } from "./_generated/server";
import { requireService } from "./model/caller";
import { failure } from "./model/failure";
import { recordResult, sourceEvent, upsertEvent } from "./model/fields";
import * as Drift from "./model/drift";
import * as Gone from "./model/gone";
import * as Held from "./model/held";
import * as Signals from "./model/signals";
import * as Symbols from "./model/symbols";

const MAX_EVENTS = 64;
const MAX_PAGE = 100; // of Discord's

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

/**
 * How the source differs from what is known of it, between two messages.
 *   events     what the source has there, of the kinds that are captured
 *   ids        of everything that the source has there
 *   news       messages that are not known, or not as they are
 *   missing    live ones that the source does not have, captured before then:
 *              a page may be a moment older than the last events
 *   unsettled  there are such ones that were captured later
 */
export const drift = query({
  args: {
    guildId: v.string(),
    channelId: v.string(),
    threadId: v.optional(v.string()),
    from: v.string(), // message ids, both included
    to: v.string(),
    ids: v.array(v.string()),
    events: v.array(upsertEvent),
    capturedBefore: v.number(), // ms
  },
  returns: v.object({
    news: v.array(v.string()),
    missing: v.array(v.string()),
    unsettled: v.boolean(),
  }),
  handler: async (ctx, page) => {
    await requireService(ctx, "collector");
    if (page.ids.length > MAX_PAGE || page.events.length > MAX_PAGE)
      throw failure("bad_argument", `ids, events: at most ${MAX_PAGE}`);
    return await Drift.of(ctx, page);
  },
});

/** Messages of which only a change was told: somebody should fetch them. */
export const held = query({
  args: {},
  returns: v.array(
    v.object({
      guildId: v.string(),
      channelId: v.string(),
      threadId: v.optional(v.string()),
      messageId: v.string(),
    }),
  ),
  handler: async (ctx) => {
    await requireService(ctx, "collector");
    return await Held.list(ctx);
  },
});

/** Goes on with the signals of a channel that was deleted. */
export const buryBatch = internalMutation({
  args: { goneId: v.id("goneChannels") },
  returns: v.null(),
  handler: async (ctx, { goneId }) => {
    await Gone.buryBatch(ctx, goneId, Date.now());
    return null;
  },
});

/** Gives signals that were recorded before pairs had rows of their own theirs. */
export const sweepSymbols = internalMutation({
  args: {},
  returns: v.object({ added: v.number() }),
  handler: async (ctx) => await Symbols.sweep(ctx),
});
