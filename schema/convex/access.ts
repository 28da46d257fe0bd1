import { v } from "convex/values";
import { internalMutation, internalQuery } from "./_generated/server";
import * as Access from "./model/access";
import * as Customers from "./model/customers";
import { eventState } from "./model/fields";

/** Gives an address access; `bound`: an account has it already. */
export const grant = internalMutation({
  args: {
    community: v.string(),
    email: v.string(),
    until: v.union(v.number(), v.null()), // ms; null: no end
    reason: v.string(),
  },
  returns: v.object({ bound: v.boolean() }),
  handler: async (ctx, wanted) => await Access.grant(ctx, wanted),
});

export const revoke = internalMutation({
  args: { community: v.string(), email: v.string(), reason: v.string() },
  returns: v.object({ revoked: v.number() }),
  handler: async (ctx, wanted) => await Access.revoke(ctx, wanted),
});

/** Takes a revocation back. */
export const restore = internalMutation({
  args: { community: v.string(), email: v.string(), reason: v.string() },
  returns: v.object({ restored: v.number() }),
  handler: async (ctx, wanted) => await Access.restore(ctx, wanted),
});

/** The end of an entitlement, at its time. */
export const expire = internalMutation({
  args: { id: v.id("entitlements"), until: v.number() },
  returns: v.null(),
  handler: async (ctx, { id, until }) => {
    await Access.expire(ctx, id, until);
    return null;
  },
});

/** All there is to say about a customer: account, purchases with their facts, access. */
export const show = internalQuery({
  args: { community: v.string(), email: v.string() },
  returns: v.any(), // rows as they are, for a person to read
  handler: async (ctx, { community, email }) =>
    await Customers.show(ctx, community, email),
});

/** A paid subscription without a provider, to try things out with. */
export const createTestSubscription = internalMutation({
  args: {
    community: v.string(),
    email: v.string(),
    product: v.string(),
    days: v.number(),
  },
  returns: v.object({ subject: v.string(), state: eventState }),
  handler: async (ctx, wanted) => await Customers.testSubscription(ctx, wanted),
});

export const makeOperator = internalMutation({
  args: { email: v.string() },
  returns: v.null(),
  handler: async (ctx, { email }) => {
    await Access.makeOperator(ctx, email);
    return null;
  },
});
