// words.ts - access and purchases in plain words. Pure.

import type { FunctionReturnType } from "convex/server";
import type { api } from "../app/api";
import type { Tone } from "../ui/Badge";
import { longDate } from "../ui/time";

type Standing = FunctionReturnType<
  typeof api.account.me
>["communities"][number];
type Ground = Standing["grounds"][number];
export type Bought = FunctionReturnType<typeof api.account.history>[number];
type Role = FunctionReturnType<
  typeof api.account.discord
>["communities"][number]["roles"][number];

export type Words = { state: string; tone: Tone; text: string };

/** Has this person access, until when, and why. */
export function accessWords(standing: Standing, now: number): Words {
  if (standing.operator)
    return {
      state: "Operator",
      tone: "accent",
      text: "You help to run this service, so everything is open to you.",
    };
  const [best] = standing.grounds;
  if (best === undefined)
    return { state: "None", tone: "neutral", text: "You have no access." };
  return best.live ? liveWords(best, now) : endedWords(best);
}

/** What one entitlement gives, or gave. */
export function groundWords(ground: Ground, now: number): Words {
  return ground.live ? liveWords(ground, now) : endedWords(ground);
}

function liveWords(ground: Ground, now: number): Words {
  const { name, until, purchase } = ground;
  const active = (text: string): Words => ({
    state: "Active",
    tone: "good",
    text,
  });
  if (purchase === null) {
    const why = name === "" ? "" : ` (${name})`;
    const given = `The community’s team gave you access${why}`;
    return active(
      until === null
        ? `${given}. It has no end.`
        : `${given}. It lasts until ${longDate(until)}.`,
    );
  }
  const plan = planName(name);
  const { phase, renews, paidUntil } = purchase;
  if (until === null) return active(`You bought ${plan}. It has no end.`);
  const end = longDate(until);
  const paid = paidUntil === null ? end : longDate(paidUntil);
  if (phase === "pastDue")
    return {
      state: "Payment due",
      tone: "warn",
      text: `The last payment for ${plan} failed. You keep access until ${end} while it is tried again; please check how you pay.`,
    };
  if (phase === "cancelling")
    return {
      state: "Cancelled",
      tone: "warn",
      text: `You cancelled ${plan}. It stays open until ${end} and does not renew.`,
    };
  if (!renews)
    return active(
      `You bought ${plan}. It lasts until ${end} and does not renew.`,
    );
  if (paidUntil !== null && paidUntil <= now)
    return {
      state: "Grace",
      tone: "warn",
      text: `${sentence(plan)} was due to renew on ${paid}, and no payment has arrived yet. You keep access until ${end}.`,
    };
  return active(`${sentence(plan)} is paid until ${paid} and renews then.`);
}

function endedWords({ kind, name, ended, endedAt, purchase }: Ground): Words {
  const on = endedAt === null ? "" : ` on ${longDate(endedAt)}`;
  const over = (state: string, text: string): Words => ({
    state,
    tone: "bad",
    text,
  });
  if (ended === "revoked")
    return over("Withdrawn", `The community’s team ended your access${on}.`);
  if (kind === "grant" || purchase === null)
    return over("Ended", `The access that you were given ended${on}.`);
  const plan = planName(name);
  switch (purchase.phase) {
    case "refunded":
      return over("Refunded", `${sentence(plan)} was refunded${on}.`);
    case "disputed":
      return over(
        "Disputed",
        `A payment for ${plan} is disputed. Access rests until that is decided.`,
      );
    case "pastDue":
      return over(
        "Unpaid",
        `${sentence(plan)} could not be renewed: the payment failed. Access ended${on}.`,
      );
    default:
      return over("Ended", `${sentence(plan)} ended${on}.`);
  }
}

const planName = (name: string) => (name === "" ? "your plan" : name);
const sentence = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

const PHASES: Record<Bought["phase"], { state: string; tone: Tone }> = {
  unpaid: { state: "Not paid", tone: "neutral" },
  active: { state: "Active", tone: "good" },
  cancelling: { state: "Cancelled", tone: "warn" },
  pastDue: { state: "Payment due", tone: "warn" },
  disputed: { state: "Disputed", tone: "bad" },
  ended: { state: "Ended", tone: "neutral" },
  refunded: { state: "Refunded", tone: "neutral" },
};

/** The state of a purchase. A period that is over without a word about it has ended. */
export function purchaseWords(bought: Bought, now: number) {
  const { phase, paidUntil, renews } = bought;
  const over = paidUntil !== null && paidUntil <= now;
  if (phase === "active" && over && !renews)
    return { state: "Over", tone: "neutral" as const };
  return PHASES[phase];
}

export const EVENTS: Record<Bought["events"][number]["kind"], string> = {
  paid: "Paid",
  continues: "Cancellation taken back",
  cancels: "Cancelled: no further renewal",
  pastDue: "Payment failed",
  partlyRefunded: "Refunded in part",
  disputed: "Payment disputed",
  disputeWon: "Dispute settled: the payment stands",
  disputeLost: "Dispute settled: the payment was returned",
  ended: "Ended",
  refunded: "Refunded",
};

export const ROLES: Record<Role["state"], { words: string; tone: Tone }> = {
  has: { words: "You have it", tone: "good" },
  without: { words: "Not yours now", tone: "neutral" },
  giving: { words: "Being given", tone: "info" },
  taking: { words: "Being taken back", tone: "info" },
  absent: { words: "Waits until you join the server", tone: "warn" },
  failed: {
    words: "Discord refused it; ask the community’s team",
    tone: "bad",
  },
};

/** What should be against what is. */
export function againstWords({
  expected,
  actual,
}: Pick<Role, "expected" | "actual">): string {
  const found =
    actual === null ? "not looked at yet" : actual ? "there" : "not there";
  return `Your access ${expected ? "gives it" : "does not give it"}; in Discord: ${found}.`;
}

/** Why Discord was not linked, by what the address says on the way back. */
export function linkProblem(reason: string): string | null {
  switch (reason) {
    case "confirm":
    case "linked":
      return null;
    case "denied":
      return "You did not agree on Discord’s page, so nothing was linked.";
    case "taken":
      return "That Discord account is linked to another account here. Unlink it there first, or choose another one.";
    case "scope":
      return "Discord did not say who you are: the permission for that was missing. Please try again.";
    case "unavailable":
      return "Discord could not be reached. Please try again in a moment.";
    case "not_configured":
      return "Linking Discord is not set up here.";
    default: // expired, refused, and what nobody sends
      return "This attempt to link Discord is over. Please start again.";
  }
}
