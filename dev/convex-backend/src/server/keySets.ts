// keySets.ts - where the public keys of identity providers come from.
// Owns a cache of fetched documents; main thread only. Documents of our own
// site are read by calling the deployed HTTP action directly, because a
// request to ourselves could wait for the very request that needs the key.

import type { JSONWebKeySet } from "jose";
import { ApiError, badRequest, unauthenticated } from "./errors.js";

export interface FetchedDocument {
  status: number;
  contentType: string;
  maxAgeSeconds: number | null;
  body: string;
}

/** Gets one URL; throws when there is no reply at all. */
export type FetchDocument = (url: string) => Promise<FetchedDocument>;

interface CacheEntry {
  goodUntil: number;
  document: Promise<FetchedDocument>;
}

/** Even without Cache-Control, bursts of tokens share one fetch. */
const MIN_CACHE_MS = 1_000;
const MAX_CACHED = 200;

const JSON_TYPES = ["application/json", "application/jwk-set+json"];

export class KeySets {
  readonly #fetch: FetchDocument;
  readonly #now: () => number;
  readonly #cache = new Map<string, CacheEntry>();
  readonly #parsedData = new Map<string, JSONWebKeySet>();
  readonly #parsedReplies = new WeakMap<FetchedDocument, JSONWebKeySet>();

  /** `now` gives ms since 1970. */
  constructor(fetch: FetchDocument, now: () => number) {
    this.#fetch = fetch;
    this.#now = now;
  }

  clear(): void {
    this.#cache.clear();
    this.#parsedData.clear();
  }

  /** The keys behind a customJwt provider's `jwks`: a URL or a data: URI. */
  async forJwksUri(uri: string, fresh: boolean): Promise<JSONWebKeySet> {
    if (/^data:/i.test(uri)) return this.#fromDataUri(uri);
    const fetched = await this.#get(uri, fresh).catch((error: unknown) => {
      throw unauthenticated(
        "InvalidAuthHeader",
        `Could not fetch JWKS from URL '${uri}': ${(error as Error).message}. ` +
          "Check that the URL is correct and accessible.",
      );
    });
    if (fetched.status !== 200) {
      throw unauthenticated(
        "InvalidAuthHeader",
        `Could not fetch JWKS from URL '${uri}': HTTP ${fetched.status}. ` +
          "Check that the URL is correct and accessible.",
      );
    }
    if (!JSON_TYPES.includes(mediaType(fetched.contentType))) {
      throw unauthenticated(
        "InvalidAuthHeader",
        `Invalid Content-Type '${fetched.contentType}' when fetching JWKS from '${uri}'. ` +
          "Expected 'application/json' or 'application/jwk-set+json'.",
      );
    }
    return this.#parsed(fetched, () => parseKeySet(fetched.body, uri));
  }

  /** The keys of an OIDC issuer, found by discovery. */
  async forIssuer(issuer: string, fresh: boolean): Promise<JSONWebKeySet> {
    const url = `${issuer.replace(/\/+$/, "")}/.well-known/openid-configuration`;
    const metadata = parseObject(
      (await this.#discover(issuer, url, fresh)).body,
    );
    if (metadata === null || metadata.issuer !== issuer) failDiscovery(issuer);
    const keys = await this.#discover(issuer, String(metadata.jwks_uri), fresh);
    return this.#parsed(
      keys,
      () => keySet(parseObject(keys.body)) ?? failDiscovery(issuer),
    );
  }

  async #discover(
    issuer: string,
    url: string,
    fresh: boolean,
  ): Promise<FetchedDocument> {
    const fetched = await this.#get(url, fresh).catch(() =>
      failDiscovery(issuer),
    );
    if (fetched.status !== 200) failDiscovery(issuer, fetched);
    return fetched;
  }

  /** Keys keep their identity as long as the reply, and so do imported ones. */
  #parsed(fetched: FetchedDocument, parse: () => JSONWebKeySet): JSONWebKeySet {
    const known = this.#parsedReplies.get(fetched);
    if (known !== undefined) return known;
    const keys = parse();
    this.#parsedReplies.set(fetched, keys);
    return keys;
  }

  #fromDataUri(uri: string): JSONWebKeySet {
    const known = this.#parsedData.get(uri);
    if (known !== undefined) return known;
    const text = decodeDataUri(uri);
    if (text === null) {
      throw unauthenticated(
        "InvalidAuthHeader",
        "Invalid JWKS data URL. Check that the data URL is properly formatted " +
          "and contains valid base64-encoded JSON.",
      );
    }
    const keys = parseKeySet(text, uri);
    this.#parsedData.set(uri, keys);
    return keys;
  }

  #get(url: string, fresh: boolean): Promise<FetchedDocument> {
    const known = this.#cache.get(url);
    if (!fresh && known !== undefined && known.goodUntil > this.#now()) {
      return known.document;
    }
    if (this.#cache.size >= MAX_CACHED) this.#cache.clear();
    const entry: CacheEntry = {
      goodUntil: Infinity,
      document: this.#fetch(url),
    };
    this.#cache.set(url, entry);
    entry.document.then(
      (fetched) => {
        const ms = (fetched.maxAgeSeconds ?? 0) * 1000;
        const useful = fetched.status === 200 ? Math.max(ms, MIN_CACHE_MS) : 0;
        entry.goodUntil = this.#now() + useful;
      },
      () => this.#cache.delete(url),
    );
    return entry.document;
  }
}

