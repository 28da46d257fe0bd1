import { v } from "convex/values";
import { internal } from "./_generated/api";
import {
  action,
  internalAction,
  internalMutation,
  internalQuery,
  mutation,
  query,
} from "./_generated/server";

export const generateUploadUrl = mutation({
  args: {},
  handler: async (ctx) => await ctx.storage.generateUploadUrl(),
});

/** Keeps an upload, and looks into it in the background. */
export const add = mutation({
  args: {
    storageId: v.id("_storage"),
    album: v.string(),
    caption: v.string(),
  },
  handler: async (ctx, photo) => {
    const file = await ctx.db.system.get(photo.storageId);
    if (file === null) throw new Error("The upload is gone");
    if (file.size === 0) throw new Error("The upload is empty");
    const photoId = await ctx.db.insert("photos", photo);
    await ctx.scheduler.runAfter(0, internal.photos.summarise, { photoId });
    return photoId;
  },
});

export const list = query({
  args: { album: v.string() },
  handler: async (ctx, { album }) => {
    const photos = await ctx.db
      .query("photos")
      .withIndex("by_album", (q) => q.eq("album", album))
      .collect();
    return await Promise.all(
      photos.map(async (photo) => ({
        ...photo,
        url: await ctx.storage.getUrl(photo.storageId),
      })),
    );
  },
});

export const remove = mutation({
  args: { photoId: v.id("photos") },
  handler: async (ctx, { photoId }) => {
    const photo = await ctx.db.get(photoId);
    if (photo === null) return;
    await ctx.storage.delete(photo.storageId);
    await ctx.db.delete(photoId);
  },
});

/** Both ways to ask for a file's facts. */
export const facts = query({
  args: { storageId: v.id("_storage") },
  handler: async (ctx, { storageId }) => ({
    document: await ctx.db.system.get(storageId),
    metadata: await ctx.storage.getMetadata(storageId),
  }),
});

export const allFiles = query({
  args: {},
  handler: async (ctx) =>
    await ctx.db.system.query("_storage").order("desc").take(100),
});

export const get = internalQuery({
  args: { photoId: v.id("photos") },
  handler: async (ctx, { photoId }) => await ctx.db.get(photoId),
});

export const setSummary = internalMutation({
  args: {
    photoId: v.id("photos"),
    summary: v.object({
      bytes: v.number(),
      firstBytes: v.bytes(),
      text: v.string(),
    }),
  },
  handler: async (ctx, { photoId, summary }) => {
    await ctx.db.patch(photoId, { summary });
  },
});

export const summarise = internalAction({
  args: { photoId: v.id("photos") },
  handler: async (ctx, { photoId }) => {
    const photo = await ctx.runQuery(internal.photos.get, { photoId });
    const file = photo && (await ctx.storage.get(photo.storageId));
    if (!file) return;
    const bytes = await file.arrayBuffer();
    await ctx.runMutation(internal.photos.setSummary, {
      photoId,
      summary: {
        bytes: bytes.byteLength,
        firstBytes: bytes.slice(0, 4),
        text: `${file.type} of ${bytes.byteLength} bytes`,
      },
    });
  },
});

/** A file made here instead of uploaded; its digest is checked. */
export const importText = action({
  args: { text: v.string(), album: v.string() },
  returns: v.id("photos"),
  handler: async (ctx, { text, album }): Promise<any> => {
    const blob = new Blob([text], { type: "text/plain" });
    const digest = await crypto.subtle.digest(
      "SHA-256",
      await blob.arrayBuffer(),
    );
    const sha256 = Array.from(new Uint8Array(digest), (byte) =>
      byte.toString(16).padStart(2, "0"),
    ).join("");
    const storageId = await ctx.storage.store(blob, { sha256 });
    return await ctx.runMutation(internal.photos.keepImported, {
      storageId,
      album,
    });
  },
});

export const keepImported = internalMutation({
  args: { storageId: v.id("_storage"), album: v.string() },
  handler: async (ctx, { storageId, album }) =>
    await ctx.db.insert("photos", { storageId, album, caption: "imported" }),
});
