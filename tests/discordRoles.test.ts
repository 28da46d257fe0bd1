// From a payment to the role in the customers' guild and back, with the bot killed, members
// absent, roles changed by hand, permissions lost, and Discord failing.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, afterEach, before, test } from "node:test";
import { ConvexHttpClient } from "convex/browser";
import { makeFunctionReference } from "convex/server";
import { Backend, Daemon, deploySchema, FakeDiscord, until } from "./harness";

const GUILD = "1200000000000000001";
const PREMIUM = "1200000000000000201";
const SLUG = "demo";

let backend: Backend;
let discord: FakeDiscord;
let env: Record<string, string>;
let bot: Daemon;
const started: Daemon[] = [];
let people = 0;

async function internal<T>(path: string, args: object): Promise<T> {
  const client = new ConvexHttpClient(backend.url, {
    logger: false,
  }) as unknown as {
    setAdminAuth(key: string): void;
    function(ref: unknown, component: undefined, args: unknown): Promise<T>;
  };
  client.setAdminAuth(backend.adminKey);
  return await client.function(makeFunctionReference(path), undefined, args);
}

function start(more: Record<string, string> = {}): Daemon {
  const daemon = new Daemon("bot", {
    ...env,
    DISCORD_TOKEN: "bot-token",
    ...more,
  });
  started.push(daemon);
  return daemon;
}

const faults = (fault: object): Promise<void> =>
  discord.control("POST", "/faults", fault);

/** Somebody with an account and a linked Discord account. */
async function person(joins = true) {
  const number = people++;
  const email = `customer${number}@test.example`;
  const discordId = String(1_500_000_000_000_000_000n + BigInt(number));
  await new ConvexHttpClient(backend.url, { logger: false }).action(
    makeFunctionReference<"action">("auth:signIn"),
    {
      provider: "password",
      params: { email, password: "correct horse", flow: "signUp" },
    },
  );
  await discord.control("POST", "/users", {
    id: discordId,
    username: `customer${number}`,
  });
  if (joins) await join(discordId);
  await internal("discord:link", { email, discordId });
  return { email, discordId };
}

async function crowd(count: number) {
  const all = [];
  for (let i = 0; i < count; i++) all.push(await person());
  return all;
}

const join = (discordId: string, roles: string[] = []): Promise<void> =>
  discord.control("PUT", `/guilds/${GUILD}/members/${discordId}`, { roles });

/** Looked up in the fake itself, as calls of the bot's would count in its limits. */
async function rolesOf(discordId: string): Promise<string[]> {
  const { guilds } = await discord.control<{
    guilds: { id: string; members: { user_id: string; roles: string[] }[] }[];
  }>("GET", "/state");
  const { members } = guilds.find(({ id }) => id === GUILD)!;
  return members.find(({ user_id }) => user_id === discordId)?.roles ?? [];
}

async function hasRole(discordId: string, wanted: boolean): Promise<void> {
  await until(
    `${discordId} ${wanted ? "to have" : "not to have"} the role; the bot says:\n${bot.log.slice(-3000)}`,
    async () => (await rolesOf(discordId)).includes(PREMIUM) === wanted,
  );
}

const grant = (email: string, until: number | null = null) =>
  internal("access:grant", { community: SLUG, email, until, reason: "test" });
const revoke = (email: string) =>
  internal("access:revoke", { community: SLUG, email, reason: "test" });

/** Role changes that Discord carried out, from the fake's own journal. */
async function changes(discordId: string): Promise<string[]> {
  const { entries } = await discord.control<{
    entries: { method: string; path: string; status: number }[];
  }>("GET", "/journal?since=0");
  return entries
    .filter(
      ({ path, status }) =>
        path.includes(`/members/${discordId}/roles/`) && status === 204,
    )
    .map(({ method }) => method);
}

before(async () => {
  backend = await Backend.start();
  discord = await FakeDiscord.start();
  const key = await deploySchema(backend);
  await internal("communities:setUp", {
    slug: SLUG,
    name: "Demo",
    sourceGuildId: "1100000000000000001",
    customerGuildId: GUILD,
    memberRoleIds: [PREMIUM],
  });
  env = {
    CONVEX_URL: backend.url,
    SERVICE_KEY_FILE: key,
    INSTANCE: "test",
    DISCORD_API_URL: `${discord.url}/api/v10`,
  };
  bot = start();
  await until(`the bot to watch; it says:\n${bot.log}`, () =>
    /watching who joins/.test(bot.log),
  );
});
afterEach(async () => await faults({ kind: "reset" }));
after(async () => {
  for (const daemon of started) await daemon.stop();
  await discord.close();
  await backend.close();
});

