// discord.ts - links people to their Discord accounts, and has the roles follow.

import type { Id } from "../_generated/dataModel";
import type { MutationCtx } from "../_generated/server";
import * as Access from "./access";
import { normalEmail } from "./accounts";
import { audit } from "./audit";
import { failure } from "./failure";
import * as Links from "./links";

const BATCH = 50;
const SNOWFLAKE = /^\d{17,20}$/;

/** Whoever had this Discord account, or this person another one, has it no longer. */
export async function link(
  ctx: MutationCtx,
  userId: Id<"users">,
  discordId: string,
  name: string,
): Promise<void> {
  if (!SNOWFLAKE.test(discordId))
    throw failure("bad_argument", `"${discordId}" is no Discord id`);
  const own = await Links.ofUser(ctx, userId);
  if (own?.discordId === discordId)
    return await ctx.db.patch(own._id, { name });
  const others = await Links.ofDiscord(ctx, discordId);
  if (others !== null) await unlink(ctx, others.userId);
  if (own !== null) await unlink(ctx, userId);
  const linkedAt = Date.now();
  await ctx.db.insert("discordLinks", { userId, discordId, name, linkedAt });
  await Access.followRoles(ctx, userId);
}

/** The roles that the account had through us are taken back. */
export async function unlink(
  ctx: MutationCtx,
  userId: Id<"users">,
): Promise<boolean> {
  const own = await Links.ofUser(ctx, userId);
  if (own === null) return false;
  await Access.dropRoles(ctx, own.discordId);
  await ctx.db.delete(own._id);
  return true;
}

/** What linkByEmail() said holds no longer. False: nothing was linked. */
export async function unlinkByEmail(
  ctx: MutationCtx,
  address: string,
): Promise<boolean> {
  const email = normalEmail(address);
  const user = await Access.userByEmail(ctx, email);
  if (user === null) throw failure("not_found", `${email} has no account`);
  const was = await Links.ofUser(ctx, user._id);
  const gone = await unlink(ctx, user._id);
  await audit(ctx, null, "discord.unlink", email, was?.discordId ?? "");
  return gone;
}

/** One batch of all links; the cursor of the next, or null. */
export async function followAll(
  ctx: MutationCtx,
  cursor: string | null,
): Promise<string | null> {
  const page = await ctx.db
    .query("discordLinks")
    .paginate({ numItems: BATCH, cursor });
  for (const { userId } of page.page) await Access.followRoles(ctx, userId);
  return page.isDone ? null : page.continueCursor;
}

/** By command line: the operator vouches for whose account it is. */
export async function linkByEmail(
  ctx: MutationCtx,
  wanted: { email: string; discordId: string },
): Promise<void> {
  const email = normalEmail(wanted.email);
  const user = await Access.userByEmail(ctx, email);
  if (user === null) throw failure("not_found", `${email} has no account`);
  await link(ctx, user._id, wanted.discordId, "");
  await audit(ctx, null, "discord.link", email, wanted.discordId);
}