/** Decodes a data: URI to text; null when it is none. */
export function decodeDataUri(uri: string): string | null {
  const [, header, payload] = /^data:([^,]*),([^#]*)/is.exec(uri) ?? [];
  if (header === undefined || payload === undefined) return null;
  try {
    const raw = decodeURIComponent(payload);
    if (!/;\s*base64\s*$/i.test(header)) return raw;
    const compact = raw.replace(/\s/g, "");
    if (!/^[A-Za-z0-9+/]*={0,2}$/.test(compact)) return null;
    return Buffer.from(compact, "base64").toString("utf8");
  } catch {
    return null; // a stray % in the payload
  }
}

function parseKeySet(text: string, uri: string): JSONWebKeySet {
  const keys = keySet(parseObject(text));
  if (keys !== null) return keys;
  throw unauthenticated(
    "InvalidAuthHeader",
    `Invalid JWKS response body from '${uri}'. The response is not valid JSON or ` +
      "doesn't match the expected JWKS format.",
  );
}

function parseObject(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null;
  } catch {
    return null; // not JSON: the caller names the document
  }
}

function keySet(value: Record<string, unknown> | null): JSONWebKeySet | null {
  return value !== null && Array.isArray(value.keys)
    ? (value as unknown as JSONWebKeySet)
    : null;
}

function mediaType(contentType: string): string {
  return (contentType.split(";")[0] ?? "").trim().toLowerCase();
}

const KEPT_STATUS = [401, 403, 404, 429];

function failDiscovery(issuer: string, reply?: FetchedDocument): never {
  const what = `Auth provider discovery of ${issuer} failed`;
  const code = "AuthProviderDiscoveryFailed";
  if (reply === undefined) throw badRequest(code, what);
  const status = KEPT_STATUS.includes(reply.status)
    ? reply.status
    : reply.status >= 500
      ? 503
      : 400;
  throw new ApiError(status, code, `${what}: ${reply.status} ${reply.body}`);
}

/** max-age of a Cache-Control header, in seconds. */
export function maxAge(cacheControl: string | null): number | null {
  if (cacheControl === null || /no-store|no-cache/i.test(cacheControl))
    return null;
  const [, seconds] = /max-age=(\d+)/i.exec(cacheControl) ?? [];
  return seconds === undefined ? null : Number(seconds);
}

/** An outside document, with a bound on time and size. */
export async function fetchOutside(url: string): Promise<FetchedDocument> {
  const response = await fetch(url, {
    headers: { accept: "application/json" },
    signal: AbortSignal.timeout(10_000),
  });
  const body = await response.text();
  if (body.length > 1 << 20) throw new Error("the reply is too large");
  return {
    status: response.status,
    contentType: response.headers.get("content-type") ?? "",
    maxAgeSeconds: maxAge(response.headers.get("cache-control")),
    body,
  };
}
