// access.ts - who may read a community's signals, and until when.
//
// An entitlement belongs to an account. One granted to an address without an
// account waits for it; it is honoured only once that account has proved the
// address, because anybody can sign up with any address. Granting again after
// sign-up binds it: then the operator has vouched for the person.

import type { Doc, Id } from "../_generated/dataModel";
import type { MutationCtx, QueryCtx } from "../_generated/server";
import { normalEmail } from "./accounts";
import { audit } from "./audit";
import * as Communities from "./communities";
import { failure } from "./failure";

const MAX_PER_PERSON = 50;

export type Standing = {
  slug: string;
  name: string;
  until: number | null;
  live: boolean;
};

export function isLive(entitlement: Doc<"entitlements">, now: number): boolean {
  const { until, revokedAt } = entitlement;
  return revokedAt === null && (until === null || until > now);
}

/** A live entitlement of this person in this community. */
export async function entitlementOf(
  ctx: QueryCtx,
  communityId: Id<"communities">,
  userId: Id<"users">,
  now: number,
): Promise<Doc<"entitlements"> | null> {
  const rows = await rowsOf(ctx, communityId, userId);
  return rows.find((row) => isLive(row, now)) ?? null;
}

/**
 * The best a person has in each community where they ever had something;
 * everything everywhere for an operator.
 */
export async function standings(
  ctx: QueryCtx,
  userId: Id<"users">,
  now: number,
): Promise<Standing[]> {
  const found: Standing[] = [];
  const everywhere = await isOperator(ctx, userId);
  for (const { _id, slug, name } of await Communities.all(ctx)) {
    if (everywhere) {
      found.push({ slug, name, until: null, live: true });
      continue;
    }
    const rows = await rowsOf(ctx, _id, userId);
    const best = rows.sort((a, b) => rank(b, now) - rank(a, now))[0];
    if (best !== undefined)
      found.push({
        slug,
        name,
        until: best.until,
        live: isLive(best, now),
      });
  }
  return found;
}

function rank(row: Doc<"entitlements">, now: number): number {
  return isLive(row, now) ? (row.until ?? Infinity) : -1;
}

async function rowsOf(
  ctx: QueryCtx,
  communityId: Id<"communities">,
  userId: Id<"users">,
): Promise<Doc<"entitlements">[]> {
  const own = await ctx.db
    .query("entitlements")
    .withIndex("by_communityId_and_userId", (q) =>
      q.eq("communityId", communityId).eq("userId", userId),
    )
    .take(MAX_PER_PERSON);
  if (own.length > 0) return own;
  const user = await ctx.db.get(userId);
  if (!user?.email || !user.emailVerificationTime) return [];
  const waiting = await byEmail(ctx, communityId, user.email);
  return waiting.filter((row) => row.userId === null);
}

async function byEmail(
  ctx: QueryCtx,
  communityId: Id<"communities">,
  email: string,
): Promise<Doc<"entitlements">[]> {
  return await ctx.db
    .query("entitlements")
    .withIndex("by_communityId_and_email", (q) =>
      q.eq("communityId", communityId).eq("email", email),
    )
    .take(MAX_PER_PERSON);
}

/** Gives access, or changes its end. `bound`: an account has it now. */
export async function grant(
  ctx: MutationCtx,
  wanted: {
    community: string;
    email: string;
    until: number | null;
    reason: string;
  },
): Promise<{ bound: boolean }> {
  const community = await Communities.requireBySlug(ctx, wanted.community);
  const email = normalEmail(wanted.email);
  const user = await userByEmail(ctx, email);
  const row = {
    communityId: community._id,
    email,
    userId: user?._id ?? null,
    until: wanted.until,
    reason: wanted.reason,
    revokedAt: null,
  };
  const [known] = await byEmail(ctx, community._id, email);
  if (known === undefined) await ctx.db.insert("entitlements", row);
  else await ctx.db.patch(known._id, row);
  await audit(
    ctx,
    community._id,
    "access.grant",
    email,
    `until ${wanted.until ?? "further notice"}: ${wanted.reason}`,
  );
  return { bound: user !== null };
}

/** Ends all access of an address. Says how many entitlements that ended. */
export async function revoke(
  ctx: MutationCtx,
  wanted: { community: string; email: string; reason: string },
): Promise<{ revoked: number }> {
  const community = await Communities.requireBySlug(ctx, wanted.community);
  const email = normalEmail(wanted.email);
  const rows = await byEmail(ctx, community._id, email);
  const open = rows.filter((row) => row.revokedAt === null);
  for (const row of open)
    await ctx.db.patch(row._id, { revokedAt: Date.now() });
  await audit(ctx, community._id, "access.revoke", email, wanted.reason);
  return { revoked: open.length };
}

export async function makeOperator(
  ctx: MutationCtx,
  address: string,
): Promise<void> {
  const email = normalEmail(address);
  const user = await userByEmail(ctx, email);
  if (user === null)
    throw failure("not_found", `${email} has no account: sign up first`);
  if (await isOperator(ctx, user._id)) return;
  await ctx.db.insert("operators", { userId: user._id, since: Date.now() });
  await audit(ctx, null, "access.makeOperator", email, "");
}

export async function isOperator(
  ctx: QueryCtx,
  userId: Id<"users">,
): Promise<boolean> {
  const row = await ctx.db
    .query("operators")
    .withIndex("by_userId", (q) => q.eq("userId", userId))
    .unique();
  return row !== null;
}

async function userByEmail(
  ctx: QueryCtx,
  email: string,
): Promise<Doc<"users"> | null> {
  return await ctx.db
    .query("users")
    .withIndex("email", (q) => q.eq("email", email))
    .first();
}