test("access gives the role and its end takes it away, each once", async () => {
  const { email, discordId } = await person();
  await grant(email);
  await hasRole(discordId, true);
  await revoke(email);
  await hasRole(discordId, false);
  assert.deepEqual(await changes(discordId), ["PUT", "DELETE"]);
});

test("a signed purchase opens the guild, and its refund closes it", async () => {
  const { email, discordId } = await person();
  await grant(email, Date.now() - 1); // vouches for the address, gives nothing
  const proxy = await serviceClient("webhook-proxy");
  const deliver = async (type: string, data: object, at: number) => {
    const body = JSON.stringify({ event: type, data });
    await proxy.mutation(makeFunctionReference<"mutation">("webhooks:ingest"), {
      community: SLUG,
      source: "shop",
      provider: "sellapp",
      key: `${type}/${at}`,
      type,
      receivedAt: Date.now(),
      occurredAt: at,
      subject: "order:77",
      body,
      bodySha256: createHash("sha256").update(body).digest("hex"),
      headers: [],
      verdict: "verified",
    });
  };
  await internal("plans:map", {
    community: SLUG,
    source: "shop",
    product: "9",
    name: "VIP",
    days: 30,
  });
  const order = {
    id: 77,
    customer_information: { email },
    product_variants: [{ id: 9 }],
  };
  const now = Date.now();
  await deliver("order.paid", order, now);
  await internal("access:grant", {
    community: SLUG,
    email,
    until: now - 1,
    reason: "binds what was bought",
  });
  await hasRole(discordId, true);
  await deliver("order.polled", { ...order, status: "REFUNDED" }, now + 1);
  await hasRole(discordId, false);
});

test("access that runs out by time takes the role away", async () => {
  const { email, discordId } = await person();
  const given = async () => (await rolesOf(discordId)).includes(PREMIUM);
  // Long enough for the role to be seen meanwhile.
  for (let ms = 2500, isSeen = false; !isSeen; ms *= 4) {
    const end = Date.now() + ms;
    await grant(email, end);
    await until("the role, or the end", async () => {
      isSeen = await given();
      return isSeen || Date.now() > end;
    });
  }
  await hasRole(discordId, false);
});

test("who joins later gets the role on joining", async () => {
  const { email, discordId } = await person(false);
  await grant(email);
  const queue = () =>
    internal<{ entitlements: unknown[] }>("access:show", {
      community: SLUG,
      email,
    });
  assert.equal((await queue()).entitlements.length, 1);
  await until("the bot to have tried", async () => {
    const { entries } = await discord.control<{ entries: { path: string }[] }>(
      "GET",
      "/journal?since=0",
    );
    return entries.some(({ path }) => path.includes(`${discordId}/roles`));
  });
  await join(discordId);
  await hasRole(discordId, true);

  // Leaving takes it, coming back brings it.
  const member = `/guilds/${GUILD}/members/${discordId}`;
  await discord.control("DELETE", member);
  await join(discordId);
  await hasRole(discordId, true);
});

test("what was changed by hand is put right by the next look", async () => {
  const paid = await person();
  const lapsed = await person();
  await grant(paid.email);
  await grant(lapsed.email);
  await hasRole(paid.discordId, true);
  await hasRole(lapsed.discordId, true);
  await revoke(lapsed.email);
  await hasRole(lapsed.discordId, false);
  await join(paid.discordId, []); // the role is taken by hand
  await join(lapsed.discordId, [PREMIUM]);
  const looking = start({ INSTANCE: "looking" });
  await hasRole(paid.discordId, true);
  await hasRole(lapsed.discordId, false);
  await until("it to be said", () => /roles had drifted/.test(looking.log));
  await looking.stop();
});

test("looks go on while people join, strangers and members", async () => {
  const paid = await person();
  await grant(paid.email);
  await hasRole(paid.discordId, true);
  const looking = start({ INSTANCE: "looking", ROLES_LOOK: "20ms" });
  await until("the bot to watch", () => /watching who joins/.test(looking.log));
  for (let i = 0; i < 40; i++) {
    const id = String(1_600_000_000_000_000_000n + BigInt(i));
    await discord.control("POST", "/users", { id, username: `stranger${i}` });
    await join(id);
  }
  const role = `${env.DISCORD_API_URL}/guilds/${GUILD}/members/${paid.discordId}/roles/${PREMIUM}`;
  const headers = {
    authorization: "Bot bot-token",
    "user-agent": "DiscordBot (https://test.example, 1)",
  };
  const taken = await fetch(role, { method: "DELETE", headers }); // by hand
  assert.equal(taken.status, 204);
  await hasRole(paid.discordId, true);
  await looking.stop();
});

