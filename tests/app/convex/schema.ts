import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema({
  items: defineTable({
    key: v.string(),
    value: v.any(),
  }).index("by_key", ["key"]),
  ledger: defineTable({
    position: v.number(),
    n: v.number(),
  }).index("by_position", ["position"]),
});
