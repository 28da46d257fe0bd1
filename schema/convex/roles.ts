import { v } from "convex/values";
import { mutation, query } from "./_generated/server";
import { requireService } from "./model/caller";
import * as Communities from "./model/communities";
import * as Roles from "./model/roles";

/** What waits for the bot; changes whenever there is something new to claim. */
export const queue = query({
  args: {},
  returns: v.object({
    nextAt: v.union(v.number(), v.null()),
    mark: v.number(),
  }),
  handler: async (ctx) => {
    await requireService(ctx, "bot");
    return await Roles.queue(ctx);
  },
});

/** What a claim would hand out, and do nothing. */
export const pending = query({
  args: { limit: v.number() },
  returns: v.array(Roles.job),
  handler: async (ctx, { limit }) => {
    await requireService(ctx, "bot");
    return await Roles.pending(ctx, limit);
  },
});

/** Leases jobs to `instance`, those that take a role away first. */
export const claim = mutation({
  args: { instance: v.string(), limit: v.number() },
  returns: v.object({ jobs: v.array(Roles.job) }),
  handler: async (ctx, { instance, limit }) => {
    await requireService(ctx, "bot");
    return { jobs: await Roles.claim(ctx, instance, limit) };
  },
});

/** Takes outcomes; false for those whose lease is no longer the newest. */
export const report = mutation({
  args: {
    instance: v.string(),
    results: v.array(
      v.object({
        jobId: v.id("roleJobs"),
        fence: v.number(),
        outcome: Roles.outcome,
      }),
    ),
  },
  returns: v.object({ accepted: v.array(v.boolean()) }),
  handler: async (ctx, { instance, results }) => {
    await requireService(ctx, "bot");
    return { accepted: await Roles.report(ctx, instance, results) };
  },
});

/** Gives up the leases of an earlier life of `instance`. */
export const release = mutation({
  args: { instance: v.string() },
  returns: v.object({ released: v.number() }),
  handler: async (ctx, { instance }) => {
    await requireService(ctx, "bot");
    return { released: await Roles.release(ctx, instance) };
  },
});

/** The guilds with roles of ours, and which roles those are. */
export const guilds = query({
  args: {},
  returns: v.array(
    v.object({
      guildId: v.string(),
      name: v.string(),
      roleIds: v.array(v.string()),
    }),
  ),
  handler: async (ctx) => {
    await requireService(ctx, "bot");
    const all = await Communities.all(ctx);
    return await Promise.all(
      all.map(async (community) => ({
        guildId: community.customerGuildId,
        name: community.name,
        roleIds: await Roles.managed(ctx, community),
      })),
    );
  },
});

/** Whose roles to look at in a guild, by Discord id, after the last of the page before. */
export const people = query({
  args: {
    guildId: v.string(),
    after: v.union(v.string(), v.null()),
    limit: v.number(),
  },
  returns: v.array(v.string()),
  handler: async (ctx, { guildId, after, limit }) => {
    await requireService(ctx, "bot");
    const community = await Communities.requireByCustomerGuild(ctx, guildId);
    return await Roles.people(ctx, community._id, after, Math.min(limit, 100));
  },
});

/** What members really have; null: not in the guild. Says how much had drifted. */
export const observe = mutation({
  args: {
    guildId: v.string(),
    seen: v.array(
      v.object({
        discordId: v.string(),
        roleIds: v.union(v.array(v.string()), v.null()),
      }),
    ),
  },
  returns: v.object({ drift: v.number() }),
  handler: async (ctx, { guildId, seen }) => {
    await requireService(ctx, "bot");
    const community = await Communities.requireByCustomerGuild(ctx, guildId);
    let drift = 0;
    for (const { discordId, roleIds } of seen.slice(0, 100))
      drift += await Roles.observe(ctx, community._id, discordId, roleIds);
    return { drift };
  },
});
