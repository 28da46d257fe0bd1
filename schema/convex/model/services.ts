// services.ts - how the daemons are doing, by their own account.

import { v, type Infer } from "convex/values";
import type { MutationCtx } from "../_generated/server";
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
