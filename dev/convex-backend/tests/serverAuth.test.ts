// Who is let in: JWTs of both kinds of provider, with the official refusals.

import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, test } from "node:test";
import { exportJWK, generateKeyPair, SignJWT, type JWK } from "jose";
import type { AuthInfo, UserIdentity } from "../src/engine/api.js";
import { Auth } from "../src/server/auth.js";
import { ApiError } from "../src/server/errors.js";
import { impersonatedIdentity } from "../src/server/identityClaims.js";
import { decodeDataUri } from "../src/server/keySets.js";
import { FakeEngine } from "./fakeEngine.js";

type Key = Awaited<ReturnType<typeof generateKeyPair>>["privateKey"];

interface Signer {
  alg: string;
  key: Key;
  jwk: JWK;
}

async function signer(alg: string, kid?: string): Promise<Signer> {
  const pair = await generateKeyPair(alg, { extractable: true });
  const jwk = await exportJWK(pair.publicKey);
  return {
    alg,
    key: pair.privateKey,
    jwk: { ...jwk, use: "sig", ...(kid === undefined ? {} : { kid, alg }) },
  };
}

interface Want {
  header?: Record<string, unknown>;
  claims?: Record<string, unknown>;
}

let ec: Signer;
let rsa: Signer;
let rsaNoKid: Signer;

before(async () => {
  ec = await signer("ES256", "svc-1");
  rsa = await signer("RS256", "rsa-1");
  rsaNoKid = await signer("RS256");
});

function sign(
  by: Signer,
  engine: FakeEngine,
  want: Want = {},
): Promise<string> {
  const now = Math.floor(engine.clock / 1000);
  const claims = {
    iss: "https://ingest.test",
    sub: "worker",
    aud: "app",
    iat: now,
    exp: now + 600,
    ...want.claims,
  };
  const kept = Object.fromEntries(
    Object.entries(claims).filter(([, v]) => v !== undefined),
  );
  return new SignJWT(kept)
    .setProtectedHeader({
      alg: by.alg,
      kid: by.jwk.kid,
      typ: "JWT",
      ...want.header,
    } as never)
    .sign(by.key);
}

const dataUri = (...keys: JWK[]) =>
  `data:application/json;base64,${Buffer.from(JSON.stringify({ keys })).toString("base64")}`;

function custom(by: Signer, change: AuthInfo = {}): AuthInfo {
  return {
    type: "customJwt",
    issuer: "https://ingest.test",
    applicationID: "app",
    algorithm: by.alg,
    jwks: dataUri(by.jwk),
    ...change,
  };
}

async function identityOf(
  engine: FakeEngine,
  token: string,
): Promise<UserIdentity> {
  const { identity } = await new Auth(engine, "k|0").authenticate({
    kind: "user",
    token,
  });
  if (identity.kind !== "user") return assert.fail("not a user");
  return identity.attributes;
}

async function refusal(
  engine: FakeEngine,
  token: string,
): Promise<[number, string, string]> {
  try {
    await identityOf(engine, token);
  } catch (error) {
    if (error instanceof ApiError)
      return [error.status, error.code, error.message];
    throw error;
  }
  return assert.fail("the token was accepted");
}

function withProviders(...providers: AuthInfo[]): FakeEngine {
  const engine = new FakeEngine();
  engine.providers = providers;
  return engine;
}

