// Convex Auth with passwords on the built program, whose own site is then
// the identity provider: sign-up, sign-in, refresh, sign-out.

import assert from "node:assert/strict";
import { cpSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { ConvexHttpClient } from "convex/browser";
import { exportJWK, exportPKCS8, generateKeyPair } from "jose";
import { Backend, buildProgram, Project } from "./official/backend.js";
import { action, liveClient, query, Watched } from "./official/clients.js";

interface SignedIn {
  tokens: { token: string; refreshToken: string } | null;
}

const ACCOUNT = { email: "ann@example.test", password: "correct horse" };

let program: Awaited<ReturnType<typeof buildProgram>>;
let backend: Backend;
let project: Project;

before(async () => {
  program = await buildProgram();
  backend = await Backend.start(program.main);
  project = new Project(backend);
  const app = fileURLToPath(new URL("./official/authApp", import.meta.url));
  cpSync(app, project.folder, { recursive: true });
  const pair = await generateKeyPair("RS256", { extractable: true });
  const pem = (await exportPKCS8(pair.privateKey)).trimEnd();
  const jwk = { use: "sig", ...(await exportJWK(pair.publicKey)) };
  project.write(
    "variables",
    [
      `JWT_PRIVATE_KEY="${pem.replaceAll("\n", " ")}"`,
      `JWKS='${JSON.stringify({ keys: [jwk] })}'`,
      "SITE_URL=http://127.0.0.1:5180",
    ].join("\n"),
  );
  for (const done of [
    await project.convex("env", "set", "--from-file", "variables"),
    await project.deploy(),
  ]) {
    assert.equal(done.status, 0, done.stderr);
  }
});

after(async () => {
  project?.remove();
  await backend?.remove();
  program?.remove();
});

const password = (flow: string, change: object = {}) => ({
  provider: "password",
  params: { ...ACCOUNT, flow, ...change },
});

async function signIn(args: Record<string, unknown>): Promise<SignedIn> {
  const http = new ConvexHttpClient(backend.url);
  return (await http.action(action("auth:signIn"), args as never)) as SignedIn;
}

describe("Convex Auth", { timeout: 120_000 }, () => {
  test("sign-up gives tokens that the site itself vouches for", async () => {
    const { tokens } = await signIn(password("signUp"));
    assert.ok(tokens);
    const http = new ConvexHttpClient(backend.url);
    http.setAuth(tokens.token);
    assert.equal(await http.query(query("people:me"), {}), ACCOUNT.email);
  });

  test("sign-in over the socket turns a subscription into the user's", async () => {
    const { tokens } = await signIn(password("signIn"));
    const live = liveClient(backend.url);
    try {
      const watched = new Watched<string | null>(live, "people:me");
      await watched.until((email) => email === null);
      live.setAuth(async () => tokens?.token);
      await watched.until((email) => email === ACCOUNT.email);
    } finally {
      await live.close();
    }
  });

  test("a wrong password is refused", async () => {
    await assert.rejects(
      signIn(password("signIn", { password: "wrong wrong" })),
      /InvalidSecret/,
    );
  });

  test("a refresh token gives a new pair, and none after sign-out", async () => {
    const { tokens } = await signIn(password("signIn"));
    const renewed = await signIn({ refreshToken: tokens?.refreshToken });
    assert.ok(renewed.tokens);
    const http = new ConvexHttpClient(backend.url);
    http.setAuth(renewed.tokens.token);
    await http.action(action("auth:signOut"), {});
    const refused = await signIn({ refreshToken: renewed.tokens.refreshToken });
    assert.equal(refused.tokens, null);
  });

  test("the discovery documents are on the site", async () => {
    const response = await fetch(
      `${backend.siteUrl}/.well-known/openid-configuration`,
    );
    assert.equal(response.status, 200);
    const { issuer } = (await response.json()) as { issuer: string };
    assert.equal(issuer, backend.siteUrl);
  });
});
