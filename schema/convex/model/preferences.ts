// preferences.ts - how a person wants the dashboard to be, on every device.

import { v, type Infer } from "convex/values";
import type { Id } from "../_generated/dataModel";
import type { MutationCtx, QueryCtx } from "../_generated/server";
import { failure } from "./failure";

const MAX_MUTED = 500;

export const preferences = v.object({
  hideDeleted: v.boolean(), // no placeholders for signals that were deleted
  sound: v.boolean(), // a tone with a new signal
  notify: v.boolean(), // a notification of the browser's, where it is allowed
  mutedChannels: v.array(v.id("channels")), // neither of the two for these
});
export type Preferences = Infer<typeof preferences>;

const DEFAULTS: Preferences = {
  hideDeleted: true,
  sound: false,
  notify: false,
  mutedChannels: [],
};

export async function of(
  ctx: QueryCtx,
  userId: Id<"users">,
): Promise<Preferences> {
  const row = await rowOf(ctx, userId);
  if (row === null) return DEFAULTS;
  const { hideDeleted, sound, notify, mutedChannels } = row;
  return { hideDeleted, sound, notify, mutedChannels };
}

export async function set(
  ctx: MutationCtx,
  userId: Id<"users">,
  wanted: Preferences,
): Promise<void> {
  const mutedChannels = [...new Set(wanted.mutedChannels)];
  if (mutedChannels.length > MAX_MUTED)
    throw failure("bad_argument", `mutedChannels: at most ${MAX_MUTED}`);
  const row = await rowOf(ctx, userId);
  if (row === null)
    await ctx.db.insert("preferences", { userId, ...wanted, mutedChannels });
  else await ctx.db.patch(row._id, { ...wanted, mutedChannels });
}

export async function forget(
  ctx: MutationCtx,
  userId: Id<"users">,
): Promise<void> {
  const row = await rowOf(ctx, userId);
  if (row !== null) await ctx.db.delete(row._id);
}

async function rowOf(ctx: QueryCtx, userId: Id<"users">) {
  return await ctx.db
    .query("preferences")
    .withIndex("by_userId", (q) => q.eq("userId", userId))
    .unique();
}
