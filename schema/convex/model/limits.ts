// limits.ts - how often something may be tried: leaky buckets, in the table in which Convex
// Auth counts failed sign-ins.

import type { MutationCtx } from "../_generated/server";

const HOUR = 3600 * 1000;

/** Takes one of `perHour` tries, which come back evenly; false: there is none left. */
export async function spend(
  ctx: MutationCtx,
  identifier: string,
  perHour: number,
): Promise<boolean> {
  const now = Date.now();
  const row = await ctx.db
    .query("authRateLimits")
    .withIndex("identifier", (q) => q.eq("identifier", identifier))
    .unique();
  const back = row ? ((now - row.lastAttemptTime) / HOUR) * perHour : 0;
  const left = row ? Math.min(perHour, row.attemptsLeft + back) : perHour;
  if (left < 1) return false;
  const spent = { attemptsLeft: left - 1, lastAttemptTime: now };
  if (row) await ctx.db.patch(row._id, spent);
  else await ctx.db.insert("authRateLimits", { identifier, ...spent });
  return true;
}
