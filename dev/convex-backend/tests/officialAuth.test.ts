// apps/auth: Convex Auth with passwords on the built program, whose own site is then
// the identity provider: sign-up, sign-in, refresh, sign-out.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { ConvexHttpClient } from "convex/browser";
import { App, authVariables } from "./official/app.js";
import { action, mutation, query, Watched } from "./official/clients.js";

interface SignedIn {
  tokens: { token: string; refreshToken: string } | null;
}

const ACCOUNT = { email: "ann@example.test", password: "correct horse" };

let app: App;

before(async () => {
  app = await App.start("auth", await authVariables());
});

after(async () => {
  await app?.close();
});

const password = (flow: string, change: object = {}) => ({
  provider: "password",
  params: { ...ACCOUNT, flow, ...change },
});

async function signIn(args: Record<string, unknown>): Promise<SignedIn> {
  const http = new ConvexHttpClient(app.backend.url);
  return (await http.action(action("auth:signIn"), args as never)) as SignedIn;
}

describe("Convex Auth", { timeout: 600_000 }, () => {
  test("sign-up gives tokens that the site itself vouches for", async () => {
    const { tokens } = await signIn(password("signUp"));
    assert.ok(tokens);
    const http = new ConvexHttpClient(app.backend.url);
    http.setAuth(tokens.token);
    assert.equal(await http.query(query("people:me"), {}), ACCOUNT.email);
  });

  test("sign-in over the socket turns a subscription into the user's", async () => {
    const { tokens } = await signIn(password("signIn"));
    const live = app.live();
    const watched = new Watched<string | null>(live, "people:me");
    await watched.until((email) => email === null);
    live.setAuth(async () => tokens?.token);
    await watched.until((email) => email === ACCOUNT.email);
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
    const http = new ConvexHttpClient(app.backend.url);
    http.setAuth(renewed.tokens.token);
    await http.action(action("auth:signOut"), {});
    const refused = await signIn({ refreshToken: renewed.tokens.refreshToken });
    assert.equal(refused.tokens, null);
  });

  test("the discovery documents are on the site", async () => {
    const response = await fetch(
      `${app.backend.siteUrl}/.well-known/openid-configuration`,
    );
    assert.equal(response.status, 200);
    const { issuer } = (await response.json()) as { issuer: string };
    assert.equal(issuer, app.backend.siteUrl);
  });
});

describe("an app with accounts", { timeout: 600_000 }, () => {
  const signedIn = async (args: Record<string, unknown>) => {
    const { tokens } = await signIn(args);
    const http = new ConvexHttpClient(app.backend.url, { logger: false });
    http.setAuth(tokens!.token);
    const call = (kind: "query" | "mutation", name: string, more = {}) =>
      (kind === "query"
        ? http.query(query(name), more as never)
        : http.mutation(mutation(name), more as never)) as Promise<never>;
    return call;
  };

  test("everyone sees their own, and nobody anything when signed out", async () => {
    const bo = await signedIn(
      password("signUp", { email: "Bo@Example.test", name: "Bo" }),
    );
    const guest = await signedIn({ provider: "anonymous" });
    const noteId = await bo("mutation", "notes:add", { text: "mine" });
    assert.deepEqual(
      ((await bo("query", "notes:list")) as { text: string }[]).map(
        (n) => n.text,
      ),
      ["mine"],
    );
    assert.deepEqual(await guest("query", "notes:list"), []);
    await assert.rejects(guest("mutation", "notes:remove", { noteId }), {
      data: { code: "NOT_YOURS" },
    });
    await assert.rejects(app.query("notes:list"), {
      data: { code: "SIGNED_OUT" },
    });
    assert.deepEqual(await bo("query", "people:profile"), {
      name: "Bo",
      isAnonymous: false,
      hasSession: true,
    });
    const { isAnonymous } = await guest("query", "people:profile");
    assert.equal(isAnonymous, true);
  });

  test("the app's own rules for passwords and addresses hold", async () => {
    await assert.rejects(
      signIn(password("signUp", { email: "c@x.test", password: "short" })),
      { data: "A password has 10 characters or more" },
    );
    assert.ok(await signedIn(password("signIn", { email: "BO@example.test" })));
    await assert.rejects(
      signIn(
        password("signUp", {
          email: "bo@example.test",
          password: "another one",
        }),
      ),
      /already exists/,
    );
  });
});
