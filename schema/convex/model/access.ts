// access.ts - who may read a community's signals, and until when.
//
// An entitlement belongs to an account. One granted to an address without an
// account waits for it; it is honoured only once that account has proved the
// address, because anybody can sign up with any address. Granting again after
// sign-up binds it: then the operator has vouched for the person.

import { internal } from "../_generated/api";
import type { Doc, Id } from "../_generated/dataModel";
import type { MutationCtx, QueryCtx } from "../_generated/server";
import { normalEmail } from "./accounts";
import { audit } from "./audit";
import * as Communities from "./communities";
import { failure } from "./failure";
import * as Links from "./links";
import * as Roles from "./roles";

const MAX_PER_PERSON = 200; // the newest count
const LOOK_MS = 365 * 24 * 3600 * 1000;

export type Standing = {
  slug: string;
  name: string;
  until: number | null;
  live: boolean;
};

export function isLive(entitlement: Doc<"entitlements">, now: number): boolean {
  const { until, revokedAt, endedAt } = entitlement;
  return (
    revokedAt === null && endedAt === null && (until === null || until > now)
  );
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

/** What a person has or had in a community, the newest first. */
export async function rowsOf(
  ctx: QueryCtx,
  communityId: Id<"communities">,
  userId: Id<"users">,
): Promise<Doc<"entitlements">[]> {
  const own = await ctx.db
    .query("entitlements")
    .withIndex("by_communityId_and_userId", (q) =>
      q.eq("communityId", communityId).eq("userId", userId),
    )
    .order("desc")
    .take(MAX_PER_PERSON);
  const user = await ctx.db.get(userId);
  if (!user?.email || !user.emailVerificationTime) return own;
  const address = normalEmail(user.email);
  const waiting = await byEmail(ctx, communityId, address);
  return [...own, ...waiting.filter((row) => row.userId === null)];
}

export async function byEmail(
  ctx: QueryCtx,
  communityId: Id<"communities">,
  email: string,
): Promise<Doc<"entitlements">[]> {
  return await ctx.db
    .query("entitlements")
    .withIndex("by_communityId_and_email", (q) =>
      q.eq("communityId", communityId).eq("email", email),
    )
    .order("desc")
    .take(MAX_PER_PERSON);
}

/** Gives access by hand, or changes its end. `bound`: an account has it now. */
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
  const rows = await byEmail(ctx, community._id, email);
  await put(ctx, rows.find((row) => row.purchaseId === null) ?? null, {
    communityId: community._id,
    email,
    userId: user?._id ?? null,
    until: wanted.until,
    reason: wanted.reason,
    revokedAt: null,
    endedAt: null,
    purchaseId: null,
  });
  // The operator has vouched for the person: what the address bought is theirs too.
  if (user !== null) await bindAll(ctx, rows, user._id);
  await audit(
    ctx,
    community._id,
    "access.grant",
    email,
    `until ${wanted.until === null ? "further notice" : new Date(wanted.until).toISOString()}: ${wanted.reason}`,
  );
  return { bound: user !== null };
}

/**
 * Ends all access of an address, bought access too: a renewal does not bring it back, only
 * restore(), a grant or a new purchase. Says how many entitlements that ended.
 */
export async function revoke(
  ctx: MutationCtx,
  wanted: { community: string; email: string; reason: string },
): Promise<{ revoked: number }> {
  const community = await Communities.requireBySlug(ctx, wanted.community);
  const email = normalEmail(wanted.email);
  const rows = await byEmail(ctx, community._id, email);
  const open = rows.filter((row) => row.revokedAt === null);
  for (const row of open) await change(ctx, row, { revokedAt: Date.now() });
  await audit(ctx, community._id, "access.revoke", email, wanted.reason);
  return { revoked: open.length };
}

/** Takes a revocation back. What was paid for in the meantime counts again. */
export async function restore(
  ctx: MutationCtx,
  wanted: { community: string; email: string; reason: string },
): Promise<{ restored: number }> {
  const community = await Communities.requireBySlug(ctx, wanted.community);
  const email = normalEmail(wanted.email);
  const rows = await byEmail(ctx, community._id, email);
  const closed = rows.filter((row) => row.revokedAt !== null);
  for (const row of closed) await change(ctx, row, { revokedAt: null });
  await audit(ctx, community._id, "access.restore", email, wanted.reason);
  return { restored: closed.length };
}

/** Everything that an address or its account ever had. */
export async function ofPerson(
  ctx: QueryCtx,
  communityId: Id<"communities">,
  email: string,
  user: Doc<"users"> | null,
): Promise<Doc<"entitlements">[]> {
  const rows = await byEmail(ctx, communityId, email);
  const own = user === null ? [] : await rowsOf(ctx, communityId, user._id);
  const known = new Set(rows.map((row) => row._id));
  return [...rows, ...own.filter((row) => !known.has(row._id))];
}

// ---- what purchases give ----

/** Has the entitlement of a purchase be what the purchase says. */
export async function followPurchase(
  ctx: MutationCtx,
  wanted: {
    communityId: Id<"communities">;
    purchaseId: Id<"purchases">;
    email: string | null;
    access: { until: number | null } | null;
    reason: string;
  },
): Promise<void> {
  const { communityId, purchaseId, email, access, reason } = wanted;
  const known = await byPurchase(ctx, communityId, purchaseId);
  if (access === null || email === null) {
    if (known !== null && known.endedAt === null)
      await change(ctx, known, { endedAt: Date.now() });
    return;
  }
  const moved = known !== null && known.email !== email;
  const userId =
    known !== null && known.userId !== null && !moved
      ? known.userId
      : await verifiedOwner(ctx, email);
  await put(ctx, known, {
    communityId,
    email,
    userId,
    until: access.until,
    reason,
    revokedAt: known?.revokedAt ?? null,
    endedAt: null,
    purchaseId,
  });
}

