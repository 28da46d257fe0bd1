// timeline.ts - why somebody has access or has it not: everything that led there, in words.
//
// Put together on reading from the rows that decide (entitlements, facts of purchases,
// role jobs) and from those that record (providers' events, the audit log).

import { v, type Infer } from "convex/values";
import type { Doc, Id } from "../_generated/dataModel";
import type { QueryCtx } from "../_generated/server";
import * as Access from "./access";
import { normalEmail } from "./accounts";
import type { Fact } from "./billing/facts";
import * as Purchases from "./billing/purchases";
import * as Links from "./links";
import * as Roles from "./roles";

const MAX_STEPS = 300; // the newest
const MAX_EVENTS = 60; // looked up, of all purchases
const MAX_AUDIT = 100;

export const step = v.object({
  at: v.number(), // ms
  kind: v.union(
    v.literal("account"),
    v.literal("access"),
    v.literal("payment"),
    v.literal("event"),
    v.literal("role"),
    v.literal("operator"),
  ),
  effect: v.union(v.literal("gives"), v.literal("takes"), v.literal("none")),
  text: v.string(),
  detail: v.string(),
  eventId: v.union(v.id("webhookEvents"), v.null()),
});
export type Step = Infer<typeof step>;

/** Newest first. */
export async function of(
  ctx: QueryCtx,
  community: Doc<"communities">,
  address: string,
): Promise<Step[]> {
  const email = normalEmail(address);
  const user = await Access.userByEmail(ctx, email);
  const link = user === null ? null : await Links.ofUser(ctx, user._id);
  const rows = await Access.ofPerson(ctx, community._id, email, user);
  const bought = await Purchases.ofEmail(ctx, community._id, email);
  const jobs =
    link === null ? [] : await Roles.jobsOf(ctx, community._id, link.discordId);
  const steps: Step[] = [
    ...(user === null ? [] : accountSteps(user, link)),
    ...rows.flatMap(entitlementSteps),
    ...(await paymentSteps(ctx, bought)),
    ...jobs.map(roleStep),
    ...(await auditSteps(ctx, community._id, email)),
  ];
  return steps.sort((a, b) => b.at - a.at).slice(0, MAX_STEPS);
}

function made(
  kind: Step["kind"],
  at: number,
  text: string,
  more: Partial<Step> = {},
): Step {
  return { at, kind, effect: "none", text, detail: "", eventId: null, ...more };
}

function accountSteps(
  user: Doc<"users">,
  link: Doc<"discordLinks"> | null,
): Step[] {
  const steps = [made("account", user._creationTime, "Signed up")];
  if (user.emailVerificationTime)
    steps.push(
      made("account", user.emailVerificationTime, "Proved the address"),
    );
  if (link !== null)
    steps.push(
      made("account", link.linkedAt, "Linked a Discord account", {
        detail: `${link.name} ${link.discordId}`.trim(),
      }),
    );
  return steps;
}

function entitlementSteps(row: Doc<"entitlements">): Step[] {
  const how = row.purchaseId === null ? "given by hand" : "bought";
  const steps = [
    made("access", row._creationTime, `Access ${how}: ${row.reason}`, {
      effect: "gives",
      detail: row.until === null ? "without an end" : "",
    }),
  ];
  if (row.revokedAt !== null)
    steps.push(
      made("access", row.revokedAt, `Access revoked: ${row.reason}`, {
        effect: "takes",
        detail: "A renewal does not bring it back; restoring does.",
      }),
    );
  if (row.endedAt !== null)
    steps.push(
      made("access", row.endedAt, `Access ended: ${row.reason}`, {
        effect: "takes",
        detail:
          row.until !== null && row.until <= row.endedAt
            ? "Its time was over."
            : "Its purchase says so.",
      }),
    );
  return steps;
}

