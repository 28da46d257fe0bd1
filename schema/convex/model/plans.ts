// plans.ts - what a provider's product buys. A product without a plan buys nothing: its
// purchases are parked until an operator maps it.

import type { Doc, Id } from "../_generated/dataModel";
import type { MutationCtx, QueryCtx } from "../_generated/server";
import { audit } from "./audit";
import * as Communities from "./communities";
import { failure } from "./failure";

const MAX_PLANS = 500;

export type WantedPlan = {
  community: string; // slug
  source: string; // of the webhooks, as the proxy's settings name it
  product: string; // the provider's id
  name: string;
  days: number | null;
  roleIds: string[];
};

/** Of several products in one purchase: the mapped one that lasts longest. */
export async function planOf(
  ctx: QueryCtx,
  communityId: Id<"communities">,
  source: string,
  products: readonly string[],
): Promise<Doc<"plans"> | null> {
  const found = await Promise.all(
    products.map((product) => find(ctx, communityId, source, product)),
  );
  const mapped = found.filter((plan) => plan !== null);
  const length = (plan: Doc<"plans">) => plan.days ?? Infinity;
  return mapped.sort((a, b) => length(b) - length(a))[0] ?? null;
}

async function find(
  ctx: QueryCtx,
  communityId: Id<"communities">,
  source: string,
  product: string,
): Promise<Doc<"plans"> | null> {
  return await ctx.db
    .query("plans")
    .withIndex("by_communityId_and_source_and_product", (q) =>
      q
        .eq("communityId", communityId)
        .eq("source", source)
        .eq("product", product),
    )
    .unique();
}

/** Makes a plan or changes it. What was bought before follows it in time. */
export async function map(
  ctx: MutationCtx,
  wanted: WantedPlan,
): Promise<Doc<"plans">> {
  const { community: slug, ...fields } = wanted;
  const community = await Communities.requireBySlug(ctx, slug);
  for (const field of ["source", "product", "name"] as const)
    if (fields[field].trim() === "" || fields[field].length > 200)
      throw failure("bad_argument", `${field}: 1 to 200 characters`);
  if (fields.days !== null && !(fields.days > 0))
    throw failure("bad_argument", "days: more than 0, or null for no end");
  for (const roleId of fields.roleIds)
    if (!/^\d{17,20}$/.test(roleId))
      throw failure("bad_argument", `roleIds: "${roleId}" is no Discord id`);
  const row = { communityId: community._id, ...fields };
  const known = await find(ctx, community._id, fields.source, fields.product);
  if (known === null && (await all(ctx, community._id)).length >= MAX_PLANS)
    throw failure("bad_argument", `At most ${MAX_PLANS} plans`);
  const id = known?._id ?? (await ctx.db.insert("plans", row));
  if (known !== null) await ctx.db.patch(id, row);
  const subject = `${fields.source}/${fields.product}`;
  await audit(ctx, community._id, "plan.map", subject, JSON.stringify(fields));
  return (await ctx.db.get(id))!;
}

/** Its product buys nothing any more: what was bought of it is parked in time. */
export async function unmap(
  ctx: MutationCtx,
  wanted: { community: string; source: string; product: string },
): Promise<Doc<"plans">> {
  const { source, product } = wanted;
  const community = await Communities.requireBySlug(ctx, wanted.community);
  const known = await find(ctx, community._id, source, product);
  if (known === null)
    throw failure("not_found", `There is no plan for ${source}/${product}`);
  await ctx.db.delete(known._id);
  await audit(
    ctx,
    community._id,
    "plan.unmap",
    `${source}/${product}`,
    known.name,
  );
  return known;
}

export async function all(
  ctx: QueryCtx,
  communityId: Id<"communities">,
): Promise<Doc<"plans">[]> {
  return await ctx.db
    .query("plans")
    .withIndex("by_communityId_and_source_and_product", (q) =>
      q.eq("communityId", communityId),
    )
    .take(MAX_PLANS);
}
