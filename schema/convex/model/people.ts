// people.ts - who somebody is, what they have and why: for operators who help them.
//
// A person is an e-mail address: whoever bought has one, with or without an account.

import { v, type Infer } from "convex/values";
import type { Doc, Id } from "../_generated/dataModel";
import type { MutationCtx, QueryCtx } from "../_generated/server";
import * as Access from "./access";
import { emailOf, normalEmail } from "./accounts";
import { audit } from "./audit";
import { described, phase } from "./billing/facts";
import * as Purchases from "./billing/purchases";
import { failure } from "./failure";
import * as Links from "./links";
import * as Roles from "./roles";

const MAX_FOUND = 20;
const MAX_READ = 50; // of one kind, on the way to them
const MAX_TEXT = 254;

type Community = Doc<"communities">;

// ---- finding ----

export const found = v.object({
  email: v.string(),
  account: v.boolean(),
  discord: v.union(v.object({ id: v.string(), name: v.string() }), v.null()),
  by: v.string(), // in words, what fitted
});
export type Found = Infer<typeof found>;

/**
 * By the beginning of an address or a Discord name, or by a whole Discord, order or
 * subscription id.
 */
export async function find(
  ctx: QueryCtx,
  community: Community,
  given: string,
): Promise<Found[]> {
  const text = given.trim().slice(0, MAX_TEXT);
  if (text === "") return [];
  const all = new Map<string, string>(); // address -> by
  const add = (email: string | null | undefined, by: string) => {
    if (email && !all.has(email)) all.set(email, by);
  };
  for (const email of await ownersOfDiscord(ctx, text)) add(email, "Discord");
  for (const row of await purchasesOf(ctx, community._id, text))
    add(row.email, row.subject.replace(":", " "));
  for (const email of await addressesOf(ctx, community._id, text))
    add(email, "e-mail");
  const some = [...all].slice(0, MAX_FOUND);
  return await Promise.all(
    some.map(async ([email, by]) => {
      const user = await Access.userByEmail(ctx, email);
      const link = user === null ? null : await Links.ofUser(ctx, user._id);
      return {
        email,
        account: user !== null,
        discord: link && { id: link.discordId, name: link.name },
        by,
      };
    }),
  );
}

async function ownersOfDiscord(
  ctx: QueryCtx,
  text: string,
): Promise<(string | undefined)[]> {
  const links: Doc<"discordLinks">[] = [];
  const linked = await Links.ofDiscord(ctx, text);
  if (linked !== null) links.push(linked);
  for (const name of new Set([text, text.toLowerCase()]))
    links.push(
      ...(await ctx.db
        .query("discordLinks")
        .withIndex("by_name", (q) =>
          q.gte("name", name).lt("name", after(name)),
        )
        .take(MAX_FOUND)),
    );
  const users = await Promise.all(
    links.map(({ userId }) => ctx.db.get(userId)),
  );
  return users.map((user) => user?.email);
}

