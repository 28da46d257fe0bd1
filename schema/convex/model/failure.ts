// failure.ts - errors that callers may branch on.
// They reach the client even where a deployment hides its other errors.

import { ConvexError } from "convex/values";

export type FailureCode =
  | "unauthenticated" // no identity, sign in
  | "forbidden" // an identity, but not one that may do this
  | "no_access" // a person without a live entitlement
  | "not_found"
  | "bad_argument"
  | "bad_email"
  | "weak_password"
  | "bad_credentials" // no account has this e-mail and password
  | "account_exists"
  | "too_many_attempts" // later again
  | "not_configured" // a variable of the deployment is missing
  | "link_over" // an attempt to link Discord that is spent or too old
  | "discord_taken" // that Discord account is linked to another account
  | "share_over"; // nothing is shared at this link, or no longer

export type Failure = { code: FailureCode; message: string };

export function failure(
  code: FailureCode,
  message: string,
): ConvexError<Failure> {
  return new ConvexError({ code, message });
}
