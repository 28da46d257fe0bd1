// history.ts - what a person bought, and what became of it, in words that a page can say.

import { v, type Infer } from "convex/values";
import type { Doc, Id } from "../_generated/dataModel";
import type { QueryCtx } from "../_generated/server";
import * as Access from "./access";
import { normalEmail } from "./accounts";
import { fact, inOrder, phase } from "./billing/facts";
import * as Purchases from "./billing/purchases";
import * as Communities from "./communities";

export const bought = v.object({
  id: v.id("purchases"),
  community: v.object({ slug: v.string(), name: v.string() }),
  plan: v.union(v.string(), v.null()), // null: what it buys is not known yet
  provider: v.string(),
  reference: v.string(), // "subscription:sub_1"
  renews: v.boolean(),
  test: v.boolean(),
  phase,
  paidUntil: v.union(v.number(), v.null()),
  events: v.array(
    v.object({
      kind: fact.fields.kind,
      at: v.number(),
      paidUntil: v.optional(v.number()),
    }),
  ), // newest first
});
export type Bought = Infer<typeof bought>;

/** All purchases that are this person's, the newest first. */
export async function of(
  ctx: QueryCtx,
  userId: Id<"users">,
): Promise<Bought[]> {
  const found: Bought[] = [];
  for (const community of await Communities.all(ctx))
    for (const purchase of await purchasesOf(ctx, community._id, userId))
      found.push(await told(ctx, community, purchase));
  const newest = ({ events }: Bought) => events[0]?.at ?? 0;
  return found.sort((a, b) => newest(b) - newest(a));
}

/** Those that gave them access, and those of their address, if they proved that it is theirs. */
export async function purchasesOf(
  ctx: QueryCtx,
  communityId: Id<"communities">,
  userId: Id<"users">,
): Promise<Doc<"purchases">[]> {
  const found = new Map<Id<"purchases">, Doc<"purchases">>();
  for (const { purchaseId } of await Access.rowsOf(ctx, communityId, userId)) {
    const purchase = purchaseId ? await ctx.db.get(purchaseId) : null;
    if (purchase !== null) found.set(purchase._id, purchase);
  }
  const user = await ctx.db.get(userId);
  if (user?.email && user.emailVerificationTime) {
    const address = normalEmail(user.email);
    for (const purchase of await Purchases.ofEmail(ctx, communityId, address))
      if (purchase.aliasOf === null) found.set(purchase._id, purchase);
  }
  return [...found.values()];
}

async function told(
  ctx: QueryCtx,
  { slug, name }: Doc<"communities">,
  purchase: Doc<"purchases">,
): Promise<Bought> {
  const plan = purchase.planId ? await ctx.db.get(purchase.planId) : null;
  const { provider, subject, renews, test, phase, paidUntil } = purchase;
  return {
    id: purchase._id,
    community: { slug, name },
    plan: plan?.name ?? null,
    provider,
    reference: subject,
    renews,
    test,
    phase,
    paidUntil,
    events: inOrder(purchase.facts)
      .reverse()
      .map(({ kind, at, paidUntil }) => ({ kind, at, paidUntil })),
  };
}
