// erasure.ts - a person leaves: what is only theirs is deleted, what the books need is kept
// under a name that says nothing.
//
// begin() ends everything that the account can do, in one mutation; the rest follows in
// batches, each of which finds by itself what is left, so that a repeated one does no harm.
// Kept: purchases, entitlements and the log, with the alias for the address, save what they
// did to others as an operator; the providers'
// events as they came, for as long as all events (retention.ts). A subscription goes on at its
// provider: an event about it later brings the address back, as the provider's word.

import type { Doc, Id } from "../_generated/dataModel";
import type { MutationCtx, QueryCtx } from "../_generated/server";
import * as Access from "./access";
import { normalEmail } from "./accounts";
import { audit } from "./audit";
import * as Purchases from "./billing/purchases";
import * as Communities from "./communities";
import * as Discord from "./discord";
import * as DiscordLinking from "./discordLinking";
import * as Links from "./links";
import * as Preferences from "./preferences";
import * as Reading from "./reading";
import * as Roles from "./roles";
import * as Shares from "./shares";

const BATCH = 50;

/** Who is leaving, as the batches know them after the account is gone. */
export type Leaver = {
  userId: Id<"users">;
  email: string;
  proved: boolean; // the address was theirs, and with it what was said of it
  since: number; // until then it may have been somebody else's, if it was never proved
  alias: string;
  discordId: string | null;
};

/** Ends the account: nobody can sign in to it, and no session of it is one any more. */
export async function begin(
  ctx: MutationCtx,
  user: Doc<"users">,
  alias: string,
): Promise<Leaver> {
  const { _id: userId, email = "" } = user;
  const link = await Links.ofUser(ctx, userId);
  const leaver: Leaver = {
    userId,
    email: normalEmail(email),
    proved: user.emailVerificationTime !== undefined,
    since: user._creationTime,
    alias,
    discordId: link?.discordId ?? null,
  };
  await Discord.unlink(ctx, userId);
  await DiscordLinking.forgetAll(ctx, userId);
  await Preferences.forget(ctx, userId);
  const accounts = await ctx.db
    .query("authAccounts")
    .withIndex("userIdAndProvider", (q) => q.eq("userId", userId))
    .take(BATCH);
  for (const { _id } of accounts) {
    await forgetLimit(ctx, _id);
    await ctx.db.delete(_id);
  }
  await forgetLimit(ctx, `discord:${userId}`);
  const operator = await ctx.db
    .query("operators")
    .withIndex("by_userId", (q) => q.eq("userId", userId))
    .unique();
  if (operator !== null) await ctx.db.delete(operator._id);
  await ctx.db.delete(userId);
  await audit(ctx, null, "account.delete", alias, "");
  return leaver;
}

async function forgetLimit(ctx: MutationCtx, identifier: string) {
  const row = await ctx.db
    .query("authRateLimits")
    .withIndex("identifier", (q) => q.eq("identifier", identifier))
    .unique();
  if (row !== null) await ctx.db.delete(row._id);
}

/** One batch of what is left; false: nothing was. */
export async function go(ctx: MutationCtx, leaver: Leaver): Promise<boolean> {
  for (const step of [sessions, marks, shares, access, parked, log])
    if (await step(ctx, leaver)) return true;
  return false;
}

type Step = (ctx: MutationCtx, leaver: Leaver) => Promise<boolean>;

const sessions: Step = async (ctx, { userId }) => {
  const session = await ctx.db
    .query("authSessions")
    .withIndex("userId", (q) => q.eq("userId", userId))
    .first();
  if (session === null) return false;
  const tokens = await ctx.db
    .query("authRefreshTokens")
    .withIndex("sessionId", (q) => q.eq("sessionId", session._id))
    .take(BATCH);
  for (const { _id } of tokens) await ctx.db.delete(_id);
  if (tokens.length < BATCH) await ctx.db.delete(session._id);
  return true;
};

const marks: Step = async (ctx, { userId }) => {
  for (const { _id } of await Communities.all(ctx)) {
    const mark = await Reading.markOf(ctx, _id, userId);
    if (mark === null) continue;
    await ctx.db.delete(mark._id);
    return true;
  }
  return false;
};

const shares: Step = async (ctx, { userId }) =>
  (await Shares.disown(ctx, userId, BATCH)) > 0;

const access: Step = async (ctx, leaver) => {
  for (const { _id } of await Communities.all(ctx)) {
    const rows = await ofLeaver(ctx, _id, leaver);
    for (const row of rows) {
      await ctx.db.patch(row._id, {
        email: leaver.alias,
        userId: null,
        endedAt: row.endedAt ?? Date.now(),
      });
      const purchase = row.purchaseId ? await ctx.db.get(row.purchaseId) : null;
      if (purchase !== null) await Purchases.alias(ctx, purchase, leaver.alias);
    }
    if (rows.length > 0) return true;
  }
  return false;
};

async function ofLeaver(
  ctx: QueryCtx,
  communityId: Id<"communities">,
  { userId, email, proved }: Leaver,
): Promise<Doc<"entitlements">[]> {
  const own = await ctx.db
    .query("entitlements")
    .withIndex("by_communityId_and_userId", (q) =>
      q.eq("communityId", communityId).eq("userId", userId),
    )
    .take(BATCH);
  if (own.length > 0 || !proved) return own;
  const rows = await Access.byEmail(ctx, communityId, email);
  return rows.filter((row) => row.userId === null).slice(0, BATCH);
}

// What never gave access: nothing paid, or nobody knew yet what it buys.
const parked: Step = async (ctx, { email, proved, alias }) => {
  if (!proved) return false;
  for (const { _id } of await Communities.all(ctx)) {
    const rows = await Purchases.ofEmail(ctx, _id, email);
    for (const row of rows) await Purchases.alias(ctx, row, alias);
    if (rows.length > 0) return true;
  }
  return false;
};

const log: Step = async (ctx, { email, proved, since, alias }) => {
  for (const communityId of [
    null,
    ...(await Communities.all(ctx)).map(({ _id }) => _id),
  ]) {
    const rows = await ctx.db
      .query("auditLog")
      .withIndex("by_communityId_and_subject_and_at", (q) =>
        q
          .eq("communityId", communityId)
          .eq("subject", email)
          .gte("at", proved ? 0 : since),
      )
      .take(BATCH);
    for (const { _id, actor } of rows)
      await ctx.db.patch(_id, {
        subject: alias,
        actor: actor === email ? alias : actor,
      });
    if (rows.length > 0) return true;
  }
  return false;
};

/**
 * Forgets the roles of a Discord account that nobody has linked, as far as they have been taken
 * away; false: some still are not.
 */
export async function forgetRoles(
  ctx: MutationCtx,
  discordId: string,
): Promise<boolean> {
  if ((await Links.ofDiscord(ctx, discordId)) !== null) return true;
  let left = false;
  for (const { _id } of await Communities.all(ctx))
    for (const job of await Roles.jobsOf(ctx, _id, discordId))
      if (job.wants || job.dead || job.lease !== null) left = true;
      else await ctx.db.delete(job._id);
  return !left;
}
