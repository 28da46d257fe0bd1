// discordLinking.ts - one person's way to Discord's page and back.
//
// An attempt has a secret at each half of the way, and the row only their digests: `state`
// goes to Discord and comes back to the HTTP action, where it is spent, whatever follows; the
// ticket goes from there to the page and is spent by the person who began. So a callback that
// is replayed finds nothing, and somebody who is lured to another's callback links nothing.

import type { Doc, Id } from "../_generated/dataModel";
import type { MutationCtx, QueryCtx } from "../_generated/server";
import { internal } from "../_generated/api";
import { audit } from "./audit";
import * as Communities from "./communities";
import * as Discord from "./discord";
import { failure } from "./failure";
import { spend } from "./limits";
import * as Links from "./links";

export const LIFETIME_MS = 10 * 60 * 1000;
const STARTS_PER_HOUR = 30;
const MAX_OPEN = 10; // of one person; older ones are forgotten

/** Begins; says which guild they may be brought into, or null. */
export async function begin(
  ctx: MutationCtx,
  userId: Id<"users">,
  wanted: { community: string; stateDigest: string; verifier: string },
): Promise<{ guildId: string | null }> {
  if (!(await spend(ctx, `discord:${userId}`, STARTS_PER_HOUR)))
    throw failure(
      "too_many_attempts",
      "Too many attempts to link Discord. Try again in a few minutes",
    );
  await forget(ctx, userId);
  const community = await Communities.bySlug(ctx, wanted.community);
  const guildId = community?.joinsAllowed ? community.customerGuildId : null;
  const expiresAt = Date.now() + LIFETIME_MS;
  const id = await ctx.db.insert("discordAttempts", {
    userId,
    stateDigest: wanted.stateDigest,
    verifier: wanted.verifier,
    guildId,
    expiresAt,
    ticketDigest: null,
    found: null,
  });
  await ctx.scheduler.runAt(expiresAt, internal.account.forgetAttempt, { id });
  return { guildId };
}

/** Spends a state: what is needed to go on, once. */
export async function spendState(
  ctx: MutationCtx,
  stateDigest: string,
): Promise<{
  attemptId: Id<"discordAttempts">;
  verifier: string;
  guildId: string | null;
} | null> {
  const row = await ctx.db
    .query("discordAttempts")
    .withIndex("by_stateDigest", (q) => q.eq("stateDigest", stateDigest))
    .unique();
  if (row === null || row.expiresAt <= Date.now()) return null;
  await ctx.db.patch(row._id, { stateDigest: null, verifier: "" });
  return { attemptId: row._id, verifier: row.verifier, guildId: row.guildId };
}

/** Notes whom Discord named; "taken" when they are linked to another account. */
export async function note(
  ctx: MutationCtx,
  wanted: {
    attemptId: Id<"discordAttempts">;
    found: { id: string; name: string };
    ticketDigest: string;
  },
): Promise<"noted" | "taken" | "expired"> {
  const { attemptId, found, ticketDigest } = wanted;
  const row = await ctx.db.get(attemptId);
  if (row === null || row.expiresAt <= Date.now()) return "expired";
  const known = await Links.ofDiscord(ctx, found.id);
  if (known !== null && known.userId !== row.userId) {
    await ctx.db.delete(attemptId);
    return "taken";
  }
  await ctx.db.patch(attemptId, { found, ticketDigest });
  return "noted";
}

/** Spends a ticket: its owner's account and the Discord account are linked. */
export async function confirm(
  ctx: MutationCtx,
  userId: Id<"users">,
  ticketDigest: string,
): Promise<{ name: string }> {
  const row = await ctx.db
    .query("discordAttempts")
    .withIndex("by_ticketDigest", (q) => q.eq("ticketDigest", ticketDigest))
    .unique();
  if (
    row === null ||
    row.found === null ||
    row.userId !== userId ||
    row.expiresAt <= Date.now()
  )
    throw failure(
      "link_over",
      "This attempt to link Discord is over. Please start again",
    );
  const { id, name } = row.found;
  const known = await Links.ofDiscord(ctx, id);
  if (known !== null && known.userId !== userId)
    throw failure(
      "discord_taken",
      "This Discord account is linked to another account here",
    );
  await ctx.db.delete(row._id);
  await Discord.link(ctx, userId, id, name);
  await audit(ctx, null, "discord.link", await emailOf(ctx, userId), id);
  return { name };
}

export async function unlink(
  ctx: MutationCtx,
  userId: Id<"users">,
): Promise<boolean> {
  const own = await Links.ofUser(ctx, userId);
  if (own === null) return false;
  await Discord.unlink(ctx, userId);
  const email = await emailOf(ctx, userId);
  await audit(ctx, null, "discord.unlink", email, own.discordId);
  return true;
}

/** All but the newest attempts of a person. */
async function forget(ctx: MutationCtx, userId: Id<"users">): Promise<void> {
  for (const row of (await open(ctx, userId)).slice(0, -MAX_OPEN + 1))
    await ctx.db.delete(row._id);
}

export async function forgetAll(
  ctx: MutationCtx,
  userId: Id<"users">,
): Promise<void> {
  for (const row of await open(ctx, userId)) await ctx.db.delete(row._id);
}

async function open(
  ctx: QueryCtx,
  userId: Id<"users">,
): Promise<Doc<"discordAttempts">[]> {
  return await ctx.db
    .query("discordAttempts")
    .withIndex("by_userId", (q) => q.eq("userId", userId))
    .take(2 * MAX_OPEN);
}

async function emailOf(ctx: QueryCtx, userId: Id<"users">): Promise<string> {
  return (await ctx.db.get(userId))?.email ?? "";
}
