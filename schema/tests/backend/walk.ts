// walk.ts - every public function and HTTP action, called by every kind of caller.
//
// Invariants: whoever may not is refused with the code of walkTable.ts and learns nothing of
// community A; nobody meets an internal error; a customer of B who names B and otherwise
// things of A gets nothing of A either.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { ConvexHttpClient } from "convex/browser";
import type { FunctionReference } from "convex/server";
import { ConvexError } from "convex/values";
import { api, internal } from "../../convex/_generated/api";
import type { Deployment } from "./deployment";
import { SPEC_FILE } from "./functionSpec";
import { webhook } from "./roles";
import { newId, Source } from "./source";
import {
  CALLERS,
  MAY,
  refusalOf,
  ROUTES,
  ROWS,
  type Caller,
  type Place,
  type Route,
  type Row,
} from "./walkTable";

const A = "walk-a";
const B = "walk-b";
const TEXT = "BUY WALKCOIN AT 64,000"; // of a signal of A
const OUTSIDERS: Caller[] = [
  "anonymous",
  "unpaid",
  "expired",
  "revoked",
  "elsewhere",
];

type Kind = "Query" | "Mutation" | "Action";
type Token = string | null;

export function walk(start: () => Promise<Deployment>): void {
  test("every public function has a row in the walk's table, and no row is left over", () => {
    const { functions, routes } = published();
    const add = "add or remove its row in tests/backend/walkTable.ts";
    assert.deepEqual(Object.keys(ROWS).sort(), [...functions.keys()], add);
    assert.deepEqual(Object.keys(ROUTES).sort(), routes, add);
  });

  test("every HTTP action refuses everybody it is not for, and tells them nothing", async () => {
    const deployment = await start();
    const place = await settle(deployment);
    const tokens = await everybody(deployment);
    const wrong: string[] = [];
    for (const [name, route] of Object.entries(ROUTES))
      for (const caller of CALLERS)
        wrong.push(
          ...(await fetched(
            deployment,
            name,
            route,
            caller,
            tokens[caller],
            place,
          )),
        );
    assert.deepEqual(wrong, []);
  });

  // The last: signing out is among the functions, and ends the callers' sessions.
  test("every public function refuses everybody it is not for, and tells them nothing", async () => {
    const deployment = await start();
    const place = await settle(deployment);
    const tokens = await everybody(deployment);
    const { functions } = published();
    const wrong: string[] = [];
    const rows = Object.entries(ROWS).sort(
      ([, a], [, b]) => Number(a.last ?? false) - Number(b.last ?? false),
    );
    for (const [name, row] of rows)
      for (const caller of CALLERS) {
        const client = clientOf(deployment, tokens[caller]);
        const call = async (over: object) =>
          await outcomeOf(client, name, functions.get(name)!, {
            ...row.args(place),
            ...over,
          });
        wrong.push(...judged(name, row, caller, await call({}), place));
        if (caller === "elsewhere" && "community" in row.args(place))
          wrong.push(
            ...told(`${name} as ${caller}, with B's name`, caller, {
              ...(await call({ community: B })),
              place,
            }),
          );
      }
    assert.deepEqual(wrong, []);
  });
}

/** What the deployment offers to anybody, by the names of the table. */
function published(): { functions: Map<string, Kind>; routes: string[] } {
  type Entry = {
    identifier?: string;
    functionType: Kind | "HttpAction";
    visibility?: { kind: string };
    method?: string;
    path?: string;
  };
  const spec = JSON.parse(readFileSync(SPEC_FILE, "utf8")) as {
    functions: Entry[];
  };
  const functions = new Map<string, Kind>();
  const routes: string[] = [];
  for (const { identifier, functionType, ...entry } of spec.functions)
    if (functionType === "HttpAction")
      routes.push(`${entry.method} ${entry.path}`);
    else if (entry.visibility?.kind === "public")
      functions.set(identifier!.replace(".js:", ":"), functionType);
  return {
    functions: new Map([...functions].sort(([a], [b]) => (a < b ? -1 : 1))),
    routes: routes.sort(),
  };
}

let settled: Promise<Place> | undefined;
let signedIn: Promise<Record<Caller, Token>> | undefined;

/** Community A, with a signal in it, and B. */
function settle(deployment: Deployment): Promise<Place> {
  return (settled ??= (async () => {
    const community = await deployment.community(A);
    await deployment.community(B);
    const source = new Source(community);
    const messageId = newId();
    const collector = await deployment.service("collector");
    await collector.mutation(api.signals.record, {
      events: [source.create(messageId, { content: TEXT })],
    });
    const member = clientOf(deployment, (await everybody(deployment)).member);
    const [channel] = await member.query(api.feed.channels, { community: A });
    const proxy = await deployment.service("webhook-proxy");
    await proxy.mutation(api.webhooks.ingest, {
      ...webhook("walk-a"),
      community: A,
    });
    const [event] = await deployment.run(internal.webhooks.list, {
      community: A,
    });
    const { customerGuildId } = community;
    const operator = clientOf(
      deployment,
      (await everybody(deployment)).operator,
    );
    const share = await operator.action(api.shares.create, {
      community: A,
      expiresAt: Date.now() + 3_600_000,
      label: "walk",
    });
    return {
      community: A,
      channelId: channel!.id,
      messageId,
      eventId: event!.id,
      shareId: share.id,
      customerGuildId,
      source,
    };
  })());
}

