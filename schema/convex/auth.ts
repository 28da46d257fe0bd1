// auth.ts - people: e-mail and password.

import { convexAuth } from "@convex-dev/auth/server";
import { v } from "convex/values";
import { internal } from "./_generated/api";
import { action, type MutationCtx } from "./_generated/server";
import { claim } from "./model/access";
import { FAILURES_PER_HOUR, password } from "./model/password";

export const { auth, signIn, store, isAuthenticated } = convexAuth({
  providers: [password],
  signIn: { maxFailedAttempsPerHour: FAILURES_PER_HOUR },
  callbacks: {
    // A proved address brings with it what was bought or granted under it before.
    afterUserCreatedOrUpdated: async (ctx: MutationCtx, { userId }) =>
      await claim(ctx, userId),
  },
});

/** Ends the caller's session. Nothing to do for a daemon, whose token has none. */
export const signOut = action({
  args: {},
  returns: v.null(),
  handler: async (ctx) => {
    const identity = await ctx.auth.getUserIdentity();
    if (identity?.issuer === process.env.CONVEX_SITE_URL)
      await ctx.runMutation(internal.auth.store, { args: { type: "signOut" } });
    return null;
  },
});
