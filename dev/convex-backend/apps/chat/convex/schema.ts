import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema({
  channels: defineTable({
    name: v.string(),
    topic: v.optional(v.string()),
    messageCount: v.number(),
  }).index("by_name", ["name"]),

  messages: defineTable({
    channelId: v.id("channels"),
    author: v.string(),
    body: v.string(),
    editedAt: v.optional(v.number()),
    reactions: v.record(v.string(), v.array(v.string())),
  })
    .index("by_channel", ["channelId"])
    .index("by_channel_and_author", ["channelId", "author"])
    .searchIndex("search_body", {
      searchField: "body",
      filterFields: ["channelId", "author"],
    }),

  // Who is typing; a row is renewed while they do.
  typing: defineTable({
    channelId: v.id("channels"),
    author: v.string(),
    until: v.number(),
  }).index("by_channel_and_author", ["channelId", "author"]),
});
