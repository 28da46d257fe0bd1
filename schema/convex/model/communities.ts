// communities.ts - tenants.

import { v, type Infer } from "convex/values";
import type { Doc, Id } from "../_generated/dataModel";
import type { MutationCtx, QueryCtx } from "../_generated/server";
import { audit } from "./audit";
import { failure } from "./failure";

const MAX_COMMUNITIES = 200;
const MAX_MEMBER_ROLES = 20;
const SNOWFLAKE = /^\d{17,20}$/;

export const settings = v.object({
  slug: v.string(),
  name: v.string(),
  sourceGuildId: v.string(),
  customerGuildId: v.string(),
  memberRoleIds: v.optional(v.array(v.string())),
  graceDays: v.optional(v.number()),
  partialRefundEnds: v.optional(v.boolean()),
  acceptsTestPurchases: v.optional(v.boolean()),
  joinsAllowed: v.optional(v.boolean()),
});
export type Settings = Infer<typeof settings>;

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
  wanted: Settings,
): Promise<Id<"communities">> {
  const { slug, sourceGuildId } = wanted;
  if (!/^[a-z0-9][a-z0-9-]{0,62}$/.test(slug))
    throw failure(
      "bad_argument",
      "slug: a-z, 0-9 and -, 1 to 63 of them, not - first",
    );
  checkSettings(wanted);
  const owner = await bySourceGuild(ctx, sourceGuildId);
  if (owner !== null && owner.slug !== slug)
    throw failure(
      "bad_argument",
      `sourceGuildId: that guild is the source of ${owner.slug}`,
    );
  const known = await bySlug(ctx, slug);
  if (known === null && (await all(ctx)).length >= MAX_COMMUNITIES)
    throw failure("bad_argument", `At most ${MAX_COMMUNITIES} communities`);

  const id = known?._id ?? (await ctx.db.insert("communities", wanted));
  if (known !== null) await ctx.db.patch(id, wanted);
  await audit(ctx, id, "community.setUp", slug, JSON.stringify(wanted));
  return id;
}

function checkSettings(wanted: Settings): void {
  const { name, memberRoleIds = [], graceDays = 0 } = wanted;
  if (name.trim() === "" || name.length > 100)
    throw failure("bad_argument", "name: 1 to 100 characters");
  for (const field of ["sourceGuildId", "customerGuildId"] as const)
    if (!SNOWFLAKE.test(wanted[field]))
      throw failure(
        "bad_argument",
        `${field}: "${wanted[field]}" is no Discord id (17 to 20 digits)`,
      );
  for (const roleId of memberRoleIds)
    if (!SNOWFLAKE.test(roleId))
      throw failure(
        "bad_argument",
        `memberRoleIds: "${roleId}" is no Discord id`,
      );
  if (memberRoleIds.length > MAX_MEMBER_ROLES)
    throw failure(
      "bad_argument",
      `memberRoleIds: at most ${MAX_MEMBER_ROLES} roles`,
    );
  if (!(graceDays >= 0 && graceDays <= 90))
    throw failure("bad_argument", "graceDays: 0 to 90");
}

export function settingsOf(community: Doc<"communities">): Settings {
  const { _id, _creationTime, ...known } = community;
  return known;
}
