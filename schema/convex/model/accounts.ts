// accounts.ts - what an e-mail address and a password must look like.

import { failure } from "./failure";

/** The one spelling of an address by which accounts are found. */
export function normalEmail(text: string): string {
  return text.trim().toLowerCase();
}

export function emailOf(given: unknown): string {
  const email = typeof given === "string" ? normalEmail(given) : "";
  if (email.length > 254 || !/^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(email))
    throw failure("bad_email", "This is not an e-mail address");
  return email;
}

// The upper bound keeps hashing cheap to refuse.
export function checkPassword(password: unknown): string {
  if (typeof password !== "string" || password.length < 8)
    throw failure("weak_password", "A password needs at least 8 characters");
  if (password.length > 200)
    throw failure("weak_password", "A password has at most 200 characters");
  return password;
}
