// auth.ts - people: e-mail and password.

import { Password } from "@convex-dev/auth/providers/Password";
import { convexAuth } from "@convex-dev/auth/server";
import type { MutationCtx } from "./_generated/server";
import { claim } from "./model/access";
import { checkPassword, emailOf } from "./model/accounts";

export const { auth, signIn, signOut, store, isAuthenticated } = convexAuth({
  providers: [
    Password({
      profile: (params) => ({ email: emailOf(params.email) }),
      validatePasswordRequirements: checkPassword,
    }),
  ],
  callbacks: {
    // A proved address brings with it what was bought or granted under it before.
    afterUserCreatedOrUpdated: async (ctx: MutationCtx, { userId }) =>
      await claim(ctx, userId),
  },
});
