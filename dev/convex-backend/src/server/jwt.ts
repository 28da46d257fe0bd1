// jwt.ts - checks one JWT against the deployment's providers, with the
// errors of the real backend. No state of its own.

import { compactVerify, importJWK, type JWK, type JSONWebKeySet } from "jose";
import type { AuthInfo, UserIdentity } from "../engine/api.js";
import { unauthenticated } from "./errors.js";
import {
  customJwtIdentity,
  oidcIdentity,
  type Claims,
} from "./identityClaims.js";
import type { KeySets } from "./keySets.js";

export interface VerifiedUser {
  attributes: UserIdentity;
  /** Seconds since 1970 from which on the token no longer counts. */
  expiresAt: number;
}

interface Header {
  alg?: string;
  kid?: string;
  typ?: string;
}

interface Token {
  text: string;
  header: Header;
  claims: Claims;
}

const OIDC_ALGORITHMS = ["RS256", "EdDSA"];
const CUSTOM_SKEW_SECONDS = 5;

const invalid = (message: string) =>
  unauthenticated("InvalidAuthHeader", message);

const unverified = () =>
  unauthenticated(
    "Unauthenticated",
    "Could not verify OIDC token claim. Check that the token signature is valid " +
      "and the token hasn't expired.",
  );

/** Verifies `text`; throws ApiError 401 (or a discovery error). `now`: seconds. */
export async function verifyJwt(
  text: string,
  providers: readonly AuthInfo[],
  keySets: KeySets,
  now: number,
): Promise<VerifiedUser> {
  const token = parseToken(text);
  const provider = pickProvider(token.claims, providers);
  return provider.type === "customJwt"
    ? verifyCustom(token, provider, keySets, now)
    : verifyOidc(token, provider, keySets, now);
}

function parseToken(text: string): Token {
  const [head, body, signature, ...more] = text.split(".");
  const header = decodePart(head);
  const claims = decodePart(body);
  if (header === null || claims === null || !signature || more.length > 0) {
    throw invalid(
      "Could not parse JWT payload. Check that the token is a valid JWT format with " +
        "three base64-encoded parts separated by dots.",
    );
  }
  return { text, header: header as Header, claims };
}

function decodePart(part: string | undefined): Claims | null {
  if (!part || !/^[A-Za-z0-9_-]+$/.test(part)) return null;
  try {
    const value: unknown = JSON.parse(
      Buffer.from(part, "base64url").toString(),
    );
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Claims)
      : null;
  } catch {
    return null; // not JSON: the caller says so
  }
}

function audiences(claims: Claims): string[] {
  const { aud } = claims;
  return typeof aud === "string"
    ? [aud]
    : Array.isArray(aud)
      ? aud.map(String)
      : [];
}

function comparable(issuer: unknown): string {
  const text = String(issuer);
  const full = /^https?:\/\//.test(text) ? text : `https://${text}`;
  return full.replace(/\/+$/, "");
}

const issuerOf = (provider: AuthInfo): unknown =>
  provider.type === "customJwt" ? provider.issuer : provider.domain;

function pickProvider(
  claims: Claims,
  providers: readonly AuthInfo[],
): AuthInfo {
  if (typeof claims.iss !== "string") {
    throw invalid(
      "Missing issuer claim ('iss') in JWT payload. The JWT must include an 'iss' claim " +
        "that matches one of your configured auth providers.",
    );
  }
  const issuer = comparable(claims.iss);
  const given = audiences(claims);
  const found = providers.find(
    (provider) =>
      comparable(issuerOf(provider)) === issuer &&
      (typeof provider.applicationID !== "string" ||
        given.includes(provider.applicationID)),
  );
  if (found !== undefined) return found;
  throw unauthenticated("NoAuthProvider", noProviderMessage(providers));
}

function noProviderMessage(providers: readonly AuthInfo[]): string {
  const start = "No auth provider found matching the given token";
  if (providers.length === 0) {
    return `${start} (no providers configured). Check convex/auth.config.ts.`;
  }
  const names = providers.map((provider) =>
    provider.type === "customJwt"
      ? `CustomJWT(issuer=${String(provider.issuer)}, app_id=${String(provider.applicationID ?? "none")})`
      : `OIDC(domain=${String(provider.domain)}, app_id=${String(provider.applicationID)})`,
  );
  return (
    `${start}. Check that your JWT's issuer and audience match one of your ` +
    `configured providers: [${names.join(", ")}]`
  );
}

// ---------------------------------------------------------------- customJwt

