import assert from "node:assert/strict";
import { test } from "node:test";
import {
  accessWords,
  againstWords,
  linkProblem,
  purchaseWords,
} from "../src/account/words";

const NOW = Date.UTC(2030, 5, 15);
const DAY = 86_400_000;

type Standing = Parameters<typeof accessWords>[0];
type Ground = Standing["grounds"][number];
type Purchase = NonNullable<Ground["purchase"]>;

const standing = (...grounds: Ground[]): Standing => ({
  slug: "vip",
  name: "VIP",
  live: grounds[0]?.live ?? false,
  operator: false,
  grounds,
});

function bought(
  purchase: Partial<Purchase>,
  over: Partial<Ground> = {},
): Ground {
  return {
    kind: "purchase",
    name: "Monthly",
    live: true,
    until: NOW + 13 * DAY,
    ended: null,
    endedAt: null,
    purchase: {
      phase: "active",
      renews: true,
      test: false,
      paidUntil: NOW + 10 * DAY,
      ...purchase,
    },
    ...over,
  };
}

const grant: Ground = {
  kind: "grant",
  name: "guest",
  live: true,
  until: null,
  ended: null,
  endedAt: null,
  purchase: null,
};

test("access is told with what it rests on, until when, and whether it renews", () => {
  const cases: [Ground, string, RegExp][] = [
    [grant, "Active", /team gave you access \(guest\)\. It has no end/],
    [{ ...grant, until: NOW + DAY }, "Active", /lasts until/],
    [bought({}), "Active", /Monthly is paid until .* and renews then/],
    [bought({ renews: false }), "Active", /lasts until .* does not renew/],
    [bought({ phase: "cancelling" }), "Cancelled", /stays open until/],
    [bought({ phase: "pastDue" }), "Payment due", /payment for Monthly failed/],
    [bought({ paidUntil: NOW - DAY }), "Grace", /no payment has arrived yet/],
    [bought({}, { name: "" }), "Active", /^Your plan is paid/],
  ];
  for (const [ground, state, text] of cases) {
    const words = accessWords(standing(ground), NOW);
    assert.equal(words.state, state);
    assert.match(words.text, text);
  }
});

test("access that has ended is told with its reason", () => {
  const over = { live: false, ended: "over" as const, endedAt: NOW - DAY };
  const cases: [Ground, string, RegExp][] = [
    [{ ...grant, ...over, ended: "revoked" }, "Withdrawn", /team ended/],
    [{ ...grant, ...over }, "Ended", /that you were given ended on/],
    [bought({ phase: "refunded" }, over), "Refunded", /was refunded on/],
    [bought({ phase: "disputed" }, over), "Disputed", /rests until/],
    [bought({ phase: "pastDue" }, over), "Unpaid", /could not be renewed/],
    [bought({ phase: "ended" }, over), "Ended", /Monthly ended on/],
  ];
  for (const [ground, state, text] of cases) {
    const words = accessWords(standing(ground), NOW);
    assert.equal(words.state, state);
    assert.match(words.text, text);
  }
  assert.equal(accessWords(standing(), NOW).state, "None");
  const operator = { ...standing(), operator: true };
  assert.equal(accessWords(operator, NOW).state, "Operator");
});

test("a single purchase whose time is over has ended without a word from the shop", () => {
  const purchase = { phase: "active", renews: false, paidUntil: NOW - 1 };
  const state = (over: object) =>
    purchaseWords({ ...purchase, ...over } as never, NOW).state;
  assert.equal(state({}), "Over");
  assert.equal(state({ paidUntil: NOW + 1 }), "Active");
  assert.equal(state({ renews: true }), "Active");
  assert.equal(state({ phase: "refunded" }), "Refunded");
});

test("a role is told as it should be against as it is, also before anybody looked", () => {
  assert.equal(
    againstWords({ expected: true, actual: false }),
    "Your access gives it; in Discord: not there.",
  );
  assert.equal(
    againstWords({ expected: false, actual: true }),
    "Your access does not give it; in Discord: there.",
  );
  assert.match(
    againstWords({ expected: true, actual: null }),
    /not looked at yet/,
  );
});

test("each way in which linking can fail has its words, also one that nobody sends", () => {
  assert.equal(linkProblem("linked"), null);
  for (const reason of ["denied", "taken", "scope", "unavailable", "expired"])
    assert.match(linkProblem(reason)!, /\.$/);
  assert.equal(linkProblem("<b>"), linkProblem("expired"));
});
