import { v } from "convex/values";
import {
  internalMutation,
  internalQuery,
  mutation,
  query,
} from "./_generated/server";
import * as Attachments from "./model/attachments";
import { requireMember, requireService } from "./model/caller";
import * as Fetches from "./model/fetches";

/** What waits for a collector; changes whenever there is something new to claim. */
export const queue = query({
  args: {},
  returns: v.object({
    nextAt: v.union(v.number(), v.null()),
    mark: v.number(),
  }),
  handler: async (ctx) => {
    await requireService(ctx, "collector");
    return await Fetches.queue(ctx);
  },
});

/** Leases files to `instance`, each with an address to upload it to. */
export const claim = mutation({
  args: { instance: v.string(), limit: v.number() },
  returns: v.object({ work: v.array(Fetches.work) }),
  handler: async (ctx, { instance, limit }) => {
    await requireService(ctx, "collector");
    return { work: await Fetches.claim(ctx, instance, limit) };
  },
});

/** Takes outcomes; false for those whose lease is no longer the newest. */
export const report = mutation({
  args: {
    instance: v.string(),
    results: v.array(
      v.object({
        jobId: v.id("attachmentJobs"),
        fence: v.number(),
        outcome: Fetches.outcome,
      }),
    ),
  },
  returns: v.object({ accepted: v.array(v.boolean()) }),
  handler: async (ctx, { instance, results }) => {
    await requireService(ctx, "collector");
    return { accepted: await Fetches.report(ctx, instance, results) };
  },
});

/** Gives up the leases of an earlier life of `instance`. */
export const release = mutation({
  args: { instance: v.string() },
  returns: v.object({ released: v.number() }),
  handler: async (ctx, { instance }) => {
    await requireService(ctx, "collector");
    return { released: await Fetches.release(ctx, instance) };
  },
});

/** A stored file, if the caller may read the community's signals now. */
export const readable = internalQuery({
  args: {
    community: v.string(),
    messageId: v.string(),
    attachmentId: v.string(),
  },
  returns: v.object({
    storageId: v.id("_storage"),
    contentType: v.string(),
    sha256: v.string(),
    filename: v.string(),
    size: v.number(),
  }),
  handler: async (ctx, { community, messageId, attachmentId }) => {
    const { _id } = await requireMember(ctx, community, Date.now());
    return await Attachments.requireStored(ctx, _id, messageId, attachmentId);
  },
});

/** Deletes uploads that nobody reported. */
export const sweep = internalMutation({
  args: {},
  returns: v.object({ deleted: v.number() }),
  handler: async (ctx) => await Attachments.sweep(ctx),
});
