// auth.ts - who is calling: from a header, a query parameter or an
// Authenticate message to the identity that functions run with.
// Owns the caches of keys and of tokens just verified. Main thread only.

import type { Engine, Identity, UserIdentity } from "../engine/api.js";
import { sameKey, stripKeyPrefix } from "./adminKey.js";
import { badRequest, forbidden, unauthenticated } from "./errors.js";
import { impersonatedIdentity } from "./identityClaims.js";
import { verifyJwt } from "./jwt.js";
import {
  fetchOutside,
  KeySets,
  maxAge,
  type FetchedDocument,
} from "./keySets.js";

export type Credential =
  | { kind: "none" }
  | { kind: "user"; token: string }
  | { kind: "admin"; key: string; actingAs?: UserIdentity };

export interface Authenticated {
  identity: Identity;
  /** Seconds since 1970 from which on it no longer counts; null: for good. */
  expiresAt: number | null;
}

const ANONYMOUS: Authenticated = {
  identity: { kind: "none" },
  expiresAt: null,
};

interface RecentToken {
  authenticated: Authenticated;
  /** Seconds since 1970. */
  until: number;
}

const MAX_RECENT = 1000;
const RECENT_SECONDS = 60;

export class Auth {
  readonly #engine: Engine;
  readonly #adminKey: string;
  readonly #keySets: KeySets;
  /** By token; a new map when the providers change. */
  #recent = new Map<string, RecentToken>();

  constructor(engine: Engine, adminKey: string) {
    this.#engine = engine;
    this.#adminKey = adminKey;
    this.#keySets = new KeySets(
      (url) => this.#fetchDocument(url),
      () => engine.now(),
    );
    engine.onAuthChange(() => {
      this.#keySets.clear();
      this.#recent = new Map();
    });
  }

  /** Throws ApiError when the credential is not good. */
  async authenticate(credential: Credential): Promise<Authenticated> {
    switch (credential.kind) {
      case "none":
        return ANONYMOUS;
      case "admin":
        return { identity: this.#admin(credential), expiresAt: null };
      case "user":
        return this.#user(credential.token);
    }
  }

  /** A token seen a moment ago is not verified again: callers repeat theirs. */
  async #user(token: string): Promise<Authenticated> {
    const recent = this.#recent;
    const now = this.nowSeconds();
    const known = recent.get(token);
    if (known !== undefined && now < known.until) return known.authenticated;
    const user = await verifyJwt(
      token,
      this.#engine.authProviders(),
      this.#keySets,
      now,
    );
    const authenticated: Authenticated = {
      identity: { kind: "user", attributes: user.attributes },
      expiresAt: user.expiresAt,
    };
    if (recent.size >= MAX_RECENT) recent.clear();
    const until = Math.min(user.expiresAt, now + RECENT_SECONDS);
    recent.set(token, { authenticated, until });
    return authenticated;
  }

  nowSeconds(): number {
    return this.#engine.now() / 1000;
  }

  isExpired({ expiresAt }: Authenticated): boolean {
    return expiresAt !== null && this.nowSeconds() >= expiresAt;
  }

  /** For endpoints that deploy or read everything; throws 403 BadDeployKey. */
  async requireAdmin(credential: Credential): Promise<Identity> {
    const { identity } = await this.authenticate(credential).catch(
      (error: unknown) => {
        if (credential.kind === "admin") throw badDeployKey();
        throw error;
      },
    );
    if (identity.kind !== "admin") throw badDeployKey();
    return identity;
  }

  #admin(credential: { key: string; actingAs?: UserIdentity }): Identity {
    if (!sameKey(credential.key, this.#adminKey)) {
      throw unauthenticated(
        "BadAdminKey",
        "The provided admin key was invalid for this instance",
      );
    }
    const { actingAs } = credential;
    return actingAs === undefined
      ? { kind: "admin" }
      : { kind: "admin", actingAs };
  }

  /** Our own site answers from inside the process. */
  async #fetchDocument(url: string): Promise<FetchedDocument> {
    const { siteOrigin, cloudOrigin } = this.#engine;
    const bases = [siteOrigin, `${cloudOrigin}/http`];
    const own = bases.find((origin) => url.startsWith(`${origin}/`));
    if (own === undefined) return fetchOutside(url);
    const response = await this.#engine.httpAction(
      { method: "GET", url: siteOrigin + url.slice(own.length), headers: [] },
      { kind: "none" },
      "key-discovery",
    );
    const chunks: Buffer[] = [];
    for await (const chunk of response.body) chunks.push(Buffer.from(chunk));
    const header = (name: string) =>
      response.headers.find(([key]) => key.toLowerCase() === name)?.[1] ?? null;
    return {
      status: response.status,
      contentType: header("content-type") ?? "",
      maxAgeSeconds: maxAge(header("cache-control")),
      body: Buffer.concat(chunks).toString("utf8"),
    };
  }
}

export const badDeployKey = () =>
  forbidden(
    "BadDeployKey",
    "The provided deploy key was invalid for this deployment. Double check that the " +
      "environment this key was generated for matches the desired deployment.",
  );

/** Reads an Authorization header, or ?adminKey= when there is no header. */
export function credentialFrom(
  authorization: string | undefined,
  adminKeyParameter: string | null,
): Credential {
  if (authorization === undefined) {
    return adminKeyParameter === null
      ? { kind: "none" }
      : { kind: "admin", key: adminKeyParameter };
  }
  if (authorization.length < 7) {
    throw badRequest("InvalidHeaderFailure", "Invalid authentication header");
  }
  const scheme = authorization.slice(0, 7).toLowerCase();
  const value = authorization.slice(7).trim();
  if (scheme === "convex ") return adminCredential(value);
  if (scheme === "bearer " && value !== "")
    return { kind: "user", token: value };
  throw badRequest("InvalidAdminKey", "Invalid admin key");
}

function adminCredential(value: string): Credential {
  const stripped = stripKeyPrefix(value);
  const colon = stripped.indexOf(":");
  if (colon < 0) return { kind: "admin", key: stripped };
  const key = stripped.slice(0, colon);
  const actingAs = decodeActingAs(stripped.slice(colon + 1));
  if (actingAs === null)
    throw badRequest("InvalidAdminKey", "Invalid admin key");
  return { kind: "admin", key, actingAs };
}

function decodeActingAs(encoded: string): UserIdentity | null {
  try {
    return impersonatedIdentity(
      JSON.parse(Buffer.from(encoded, "base64").toString()),
    );
  } catch {
    return null; // not JSON
  }
}
