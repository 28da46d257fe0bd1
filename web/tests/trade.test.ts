import assert from "node:assert/strict";
import { test } from "node:test";
import type { Trade } from "../src/app/api";
import {
  entriesText,
  ladderOf,
  leverageText,
  percent,
  price,
  ratio,
  updateText,
} from "../src/feed/trade";

const LONG: Trade = {
  kind: "entry",
  symbol: "BTC/USDT",
  side: "long",
  entries: { type: "range", values: ["64000", "64200"] },
  targets: ["65000.50", "67000"],
  stop: "63100",
  spans: [],
  confidence: 1,
};

test("a ladder has its levels from high to low, with reward to risk of each target", () => {
  const { levels, entry, long } = ladderOf(LONG);
  assert.equal(entry, 64100);
  assert.equal(long, true);
  assert.deepEqual(
    levels.map(({ kind, index, price }) => `${kind} ${index} ${price}`),
    [
      "target 2 67000",
      "target 1 65000.50",
      "entry 2 64200",
      "entry 1 64000",
      "stop 1 63100",
    ],
  );
  assert.equal(levels[0]!.ratio, 2.9);
  assert.equal(levels[4]!.ratio, null);
  assert.equal(percent(levels[4]!.distance!), "−1.56 %");
});

test("a short is read downwards; a side that is not said follows from the stop", () => {
  const short = { ...LONG, side: undefined, targets: ["62000"], stop: "65100" };
  const { long, levels } = ladderOf(short);
  assert.equal(long, false);
  assert.equal(ratio(levels.at(-1)!.ratio!), "1 : 2.1");
});

test("numbers that make no sense of each other give no ratio", () => {
  const ratios = (trade: Trade) =>
    ladderOf(trade).levels.map((level) => level.ratio);
  assert.deepEqual(
    ratios({ ...LONG, stop: undefined }).every((one) => one === null),
    true,
  );
  assert.ok(ratios({ ...LONG, stop: "66000" }).every((one) => one === null));
  const toEntry = { ...LONG, stop: "64050" };
  assert.ok(ratios(toEntry).every((one) => one === null));
  assert.deepEqual(ratios({ ...LONG, targets: ["60000"] })[3], null);
  assert.deepEqual(ladderOf({ ...LONG, entries: undefined }).entry, null);
  assert.deepEqual(
    ladderOf({ ...LONG, targets: ["x", "0", "-1"] }).levels.length,
    3,
  );
});

test("prices keep the digits that were written", () => {
  assert.equal(price("1234567.10"), "1,234,567.10");
  assert.equal(price("0.00001230"), "0.00001230");
  assert.equal(price("999"), "999");
  assert.equal(entriesText(LONG), "64,000 – 64,200");
  assert.equal(
    entriesText({ ...LONG, entries: undefined, order: "market" }),
    "at market",
  );
  assert.equal(
    leverageText({ ...LONG, leverage: { min: 5, max: 10, mode: "cross" } }),
    "5–10× cross",
  );
});

test("updates are told in words", () => {
  const said = (update: NonNullable<Trade["update"]>) =>
    updateText({ kind: "update", update, spans: [], confidence: 1 });
  assert.equal(
    said({ type: "target_hit", targets: [1, 2] }),
    "Target 1, 2 hit",
  );
  assert.equal(said({ type: "target_hit", all: true }), "All targets hit");
  assert.equal(
    said({ type: "stop_moved", price: "64000" }),
    "Stop moved to 64,000",
  );
  assert.equal(said({ type: "stop_moved" }), "Stop moved to entry");
  assert.equal(
    said({ type: "closed", price: "1.5", percent: "+12" }),
    "Closed at 1.5 +12 %",
  );
});
