import { paginationOptsValidator } from "convex/server";
import { v } from "convex/values";
import { query } from "./_generated/server";
import * as Audit from "./model/audit";
import { requireOperator } from "./model/caller";
import * as Communities from "./model/communities";

/** Who did what, newest first; community null: what is above communities. */
export const list = query({
  args: {
    community: v.union(v.string(), v.null()),
    paginationOpts: paginationOptsValidator,
  },
  returns: Audit.page,
  handler: async (ctx, { community, paginationOpts }) => {
    await requireOperator(ctx);
    const id =
      community === null
        ? null
        : (await Communities.requireBySlug(ctx, community))._id;
    return await Audit.list(ctx, id, paginationOpts);
  },
});