describe("customJwt", () => {
  test("a service's token becomes an identity with its raw and dotted claims", async () => {
    const engine = withProviders(custom(ec));
    const token = await sign(ec, engine, {
      claims: {
        role: "ingest",
        org: { id: "o1", tags: ["a"] },
        email_verified: true,
        jti: "x",
        fva: [1],
      },
    });
    assert.deepEqual(await identityOf(engine, token), {
      tokenIdentifier: "https://ingest.test|worker",
      issuer: "https://ingest.test",
      subject: "worker",
      role: "ingest",
      "org.id": "o1",
      "org.tags": ["a"],
      email_verified: true,
    });
  });

  test("RS256 and a percent-encoded data: URI work too", async () => {
    const jwks = `data:text/plain,${encodeURIComponent(JSON.stringify({ keys: [rsa.jwk] }))}`;
    const engine = withProviders(custom(rsa, { jwks }));
    assert.equal(
      (await identityOf(engine, await sign(rsa, engine))).subject,
      "worker",
    );
  });

  test("any member of aud matches, and without applicationID aud does not matter", async () => {
    const many = withProviders(custom(ec));
    await identityOf(
      many,
      await sign(ec, many, { claims: { aud: ["x", "app"] } }),
    );
    const any = withProviders(custom(ec, { applicationID: null }));
    await identityOf(any, await sign(ec, any, { claims: { aud: undefined } }));
  });

  test("claims cannot pretend to be the verified fields", async () => {
    const engine = withProviders(custom(ec));
    const token = await sign(ec, engine, {
      claims: { subject: "root", tokenIdentifier: "x" },
    });
    assert.equal((await identityOf(engine, token)).subject, "worker");
  });

  test("five seconds of skew are forgiven, six are not", async () => {
    const engine = withProviders(custom(ec));
    const now = Math.floor(engine.clock / 1000);
    engine.clock = now * 1000;
    await identityOf(
      engine,
      await sign(ec, engine, { claims: { exp: now - 5 } }),
    );
    const token = await sign(ec, engine, { claims: { exp: now - 6 } });
    const [status, code, message] = await refusal(engine, token);
    assert.deepEqual([status, code], [401, "InvalidAuthHeader"]);
    assert.match(message, /^Could not validate token: Token expired/);
  });

  const refused: [string, Want, string, RegExp][] = [
    [
      "another issuer",
      { claims: { iss: "https://other.test" } },
      "NoAuthProvider",
      /No auth provider found matching the given token. Check that your JWT's issuer and audience match one of your configured providers: \[CustomJWT\(issuer=https:\/\/ingest.test, app_id=app\)\]/,
    ],
    [
      "another audience",
      { claims: { aud: "other" } },
      "NoAuthProvider",
      /No auth provider found/,
    ],
    [
      "no issuer",
      { claims: { iss: undefined } },
      "InvalidAuthHeader",
      /Missing issuer claim/,
    ],
    [
      "an unknown kid",
      { header: { kid: "svc-2" } },
      "InvalidAuthHeader",
      /'kid' \(key ID\) header is 'svc-2'/,
    ],
    [
      "no kid",
      { header: { kid: undefined } },
      "InvalidAuthHeader",
      /may be missing a 'kid'/,
    ],
    [
      "no expiry",
      { claims: { exp: undefined } },
      "InvalidAuthHeader",
      /Missing expiry/,
    ],
    [
      "no subject",
      { claims: { sub: undefined } },
      "InvalidAuthHeader",
      /Missing subject/,
    ],
    [
      "a start in the future",
      { claims: { nbf: 1e12 } },
      "InvalidAuthHeader",
      /Could not validate token/,
    ],
  ];
  for (const [what, want, expectedCode, words] of refused) {
    test(`${what} is refused with ${expectedCode}`, async () => {
      const engine = withProviders(custom(ec));
      const [status, code, message] = await refusal(
        engine,
        await sign(ec, engine, want),
      );
      assert.deepEqual([status, code], [401, expectedCode]);
      assert.match(message, words);
    });
  }

  test("a signature of another key is refused", async () => {
    const engine = withProviders(custom(ec));
    const imposter = await signer("ES256", "svc-1");
    assert.equal(
      (await refusal(engine, await sign(imposter, engine)))[1],
      "InvalidAuthHeader",
    );
  });

  test("another algorithm than the provider's is refused", async () => {
    const engine = withProviders(
      custom(ec, { jwks: dataUri(ec.jwk, rsa.jwk) }),
    );
    assert.equal(
      (await refusal(engine, await sign(rsa, engine)))[1],
      "InvalidAuthHeader",
    );
  });

  test("without providers the words point at auth.config.ts", async () => {
    const engine = withProviders();
    const [, code, message] = await refusal(engine, await sign(ec, engine));
    assert.equal(code, "NoAuthProvider");
    assert.match(
      message,
      /no providers configured\). Check convex\/auth.config.ts/,
    );
  });

  test("a data: URI that is no key set is named as such", async () => {
    const engine = withProviders(
      custom(ec, { jwks: "data:application/json;base64,####" }),
    );
    assert.match(
      (await refusal(engine, await sign(ec, engine)))[2],
      /Invalid JWKS/,
    );
  });
});

describe("keys behind a URL", () => {
  let keyServer: Server;
  let url: string;
  let served: JWK[] = [];
  let type = "application/json";
  let fetches = 0;

  before(async () => {
    keyServer = createServer((_, response) => {
      fetches++;
      response.setHeader("content-type", type);
      response.setHeader("cache-control", "max-age=3600");
      response.end(JSON.stringify({ keys: served }));
    });
    await new Promise<void>((resolve) =>
      keyServer.listen(0, "127.0.0.1", resolve),
    );
    url = `http://127.0.0.1:${(keyServer.address() as AddressInfo).port}/jwks`;
  });
  after(() => {
    keyServer.closeAllConnections();
    keyServer.close();
  });

  test("are fetched once while they may be cached, and again after a rotation", async () => {
    served = [ec.jwk];
    const engine = withProviders(custom(ec, { jwks: url }));
    const auth = new Auth(engine, "k|0");
    const token = await sign(ec, engine);
    await auth.authenticate({ kind: "user", token });
    await auth.authenticate({ kind: "user", token });
    assert.equal(fetches, 1);
    const rotated = await signer("ES256", "svc-2");
    served = [rotated.jwk];
    await auth.authenticate({
      kind: "user",
      token: await sign(rotated, engine),
    });
    assert.equal(fetches, 2);
  });

  test("of another content type are refused", async () => {
    type = "text/html";
    const engine = withProviders(custom(ec, { jwks: url }));
    assert.match(
      (await refusal(engine, await sign(ec, engine)))[2],
      /Invalid Content-Type 'text\/html'/,
    );
  });

  test("that cannot be reached are named", async () => {
    const engine = withProviders(
      custom(ec, { jwks: "http://127.0.0.1:1/jwks" }),
    );
    assert.match(
      (await refusal(engine, await sign(ec, engine)))[2],
      /Could not fetch JWKS from URL/,
    );
  });
});

