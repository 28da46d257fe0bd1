// communities.ts - tenants.

import type { Doc, Id } from "../_generated/dataModel";
import type { MutationCtx, QueryCtx } from "../_generated/server";
import { audit } from "./audit";
import { failure } from "./failure";

const MAX_COMMUNITIES = 100;

export async function bySlug(
  ctx: QueryCtx,
  slug: string,
): Promise<Doc<"communities"> | null> {
  return await ctx.db
    .query("communities")
    .withIndex("by_slug", (q) => q.eq("slug", slug))
    .unique();
}

export async function requireBySlug(
  ctx: QueryCtx,
  slug: string,
): Promise<Doc<"communities">> {
  const found = await bySlug(ctx, slug);
  if (found === null)
    throw failure("not_found", `There is no community "${slug}"`);
  return found;
}

export async function bySourceGuild(
  ctx: QueryCtx,
  guildId: string,
): Promise<Doc<"communities"> | null> {
  return await ctx.db
    .query("communities")
    .withIndex("by_sourceGuildId", (q) => q.eq("sourceGuildId", guildId))
    .unique();
}

export async function requireByCustomerGuild(
  ctx: QueryCtx,
  guildId: string,
): Promise<Doc<"communities">> {
  const found = await ctx.db
    .query("communities")
    .withIndex("by_customerGuildId", (q) => q.eq("customerGuildId", guildId))
    .first();
  if (found === null)
    throw failure(
      "not_found",
      `No community has the customer guild ${guildId}`,
    );
  return found;
}

/** All tenants; there are few by design. */
export async function all(ctx: QueryCtx): Promise<Doc<"communities">[]> {
  return await ctx.db.query("communities").take(MAX_COMMUNITIES);
}

export async function setUp(
  ctx: MutationCtx,
  wanted: Omit<Doc<"communities">, "_id" | "_creationTime">,
): Promise<Id<"communities">> {
  const { slug, sourceGuildId } = wanted;
  if (!/^[a-z0-9][a-z0-9-]{0,62}$/.test(slug))
    throw failure("bad_argument", "A slug is a-z, 0-9 and -, 1 to 63 of them");
  const owner = await bySourceGuild(ctx, sourceGuildId);
  if (owner !== null && owner.slug !== slug)
    throw failure("bad_argument", `That source guild is ${owner.slug}'s`);
  const known = await bySlug(ctx, slug);
  if (known === null && (await all(ctx)).length >= MAX_COMMUNITIES)
    throw failure("bad_argument", `At most ${MAX_COMMUNITIES} communities`);

  const id = known?._id ?? (await ctx.db.insert("communities", wanted));
  if (known !== null) await ctx.db.patch(id, wanted);
  await audit(ctx, id, "community.setUp", slug, JSON.stringify(wanted));
  return id;
}
