// password.ts - the way in with e-mail and password.
//
// The accounts, their hashes and the limit on failed sign-ins are Convex Auth's; the errors
// are ours, so that a page can say what is wrong where a deployment hides its other errors.
// Invariants: an address with an account and one without are told apart neither by words nor
// by time when signing in; a sign-up never tries a password.

import { ConvexCredentials } from "@convex-dev/auth/providers/ConvexCredentials";
import type { ConvexCredentialsUserConfig } from "@convex-dev/auth/providers/ConvexCredentials";
import { Password } from "@convex-dev/auth/providers/Password";
import { createAccount, retrieveAccount } from "@convex-dev/auth/server";
import type { GenericActionCtx } from "convex/server";
import { ConvexError } from "convex/values";
import { internal } from "../_generated/api";
import type { DataModel, Doc, Id } from "../_generated/dataModel";
import type { MutationCtx } from "../_generated/server";
import { checkPassword, emailOf } from "./accounts";
import { failure } from "./failure";
import { spend } from "./limits";

export const PROVIDER = "password";
const SIGN_UPS_PER_HOUR = 200; // of the whole deployment

/** Failed sign-ins of one account before it must wait; Convex Auth counts them. */
export const FAILURES_PER_HOUR = 10;

// The library's own hashing: Scrypt.
const { crypto } = (
  Password<DataModel>() as unknown as {
    options: Required<ConvexCredentialsUserConfig<DataModel>>;
  }
).options;

type Ctx = GenericActionCtx<DataModel>;

export const password = ConvexCredentials<DataModel>({
  id: PROVIDER,
  crypto,
  authorize: async (params, ctx): Promise<{ userId: Id<"users"> }> => {
    const identity = await ctx.auth.getUserIdentity();
    if (identity !== null && identity.issuer !== process.env.CONVEX_SITE_URL)
      throw failure("forbidden", "A daemon cannot sign in as a person");
    const email = emailOf(params.email);
    if (params.flow === "signIn")
      return { userId: (await prove(ctx, email, params.password))._id };
    if (params.flow === "signUp")
      return { userId: await signUp(ctx, email, params.password) };
    throw failure("bad_argument", 'flow: "signIn" or "signUp"');
  },
});

async function signUp(
  ctx: Ctx,
  email: string,
  given: unknown,
): Promise<Id<"users">> {
  const secret = checkPassword(given);
  const verdict = await ctx.runMutation(internal.account.admit, { email });
  if (verdict === "known")
    throw failure(
      "account_exists",
      "The account could not be created. If you already have one, sign in instead",
    );
  if (verdict === "busy")
    throw failure(
      "too_many_attempts",
      "Too many accounts are being created at the moment. Try again in a few minutes",
    );
  const { user } = await createAccount<DataModel>(ctx, {
    provider: PROVIDER,
    account: { id: email, secret },
    profile: { email },
  });
  return user._id;
}

export type Verdict = "admitted" | "known" | "busy";

/** May an account be made for this address now? */
export async function admit(ctx: MutationCtx, email: string): Promise<Verdict> {
  const account = await ctx.db
    .query("authAccounts")
    .withIndex("providerAndAccountId", (q) =>
      q.eq("provider", PROVIDER).eq("providerAccountId", email),
    )
    .unique();
  if (account !== null) return "known";
  const perHour = Number(process.env.SIGN_UPS_PER_HOUR) || SIGN_UPS_PER_HOUR;
  return (await spend(ctx, "sign-up", perHour)) ? "admitted" : "busy";
}

/** Whose e-mail and password these are. Throws when they are nobody's. */
export async function prove(
  ctx: Ctx,
  email: string,
  given: unknown,
): Promise<Doc<"users">> {
  const secret = typeof given === "string" ? given.slice(0, 1000) : "";
  try {
    const account = { id: email, secret };
    const found = { provider: PROVIDER, account };
    return (await retrieveAccount<DataModel>(ctx, found)).user;
  } catch (error) {
    const why = error instanceof Error ? error.message : "";
    if (why === "TooManyFailedAttempts")
      throw failure(
        "too_many_attempts",
        "Too many attempts with this address. Wait a few minutes and try again",
      );
    if (why === "InvalidAccountId") await crypto.hashSecret(secret);
    if (why === "InvalidAccountId" || why === "InvalidSecret")
      throw failure(
        "bad_credentials",
        "That e-mail and password do not match an account",
      );
    throw error;
  }
}

/** Again, of somebody who is signed in. */
export async function reprove(
  ctx: Ctx,
  email: string,
  given: string,
): Promise<void> {
  try {
    await prove(ctx, email, given);
  } catch (error) {
    const { code } = (error instanceof ConvexError ? error.data : {}) as {
      code?: string;
    };
    if (code !== "bad_credentials") throw error;
    throw failure("bad_credentials", "That is not your password");
  }
}
