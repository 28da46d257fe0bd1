import assert from "node:assert/strict";
import { test } from "node:test";
import type { Trade } from "../src/app/api";
import { fieldChanges, wordChanges } from "../src/signal/changes";

const shown = (before: string, after: string) =>
  wordChanges(before, after)
    .map(({ text, how }) =>
      how === "same" ? text : how === "added" ? `[+${text}]` : `[-${text}]`,
    )
    .join("");

test("words that were changed stand beside each other, a price is one word", () => {
  assert.equal(
    shown("BTC long, SL 61,200 🚀", "BTC long, SL 60,800 🚀"),
    "BTC long, SL [-61,200][+60,800] 🚀",
  );
  assert.equal(shown("one two", "one two ✅ TP1"), "one two[+ ✅ TP1]");
  assert.equal(shown("", "new"), "[+new]");
  assert.equal(shown("same", "same"), "same");
});

test("both texts can be read out of the changes, also where all is another", () => {
  const long = (word: string) => `${word} `.repeat(3000);
  for (const [before, after] of [
    ["فروش 61,200", "خرید 60,800"],
    ["买入 比特币", "卖出 比特币\nnow"],
    [long("old"), long("new")],
  ] as const) {
    const pieces = wordChanges(before, after);
    const without = (left: string) =>
      pieces
        .filter(({ how }) => how !== left)
        .map(({ text }) => text)
        .join("");
    assert.equal(without("added"), before);
    assert.equal(without("removed"), after);
  }
});

const call: Trade = {
  ...{ kind: "entry", symbol: "BTC/USDT", base: "BTC", side: "long" },
  entries: { type: "range", values: ["61000", "62000"] },
  targets: ["64000"],
  stop: "61200",
  spans: [],
  confidence: 1,
};

test("a trade's fields that were read otherwise are told, of the trade whose they are", () => {
  const moved = { ...call, stop: "60800", targets: ["64000", "65000"] };
  assert.deepEqual(fieldChanges([call], [call]), []);
  assert.deepEqual(fieldChanges([call], [moved]), [
    { trade: null, name: "Targets", from: "64,000", to: "64,000 · 65,000" },
    { trade: null, name: "Stop", from: "61,200", to: "60,800" },
  ]);
  const hit = { ...call, update: { type: "target_hit", all: true } as const };
  assert.deepEqual(fieldChanges([call], [hit]), [
    { trade: null, name: "News", from: null, to: "All targets hit" },
  ]);
  // Another pair is the same trade, named otherwise; a further one is a trade of its own.
  const eth = { ...call, symbol: "ETH/USDT", base: "ETH" };
  assert.deepEqual(fieldChanges([call], [eth]), [
    { trade: null, name: "Pair", from: "BTC/USDT", to: "ETH/USDT" },
  ]);
  const more = fieldChanges([call], [eth, moved]);
  assert.deepEqual(
    more.map(({ trade, name, from }) => [trade, name, from]),
    [
      ["ETH/USDT", "Pair", null],
      ["ETH/USDT", "Side", null],
      ["ETH/USDT", "Entry", null],
      ["ETH/USDT", "Targets", null],
      ["ETH/USDT", "Stop", null],
      ["BTC/USDT", "Targets", "64,000"],
      ["BTC/USDT", "Stop", "61,200"],
    ],
  );
  assert.deepEqual(
    fieldChanges([call], []).map(({ to }) => to),
    Array(5).fill(null),
  );
});
