// audit.ts - the log of who did what. The actor is read from the call itself, so nothing
// that is audited can name another one.

import { getAuthUserId } from "@convex-dev/auth/server";
import {
  paginationResultValidator,
  type PaginationOptions,
} from "convex/server";
import { v } from "convex/values";
import type { Id } from "../_generated/dataModel";
import type { MutationCtx, QueryCtx } from "../_generated/server";
import { bounded } from "./pages";

export const entry = v.object({
  id: v.id("auditLog"),
  actor: v.string(),
  action: v.string(),
  subject: v.string(),
  detail: v.string(),
  at: v.number(),
});
export const page = paginationResultValidator(entry);

export async function audit(
  ctx: MutationCtx,
  communityId: Id<"communities"> | null,
  action: string,
  subject: string,
  detail: string,
): Promise<void> {
  await ctx.db.insert("auditLog", {
    communityId,
    actor: await actorOf(ctx),
    action,
    subject,
    detail,
    at: Date.now(),
  });
}

/** A person's address, a daemon's subject; without either it is the command line. */
export async function actorOf(ctx: MutationCtx): Promise<string> {
  const identity = await ctx.auth.getUserIdentity();
  if (identity === null) return "command line";
  if (identity.issuer !== process.env.CONVEX_SITE_URL) return identity.subject;
  const userId = await getAuthUserId(ctx);
  const user = userId === null ? null : await ctx.db.get(userId);
  return user?.email ?? "a person";
}

/** The log of a community, or (null) of what is above communities; newest first. */
export async function list(
  ctx: QueryCtx,
  communityId: Id<"communities"> | null,
  options: PaginationOptions,
) {
  const page = await ctx.db
    .query("auditLog")
    .withIndex("by_communityId_and_at", (q) => q.eq("communityId", communityId))
    .order("desc")
    .paginate(bounded(options));
  return {
    ...page,
    page: page.page.map(({ _id, actor, action, subject, detail, at }) => ({
      id: _id,
      ...{ actor, action, subject, detail, at },
    })),
  };
}
