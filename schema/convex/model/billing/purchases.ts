// purchases.ts - a customer's purchases in the database, and the access that they give.
//
// One row holds all facts of one purchase; facts.ts says what follows from them. A purchase
// gives access through one entitlement of its own, written here and read by access.ts.
// Invariant: after each mutation the entitlement is what the facts, the plan and the
// community's policy say, whatever order they came in.

import { v, type Infer } from "convex/values";
import type { Doc, Id } from "../../_generated/dataModel";
import type { MutationCtx, QueryCtx } from "../../_generated/server";
import * as Access from "../access";
import { normalEmail } from "../accounts";
import * as Plans from "../plans";
import {
  described,
  outcomeOf,
  phase,
  withFact,
  type Fact,
  type Outcome,
} from "./facts";
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
  const changed = withReading(purchase, reading, key);
  await ctx.db.patch(purchase._id, changed);
  return await settle(ctx, community, { ...purchase, ...changed });
}

type Known = Pick<Purchase, "facts" | "renews" | "test">;

function withReading(known: Known, reading: Facts, key: string): Known {
  const added = reading.facts.map((found): Fact => ({
    ...found,
    key,
    ...(reading.email ? { email: normalEmail(reading.email) } : {}),
    ...(reading.products.length > 0 ? { products: reading.products } : {}),
  }));
  return {
    facts: added.reduce(withFact, known.facts),
    renews: known.renews || reading.renews,
    test: known.test || reading.test,
  };
}

function joined(known: Known, other: Known): Known {
  return {
    facts: other.facts.reduce(withFact, known.facts),
    renews: known.renews || other.renews,
    test: known.test || other.test,
  };
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
  const row = await ctx.db
    .query("purchases")
    .withIndex("by_communityId_and_source_and_subject", (q) =>
      q
        .eq("communityId", communityId)
        .eq("source", source)
        .eq("subject", subject),
    )
    .unique();
  return row === null ? null : await whole(ctx, row);
}

/** The purchase that a row turned out to belong to; itself, if to none. */
export async function whole(ctx: QueryCtx, row: Purchase): Promise<Purchase> {
  let at = row;
  while (at.aliasOf !== null) {
    const next: Purchase | null = await ctx.db.get(at.aliasOf);
    if (next === null) break;
    at = next;
  }
  return at;
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
  const merged = joined(purchase, other);
  await ctx.db.patch(purchase._id, merged);
  await ctx.db.patch(other._id, { aliasOf: purchase._id, facts: [] });
  await Access.movePurchase(ctx, other, purchase._id);
  return { ...purchase, ...merged };
}

type Judgement = {
  email: string | null;
  plan: Doc<"plans"> | null;
  parked: Purchase["parked"];
  outcome: Outcome;
  access: Outcome["access"]; // what it gives in fact
  effect: Effect;
};

/** What follows from the facts, the plan and the community's policy. */
async function judge(
  ctx: QueryCtx,
  community: Community,
  source: string,
  known: Known,
): Promise<Judgement> {
  const { email, products } = described(known.facts);
  const plan = await Plans.planOf(ctx, community._id, source, products);
  const outcome = outcomeOf(known.facts, {
    renews: known.renews,
    days: plan?.days ?? null,
    graceDays: community.graceDays ?? DEFAULT_GRACE_DAYS,
    partialRefundEnds: community.partialRefundEnds ?? false,
  });
  const parked = plan === null ? "product" : email === null ? "customer" : null;
  const counts = !known.test || (community.acceptsTestPurchases ?? false);
  return {
    email,
    plan,
    parked,
    outcome,
    access: counts && parked === null ? outcome.access : null,
    effect: !counts ? "test" : parked !== null ? "parked" : "applied",
  };
}

/** Writes what follows from the facts. */
export async function settle(
  ctx: MutationCtx,
  community: Community,
  purchase: Purchase,
): Promise<Effect> {
  const found = await judge(ctx, community, purchase.source, purchase);
  const { email, plan, parked, outcome, access, effect } = found;
  await ctx.db.patch(purchase._id, {
    email,
    planId: plan?._id ?? null,
    parked,
    phase: outcome.phase,
    paidUntil: outcome.paidUntil,
  });
  await Access.followPurchase(ctx, {
    communityId: community._id,
    purchaseId: purchase._id,
    email,
    access,
    reason: plan?.name ?? "",
  });
  return effect;
}

// ---- what would be ----

export const standing = v.object({
  subject: v.string(),
  email: v.union(v.string(), v.null()),
  plan: v.union(v.string(), v.null()),
  phase,
  paidUntil: v.union(v.number(), v.null()),
  parked: v.union(v.literal("product"), v.literal("customer"), v.null()),
  // What it gives; null: nothing. A revocation by hand may outweigh it.
  access: v.union(v.object({ until: v.union(v.number(), v.null()) }), v.null()),
});
export type Standing = Infer<typeof standing>;

/** What apply() would make of an event, without writing anything. */
export async function preview(
  ctx: QueryCtx,
  community: Community,
  event: { source: string; key: string },
  reading: Facts,
): Promise<{ state: Effect; before: Standing | null; after: Standing }> {
  const { source, key } = event;
  const known = await find(ctx, community._id, source, reading.subject);
  let after: Known = known ?? { facts: [], renews: false, test: false };
  for (const alias of reading.aliases) {
    const other = await find(ctx, community._id, source, alias);
    if (other !== null && other._id !== known?._id)
      after = joined(after, other);
  }
  after = withReading(after, reading, key);
  const subject = known?.subject ?? reading.subject;
  const told = ({ email, plan, parked, outcome, access }: Judgement) => ({
    ...{ subject, email, parked, access },
    plan: plan?.name ?? null,
    phase: outcome.phase,
    paidUntil: outcome.paidUntil,
  });
  const judged = await judge(ctx, community, source, after);
  return {
    state: judged.effect,
    before: known && told(await judge(ctx, community, source, known)),
    after: told(judged),
  };
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

/** Its customer is gone: the books keep it, under another name than the address. */
export async function alias(
  ctx: MutationCtx,
  { _id, facts }: Purchase,
  email: string,
): Promise<void> {
  await ctx.db.patch(_id, {
    email,
    facts: facts.map((fact) =>
      fact.email === undefined ? fact : { ...fact, email },
    ),
  });
}
