// audit.ts - the log of what operators did.

import type { Id } from "../_generated/dataModel";
import type { MutationCtx } from "../_generated/server";

/** Only command-line functions act today, hence the one actor. */
export async function audit(
  ctx: MutationCtx,
  communityId: Id<"communities"> | null,
  action: string,
  subject: string,
  detail: string,
): Promise<void> {
  await ctx.db.insert("auditLog", {
    communityId,
    actor: "command line",
    action,
    subject,
    detail,
    at: Date.now(),
  });
}
