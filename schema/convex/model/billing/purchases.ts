// purchases.ts - a customer's purchases in the database, and the access that they give.
//
// One row holds all facts of one purchase; facts.ts says what follows from them. A purchase
// gives access through one entitlement of its own, written here and read by access.ts.
// Invariant: after each mutation the entitlement is what the facts, the plan and the
// community's policy say, whatever order they came in.

import type { Doc, Id } from "../../_generated/dataModel";
import type { MutationCtx, QueryCtx } from "../../_generated/server";
import * as Access from "../access";
import { normalEmail } from "../accounts";
import * as Plans from "../plans";
import { described, outcomeOf, withFact, type Fact } from "./facts";
import type { Reading } from "./reading";

const DEFAULT_GRACE_DAYS = 3;
const MAX_SETTLED_AT_ONCE = 50;

type Facts = Extract<Reading, { type: "facts" }>;
type Community = Doc<"communities">;
type Purchase = Doc<"purchases">;

/** What one event came to. Parked: an operator must say what it is worth, or whose it is. */
export type Effect = "applied" | "parked" | "test";

/** Adds an event's facts to its purchase, and has the access follow. */
export async function apply(
  ctx: MutationCtx,
  community: Community,
  event: { source: string; provider: string; key: string },
  reading: Facts,
): Promise<Effect> {
  const { source, provider, key } = event;
  let purchase = await findOrMake(ctx, community, {
    source,
    provider,
    subject: reading.subject,
  });
  for (const alias of reading.aliases)
    purchase = await join(ctx, purchase, alias);
  const added = reading.facts.map((found): Fact => ({
    ...found,
    key,
    ...(reading.email ? { email: normalEmail(reading.email) } : {}),
    ...(reading.products.length > 0 ? { products: reading.products } : {}),
  }));
  const changed = {
    facts: added.reduce(withFact, purchase.facts),
    renews: purchase.renews || reading.renews,
    test: purchase.test || reading.test,
  };
  await ctx.db.patch(purchase._id, changed);
  return await settle(ctx, community, { ...purchase, ...changed });
}

async function findOrMake(
  ctx: MutationCtx,
  community: Community,
  wanted: { source: string; provider: string; subject: string },
): Promise<Purchase> {
  const known = await find(ctx, community._id, wanted.source, wanted.subject);
  if (known !== null) return known;
  const id = await ctx.db.insert("purchases", {
    communityId: community._id,
    ...wanted,
    aliasOf: null,
    facts: [],
    renews: false,
    test: false,
    email: null,
    planId: null,
    parked: null,
    phase: "unpaid",
    paidUntil: null,
  });
  return (await ctx.db.get(id))!;
}

/** The purchase with this subject, or the one that it turned out to belong to. */
async function find(
  ctx: QueryCtx,
  communityId: Id<"communities">,
  source: string,
  subject: string,
): Promise<Purchase | null> {
  let row = await ctx.db
    .query("purchases")
    .withIndex("by_communityId_and_source_and_subject", (q) =>
      q
        .eq("communityId", communityId)
        .eq("source", source)
        .eq("subject", subject),
    )
    .unique();
  while (row?.aliasOf) row = await ctx.db.get(row.aliasOf);
  return row;
}

// A refund may name the payment before anything says which subscription that was for: what
// was said of the alias becomes the purchase's, and its row from now on only points there.
async function join(
  ctx: MutationCtx,
  purchase: Purchase,
  alias: string,
): Promise<Purchase> {
  const { communityId, source, provider } = purchase;
  const community = (await ctx.db.get(communityId))!;
  const other = await findOrMake(ctx, community, {
    source,
    provider,
    subject: alias,
  });
  if (other._id === purchase._id) return purchase;
  const merged = {
    facts: other.facts.reduce(withFact, purchase.facts),
    renews: purchase.renews || other.renews,
    test: purchase.test || other.test,
  };
  await ctx.db.patch(purchase._id, merged);
  await ctx.db.patch(other._id, { aliasOf: purchase._id, facts: [] });
  await Access.movePurchase(ctx, other, purchase._id);
  return { ...purchase, ...merged };
}

/** Writes what follows from the facts. */
export async function settle(
  ctx: MutationCtx,
  community: Community,
  purchase: Purchase,
): Promise<Effect> {
  const { email, products } = described(purchase.facts);
  const plan = await Plans.planOf(
    ctx,
    community._id,
    purchase.source,
    products,
  );
  const outcome = outcomeOf(purchase.facts, {
    renews: purchase.renews,
    days: plan?.days ?? null,
    graceDays: community.graceDays ?? DEFAULT_GRACE_DAYS,
    partialRefundEnds: community.partialRefundEnds ?? false,
  });
  const parked = plan === null ? "product" : email === null ? "customer" : null;
  await ctx.db.patch(purchase._id, {
    email,
    planId: plan?._id ?? null,
    parked,
    phase: outcome.phase,
    paidUntil: outcome.paidUntil,
  });
  const counts = !purchase.test || (community.acceptsTestPurchases ?? false);
  await Access.followPurchase(ctx, {
    communityId: community._id,
    purchaseId: purchase._id,
    email,
    access: counts && parked === null ? outcome.access : null,
    reason: plan?.name ?? "",
  });
  return !counts ? "test" : parked !== null ? "parked" : "applied";
}

/** After a plan was made, changed or removed: everything bought of its product, a batch at a time. */
export async function settleProduct(
  ctx: MutationCtx,
  plan: Pick<Doc<"plans">, "communityId" | "source" | "product">,
  cursor: string | null,
): Promise<{ settled: number; next: string | null }> {
  const community = (await ctx.db.get(plan.communityId))!;
  const page = await ctx.db
    .query("purchases")
    .withIndex("by_communityId_and_source_and_subject", (q) =>
      q.eq("communityId", plan.communityId).eq("source", plan.source),
    )
    .paginate({ numItems: MAX_SETTLED_AT_ONCE, cursor });
  const bought = page.page.filter(({ facts }) =>
    described(facts).products.includes(plan.product),
  );
  for (const purchase of bought) await settle(ctx, community, purchase);
  return {
    settled: bought.length,
    next: page.isDone ? null : page.continueCursor,
  };
}

/** All purchases of an address, for those who help its owner. */
export async function ofEmail(
  ctx: QueryCtx,
  communityId: Id<"communities">,
  email: string,
): Promise<Purchase[]> {
  return await ctx.db
    .query("purchases")
    .withIndex("by_communityId_and_email", (q) =>
      q.eq("communityId", communityId).eq("email", email),
    )
    .take(100);
}
