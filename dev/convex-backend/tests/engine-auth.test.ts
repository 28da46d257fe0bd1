/* Convex Auth with passwords, end to end through the engine; tokens checked with jose. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import {
  createLocalJWKSet,
  exportJWK,
  exportPKCS8,
  generateKeyPair,
  type JSONWebKeySet,
  jwtVerify,
} from "jose";
import type { Identity, JSONValue } from "../src/engine/index.js";
import { pushRequest } from "./bundle.js";
import { fixture, nobody, openAt, push, SITE, valueOf } from "./harness.js";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Engine } from "../src/engine/index.js";

let engine: Engine;
const folder = mkdtempSync(join(tmpdir(), "engine-auth-"));

before(async () => {
  engine = await openAt(folder);
  const keys = await generateKeyPair("RS256", { extractable: true });
  const jwk = await exportJWK(keys.publicKey);
  await engine.setEnvironmentVariables([
    { name: "JWT_PRIVATE_KEY", value: await exportPKCS8(keys.privateKey) },
    { name: "JWKS", value: JSON.stringify({ keys: [{ use: "sig", ...jwk }] }) },
    { name: "SITE_URL", value: "http://127.0.0.1:5180" },
  ]);
});
after(async () => {
  await engine.close();
  rmSync(folder, { recursive: true, force: true });
});

type Tokens = { token: string; refreshToken: string };

async function signIn(args: JSONValue, identity = nobody): Promise<Tokens> {
  const { outcome } = await engine.runAction({
    path: "auth:signIn",
    args,
    identity,
    requestId: "s",
  });
  return (valueOf(outcome) as { tokens: Tokens }).tokens;
}

const password = (flow: string, secret = "correct horse") => ({
  provider: "password",
  params: { email: "ann@example.com", password: secret, flow },
});

async function fetchRoute(path: string): Promise<JSONValue> {
  const response = await engine.httpAction(
    { method: "GET", url: SITE + path, headers: [] },
    nobody,
    "r",
  );
  assert.equal(response.status, 200);
  const chunks: Buffer[] = [];
  for await (const chunk of response.body) chunks.push(chunk as Buffer);
  return JSON.parse(Buffer.concat(chunks).toString()) as JSONValue;
}

/** Verifies a token as the server around the engine does. */
async function identityOf(token: string): Promise<Identity> {
  const keys = (await fetchRoute("/.well-known/jwks.json")) as unknown;
  const { payload } = await jwtVerify(
    token,
    createLocalJWKSet(keys as JSONWebKeySet),
    { audience: "convex" },
  );
  return {
    kind: "user",
    attributes: {
      issuer: payload.iss!,
      subject: payload.sub!,
      tokenIdentifier: `${payload.iss}|${payload.sub}`,
    },
  };
}

async function myEmail(identity: Identity): Promise<JSONValue> {
  const { outcome } = await engine.runQuery({
    path: "auth:myEmail",
    args: {},
    identity,
    requestId: "e",
  });
  return valueOf(outcome);
}

test("a push whose auth config reads an unset variable is refused by its name", async () => {
  await assert.rejects(
    push(engine, await pushRequest(fixture("auth"))),
    (error: { code: string; message: string }) =>
      error.code === "AuthConfigMissingEnvironmentVariable" &&
      error.message.includes("Environment variable SERVICE_ISSUER "),
  );
});

test("with the variable set the auth providers are those of the config", async () => {
  await engine.setEnvironmentVariables([
    { name: "SERVICE_ISSUER", value: "https://services.example" },
  ]);
  await push(engine, await pushRequest(fixture("auth")));
  assert.deepEqual(engine.authProviders(), [
    { domain: SITE, applicationID: "convex" },
    {
      type: "customJwt",
      issuer: "https://services.example",
      applicationID: "services",
      jwks: "data:application/json;base64,e30=",
      algorithm: "ES256",
    },
  ]);
});

test("discovery is served by the deployed HTTP actions", async () => {
  const discovery = (await fetchRoute("/.well-known/openid-configuration")) as {
    issuer: string;
  };
  assert.equal(discovery.issuer, SITE);
});

test("sign-up, sign-in, refresh and sign-out work with a password", async () => {
  const first = await signIn(password("signUp"));
  const ann = await identityOf(first.token);
  assert.equal(await myEmail(ann), "ann@example.com");
  assert.equal(await myEmail(nobody), null);

  const second = await signIn(password("signIn"));
  assert.equal(
    await myEmail(await identityOf(second.token)),
    "ann@example.com",
  );

  const refreshed = await signIn({ refreshToken: second.refreshToken });
  const identity = await identityOf(refreshed.token);
  assert.equal(await myEmail(identity), "ann@example.com");

  const { outcome } = await engine.runAction({
    path: "auth:signOut",
    args: {},
    identity,
    requestId: "o",
  });
  valueOf(outcome);
  assert.equal(await signIn({ refreshToken: refreshed.refreshToken }), null);
});

test("a wrong password is refused", async () => {
  const { outcome } = await engine.runAction({
    path: "auth:signIn",
    args: password("signIn", "wrong password"),
    identity: nobody,
    requestId: "w",
  });
  assert.ok(!outcome.success);
  assert.match(outcome.errorMessage, /InvalidSecret/);
});