/** A token for each caller; the customers' access is bought, as far as it is live. */
function everybody(deployment: Deployment): Promise<Record<Caller, Token>> {
  return (signedIn ??= (async () => {
    const person = async (caller: Caller) =>
      await deployment.tokenOf(emailOf(caller), "signUp");
    const buy = async (community: string, caller: Caller) => {
      // Only who proved an address gets what was bought with it.
      await deployment.provedPerson(emailOf(caller));
      await deployment.run(internal.access.createTestSubscription, {
        community,
        email: emailOf(caller),
        product: "walk",
        days: 30,
      });
      return await deployment.tokenOf(emailOf(caller));
    };
    const tokens: Record<Caller, Token> = {
      anonymous: null,
      unpaid: await person("unpaid"),
      expired: await person("expired"),
      revoked: await buy(A, "revoked"),
      elsewhere: await buy(B, "elsewhere"),
      member: await buy(A, "member"),
      operator: await person("operator"),
      collector: await deployment.token("collector"),
      bot: await deployment.token("bot"),
      "webhook-proxy": await deployment.token("webhook-proxy"),
    };
    await deployment.run(internal.access.grant, {
      community: A,
      email: emailOf("expired"),
      until: Date.now() - 1,
      reason: "walk",
    });
    await deployment.run(internal.access.revoke, {
      community: A,
      email: emailOf("revoked"),
      reason: "walk",
    });
    await deployment.run(internal.access.makeOperator, {
      email: emailOf("operator"),
    });
    return tokens;
  })());
}

function emailOf(caller: Caller): string {
  return `walk-${caller}@test.example`;
}

function clientOf(deployment: Deployment, token: Token): ConvexHttpClient {
  const client = deployment.anonymous();
  if (token !== null) client.setAuth(token);
  return client;
}

type Outcome = { code: string; said: string };

/** "allowed", a refusal's code, or "internal error"; and all that the caller was told. */
async function outcomeOf(
  client: ConvexHttpClient,
  name: string,
  kind: Kind,
  args: Record<string, unknown>,
): Promise<Outcome> {
  try {
    const said: unknown =
      kind === "Query"
        ? await client.query(
            name as unknown as FunctionReference<"query">,
            args,
          )
        : kind === "Mutation"
          ? await client.mutation(
              name as unknown as FunctionReference<"mutation">,
              args,
            )
          : await client.action(
              name as unknown as FunctionReference<"action">,
              args,
            );
    return { code: "allowed", said: JSON.stringify(said) ?? "" };
  } catch (error) {
    const data = error instanceof ConvexError ? error.data : null;
    const { code } = (data ?? {}) as { code?: string };
    if (code !== undefined) return { code, said: JSON.stringify(data) };
    return { code: "internal error", said: String(error) };
  }
}

function judged(
  name: string,
  row: Row,
  caller: Caller,
  outcome: Outcome,
  place: Place,
): string[] {
  const who = `${name} as ${caller}`;
  const wanted = MAY[row.for].includes(caller)
    ? (row.answers ?? "allowed")
    : refusalOf(row.for, caller);
  const wrong = told(who, caller, { ...outcome, place });
  if (name === "feed:list" && outcome.code === "allowed")
    assert.ok(outcome.said.includes(TEXT)); // or the look for it means nothing
  if (outcome.code !== wanted && outcome.code !== "internal error")
    wrong.push(`${who}: ${outcome.code}, not ${wanted}: ${outcome.said}`);
  return wrong;
}

/** What must not be in an answer: internal errors, and to outsiders anything of A. */
function told(
  who: string,
  caller: Caller,
  { code, said, place }: Outcome & { place: Place },
): string[] {
  if (code === "internal error") return [`${who}: internal error: ${said}`];
  if (!OUTSIDERS.includes(caller)) return [];
  const { messageId, customerGuildId, source } = place;
  return [
    TEXT,
    emailOf("member"),
    messageId,
    customerGuildId,
    source.community.guildId,
  ]
    .filter((secret) => said.includes(secret))
    .map((secret) => `${who}: is told ${secret}`);
}

async function fetched(
  deployment: Deployment,
  name: string,
  route: Route,
  caller: Caller,
  token: Token,
  place: Place,
): Promise<string[]> {
  const answer = await fetch(`${deployment.siteUrl}${route.path(place)}`, {
    method: name.split(" ")[0]!,
    headers: token === null ? {} : { authorization: `Bearer ${token}` },
    redirect: "manual",
  });
  const said = `${answer.headers.get("location") ?? ""} ${await answer.text()}`;
  const refused =
    route.refused ?? ((who: Caller) => (who === "anonymous" ? 401 : 403));
  const wanted = MAY[route.for].includes(caller)
    ? route.status
    : refused(caller);
  const who = `${name} as ${caller}`;
  const code = answer.status >= 500 ? "internal error" : "answered";
  const wrong = told(who, caller, { code, said, place });
  if (answer.status !== wanted)
    wrong.push(`${who}: ${answer.status}, not ${wanted}`);
  return wrong;
}
