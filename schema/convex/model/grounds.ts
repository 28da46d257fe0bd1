// grounds.ts - why a person has access, or had it: each entitlement with what it rests on.
// Read by its owner and by operators; says nothing that its owner may not know.

import { v, type Infer } from "convex/values";
import type { Doc, Id } from "../_generated/dataModel";
import type { QueryCtx } from "../_generated/server";
import * as Access from "./access";
import { phase } from "./billing/facts";
import * as Communities from "./communities";

export const ground = v.object({
  kind: v.union(v.literal("grant"), v.literal("purchase")),
  name: v.string(), // the plan's, or the reason that was given with the grant
  live: v.boolean(),
  until: v.union(v.number(), v.null()), // ms; null: no end
  ended: v.union(v.literal("revoked"), v.literal("over"), v.null()),
  endedAt: v.union(v.number(), v.null()),
  purchase: v.union(
    v.object({
      phase,
      renews: v.boolean(),
      test: v.boolean(),
      paidUntil: v.union(v.number(), v.null()), // `until` may be later: days of grace
    }),
    v.null(),
  ),
});
export type Ground = Infer<typeof ground>;

export const standing = v.object({
  slug: v.string(),
  name: v.string(),
  live: v.boolean(),
  operator: v.boolean(), // may read everything, whatever the grounds
  grounds: v.array(ground), // the best first
});
export type Standing = Infer<typeof standing>;

/** Where this person has access or had it; everywhere, for an operator. */
export async function standings(
  ctx: QueryCtx,
  userId: Id<"users">,
  now: number,
): Promise<Standing[]> {
  const found: Standing[] = [];
  const operator = await Access.isOperator(ctx, userId);
  for (const { _id, slug, name } of await Communities.all(ctx)) {
    const grounds = await groundsOf(ctx, _id, userId, now);
    if (operator || grounds.length > 0) {
      const live = operator || (grounds[0]?.live ?? false);
      found.push({ slug, name, live, operator, grounds });
    }
  }
  return found;
}

/** What a person's access to one community rests on, the best first. */
export async function groundsOf(
  ctx: QueryCtx,
  communityId: Id<"communities">,
  userId: Id<"users">,
  now: number,
): Promise<Ground[]> {
  const rows = await Access.rowsOf(ctx, communityId, userId);
  const grounds = await Promise.all(rows.map((row) => groundOf(ctx, row, now)));
  return grounds.sort(
    (a, b) => Number(b.live) - Number(a.live) || later(endOf(a), endOf(b)),
  );
}

const endOf = (one: Ground) => (one.live ? one.until : one.endedAt) ?? Infinity;
const later = (a: number, b: number) => (a === b ? 0 : a > b ? -1 : 1);

async function groundOf(
  ctx: QueryCtx,
  row: Doc<"entitlements">,
  now: number,
): Promise<Ground> {
  const purchase = row.purchaseId ? await ctx.db.get(row.purchaseId) : null;
  const live = Access.isLive(row, now);
  const over = row.endedAt ?? row.until;
  return {
    kind: row.purchaseId ? "purchase" : "grant",
    name: row.reason,
    live,
    until: row.until,
    ended: live ? null : row.revokedAt !== null ? "revoked" : "over",
    endedAt: live ? null : (row.revokedAt ?? over),
    purchase: purchase && {
      phase: purchase.phase,
      renews: purchase.renews,
      test: purchase.test,
      paidUntil: purchase.paidUntil,
    },
  };
}
