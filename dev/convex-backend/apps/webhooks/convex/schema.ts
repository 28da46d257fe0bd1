import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema({
  // One row for each delivery of a webhook, however often it is sent.
  events: defineTable({
    eventId: v.string(),
    kind: v.string(),
    payload: v.any(),
    deliveries: v.number(),
  })
    .index("by_eventId", ["eventId"])
    .index("by_kind", ["kind"]),

  orders: defineTable({
    number: v.string(),
    cents: v.int64(),
    state: v.union(
      v.object({ kind: v.literal("open") }),
      v.object({ kind: v.literal("paid"), at: v.number() }),
    ),
  }).index("by_number", ["number"]),
});