async function purchasesOf(
  ctx: QueryCtx,
  communityId: Id<"communities">,
  text: string,
): Promise<Doc<"purchases">[]> {
  const rows: Doc<"purchases">[] = [];
  const id = text.replace(/^(order|subscription)[ :#]*/i, "").replace(/^#/, "");
  for (const subject of new Set([text, `order:${id}`, `subscription:${id}`]))
    rows.push(
      ...(await ctx.db
        .query("purchases")
        .withIndex("by_communityId_and_subject", (q) =>
          q.eq("communityId", communityId).eq("subject", subject),
        )
        .take(MAX_FOUND)),
    );
  return await Promise.all(rows.map((row) => Purchases.whole(ctx, row)));
}

async function addressesOf(
  ctx: QueryCtx,
  communityId: Id<"communities">,
  text: string,
): Promise<string[]> {
  const start = normalEmail(text);
  const end = after(start);
  const users = await ctx.db
    .query("users")
    .withIndex("email", (q) => q.gte("email", start).lt("email", end))
    .take(MAX_FOUND);
  const entitled = await ctx.db
    .query("entitlements")
    .withIndex("by_communityId_and_email", (q) =>
      q.eq("communityId", communityId).gte("email", start).lt("email", end),
    )
    .take(MAX_READ);
  const bought = await ctx.db
    .query("purchases")
    .withIndex("by_communityId_and_email", (q) =>
      q.eq("communityId", communityId).gte("email", start).lt("email", end),
    )
    .take(MAX_READ);
  const emails = [...users, ...entitled, ...bought].map(({ email }) => email);
  return emails.filter((email) => typeof email === "string").sort();
}

// The end of all texts that begin with this one.
function after(text: string): string {
  return `${text}\uffff`;
}

// ---- one person ----

export const person = v.object({
  email: v.string(),
  account: v.union(
    v.object({
      since: v.number(),
      verified: v.boolean(), // the address was proved
      operator: v.boolean(),
    }),
    v.null(),
  ),
  discord: v.union(
    v.object({ id: v.string(), name: v.string(), linkedAt: v.number() }),
    v.null(),
  ),
  access: v.object({
    live: v.boolean(),
    until: v.union(v.number(), v.null()),
    why: v.string(), // in words
  }),
  entitlements: v.array(
    v.object({
      id: v.id("entitlements"),
      since: v.number(),
      until: v.union(v.number(), v.null()),
      reason: v.string(),
      bought: v.union(v.string(), v.null()), // the purchase's subject; null: by hand
      state: v.union(
        v.literal("live"),
        v.literal("waiting"), // for an account with a proved address
        v.literal("over"),
        v.literal("revoked"),
      ),
      revokedAt: v.union(v.number(), v.null()),
      endedAt: v.union(v.number(), v.null()),
    }),
  ),
  purchases: v.array(
    v.object({
      id: v.id("purchases"),
      since: v.number(),
      source: v.string(),
      provider: v.string(),
      subject: v.string(),
      plan: v.union(v.string(), v.null()),
      products: v.array(v.string()),
      phase,
      paidUntil: v.union(v.number(), v.null()),
      renews: v.boolean(),
      test: v.boolean(),
      parked: v.union(v.literal("product"), v.literal("customer"), v.null()),
    }),
  ),
  roles: v.array(
    v.object({
      id: v.id("roleJobs"),
      roleId: v.string(),
      desired: v.boolean(),
      actual: v.union(v.boolean(), v.null()), // null: never seen
      state: v.union(
        v.literal("right"),
        v.literal("waiting"),
        v.literal("absent"), // not in the guild
        v.literal("dead"),
      ),
      error: v.union(v.string(), v.null()),
    }),
  ),
});
export type Person = Infer<typeof person>;

/** Everything about an address in one community. */
export async function get(
  ctx: QueryCtx,
  community: Community,
  address: string,
): Promise<Person> {
  const email = normalEmail(address);
  const user = await Access.userByEmail(ctx, email);
  const link = user === null ? null : await Links.ofUser(ctx, user._id);
  const rows = await Access.ofPerson(ctx, community._id, email, user);
  const bought = await Purchases.ofEmail(ctx, community._id, email);
  const operator = user !== null && (await Access.isOperator(ctx, user._id));
  const now = Date.now();
  return {
    email,
    account: user && {
      since: user._creationTime,
      verified: user.emailVerificationTime !== undefined,
      operator,
    },
    discord: link && {
      id: link.discordId,
      name: link.name,
      linkedAt: link.linkedAt,
    },
    access: accessOf(rows, user, operator, now),
    entitlements: await Promise.all(
      rows.map(async (row) => ({
        id: row._id,
        since: row._creationTime,
        until: row.until,
        reason: row.reason,
        bought:
          row.purchaseId === null
            ? null
            : ((await ctx.db.get(row.purchaseId))?.subject ?? null),
        state: stateOf(row, user, now),
        revokedAt: row.revokedAt,
        endedAt: row.endedAt,
      })),
    ),
    purchases: await Promise.all(bought.map((row) => purchaseOf(ctx, row))),
    roles:
      link === null
        ? []
        : (await Roles.jobsOf(ctx, community._id, link.discordId)).map(roleOf),
  };
}

type Entitlement = Doc<"entitlements">;
type User = Doc<"users"> | null;
type State = Person["entitlements"][number]["state"];

function stateOf(row: Entitlement, user: User, now: number): State {
  if (row.revokedAt !== null) return "revoked";
  if (!Access.isLive(row, now)) return "over";
  const theirs = row.userId !== null || user?.emailVerificationTime;
  return theirs ? "live" : "waiting";
}

function accessOf(
  rows: Entitlement[],
  user: User,
  operator: boolean,
  now: number,
): Person["access"] {
  if (operator)
    return { live: true, until: null, why: "An operator reads everything." };
  const states = rows.map((row) => stateOf(row, user, now));
  const live = rows.filter((_, i) => states[i] === "live");
  if (live.length > 0) {
    const ends = live.map(({ until }) => until);
    const until = ends.includes(null)
      ? null
      : Math.max(...ends.map((end) => end ?? 0));
    const best = live.find((row) => row.until === until)!;
    const why =
      best.purchaseId === null
        ? `Granted by hand: ${best.reason}`
        : `Bought: ${best.reason}`;
    return { live: true, until, why };
  }
  return { live: false, until: null, why: whyNot(states, user) };
}

function whyNot(states: State[], user: User): string {
  if (states.includes("waiting"))
    return user === null
      ? "There is access for this address, but no account yet."
      : "There is access for this address, but the account has not proved that it is theirs. A grant by hand binds it.";
  if (states.includes("revoked")) return "An operator revoked it.";
  if (states.includes("over")) return "What they had is over.";
  return "They never had any.";
}

async function purchaseOf(
  ctx: QueryCtx,
  row: Doc<"purchases">,
): Promise<Person["purchases"][number]> {
  const plan = row.planId === null ? null : await ctx.db.get(row.planId);
  return {
    id: row._id,
    since: row._creationTime,
    source: row.source,
    provider: row.provider,
    subject: row.subject,
    plan: plan?.name ?? null,
    products: described(row.facts).products,
    phase: row.phase,
    paidUntil: row.paidUntil,
    renews: row.renews,
    test: row.test,
    parked: row.parked,
  };
}

function roleOf(row: Doc<"roleJobs">): Person["roles"][number] {
  const { _id: id, roleId, desired, actual, error = null } = row;
  const state = row.dead
    ? "dead"
    : row.wants
      ? "waiting"
      : row.absent && desired
        ? "absent"
        : "right";
  return { id, roleId, desired, actual, state, error };
}

// ---- helping ----

/** Works everything out again from what is stored; what was given up is tried again. */
export async function resync(
  ctx: MutationCtx,
  community: Community,
  address: string,
): Promise<{ purchases: number; roles: number }> {
  const email = normalEmail(address);
  const user = await Access.userByEmail(ctx, email);
  const bought = await Purchases.ofEmail(ctx, community._id, email);
  for (const row of bought) await Purchases.settle(ctx, community, row);
  let roles = 0;
  if (user !== null) {
    await Access.claim(ctx, user._id);
    await Access.followRoles(ctx, user._id, community._id);
    const link = await Links.ofUser(ctx, user._id);
    const jobs =
      link === null
        ? []
        : await Roles.jobsOf(ctx, community._id, link.discordId);
    const now = Date.now();
    for (const job of jobs) await Roles.tryAgain(ctx, job, now, true);
    roles = jobs.length;
  }
  await audit(ctx, community._id, "access.resync", email, "");
  return { purchases: bought.length, roles };
}

export async function requireAccount(
  ctx: QueryCtx,
  address: string,
): Promise<Doc<"users">> {
  const email = normalEmail(address);
  const user = await Access.userByEmail(ctx, email);
  if (user === null)
    throw failure("not_found", `email: ${email} has no account`);
  return user;
}

/** A grant that is over already, or that nobody can explain later, is a slip. */
export function checkGrant(
  wanted: { email: string; until: number | null; reason: string },
  now: number,
): void {
  emailOf(wanted.email);
  if (wanted.until !== null && !(wanted.until > now))
    throw failure("bad_argument", "until: this time is past");
  if (wanted.reason.trim() === "" || wanted.reason.length > 200)
    throw failure("bad_argument", "reason: 1 to 200 characters");
}
