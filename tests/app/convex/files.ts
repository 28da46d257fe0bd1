import { v } from "convex/values";
import { mutation, query } from "./_generated/server";

/** Where a file may be uploaded for an hour. */
export const uploadUrl = mutation({
  args: {},
  returns: v.string(),
  handler: async (ctx) => await ctx.storage.generateUploadUrl(),
});

/** Where a file can be read; null when there is none. */
export const url = query({
  args: { id: v.id("_storage") },
  returns: v.union(v.string(), v.null()),
  handler: async (ctx, { id }) => await ctx.storage.getUrl(id),
});

/** What the backend knows of a file. */
export const metadata = query({
  args: { id: v.id("_storage") },
  handler: async (ctx, { id }) => {
    const file = await ctx.db.system.get(id);
    return (
      file && {
        size: file.size,
        sha256: file.sha256,
        contentType: file.contentType ?? null,
      }
    );
  },
});

export const remove = mutation({
  args: { id: v.id("_storage") },
  returns: v.null(),
  handler: async (ctx, { id }) => {
    await ctx.storage.delete(id);
    return null;
  },
});
