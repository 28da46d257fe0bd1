import { paginationOptsValidator } from "convex/server";
import { v } from "convex/values";
import { query } from "./_generated/server";
import { requireOperator } from "./model/caller";
import * as Communities from "./model/communities";
import * as Exports from "./model/exports";

const args = {
  community: v.string(),
  paginationOpts: paginationOptsValidator,
};

/** Every live signal, the oldest first. */
export const signals = query({
  args,
  returns: Exports.signalPage,
  handler: async (ctx, { community, paginationOpts }) => {
    await requireOperator(ctx);
    const { _id } = await Communities.requireBySlug(ctx, community);
    return await Exports.signals(ctx, _id, paginationOpts);
  },
});

/** Every entitlement, by address. */
export const people = query({
  args,
  returns: Exports.peoplePage,
  handler: async (ctx, { community, paginationOpts }) => {
    await requireOperator(ctx);
    const { _id } = await Communities.requireBySlug(ctx, community);
    return await Exports.people(ctx, _id, paginationOpts);
  },
});
