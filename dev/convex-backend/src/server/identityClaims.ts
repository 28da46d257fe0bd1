// identityClaims.ts - from verified JWT claims to what getUserIdentity() gives.

import type { JSONValue, UserIdentity } from "../engine/api.js";

export type Claims = Record<string, unknown>;

/** OIDC claim → attribute, with the type that it must have to be taken. */
const STANDARD: readonly (readonly [string, string, "string" | "boolean"])[] = [
  ["name", "name", "string"],
  ["given_name", "givenName", "string"],
  ["family_name", "familyName", "string"],
  ["nickname", "nickname", "string"],
  ["preferred_username", "preferredUsername", "string"],
  ["profile", "profileUrl", "string"],
  ["picture", "pictureUrl", "string"],
  ["website", "websiteUrl", "string"],
  ["email", "email", "string"],
  ["email_verified", "emailVerified", "boolean"],
  ["gender", "gender", "string"],
  ["birthdate", "birthday", "string"],
  ["zoneinfo", "timezone", "string"],
  ["locale", "language", "string"],
  ["phone_number", "phoneNumber", "string"],
  ["phone_number_verified", "phoneNumberVerified", "boolean"],
];

/** Claims of the token itself, and some that change at every refresh. */
const NOT_CUSTOM_OIDC = new Set([
  ...STANDARD.map(([claim]) => claim),
  ...["iss", "sub", "aud", "exp", "iat", "nbf", "jti", "fva", "auth_time"],
  ...["nonce", "acr", "amr", "azp", "at_hash", "c_hash"],
  ...["address", "updated_at"],
]);

const NOT_CUSTOM_JWT = new Set("iss sub aud exp nbf iat jti fva".split(" "));

const BUILT_IN = ["tokenIdentifier", "issuer", "subject"] as const;

function base(issuer: string, subject: string): UserIdentity {
  return { tokenIdentifier: `${issuer}|${subject}`, issuer, subject };
}

/** Identity from an OIDC ID token: standard claims in camelCase, others as they are. */
export function oidcIdentity(claims: Claims): UserIdentity {
  const identity = base(String(claims.iss), String(claims.sub));
  for (const [claim, attribute, type] of STANDARD) {
    const value = claims[claim];
    if (typeof value === type) identity[attribute] = value as JSONValue;
  }
  const address = claims.address;
  if (typeof address === "object" && address !== null) {
    const formatted = (address as Claims).formatted;
    if (typeof formatted === "string") identity.address = formatted;
  }
  const updatedAt = rfc3339(claims.updated_at);
  if (updatedAt !== null) identity.updatedAt = updatedAt;
  for (const [claim, value] of Object.entries(claims)) {
    if (!NOT_CUSTOM_OIDC.has(claim)) addCustom(identity, claim, value);
  }
  return identity;
}

/** Identity from a custom JWT: raw claim names, nested objects as dotted keys. */
export function customJwtIdentity(claims: Claims): UserIdentity {
  const identity = base(String(claims.iss), String(claims.sub));
  for (const [claim, value] of Object.entries(claims)) {
    if (!NOT_CUSTOM_JWT.has(claim)) addFlat(identity, claim, value);
  }
  return identity;
}

function addFlat(identity: UserIdentity, name: string, value: unknown): void {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    for (const [key, item] of Object.entries(value)) {
      addFlat(identity, `${name}.${key}`, item);
    }
    return;
  }
  addCustom(identity, name, value);
}

/** A claim cannot pretend to be one of the three verified fields. */
function addCustom(identity: UserIdentity, name: string, value: unknown): void {
  if (BUILT_IN.some((field) => field === name)) return;
  identity[name] = value as JSONValue;
}

function rfc3339(value: unknown): string | null {
  const ms =
    typeof value === "number"
      ? value * 1000
      : typeof value === "string"
        ? Date.parse(value)
        : NaN;
  if (!Number.isFinite(ms)) return null;
  const text = new Date(ms).toISOString();
  return text.replace(/\.000Z$/, "Z").replace(/Z$/, "+00:00");
}

/** An acting-as identity sent by an admin: null when it names nobody. */
export function impersonatedIdentity(value: unknown): UserIdentity | null {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return null;
  }
  const { tokenIdentifier, issuer, subject, ...rest } = value as Claims;
  const hasParts = typeof issuer === "string" && typeof subject === "string";
  if (typeof tokenIdentifier !== "string" && !hasParts) return null;
  const identifier =
    typeof tokenIdentifier === "string"
      ? tokenIdentifier
      : `${issuer as string}|${subject as string}`;
  const bar = identifier.lastIndexOf("|");
  const identity: UserIdentity = {
    tokenIdentifier: identifier,
    issuer:
      typeof issuer === "string"
        ? issuer
        : identifier.slice(0, Math.max(bar, 0)),
    subject: typeof subject === "string" ? subject : identifier.slice(bar + 1),
  };
  for (const [name, item] of Object.entries(rest))
    addCustom(identity, name, item);
  return identity;
}
