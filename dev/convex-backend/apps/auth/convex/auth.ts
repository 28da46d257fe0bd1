import { Anonymous } from "@convex-dev/auth/providers/Anonymous";
import { Password } from "@convex-dev/auth/providers/Password";
import { convexAuth } from "@convex-dev/auth/server";
import { ConvexError } from "convex/values";

export const { auth, signIn, signOut, store, isAuthenticated } = convexAuth({
  providers: [
    Anonymous,
    Password({
      profile: (params) => ({
        email: (params.email as string).toLowerCase(),
        ...(typeof params.name === "string" ? { name: params.name } : {}),
      }),
      validatePasswordRequirements: (password) => {
        if (password.length < 10)
          throw new ConvexError("A password has 10 characters or more");
      },
    }),
  ],
});
