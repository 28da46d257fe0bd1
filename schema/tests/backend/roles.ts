// roles.ts - who may call what: every public function, every kind of caller.

import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import type { ConvexHttpClient } from "convex/browser";
import { anyApi, type FunctionReference } from "convex/server";
import { ConvexError } from "convex/values";
import { internal } from "../../convex/_generated/api";
import type { Deployment } from "./deployment";
import { newId, Source } from "./source";

type Caller =
  | "anonymous"
  | "collector"
  | "bot"
  | "webhook-proxy"
  | "unentitled"
  | "expired"
  | "elsewhere" // entitled, but to another community
  | "member"
  | "operator";

const SERVICES: Caller[] = ["collector", "bot", "webhook-proxy"];
const READERS: Caller[] = ["member", "operator"];
const PEOPLE: Caller[] = [...READERS, "unentitled", "expired", "elsewhere"];

const SLUG = "roles";

type Row = { args: unknown; allowed: Caller[]; kind?: "mutation" | "query" };

function table(source: Source): Record<string, Row> {
  const page = { numItems: 5, cursor: null };
  const sample = { messageId: "1", version: "1", seenAt: 1 };
  return {
    "channels:captured": { args: {}, allowed: ["collector"], kind: "query" },
    "signals:record": {
      args: { events: [source.remove(newId())] },
      allowed: ["collector"],
    },
    "mirrors:queue": { args: {}, allowed: ["bot"], kind: "query" },
    "mirrors:claim": { args: { instance: "x", limit: 0 }, allowed: ["bot"] },
    "mirrors:report": {
      args: { instance: "x", results: [] },
      allowed: ["bot"],
    },
    "mirrors:release": { args: { instance: "x" }, allowed: ["bot"] },
    "roles:queue": { args: {}, allowed: ["bot"], kind: "query" },
    "roles:pending": {
      args: { limit: 5 },
      allowed: ["bot"],
      kind: "query",
    },
    "roles:claim": { args: { instance: "x", limit: 0 }, allowed: ["bot"] },
    "roles:report": { args: { instance: "x", results: [] }, allowed: ["bot"] },
    "roles:release": { args: { instance: "x" }, allowed: ["bot"] },
    "roles:guilds": { args: {}, allowed: ["bot"], kind: "query" },
    "roles:people": {
      args: {
        guildId: source.community.customerGuildId,
        after: null,
        limit: 1,
      },
      allowed: ["bot"],
      kind: "query",
    },
    "roles:observe": {
      args: { guildId: source.community.customerGuildId, seen: [] },
      allowed: ["bot"],
    },
    "webhooks:ingest": { args: webhook("k"), allowed: ["webhook-proxy"] },
    "services:heartbeat": { args: beat("bot"), allowed: ["bot"] },
    "feed:list": {
      args: { community: SLUG, paginationOpts: page },
      allowed: READERS,
      kind: "query",
    },
    "feed:channels": {
      args: { community: SLUG },
      allowed: READERS,
      kind: "query",
    },
    "feed:mine": { args: {}, allowed: PEOPLE, kind: "query" },
    "latency:recent": {
      args: { community: SLUG, limit: 5 },
      allowed: ["operator", ...SERVICES],
      kind: "query",
    },
    "latency:seen": {
      args: { community: SLUG, samples: [sample] },
      allowed: READERS,
    },
  };
}

// Convex Auth's own, which everybody must reach to sign in.
const OPEN = ["auth:signIn", "auth:signOut", "auth:isAuthenticated"];

export function webhook(key: string) {
  return {
    community: SLUG,
    source: "shop",
    provider: "sellapp",
    key,
    type: "order.completed",
    receivedAt: 1,
    body: "{}",
    bodySha256: "00",
    headers: [{ name: "content-type", value: "application/json" }],
    verdict: "verified" as const,
  };
}

export function beat(service: "bot" | "collector" | "webhook-proxy") {
  return {
    service,
    instance: "x",
    version: "1",
    state: "ready" as const,
    counters: [{ name: "posted", value: 1 }],
  };
}

