// services.ts - how the daemons are doing, by their own account.

import { v, type Infer } from "convex/values";
import type { MutationCtx, QueryCtx } from "../_generated/server";
import { audit } from "./audit";
import { serviceRole } from "./fields";

export const beat = v.object({
  service: serviceRole,
  instance: v.string(),
  version: v.string(),
  state: v.union(
    v.literal("starting"),
    v.literal("ready"),
    v.literal("degraded"),
    v.literal("stopping"),
  ),
  counters: v.array(v.object({ name: v.string(), value: v.number() })),
  detail: v.optional(v.string()),
});
export type Beat = Infer<typeof beat>;

export async function heartbeat(ctx: MutationCtx, given: Beat): Promise<void> {
  const known = await ctx.db
    .query("services")
    .withIndex("by_service_and_instance", (q) =>
      q.eq("service", given.service).eq("instance", given.instance),
    )
    .unique();
  const row = { ...given, seenAt: Date.now() };
  if (known === null) await ctx.db.insert("services", row);
  else await ctx.db.replace(known._id, row);
}

const MAX_LISTED = 100;

export const instance = v.object({ ...beat.fields, seenAt: v.number() });

/** Every instance that ever reported, of each service the last seen first. */
export async function list(ctx: QueryCtx): Promise<Infer<typeof instance>[]> {
  const rows = await ctx.db
    .query("services")
    .withIndex("by_service_and_instance")
    .take(MAX_LISTED);
  return rows
    .map(({ _id, _creationTime, ...row }) => row)
    .sort((a, b) =>
      a.service === b.service
        ? b.seenAt - a.seenAt
        : a.service < b.service
          ? -1
          : 1,
    );
}

/** An instance that is gone for good is forgotten; it comes back with its next heartbeat. */
export async function forget(
  ctx: MutationCtx,
  service: Beat["service"],
  name: string,
): Promise<boolean> {
  const known = await ctx.db
    .query("services")
    .withIndex("by_service_and_instance", (q) =>
      q.eq("service", service).eq("instance", name),
    )
    .unique();
  if (known === null) return false;
  await ctx.db.delete(known._id);
  await audit(ctx, null, "service.forget", `${service}/${name}`, "");
  return true;
}