async function verifyCustom(
  token: Token,
  provider: AuthInfo,
  keySets: KeySets,
  now: number,
): Promise<VerifiedUser> {
  const uri = String(provider.jwks);
  const algorithm = String(provider.algorithm);
  const { kid, alg } = token.header;
  const verified = await withKeys(
    (fresh) => keySets.forJwksUri(uri, fresh),
    async (keys) => {
      const key = keys.keys.find((candidate) => candidate.kid === kid);
      if (kid === undefined || key === undefined || alg !== algorithm)
        return false;
      return signatureFits(token.text, key, algorithm);
    },
  );
  if (!verified) {
    throw invalid(
      kid === undefined
        ? "Could not decode token. JWT may be missing a 'kid' (key ID) header."
        : `Could not decode token. The JWT's 'kid' (key ID) header is '${kid}', does this ` +
            "key match any key in the provider's JWKS?",
    );
  }
  const { claims } = token;
  checkCustomTimes(claims, now);
  if (typeof claims.sub !== "string") throw invalid("Missing subject");
  if (typeof claims.exp !== "number") throw invalid("Missing expiry");
  return { attributes: customJwtIdentity(claims), expiresAt: claims.exp };
}

function checkCustomTimes(claims: Claims, now: number): void {
  const { exp, nbf, iat } = claims;
  const fail = (why: string) => invalid(`Could not validate token: ${why}`);
  if (typeof exp === "number" && now - CUSTOM_SKEW_SECONDS > exp) {
    throw fail(`Token expired ${Math.floor(now - exp)} seconds ago`);
  }
  if (typeof nbf === "number" && now + CUSTOM_SKEW_SECONDS < nbf) {
    throw fail(`Token will be valid in ${Math.floor(nbf - now)} seconds`);
  }
  if (typeof iat === "number" && now + CUSTOM_SKEW_SECONDS < iat) {
    throw fail(`Token will be valid in ${Math.floor(iat - now)} seconds`);
  }
}

// ---------------------------------------------------------------- OIDC

async function verifyOidc(
  token: Token,
  provider: AuthInfo,
  keySets: KeySets,
  now: number,
): Promise<VerifiedUser> {
  const { header, claims } = token;
  if (!OIDC_ALGORITHMS.includes(header.alg ?? "")) throw unverified();
  if (![undefined, "JWT", "JOSE"].includes(header.typ)) throw unverified();
  const verified = await withKeys(
    (fresh) => keySets.forIssuer(String(claims.iss), fresh),
    async (keys) => {
      const key = oidcKey(header, keys);
      return key !== null && signatureFits(token.text, key, String(header.alg));
    },
  );
  const given = audiences(claims);
  const complete =
    typeof claims.sub === "string" &&
    typeof claims.exp === "number" &&
    typeof claims.iat === "number" &&
    given.length === 1 &&
    given[0] === provider.applicationID;
  if (!verified || !complete || now >= (claims.exp as number))
    throw unverified();
  return { attributes: oidcIdentity(claims), expiresAt: claims.exp as number };
}

/** Without a kid, exactly one key must fit. */
function oidcKey(header: Header, keys: JSONWebKeySet): JWK | null {
  const type = header.alg === "EdDSA" ? "OKP" : "RSA";
  const fitting = keys.keys.filter(
    (key) =>
      key.kty === type &&
      (key.use === undefined || key.use === "sig") &&
      (header.kid === undefined || key.kid === header.kid),
  );
  return fitting.length === 1 ? (fitting[0] ?? null) : null;
}

// ---------------------------------------------------------------- signatures

/** Tries the known keys, then newly fetched ones: the provider may have rotated. */
async function withKeys(
  load: (fresh: boolean) => Promise<JSONWebKeySet>,
  check: (keys: JSONWebKeySet) => Promise<boolean>,
): Promise<boolean> {
  const known = await load(false);
  if (await check(known)) return true;
  const again = await load(true);
  return again !== known && (await check(again));
}

const imported = new WeakMap<JWK, ReturnType<typeof importJWK>>();

async function signatureFits(
  text: string,
  jwk: JWK,
  algorithm: string,
): Promise<boolean> {
  if (jwk.alg !== undefined && jwk.alg !== algorithm) return false;
  let key = imported.get(jwk);
  if (key === undefined) {
    key = importJWK(jwk, algorithm);
    imported.set(jwk, key);
  }
  try {
    await compactVerify(text, await key, { algorithms: [algorithm] });
    return true;
  } catch {
    return false; // a key that does not import and a wrong signature are alike
  }
}