export function roles(start: () => Promise<Deployment>): void {
  test("every public function refuses everybody it is not for", async () => {
    const deployment = await start();
    const community = await deployment.community(SLUG);
    const callers = await everybody(deployment);
    const rows = table(new Source(community));
    assert.deepEqual(
      [...Object.keys(rows), ...OPEN].sort(),
      (await publicFunctions()).sort(),
    );
    for (const [name, { args, allowed, kind }] of Object.entries(rows))
      for (const [caller, client] of Object.entries(callers)) {
        const outcome = await call(client, name, kind ?? "mutation", args);
        const who = `${name} as ${caller}`;
        if (allowed.includes(caller as Caller))
          assert.equal(outcome, "allowed", who);
        else
          assert.match(outcome, /^(unauthenticated|forbidden|no_access)$/, who);
      }
  });

  test("a token of another issuer or audience, or an old one, is no token", async () => {
    const deployment = await start();
    const wrong = [
      { iss: "https://other.invalid" },
      { aud: "other" },
      { expiresIn: "-1m" },
    ];
    for (const over of wrong) {
      const client = await deployment.service("bot", over);
      await assert.rejects(client.query(anyApi.mirrors!.queue as never, {}));
    }
  });

  test("a service without a known role may nothing", async () => {
    const deployment = await start();
    const client = await deployment.service("bot", { role: "admin" });
    const outcome = await call(client, "mirrors:queue", "query", {});
    assert.equal(outcome, "forbidden");
  });

  test("a daemon speaks for its own service only", async () => {
    const deployment = await start();
    const client = await deployment.service("collector");
    const outcome = await call(
      client,
      "services:heartbeat",
      "mutation",
      beat("bot"),
    );
    assert.equal(outcome, "forbidden");
  });
}

async function everybody(
  deployment: Deployment,
): Promise<Record<Caller, ConvexHttpClient>> {
  const other = await deployment.community("elsewhere");
  const grant = async (
    community: string,
    email: string,
    until: number | null,
  ) =>
    await deployment.run(internal.access.grant, {
      community,
      email,
      until,
      reason: "test",
    });
  const clients = {
    anonymous: deployment.anonymous(),
    collector: await deployment.service("collector"),
    bot: await deployment.service("bot"),
    "webhook-proxy": await deployment.service("webhook-proxy"),
    unentitled: await deployment.person("unentitled@test.example"),
    expired: await deployment.person("expired@test.example"),
    elsewhere: await deployment.person("elsewhere@test.example"),
    operator: await deployment.person("operator@test.example"),
    member: await deployment.member(SLUG),
  };
  await grant(SLUG, "expired@test.example", Date.now() - 1);
  await grant(other.slug, "elsewhere@test.example", null);
  const email = "operator@test.example";
  await deployment.run(internal.access.makeOperator, { email });
  return clients;
}

async function call(
  client: ConvexHttpClient,
  name: string,
  kind: "mutation" | "query",
  args: unknown,
): Promise<string> {
  try {
    if (kind === "query")
      await client.query(name as unknown as FunctionReference<"query">, args);
    else
      await client.mutation(
        name as unknown as FunctionReference<"mutation">,
        args,
      );
    return "allowed";
  } catch (error) {
    if (error instanceof ConvexError)
      return (error.data as { code: string }).code;
    throw error;
  }
}

// From the modules themselves, so that a new function cannot be forgotten.
async function publicFunctions(): Promise<string[]> {
  const folder = new URL("../../convex/", import.meta.url);
  const names: string[] = [];
  for (const file of readdirSync(folder)) {
    const [, module] = /^(\w+)\.ts$/.exec(file) ?? [];
    if (module === undefined) continue;
    const exports: Record<string, { isPublic?: boolean }> = await import(
      new URL(file, folder).href
    );
    for (const [name, value] of Object.entries(exports))
      if (value?.isPublic) names.push(`${module}:${name}`);
  }
  return names;
}
