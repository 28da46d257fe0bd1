import { v } from "convex/values";
import { mutation, query } from "./_generated/server";
import * as Access from "./model/access";
import { requireOperator } from "./model/caller";
import * as Communities from "./model/communities";
import * as Discord from "./model/discord";
import * as People from "./model/people";
import * as Timeline from "./model/timeline";

const whom = { community: v.string(), email: v.string() };

/** By e-mail, Discord id or name, order or subscription id. */
export const find = query({
  args: { community: v.string(), text: v.string() },
  returns: v.array(People.found),
  handler: async (ctx, { community: slug, text }) => {
    await requireOperator(ctx);
    const community = await Communities.requireBySlug(ctx, slug);
    return await People.find(ctx, community, text);
  },
});

/** Account, linkage, access, purchases and roles of one address. */
export const get = query({
  args: whom,
  returns: People.person,
  handler: async (ctx, { community: slug, email }) => {
    await requireOperator(ctx);
    const community = await Communities.requireBySlug(ctx, slug);
    return await People.get(ctx, community, email);
  },
});

/** Why they have access or have it not, newest first. */
export const timeline = query({
  args: whom,
  returns: v.array(Timeline.step),
  handler: async (ctx, { community: slug, email }) => {
    await requireOperator(ctx);
    const community = await Communities.requireBySlug(ctx, slug);
    return await Timeline.of(ctx, community, email);
  },
});

export const grant = mutation({
  args: {
    ...whom,
    until: v.union(v.number(), v.null()), // ms; null: no end
    reason: v.string(),
  },
  returns: v.object({ bound: v.boolean() }), // an account has it now
  handler: async (ctx, wanted) => {
    await requireOperator(ctx);
    People.checkGrant(wanted, Date.now());
    return await Access.grant(ctx, wanted);
  },
});

/** Ends all access, bought access too, until it is restored. */
export const revoke = mutation({
  args: { ...whom, reason: v.string() },
  returns: v.object({ revoked: v.number() }),
  handler: async (ctx, wanted) => {
    await requireOperator(ctx);
    return await Access.revoke(ctx, wanted);
  },
});

/** Takes a revocation back. */
export const restore = mutation({
  args: { ...whom, reason: v.string() },
  returns: v.object({ restored: v.number() }),
  handler: async (ctx, wanted) => {
    await requireOperator(ctx);
    return await Access.restore(ctx, wanted);
  },
});

/** Works purchases and roles out again from what is stored. */
export const resync = mutation({
  args: whom,
  returns: v.object({ purchases: v.number(), roles: v.number() }),
  handler: async (ctx, { community: slug, email }) => {
    await requireOperator(ctx);
    const community = await Communities.requireBySlug(ctx, slug);
    return await People.resync(ctx, community, email);
  },
});

/** The operator vouches that the address is theirs: what waited for it is theirs from now on. */
export const proveEmail = mutation({
  args: { email: v.string() },
  returns: v.null(),
  handler: async (ctx, { email }) => {
    await requireOperator(ctx);
    await Access.proveEmail(ctx, email);
    return null;
  },
});

/** The operator vouches for whose Discord account it is. */
export const linkDiscord = mutation({
  args: { email: v.string(), discordId: v.string() },
  returns: v.null(),
  handler: async (ctx, wanted) => {
    await requireOperator(ctx);
    await Discord.linkByEmail(ctx, wanted);
    return null;
  },
});

/** False: nothing was linked. */
export const unlinkDiscord = mutation({
  args: { email: v.string() },
  returns: v.boolean(),
  handler: async (ctx, { email }) => {
    await requireOperator(ctx);
    return await Discord.unlinkByEmail(ctx, email);
  },
});
