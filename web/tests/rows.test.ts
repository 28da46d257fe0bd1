import assert from "node:assert/strict";
import { test } from "node:test";
import type { Signal } from "../src/app/api";
import { countHeld, later, rowsOf, whileHeld } from "../src/feed/rows";

const NOW = new Date(2026, 2, 4, 12).getTime();
const HOUR = 3_600_000;

function signal(id: number, hoursAgo = 0, version = "1"): Signal {
  return {
    messageId: String(id),
    version,
    sentAt: NOW - hoursAgo * HOUR,
  } as Signal;
}

const shape = (signals: Signal[], readTo: string | null) =>
  rowsOf(signals, NOW, readTo).map((row) =>
    row.type === "signal" ? row.signal.messageId : row.type,
  );

test("rows are days of signals, and a line above what had been read", () => {
  const all = [signal(9), signal(8, 1), signal(7, 24), signal(6, 30)];
  assert.deepEqual(shape(all, null), [
    ...["day", "9", "8", "day", "7", "6", "end"],
  ]);
  assert.deepEqual(shape(all, "8"), [
    ...["day", "9", "new", "8", "day", "7", "6", "end"],
  ]);
  assert.deepEqual(shape(all, "7"), [
    ...["day", "9", "8", "new", "day", "7", "6", "end"],
  ]);
  assert.deepEqual(shape(all, "9"), shape(all, null)); // nothing is new
  assert.deepEqual(shape(all, "5"), shape(all, null)); // older than what is loaded
  assert.deepEqual(shape([], "5"), ["end"]);
});

test("keys of rows are unique, and stay when others come", () => {
  const all = [signal(9), signal(7, 24), signal(6, 30)];
  const keys = (signals: Signal[]) =>
    rowsOf(signals, NOW, null).map((row) => row.key);
  const before = keys(all);
  assert.equal(new Set(before).size, before.length);
  const after = keys([signal(10), ...all]);
  assert.deepEqual(
    before.filter((key) => !after.includes(key)),
    [],
  );
});

test("ids are compared as the numbers they are", () => {
  assert.equal(later("10", "9"), true);
  assert.equal(later("9", "10"), false);
  assert.equal(later("9", "9"), false);
});

test("what is held stays as it was, is counted, and older pages still come", () => {
  const held = [signal(9), signal(8), signal(7)];
  const live = [
    signal(11),
    signal(10),
    signal(9, 0, "2"), // edited
    signal(7),
    signal(6, 0, "3"),
  ];
  assert.deepEqual(
    whileHeld(held, live).map((one) => one.messageId + one.version),
    ["91", "81", "71", "63"],
  );
  assert.equal(countHeld(held, live), 4); // two new, an edit, a delete
  assert.equal(countHeld(held, held), 0);
  assert.equal(countHeld([], live), 5);
});
