// linkState.ts - a person's Discord account, and the roles it should have against those it has.

import { v, type Infer } from "convex/values";
import type { Doc, Id } from "../_generated/dataModel";
import type { QueryCtx } from "../_generated/server";
import * as Communities from "./communities";
import * as Links from "./links";
import * as Plans from "./plans";
import * as Roles from "./roles";

const roleState = v.union(
  v.literal("has"), // as it should be
  v.literal("without"), // neither has it nor should
  v.literal("giving"),
  v.literal("taking"),
  v.literal("absent"), // not in the guild: it is given on joining
  v.literal("failed"), // Discord refused; an operator must look
);

export const linkState = v.object({
  link: v.union(
    v.object({
      discordId: v.string(),
      name: v.string(),
      linkedAt: v.number(),
    }),
    v.null(),
  ),
  communities: v.array(
    v.object({
      slug: v.string(),
      name: v.string(),
      roles: v.array(
        v.object({
          roleId: v.string(),
          name: v.union(v.string(), v.null()), // of the plan that it comes with; null: of all
          expected: v.boolean(),
          actual: v.union(v.boolean(), v.null()), // null: never looked at
          state: roleState,
        }),
      ),
    }),
  ),
});
export type LinkState = Infer<typeof linkState>;

export async function of(
  ctx: QueryCtx,
  userId: Id<"users">,
): Promise<LinkState> {
  const link = await Links.ofUser(ctx, userId);
  if (link === null) return { link: null, communities: [] };
  const { discordId, name, linkedAt } = link;
  const communities: LinkState["communities"] = [];
  for (const community of await Communities.all(ctx)) {
    const roles = await rolesIn(ctx, community, discordId);
    if (roles.length > 0)
      communities.push({ slug: community.slug, name: community.name, roles });
  }
  return { link: { discordId, name, linkedAt }, communities };
}

/** Every role of ours that this Discord account has, had or should have in a community. */
export async function rolesIn(
  ctx: QueryCtx,
  community: Doc<"communities">,
  discordId: string,
) {
  const jobs = await Roles.jobsOf(ctx, community._id, discordId);
  if (jobs.length === 0) return [];
  const plans = await Plans.all(ctx, community._id);
  return jobs.map((job) => ({
    roleId: job.roleId,
    name:
      plans.find(({ roleIds }) => roleIds.includes(job.roleId))?.name ?? null,
    expected: job.desired,
    actual: job.actual,
    state: stateOf(job),
  }));
}

function stateOf(job: Doc<"roleJobs">): Infer<typeof roleState> {
  if (job.dead) return "failed";
  if (job.absent) return job.desired ? "absent" : "without";
  if (job.wants) return job.desired ? "giving" : "taking";
  return job.desired ? "has" : "without";
}
