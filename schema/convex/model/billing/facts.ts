// facts.ts - what providers say about one purchase, and what follows from all of it.
//
// A purchase is a provider's subscription or a single order. Each event about it becomes a
// fact with the provider's own time. The state is a function of the set of facts: they are
// put in order here and never in the order of arrival, so every permutation of the same
// events, late and repeated ones included, ends the same. Nothing here reads a clock or a
// database.

import { v, type Infer } from "convex/values";

// In the order in which facts of one millisecond count: what ends access comes last.
const KINDS = [
  "paid", // until paidUntil, or for the plan's length from paidFrom
  "continues", // a cancellation was taken back
  "cancels", // no renewal; what is paid for stays
  "pastDue", // a renewal's payment failed
  "partlyRefunded",
  "disputed",
  "disputeWon",
  "disputeLost",
  "ended",
  "refunded",
] as const;
export type FactKind = (typeof KINDS)[number];

const kind = v.union(
  v.literal("paid"),
  v.literal("continues"),
  v.literal("cancels"),
  v.literal("pastDue"),
  v.literal("partlyRefunded"),
  v.literal("disputed"),
  v.literal("disputeWon"),
  v.literal("disputeLost"),
  v.literal("ended"),
  v.literal("refunded"),
);

export const fact = v.object({
  kind,
  key: v.string(), // of the event that said so
  at: v.number(), // ms, the provider's clock
  paidFrom: v.optional(v.number()), // ms; absent: `at`
  paidUntil: v.optional(v.number()), // ms; absent: as the plan says
  email: v.optional(v.string()), // the customer's, as one spells it
  products: v.optional(v.array(v.string())), // what was bought, the provider's ids
});
export type Fact = Infer<typeof fact>;

/** A renewal a month is sixteen years of facts; older ones no longer decide anything. */
export const MAX_FACTS = 200;

export type Terms = {
  renews: boolean; // a subscription, not a single order
  days: number | null; // what one payment buys where the provider does not say; null: no end
  graceDays: number; // after the end of what is paid, for a renewal that is late
  partialRefundEnds: boolean;
};

export const phase = v.union(
  v.literal("unpaid"),
  v.literal("active"),
  v.literal("cancelling"),
  v.literal("pastDue"),
  v.literal("disputed"),
  v.literal("ended"),
  v.literal("refunded"),
);
export type Phase = Infer<typeof phase>;

export type Outcome = {
  phase: Phase;
  paidUntil: number | null; // ms; null: no end, or nothing paid
  access: { until: number | null } | null; // null: none
};

const DAY = 24 * 3600 * 1000;

export function inOrder(facts: readonly Fact[]): Fact[] {
  return [...facts].sort(
    (a, b) =>
      a.at - b.at ||
      KINDS.indexOf(a.kind) - KINDS.indexOf(b.kind) ||
      (a.key < b.key ? -1 : a.key > b.key ? 1 : 0),
  );
}

/** The set with one more fact in it, in order and bounded. */
export function withFact(facts: readonly Fact[], added: Fact): Fact[] {
  const known = facts.some((f) => f.key === added.key && f.kind === added.kind);
  return known ? [...facts] : inOrder([...facts, added]).slice(-MAX_FACTS);
}

/** Whose purchase it is and of what, as said last. */
export function described(facts: readonly Fact[]): {
  email: string | null;
  products: string[];
} {
  const newest = inOrder(facts).reverse();
  return {
    email: newest.find((f) => f.email !== undefined)?.email ?? null,
    products: newest.find((f) => f.products !== undefined)?.products ?? [],
  };
}

type Tally = {
  paid: boolean;
  until: number | null; // of what is paid; null: no end
  over: "ended" | "refunded" | null;
  cancels: boolean;
  late: boolean;
  disputed: boolean;
};

function paidUntil(f: Fact, terms: Terms): number | null {
  if (f.paidUntil !== undefined) return f.paidUntil;
  return terms.days === null ? null : (f.paidFrom ?? f.at) + terms.days * DAY;
}

// Of a subscription an end that was said beats none, which only means that a payment did not
// name its period; of a single order none is the longest.
function later(a: number | null, b: number | null, { renews }: Terms) {
  if (renews && (a === null || b === null)) return a ?? b;
  return a === null || b === null ? null : Math.max(a, b);
}

const over = (why: "ended" | "refunded") => (t: Tally) => ({ ...t, over: why });

const step: Record<FactKind, (t: Tally, f: Fact, terms: Terms) => Tally> = {
  // A later payment shortens nothing; one after the end begins anew. Of a period whose money went
  // back it is no payment: a subscription that still stands as active says the same again.
  paid: (t, f, terms) => {
    const end = paidUntil(f, terms);
    const same = f.paidUntil !== undefined && f.paidUntil === t.until;
    if (t.over === "refunded" && same) return t;
    const until = t.paid && t.over === null ? later(t.until, end, terms) : end;
    return { ...t, paid: true, until, over: null, late: false };
  },
  continues: (t) => ({ ...t, cancels: false }),
  cancels: (t) => ({ ...t, cancels: true }),
  pastDue: (t) => ({ ...t, late: true }),
  partlyRefunded: (t, _, terms) =>
    terms.partialRefundEnds ? { ...t, over: "refunded" } : t,
  disputed: (t) => ({ ...t, disputed: true }),
  disputeWon: (t) => ({ ...t, disputed: false }),
  disputeLost: (t) => ({ ...t, disputed: false, over: "refunded" }),
  ended: over("ended"),
  refunded: over("refunded"),
};

export function outcomeOf(facts: readonly Fact[], terms: Terms): Outcome {
  const nothing: Tally = {
    paid: false,
    until: null,
    over: null,
    cancels: false,
    late: false,
    disputed: false,
  };
  const t = inOrder(facts).reduce((t, f) => step[f.kind](t, f, terms), nothing);
  const open = t.paid && t.over === null && !t.disputed;
  const grace = terms.renews && !t.cancels ? terms.graceDays * DAY : 0;
  return {
    phase: phaseOf(t),
    paidUntil: t.paid ? t.until : null,
    access: open ? { until: t.until === null ? null : t.until + grace } : null,
  };
}

function phaseOf(t: Tally): Phase {
  if (t.over !== null) return t.over;
  if (!t.paid) return "unpaid";
  if (t.disputed) return "disputed";
  if (t.late) return "pastDue";
  return t.cancels ? "cancelling" : "active";
}