const FACTS: Record<Fact["kind"], [string, Step["effect"]]> = {
  paid: ["Paid", "gives"],
  continues: ["Took the cancellation back", "none"],
  cancels: ["Cancelled: no renewal, what is paid for stays", "none"],
  pastDue: ["A renewal's payment failed", "none"],
  partlyRefunded: ["Partly refunded", "none"],
  disputed: ["Disputed the payment", "takes"],
  disputeWon: ["The dispute was won", "gives"],
  disputeLost: ["The dispute was lost", "takes"],
  ended: ["The subscription ended", "takes"],
  refunded: ["Refunded", "takes"],
};

async function paymentSteps(
  ctx: QueryCtx,
  bought: Doc<"purchases">[],
): Promise<Step[]> {
  const steps: Step[] = [];
  let left = MAX_EVENTS;
  for (const purchase of bought) {
    const name = purchase.subject.replace(":", " ");
    const keys = new Set<string>();
    for (const fact of [...purchase.facts].reverse()) {
      const [text, effect] = FACTS[fact.kind];
      const fresh = !keys.has(fact.key) && left-- > 0;
      keys.add(fact.key);
      const event = fresh ? await eventOf(ctx, purchase, fact.key) : null;
      steps.push(
        made("payment", fact.at, `${text} (${name})`, {
          effect,
          detail:
            fact.paidUntil === undefined
              ? ""
              : `paid until ${new Date(fact.paidUntil).toISOString().slice(0, 10)}`,
          eventId: event?._id ?? null,
        }),
      );
      if (event !== null)
        steps.push(
          made(
            "event",
            event.receivedAt,
            `${event.provider} said ${event.type}: ${event.state}`,
            { detail: event.detail, eventId: event._id },
          ),
        );
    }
    if (purchase.parked !== null)
      steps.push(
        made(
          "payment",
          purchase._creationTime,
          purchase.parked === "product"
            ? `Parked: nobody said what its product buys (${name})`
            : `Parked: nobody knows whose it is (${name})`,
        ),
      );
  }
  return steps;
}

async function eventOf(
  ctx: QueryCtx,
  { communityId, source }: Doc<"purchases">,
  key: string,
): Promise<Doc<"webhookEvents"> | null> {
  return await ctx.db
    .query("webhookEvents")
    .withIndex("by_communityId_and_source_and_key", (q) =>
      q.eq("communityId", communityId).eq("source", source).eq("key", key),
    )
    .unique();
}

function roleStep(job: Doc<"roleJobs">): Step {
  const wish = job.desired ? "should have" : "should not have";
  const text = job.dead
    ? `Role ${job.roleId}: given up`
    : job.wants
      ? `Role ${job.roleId}: they ${wish} it, the bot is at it`
      : job.absent
        ? `Role ${job.roleId}: they ${wish} it, but are not in the guild`
        : `Role ${job.roleId}: ${job.actual ? "they have it" : "they do not have it"}`;
  return made("role", job.wantedAt, text, {
    effect: job.desired ? "gives" : "takes",
    detail: job.error ?? "",
  });
}

const ACTIONS: Record<string, string> = {
  "access.grant": "granted access",
  "access.revoke": "revoked access",
  "access.restore": "restored access",
  "access.resync": "worked everything out again",
  "access.makeOperator": "made them an operator",
  "access.createTestSubscription": "made a test subscription",
  "account.proveEmail": "confirmed that the address is theirs",
  "account.delete": "deleted the account",
  "discord.link": "linked a Discord account",
  "discord.unlink": "unlinked the Discord account",
};

async function auditSteps(
  ctx: QueryCtx,
  communityId: Id<"communities">,
  email: string,
): Promise<Step[]> {
  const steps: Step[] = [];
  for (const of of [communityId, null]) {
    const rows = await ctx.db
      .query("auditLog")
      .withIndex("by_communityId_and_subject_and_at", (q) =>
        q.eq("communityId", of).eq("subject", email),
      )
      .order("desc")
      .take(MAX_AUDIT);
    for (const { actor, action, detail, at } of rows)
      steps.push(
        made("operator", at, `${actor} ${ACTIONS[action] ?? action}`, {
          detail,
        }),
      );
  }
  return steps;
}