describe("OIDC, with the provider being this deployment's own site", () => {
  function ownSite(keys: JWK[]): FakeEngine {
    const engine = withProviders({
      applicationID: "convex",
      domain: "http://site.test",
    });
    engine.site = ({ url }) => {
      const json = (value: unknown) => ({
        status: 200,
        headers: [["content-type", "application/json"]] as [string, string][],
        body: JSON.stringify(value),
      });
      if (url === "http://site.test/.well-known/openid-configuration") {
        return json({
          issuer: "http://site.test",
          jwks_uri: "http://site.test/.well-known/jwks.json",
        });
      }
      return url === "http://site.test/.well-known/jwks.json"
        ? json({ keys })
        : { status: 404, headers: [], body: "no" };
    };
    return engine;
  }
  const own = { iss: "http://site.test", aud: "convex", sub: "user|session" };
  const bare = { kid: undefined, typ: undefined };

  test("a token without kid and typ is accepted when one key fits", async () => {
    const engine = ownSite([rsaNoKid.jwk]);
    const token = await sign(rsaNoKid, engine, { header: bare, claims: own });
    assert.equal(
      (await identityOf(engine, token)).tokenIdentifier,
      "http://site.test|user|session",
    );
  });

  test("two keys without kid make every token ambiguous", async () => {
    const engine = ownSite([rsaNoKid.jwk, (await signer("RS256")).jwk]);
    const token = await sign(rsaNoKid, engine, { header: bare, claims: own });
    assert.deepEqual((await refusal(engine, token)).slice(0, 2), [
      401,
      "Unauthenticated",
    ]);
  });

  test("standard claims become attributes, others stay", async () => {
    const engine = ownSite([rsa.jwk]);
    const token = await sign(rsa, engine, {
      claims: {
        ...own,
        given_name: "Ann",
        email: "a@b.c",
        email_verified: true,
        picture: "http://p",
        locale: "en",
        address: { formatted: "Street 1" },
        updated_at: 1_700_000_000,
        plan: { tier: 1 },
        nonce: "n",
        jti: "j",
      },
    });
    const { tokenIdentifier, issuer, subject, ...rest } = await identityOf(
      engine,
      token,
    );
    assert.deepEqual(
      [tokenIdentifier, issuer, subject],
      ["http://site.test|user|session", own.iss, own.sub],
    );
    assert.deepEqual(rest, {
      givenName: "Ann",
      email: "a@b.c",
      emailVerified: true,
      pictureUrl: "http://p",
      language: "en",
      address: "Street 1",
      updatedAt: "2023-11-14T22:13:20+00:00",
      plan: { tier: 1 },
    });
  });

  const refused: [string, Want][] = [
    ["expired this second", { claims: { ...own, exp: 0 } }],
    ["two audiences", { claims: { ...own, aud: ["convex", "other"] } }],
    ["no iat", { claims: { ...own, iat: undefined } }],
    ["an unknown kid", { header: { kid: "other" }, claims: own }],
    ["another typ", { header: { typ: "at+jwt" }, claims: own }],
  ];
  for (const [what, want] of refused) {
    test(`${what}: Could not verify OIDC token claim`, async () => {
      const engine = ownSite([rsa.jwk]);
      const [status, code, message] = await refusal(
        engine,
        await sign(rsa, engine, want),
      );
      assert.deepEqual([status, code], [401, "Unauthenticated"]);
      assert.match(message, /^Could not verify OIDC token claim/);
    });
  }

  test("a site without discovery is AuthProviderDiscoveryFailed with its status", async () => {
    const engine = ownSite([rsa.jwk]);
    engine.site = () => ({
      status: 404,
      headers: [],
      body: "No matching routes found",
    });
    const [status, code] = await refusal(
      engine,
      await sign(rsa, engine, { claims: own }),
    );
    assert.deepEqual([status, code], [404, "AuthProviderDiscoveryFailed"]);
  });
});

describe("small parts", () => {
  test("data: URIs decode from base64 and percent-encoding, and end at #", () => {
    assert.equal(decodeDataUri("data:;base64,aGk="), "hi");
    assert.equal(decodeDataUri("data:text/plain,a%20b#cut"), "a b");
    assert.equal(decodeDataUri("data:text/plain,%"), null);
    assert.equal(decodeDataUri("http://x"), null);
  });

  test("an acting-as identity needs an identifier, or issuer and subject", () => {
    assert.equal(impersonatedIdentity({ name: "N" }), null);
    assert.equal(impersonatedIdentity({ issuer: "i" }), null);
    assert.deepEqual(impersonatedIdentity({ tokenIdentifier: "https://i|s" }), {
      tokenIdentifier: "https://i|s",
      issuer: "https://i",
      subject: "s",
    });
  });
});
