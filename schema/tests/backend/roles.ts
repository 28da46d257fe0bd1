// roles.ts - daemons' tokens: which are believed, and what their role allows.
// walk.ts has every function with every caller.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { ConvexHttpClient } from "convex/browser";
import { anyApi, type FunctionReference } from "convex/server";
import { ConvexError } from "convex/values";
import type { Deployment } from "./deployment";

const SLUG = "roles";

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
