import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema({
  reminders: defineTable({
    text: v.string(),
    jobId: v.optional(v.id("_scheduled_functions")),
    state: v.union(
      v.literal("waiting"),
      v.literal("sent"),
      v.literal("failed"),
    ),
    attempts: v.number(),
  }).index("by_state", ["state"]),

  ticks: defineTable({ job: v.string(), at: v.number() }).index("by_job", [
    "job",
  ]),
});
