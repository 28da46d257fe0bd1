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
  | "weak_password";

export type Failure = { code: FailureCode; message: string };

export function failure(
  code: FailureCode,
  message: string,
): ConvexError<Failure> {
  return new ConvexError({ code, message });
}