/** One purchase turned out to be another: a revocation of it stays in force. */
export async function movePurchase(
  ctx: MutationCtx,
  from: Doc<"purchases">,
  to: Id<"purchases">,
): Promise<void> {
  const row = await byPurchase(ctx, from.communityId, from._id);
  if (row === null) return;
  const there = await byPurchase(ctx, from.communityId, to);
  if (there === null) return await ctx.db.patch(row._id, { purchaseId: to });
  if (row.revokedAt !== null && there.revokedAt === null)
    await ctx.db.patch(there._id, { revokedAt: row.revokedAt });
  await ctx.db.delete(row._id);
  if (row.userId !== null) await followRoles(ctx, row.userId, row.communityId);
}

/** An account has proved its address: what waited for it is its own from now on. */
export async function claim(
  ctx: MutationCtx,
  userId: Id<"users">,
): Promise<void> {
  const user = await ctx.db.get(userId);
  if (!user?.email || !user.emailVerificationTime) return;
  for (const { _id } of await Communities.all(ctx))
    await bindAll(
      ctx,
      await byEmail(ctx, _id, normalEmail(user.email)),
      userId,
    );
}

/** An address is proved to be its account's, by a mail or by an operator's knowledge. */
export async function proveEmail(
  ctx: MutationCtx,
  address: string,
): Promise<void> {
  const email = normalEmail(address);
  const user = await userByEmail(ctx, email);
  if (user === null) throw failure("not_found", `${email} has no account`);
  if (user.emailVerificationTime === undefined)
    await ctx.db.patch(user._id, { emailVerificationTime: Date.now() });
  await claim(ctx, user._id);
  await audit(ctx, null, "account.proveEmail", email, "");
}

/**
 * Its time is over: said in the row, so that whoever watches is told. `until` is the end that
 * was watched for: a row that has another by now has another watch as well.
 */
export async function expire(
  ctx: MutationCtx,
  id: Id<"entitlements">,
  until: number,
): Promise<void> {
  const row = await ctx.db.get(id);
  if (row === null || row.until !== until) return;
  if (until > Date.now()) await watchEnd(ctx, id, until);
  else if (row.endedAt === null) await change(ctx, row, { endedAt: until });
}

// Queries do not see the clock move, so the end of access is an event of its own. The
// scheduler takes nothing that is years away, so the far end is looked at once a year.
async function watchEnd(
  ctx: MutationCtx,
  id: Id<"entitlements">,
  until: number,
): Promise<void> {
  const at = Math.min(until, Date.now() + LOOK_MS);
  await ctx.scheduler.runAt(at, internal.access.expire, { id, until });
}

async function put(
  ctx: MutationCtx,
  known: Doc<"entitlements"> | null,
  row: Omit<Doc<"entitlements">, "_id" | "_creationTime">,
): Promise<void> {
  const id = known?._id ?? (await ctx.db.insert("entitlements", row));
  if (known !== null) await ctx.db.patch(id, row);
  if (known?.userId && known.userId !== row.userId)
    await followRoles(ctx, known.userId, row.communityId);
  if (row.userId !== null) await followRoles(ctx, row.userId, row.communityId);
  const { until } = row;
  if (until !== null && until > Date.now() && until !== known?.until)
    await watchEnd(ctx, id, until);
}

async function change(
  ctx: MutationCtx,
  row: Doc<"entitlements">,
  changed: Partial<Doc<"entitlements">>,
): Promise<void> {
  await ctx.db.patch(row._id, changed);
  const userId = changed.userId ?? row.userId;
  if (userId) await followRoles(ctx, userId, row.communityId);
}

/** Has a person's roles follow their entitlements, in one community or in all. */
export async function followRoles(
  ctx: MutationCtx,
  userId: Id<"users">,
  communityId?: Id<"communities">,
): Promise<void> {
  const link = await Links.ofUser(ctx, userId);
  if (link === null) return;
  const now = Date.now();
  for (const community of await Communities.all(ctx)) {
    if (communityId !== undefined && community._id !== communityId) continue;
    const rows = await rowsOf(ctx, community._id, userId);
    const live = rows.filter((row) => isLive(row, now));
    await Roles.follow(ctx, community, link.discordId, live);
  }
}

/** Takes every role of ours from a Discord account that is nobody's any more. */
export async function dropRoles(
  ctx: MutationCtx,
  discordId: string,
): Promise<void> {
  for (const community of await Communities.all(ctx))
    await Roles.follow(ctx, community, discordId, []);
}

async function bindAll(
  ctx: MutationCtx,
  rows: Doc<"entitlements">[],
  userId: Id<"users">,
): Promise<void> {
  for (const row of rows)
    if (row.userId === null) await change(ctx, row, { userId });
}

async function byPurchase(
  ctx: QueryCtx,
  communityId: Id<"communities">,
  purchaseId: Id<"purchases">,
): Promise<Doc<"entitlements"> | null> {
  return await ctx.db
    .query("entitlements")
    .withIndex("by_communityId_and_purchaseId", (q) =>
      q.eq("communityId", communityId).eq("purchaseId", purchaseId),
    )
    .unique();
}

async function verifiedOwner(
  ctx: QueryCtx,
  email: string,
): Promise<Id<"users"> | null> {
  const user = await userByEmail(ctx, email);
  return user?.emailVerificationTime ? user._id : null;
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

export async function userByEmail(
  ctx: QueryCtx,
  email: string,
): Promise<Doc<"users"> | null> {
  return await ctx.db
    .query("users")
    .withIndex("email", (q) => q.eq("email", email))
    .first();
}
