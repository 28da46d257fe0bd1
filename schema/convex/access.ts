import { v } from "convex/values";
import { internalMutation } from "./_generated/server";
import * as Access from "./model/access";

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

export const makeOperator = internalMutation({
  args: { email: v.string() },
  returns: v.null(),
  handler: async (ctx, { email }) => {
    await Access.makeOperator(ctx, email);
    return null;
  },
});
