// facts.test.ts - what follows from a purchase's facts, in whatever order they come.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  MAX_FACTS,
  outcomeOf,
  withFact,
  type Fact,
  type FactKind,
  type Terms,
} from "../convex/model/billing/facts";
import { permutations, random, shuffled } from "./random";

const DAY = 24 * 3600 * 1000;
const monthly: Terms = {
  renews: true,
  days: 30,
  graceDays: 3,
  partialRefundEnds: false,
};
const single: Terms = { ...monthly, renews: false };

let keys = 0;
function fact(kind: FactKind, at: number, more: Partial<Fact> = {}): Fact {
  return { kind, at, key: `e${keys++}`, ...more };
}
const until = (day: number) => ({ paidUntil: day * DAY });

test("nothing paid gives nothing", () => {
  const unpaid = outcomeOf([fact("cancels", 1)], monthly);
  assert.deepEqual(unpaid, { phase: "unpaid", paidUntil: null, access: null });
});

test("a period is paid for, and a late renewal has its grace", () => {
  const { access, phase } = outcomeOf([fact("paid", 0, until(30))], monthly);
  assert.deepEqual(access, { until: 33 * DAY });
  assert.equal(phase, "active");
});

test("what is cancelled ends without grace", () => {
  const facts = [fact("paid", 0, until(30)), fact("cancels", 5)];
  const { access, phase } = outcomeOf(facts, monthly);
  assert.deepEqual(access, { until: 30 * DAY });
  assert.equal(phase, "cancelling");
  const again = [...facts, fact("continues", 6)];
  assert.equal(outcomeOf(again, monthly).phase, "active");
});

test("a single order buys the plan's days from when it was made, or no end", () => {
  const paid = [
    fact("paid", 9, { paidFrom: 5 }),
    fact("paid", 20, { paidFrom: 5 }),
  ];
  assert.deepEqual(outcomeOf(paid, single).access, { until: 5 + 30 * DAY });
  const lifetime = outcomeOf(paid, { ...single, days: null });
  assert.deepEqual(lifetime.access, { until: null });
});

test("a late fact with a shorter period does not shorten", () => {
  const facts = [fact("paid", 0, until(60)), fact("paid", 7, until(30))];
  assert.equal(outcomeOf(facts, monthly).paidUntil, 60 * DAY);
});

test("a refund ends access, and an older payment that comes later does not revive it", () => {
  const facts = [fact("refunded", 10), fact("paid", 3, until(30))];
  assert.deepEqual(outcomeOf(facts, monthly), {
    phase: "refunded",
    paidUntil: 30 * DAY,
    access: null,
  });
});

test("a payment after the end begins anew, not from what was refunded", () => {
  const facts = [
    fact("paid", 0, until(360)),
    fact("refunded", 10),
    fact("paid", 20, until(50)),
  ];
  assert.equal(outcomeOf(facts, monthly).paidUntil, 50 * DAY);
});

test("a subscription that still stands as active revives nothing that was refunded; its next period does", () => {
  const refunded = [
    fact("paid", 0, until(30)),
    fact("refunded", 5),
    fact("paid", 6, until(30)), // as a poll finds it
  ];
  assert.equal(outcomeOf(refunded, monthly).access, null);
  assert.equal(outcomeOf(refunded, monthly).phase, "refunded");
  const renewed = [...refunded, fact("paid", 30, until(60))];
  assert.deepEqual(outcomeOf(renewed, monthly).access, { until: 63 * DAY });
});

test("of a subscription a stated end beats a payment that names no period", () => {
  const noDays = { ...monthly, days: null };
  const facts = [fact("paid", 1), fact("paid", 2, until(30))];
  assert.equal(outcomeOf(facts, noDays).paidUntil, 30 * DAY);
  assert.equal(outcomeOf(facts.reverse(), noDays).paidUntil, 30 * DAY);
  assert.equal(outcomeOf(facts, { ...noDays, renews: false }).paidUntil, null);
});

test("a partial refund ends access only by policy", () => {
  const facts = [fact("paid", 0, until(30)), fact("partlyRefunded", 1)];
  assert.notEqual(outcomeOf(facts, monthly).access, null);
  const strict = { ...monthly, partialRefundEnds: true };
  assert.equal(outcomeOf(facts, strict).access, null);
});

test("a dispute suspends, won restores what is left, lost ends", () => {
  const facts = [fact("paid", 0, until(30)), fact("disputed", 5)];
  assert.equal(outcomeOf(facts, monthly).phase, "disputed");
  assert.equal(outcomeOf(facts, monthly).access, null);
  const won = outcomeOf([...facts, fact("disputeWon", 40 * DAY)], monthly);
  assert.deepEqual(won.access, { until: 33 * DAY }); // past by then: not live
  const lost = outcomeOf([...facts, fact("disputeLost", 9)], monthly);
  assert.deepEqual([lost.phase, lost.access], ["refunded", null]);
});

test("a failed renewal keeps access through its grace", () => {
  const facts = [fact("paid", 0, until(30)), fact("pastDue", 30 * DAY)];
  const late = outcomeOf(facts, monthly);
  assert.deepEqual([late.phase, late.access], ["pastDue", { until: 33 * DAY }]);
  const paid = outcomeOf(
    [...facts, fact("paid", 31 * DAY, until(60))],
    monthly,
  );
  assert.equal(paid.phase, "active");
});

test("every permutation of created, renewed, cancelled ends the same", () => {
  const facts = [
    fact("paid", 0, until(30)),
    fact("continues", 0),
    fact("paid", 30 * DAY, until(60)),
    fact("continues", 30 * DAY),
    fact("cancels", 40 * DAY),
  ];
  const ends = permutations(facts).map((order) =>
    outcomeOf(order.reduce(withFact, [] as Fact[]), monthly),
  );
  for (const end of ends) assert.deepEqual(end, ends[0]);
  assert.deepEqual(ends[0]!.access, { until: 60 * DAY });
});

test("thousands of shuffled histories with repeats end as their set says", () => {
  const kinds: FactKind[] = [
    "paid",
    "paid",
    "continues",
    "cancels",
    "pastDue",
    "partlyRefunded",
    "disputed",
    "disputeWon",
    "disputeLost",
    "ended",
    "refunded",
  ];
  for (let seed = 1; seed <= 3000; seed++) {
    const next = random(seed);
    const pick = (n: number) => Math.floor(next() * n);
    const facts = Array.from({ length: 1 + pick(12) }, () => {
      const kind = kinds[pick(kinds.length)]!;
      const at = pick(6) * DAY; // often the same
      return fact(kind, at, kind === "paid" && pick(2) ? until(pick(60)) : {});
    });
    const terms = pick(2) ? monthly : single;
    const first = facts.reduce(withFact, [] as Fact[]);
    const again = shuffled([...facts, ...facts], next);
    const second = again.reduce(withFact, [] as Fact[]);
    assert.deepEqual(second, first, `seed ${seed}`);
    assert.deepEqual(
      outcomeOf(second, terms),
      outcomeOf(facts, terms),
      `seed ${seed}`,
    );
  }
});

test("facts are bounded, and the newest are kept", () => {
  const many = Array.from({ length: MAX_FACTS + 50 }, (_, i) =>
    fact("paid", i, until(i)),
  );
  const kept = shuffled(many, random(1)).reduce(withFact, [] as Fact[]);
  assert.equal(kept.length, MAX_FACTS);
  assert.equal(outcomeOf(kept, monthly).paidUntil, (MAX_FACTS + 49) * DAY);
});
