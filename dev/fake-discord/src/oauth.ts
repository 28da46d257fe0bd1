// oauth.ts - what people let applications do: codes and the grants they become.
// Owns both. Invariants: a code is used at most once, also when its use fails;
// one person has one grant for an application, with one pair of tokens.
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import type { Clock } from "./clock.js";
import type { Database } from "./database.js";
import type { Bot } from "./model.js";
import { Shelf, type World } from "./world.js";

export const SCOPES = [
  "identify",
  "email",
  "connections",
  "guilds",
  "guilds.join",
  "guilds.members.read",
  "role_connections.write",
  "openid",
] as const;

/** What an authorize request asks for, after it was found to be in order. */
export interface Consent {
  clientId: string;
  scopes: string[];
  redirectUri: string;
  challenge?: string; // PKCE, S256
}

interface Code extends Consent {
  userId: string;
  expiresAt: number;
}

export interface Grant {
  clientId: string;
  userId: string;
  scopes: string[];
  accessToken: string;
  refreshToken: string;
  expiresAt: number;
}

/** What the token endpoint takes, by name. */
export type Form = URLSearchParams;

/** A refusal in the words of RFC 6749. */
export class OAuthError extends Error {
  constructor(
    readonly status: 400 | 401,
    readonly error: string,
    readonly description?: string,
  ) {
    super(error);
  }

  body(): Record<string, string> {
    const words = this.description;
    return {
      error: this.error,
      ...(words !== undefined && { error_description: words }),
    };
  }
}

const badGrant = (field: string) =>
  new OAuthError(400, "invalid_grant", `Invalid "${field}" in request.`);

const TOKEN_LIFETIME_S = 604_800;
const VERIFIER = /^[A-Za-z0-9._~-]{43,128}$/;

export class OAuth {
  readonly #clock: Clock;
  readonly #world: World;
  readonly #codes: Shelf<Code>;
  readonly #grants: Shelf<Grant>;
  /** How long a code may wait for its use. */
  codeLifetimeMs = 600_000;

  constructor(db: Database, clock: Clock, world: World) {
    this.#clock = clock;
    this.#world = world;
    this.#codes = new Shelf(db, "oauth-code");
    this.#grants = new Shelf(db, "oauth-grant");
  }

  /** The person said yes. */
  code(consent: Consent, userId: string): string {
    const code = randomBytes(15).toString("base64url");
    const expiresAt = this.#clock.now() + this.codeLifetimeMs;
    this.#codes.set(code, { ...consent, userId, expiresAt });
    return code;
  }

  /** Gives tokens without a page or a code: for tests that begin behind them. */
  grant(clientId: string, userId: string, scopes: string[]): Grant {
    const grant: Grant = {
      clientId,
      userId,
      scopes,
      accessToken: randomBytes(22).toString("base64url"),
      refreshToken: randomBytes(22).toString("base64url"),
      expiresAt: this.#clock.now() + TOKEN_LIFETIME_S * 1000,
    };
    return this.#grants.set(`${clientId}/${userId}`, grant);
  }

  granted(clientId: string, userId: string): Grant | undefined {
    return this.#grants.get(`${clientId}/${userId}`);
  }

  byAccessToken(token: string): Grant | undefined {
    return this.#grants
      .values()
      .find((g) => g.accessToken === token && g.expiresAt > this.#clock.now());
  }

  /** POST /oauth2/token. */
  token(client: Bot, form: Form): Grant {
    const type = form.get("grant_type");
    if (type === "authorization_code") return this.#exchange(client, form);
    if (type === "refresh_token") return this.#refresh(client, form);
    throw new OAuthError(
      400,
      "unsupported_grant_type",
      "Grant type None is not supported",
    );
  }

  /** Ends every token of the authorization that `token` belongs to. */
  revoke(client: Bot, token: string): void {
    for (const g of this.#grants.values())
      if (
        g.clientId === client.id &&
        (g.accessToken === token || g.refreshToken === token)
      )
        this.#grants.delete(`${g.clientId}/${g.userId}`);
  }

  /** The application that `Authorization: Basic` or the form names. */
  client(authorization: string | undefined, form: Form): Bot {
    const basic = /^Basic (\S+)$/.exec(authorization ?? "")?.[1];
    const pair = basic && Buffer.from(basic, "base64").toString();
    const colon = pair ? pair.indexOf(":") : -1;
    const id = pair ? pair.slice(0, colon) : form.get("client_id");
    const secret = pair ? pair.slice(colon + 1) : form.get("client_secret");
    const client = this.#world.bots.get(id ?? "");
    if (!client || secret === null || !same(client.secret, secret))
      throw new OAuthError(401, "invalid_client");
    return client;
  }

  #exchange(client: Bot, form: Form): Grant {
    const name = form.get("code") ?? "";
    const code = this.#codes.get(name);
    if (code) this.#codes.delete(name);
    if (!code || code.clientId !== client.id) throw badGrant("code");
    if (code.expiresAt <= this.#clock.now()) throw badGrant("code");
    if (form.get("redirect_uri") !== code.redirectUri)
      throw badGrant("redirect_uri");
    const verifier = form.get("code_verifier");
    if (code.challenge !== undefined) {
      if (verifier === null || !VERIFIER.test(verifier))
        throw badGrant("code_verifier");
      const hash = createHash("sha256").update(verifier).digest("base64url");
      if (!same(hash, code.challenge)) throw badGrant("code_verifier");
    }
    return this.grant(client.id, code.userId, code.scopes);
  }

  #refresh(client: Bot, form: Form): Grant {
    const token = form.get("refresh_token");
    const old = this.#grants
      .values()
      .find((g) => g.refreshToken === token && g.clientId === client.id);
    if (!old) throw badGrant("refresh_token");
    return this.grant(client.id, old.userId, old.scopes);
  }
}

export function tokenAnswer(grant: Grant): Record<string, unknown> {
  return {
    token_type: "Bearer",
    access_token: grant.accessToken,
    expires_in: TOKEN_LIFETIME_S,
    refresh_token: grant.refreshToken,
    scope: grant.scopes.join(" "),
  };
}

function same(a: string, b: string): boolean {
  const [x, y] = [Buffer.from(a), Buffer.from(b)];
  return x.length === y.length && timingSafeEqual(x, y);
}
