// webhooks.ts - providers' events, each stored once.

import { v, type Infer } from "convex/values";
import type { MutationCtx } from "../_generated/server";
import * as Communities from "./communities";

export const receivedEvent = v.object({
  community: v.string(), // slug
  source: v.string(),
  provider: v.string(),
  key: v.string(), // the provider's own id of the event
  type: v.string(),
  receivedAt: v.number(),
  occurredAt: v.optional(v.number()), // ms, the provider's clock
  subject: v.optional(v.string()), // the order or subscription it is about
  body: v.string(), // as received
  bodySha256: v.string(),
  headers: v.array(v.object({ name: v.string(), value: v.string() })),
  verdict: v.union(v.literal("verified"), v.literal("unparsable")),
});
export type ReceivedEvent = Infer<typeof receivedEvent>;

export async function ingest(
  ctx: MutationCtx,
  event: ReceivedEvent,
): Promise<"stored" | "duplicate"> {
  const { community: slug, ...fields } = event;
  const community = await Communities.requireBySlug(ctx, slug);
  const known = await ctx.db
    .query("webhookEvents")
    .withIndex("by_communityId_and_provider_and_key", (q) =>
      q
        .eq("communityId", community._id)
        .eq("provider", fields.provider)
        .eq("key", fields.key),
    )
    .unique();
  if (known !== null) return "duplicate";
  await ctx.db.insert("webhookEvents", {
    communityId: community._id,
    ...fields,
    storedAt: Date.now(),
  });
  return "stored";
}
