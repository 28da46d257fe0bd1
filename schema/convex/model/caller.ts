// caller.ts - who is calling, and may they.
// Every public function asks here before it does anything else.

import { getAuthSessionId, getAuthUserId } from "@convex-dev/auth/server";
import type { Doc, Id } from "../_generated/dataModel";
import type { MutationCtx, QueryCtx } from "../_generated/server";
import { bySlug } from "./communities";
import { entitlementOf, isOperator } from "./access";
import { failure } from "./failure";
import type { ServiceRole } from "./fields";

const ROLES: readonly ServiceRole[] = ["collector", "bot", "webhook-proxy"];

type Ctx = QueryCtx | MutationCtx;

/** Is the caller a daemon with `role`? Throws when not. */
export async function requireService(
  ctx: Ctx,
  role: ServiceRole,
): Promise<void> {
  const found = await serviceRoleOf(ctx);
  if (found === null) throw await refusal(ctx, `the service role ${role}`);
  if (found !== role)
    throw failure("forbidden", `This needs the role ${role}, not ${found}`);
}

/** The role of a calling daemon, or null for anybody else. */
export async function serviceRoleOf(ctx: Ctx): Promise<ServiceRole | null> {
  const identity = await ctx.auth.getUserIdentity();
  const issuer = process.env.SERVICE_ISSUER;
  if (identity === null || !issuer || identity.issuer !== issuer) return null;
  return ROLES.find((role) => role === identity.role) ?? null;
}

/** The signed-in person. Throws for daemons and strangers. */
export async function requirePerson(ctx: Ctx): Promise<Id<"users">> {
  return (await requireSession(ctx)).userId;
}

export type Session = { userId: Id<"users">; sessionId: Id<"authSessions"> };

/**
 * The signed-in person and the session. A token outlives its session by up to an hour, so the
 * session is looked up: signing out, a changed password and a deleted account end it at once,
 * also for queries that are being watched.
 */
export async function requireSession(ctx: Ctx): Promise<Session> {
  const named = await sessionNamed(ctx);
  if (named === null) throw await refusal(ctx, "a signed-in person");
  const session = await ctx.db.get(named.sessionId);
  if (
    session === null ||
    session.userId !== named.userId ||
    session.expirationTime <= Date.now() ||
    (await ctx.db.get(named.userId)) === null
  )
    throw failure("unauthenticated", "This session has ended: sign in again");
  return named;
}

/** The signed-in operator. Throws for everybody else. */
export async function requireOperator(ctx: Ctx): Promise<Id<"users">> {
  const userId = await requirePerson(ctx);
  if (!(await isOperator(ctx, userId)))
    throw failure("forbidden", "This needs an operator");
  return userId;
}

/** The community, if the caller may read its signals now. */
export async function requireMember(
  ctx: Ctx,
  slug: string,
  now: number,
): Promise<Doc<"communities">> {
  const userId = await requirePerson(ctx);
  const community = await bySlug(ctx, slug);
  if (community !== null) {
    const entitlement = await entitlementOf(ctx, community._id, userId, now);
    if (entitlement !== null || (await isOperator(ctx, userId)))
      return community;
  }
  // One answer for both, so that nobody learns which communities exist.
  throw failure("no_access", "This account has no access to this community");
}

/** The community, if the caller is an operator or a daemon. */
export async function requireStaff(
  ctx: Ctx,
  slug: string,
): Promise<Doc<"communities">> {
  if ((await serviceRoleOf(ctx)) === null) await requireOperator(ctx);
  const community = await bySlug(ctx, slug);
  if (community === null)
    throw failure("not_found", `There is no community "${slug}"`);
  return community;
}

// A daemon's subject is no user id, whatever it looks like.
async function sessionNamed(ctx: Ctx): Promise<Session | null> {
  const identity = await ctx.auth.getUserIdentity();
  if (identity === null || identity.issuer !== process.env.CONVEX_SITE_URL)
    return null;
  const userId = await getAuthUserId(ctx);
  const sessionId = await getAuthSessionId(ctx);
  return userId === null || sessionId === null ? null : { userId, sessionId };
}

async function refusal(ctx: Ctx, needed: string) {
  return (await ctx.auth.getUserIdentity()) === null
    ? failure("unauthenticated", `This needs ${needed}: no token was given`)
    : failure("forbidden", `This needs ${needed}`);
}
