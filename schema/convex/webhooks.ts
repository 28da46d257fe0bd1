import { v } from "convex/values";
import { internalMutation, internalQuery, mutation } from "./_generated/server";
import { requireService } from "./model/caller";
import * as Communities from "./model/communities";
import { eventState } from "./model/fields";
import * as Webhooks from "./model/webhooks";

const verdict = v.object({ state: eventState, detail: v.string() });

/** Stores a provider's event and applies it; the second time its key comes, nothing. */
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

/** The latest events, of one state or of any. */
export const list = internalQuery({
  args: {
    community: v.string(),
    state: v.optional(eventState),
    limit: v.optional(v.number()),
  },
  returns: v.array(
    v.object({
      id: v.id("webhookEvents"),
      type: v.string(),
      subject: v.union(v.string(), v.null()),
      receivedAt: v.number(),
      state: eventState,
      detail: v.string(),
    }),
  ),
  handler: async (ctx, { community: slug, state, limit }) => {
    const community = await Communities.requireBySlug(ctx, slug);
    const rows = await Webhooks.list(
      ctx,
      community._id,
      state ?? null,
      limit ?? 50,
    );
    return rows.map((row) => ({
      id: row._id,
      type: row.type,
      subject: row.subject ?? null,
      receivedAt: row.receivedAt,
      state: row.state,
      detail: row.detail,
    }));
  },
});

/** Applies a stored event again. */
export const replay = internalMutation({
  args: { id: v.id("webhookEvents") },
  returns: verdict,
  handler: async (ctx, { id }) =>
    await Webhooks.replay(ctx, { id, by: "command line" }),
});

/** What an event says about access, without applying it. */
export const explain = internalQuery({
  args: { id: v.id("webhookEvents") },
  returns: v.any(), // a Reading: see model/billing/reading.ts
  handler: async (ctx, { id }) => await Webhooks.explain(ctx, id),
});
