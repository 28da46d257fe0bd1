// auth.ts - people: e-mail and password.

import { Password } from "@convex-dev/auth/providers/Password";
import { convexAuth } from "@convex-dev/auth/server";
import { checkPassword, emailOf } from "./model/accounts";

export const { auth, signIn, signOut, store, isAuthenticated } = convexAuth({
  providers: [
    Password({
      profile: (params) => ({ email: emailOf(params.email) }),
      validatePasswordRequirements: checkPassword,
    }),
  ],
});
