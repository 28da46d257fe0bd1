import assert from "node:assert/strict";
import { test } from "node:test";
import type { Detail, Trade } from "../src/app/api";
import { hitsOf, spread } from "../src/signal/levels";
import { partsOf, pieces } from "../src/signal/spans";

test("labels that would cover each other move apart, and stay within the picture", () => {
  assert.deepEqual(spread([10, 100, 200], 20, [0, 200]), [10, 100, 200]);
  assert.deepEqual(spread([10, 12, 14], 20, [0, 200]), [10, 30, 50]);
  assert.deepEqual(spread([0, 199, 200], 20, [0, 200]), [0, 180, 200]);
  assert.deepEqual(spread([5, 5, 5, 5, 5], 50, [0, 100]), [0, 25, 50, 75, 100]);
  assert.deepEqual(spread([50], 20, [0, 200]), [50]);
});

const entry: Trade = { kind: "entry", spans: [], confidence: 1 };

function updates(...all: NonNullable<Trade["update"]>[]): Detail["updates"] {
  return all.map((update) => ({
    signal: { trade: { ...entry, kind: "update", update } },
    found: "reply",
  })) as Detail["updates"];
}

test("a target that was hit implies those before it", () => {
  const hits = (all: Detail["updates"], trade = entry) => {
    const { isHit } = hitsOf(trade, all);
    return [1, 2, 3]
      .filter((index) => isHit({ kind: "target", index }))
      .concat(isHit({ kind: "stop", index: 1 }) ? [99] : []);
  };
  assert.deepEqual(hits([]), []);
  assert.deepEqual(hits(updates({ type: "target_hit", targets: [2] })), [1, 2]);
  assert.deepEqual(hits(updates({ type: "target_hit", all: true })), [1, 2, 3]);
  assert.deepEqual(
    hits(updates({ type: "target_hit", targets: [1] }, { type: "stop_hit" })),
    [1, 99],
  );
  const edited = { ...entry, update: { type: "stop_hit" as const } };
  assert.deepEqual(hits([], edited), [99]);
});

test("what is said of one trade of a message is not said of the others", () => {
  const news = (base: string): Trade => ({
    ...{ ...entry, kind: "update", base },
    update: { type: base === "BTC" ? "stop_hit" : "entered" },
  });
  const signal = { trades: [news("BTC"), news("ETH")] };
  const said = [{ signal, found: "reply" }] as unknown as Detail["updates"];
  const hit = (base: string) => {
    const { isHit } = hitsOf({ ...entry, base }, said);
    return (["entry", "stop"] as const).filter((kind) =>
      isHit({ kind, index: 1 }),
    );
  };
  assert.deepEqual(
    [hit("BTC"), hit("ETH"), hit("SOL")],
    [["stop"], ["entry"], []],
  );
});

test("a text is cut at its spans and is whole again when joined", () => {
  const text = "LONG 🚀 BTC 64,000";
  const cut = pieces(text, [
    { field: "entry", start: 12, end: 18 },
    { field: "side", start: 0, end: 4 },
    { field: "symbol", start: 8, end: 11 },
    { field: "price", start: 10, end: 14 }, // overlaps
    { field: "stop", start: 17, end: 99 }, // beyond the end
  ]);
  assert.equal(cut.map((piece) => piece.text).join(""), text);
  assert.deepEqual(
    cut
      .filter((piece) => piece.field)
      .map((piece) => [piece.field, piece.text]),
    [
      ["side", "LONG"],
      ["symbol", "BTC"],
      ["entry", "64,000"],
    ],
  );
  assert.deepEqual(pieces("", []), []);
});

test("the parts of a signal have the names that spans use", () => {
  const parts = partsOf({
    content: "",
    embeds: [
      {
        title: "T",
        fields: [{ name: "N", value: "V", inline: true }],
      },
    ],
  });
  assert.deepEqual(
    parts.map(({ part, text }) => [part, text]),
    [
      ["embeds[0].title", "T"],
      ["embeds[0].fields[0].name", "N"],
      ["embeds[0].fields[0].value", "V"],
    ],
  );
});