test("killed bots lose nothing and do nothing twice that shows", async () => {
  const customers = await crowd(12);
  const granting = Promise.all(customers.map(({ email }) => grant(email)));
  for (let kill = 0; kill < 3; kill++) {
    await new Promise((resolve) => setTimeout(resolve, 60));
    await bot.stop("SIGKILL");
    bot = start();
  }
  await granting;
  for (const { discordId } of customers) await hasRole(discordId, true);
  for (const { email } of customers.slice(0, 6)) await revoke(email);
  for (const { discordId } of customers.slice(0, 6))
    await hasRole(discordId, false);
  for (const { discordId } of customers.slice(6))
    await hasRole(discordId, true);
});

test("two bots share the work", async () => {
  const other = start({ INSTANCE: "second" });
  const customers = await crowd(8);
  await Promise.all(customers.map(({ email }) => grant(email)));
  for (const { discordId } of customers) {
    await hasRole(discordId, true);
    assert.deepEqual(await changes(discordId), ["PUT"]);
  }
  await other.stop();
});

test("Discord's refusals, limits and lost answers delay, and end right", async () => {
  const { email, discordId } = await person();
  const route = "PUT";
  await faults({ kind: "rest_429", route, retry_after: 0.2, count: 1 });
  await faults({ kind: "rest_502", route, count: 1 });
  await faults({ kind: "rest_502_after_commit", route, count: 1 });
  await grant(email);
  await hasRole(discordId, true);
  await revoke(email);
  await hasRole(discordId, false);
});

test("a role above the bot's own is named, and the mirror goes on", async () => {
  const role = await discord.control<{ id: string }>("POST", "/roles", {
    guild_id: GUILD,
    name: "Too high",
    position: 50,
    permissions: "0",
  });
  await internal("plans:map", {
    community: SLUG,
    source: "high",
    product: "1",
    name: "High",
    days: 30,
    roleIds: [role.id],
  });
  const checked = start({ INSTANCE: "checked" });
  await until(`the bot to name the role; it says:\n${checked.log}`, () =>
    /"Too high\\?" is not below/.test(checked.log),
  );
  await checked.stop();
  await internal("plans:map", {
    community: SLUG,
    source: "high",
    product: "1",
    name: "High",
    days: 30,
    roleIds: [],
  });
});

test("a monitor sees that the bot lives, is ready, and what it has done", async () => {
  const watched = start({ INSTANCE: "watched", STATUS_LISTEN: "127.0.0.1:0" });
  await until("its address", () => /status=\S+/.test(watched.log));
  const at = `http://${/status=(\S+)/.exec(watched.log)![1]}`;
  assert.equal(await (await fetch(`${at}/healthz`)).text(), "ok\n");
  await until("it to be ready", async () => (await fetch(`${at}/readyz`)).ok);
  const metrics = await (await fetch(`${at}/metrics`)).text();
  for (const name of [
    "posts_total",
    "roles_given_total",
    "roles_drifted_total",
  ])
    assert.match(metrics, new RegExp(`^${name} \\d+$`, "m"));
  assert.match(metrics, /^source_to_posted_seconds_bucket\{le="\+Inf"\} \d+$/m);
  await backend.end("SIGKILL");
  await until("it to say that the backend is away", async () => {
    const answer = await fetch(`${at}/readyz`);
    return answer.status === 503 && /backend/.test(await answer.text());
  });
  await backend.open();
  await until(
    "it to be ready again",
    async () => (await fetch(`${at}/readyz`)).ok,
  );
  await watched.stop();
});

test("a dry run says what it would do, and does nothing", async () => {
  await bot.stop();
  const { email, discordId } = await person();
  const dry = start({ INSTANCE: "dry", ROLES_DRY_RUN: "true" });
  await grant(email);
  await until(`it to be said; it says:\n${dry.log}`, () =>
    new RegExp(`would give a role.*member=${discordId}`).test(dry.log),
  );
  assert.deepEqual(await changes(discordId), []);
  await dry.stop();
  bot = start();
  await hasRole(discordId, true);
});

async function serviceClient(role: string): Promise<ConvexHttpClient> {
  const { importPKCS8, SignJWT } = await import("jose");
  const { readFileSync } = await import("node:fs");
  const pem = readFileSync(env.SERVICE_KEY_FILE!, "utf8");
  const token = await new SignJWT({ role })
    .setProtectedHeader({ alg: "ES256", kid: "service-1", typ: "JWT" })
    .setIssuer("https://services.signals.invalid")
    .setAudience("signals-services")
    .setSubject(`${role}/test`)
    .setIssuedAt()
    .setExpirationTime("2h")
    .sign(await importPKCS8(pem, "ES256"));
  const client = new ConvexHttpClient(backend.url, { logger: false });
  client.setAuth(token);
  return client;
}
