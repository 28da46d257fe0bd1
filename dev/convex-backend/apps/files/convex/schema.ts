import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema({
  photos: defineTable({
    storageId: v.id("_storage"),
    album: v.string(),
    caption: v.string(),
    // Made by an action after the upload.
    summary: v.optional(
      v.object({ bytes: v.number(), firstBytes: v.bytes(), text: v.string() }),
    ),
  })
    .index("by_album", ["album"])
    .index("by_storageId", ["storageId"]),
});
