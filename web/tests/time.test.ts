import assert from "node:assert/strict";
import { test } from "node:test";
import { ago, clock, dayOf, when, whenElsewhere } from "../src/ui/time";

const NOW = new Date(2026, 5, 15, 12, 0, 0).getTime();

test("the age of a signal is told in few words", () => {
  const cases: [number, string][] = [
    [-5, "just now"], // a clock that is ahead
    [3, "just now"],
    [47, "40 s ago"],
    [60, "1 min ago"],
    [59 * 60 + 59, "59 min ago"],
    [3600, "1 h ago"],
    [23 * 3600, "23 h ago"],
  ];
  for (const [seconds, words] of cases)
    assert.equal(ago(NOW - seconds * 1000, NOW), words);
});

test("what is older than an hour is told by the clock", () => {
  const at = NOW - 3 * 3_600_000;
  assert.equal(when(NOW - 3_540_000, NOW), "59 min ago");
  assert.equal(when(at, NOW), clock(at));
  assert.equal(whenElsewhere(at, NOW), clock(at));
  const yesterday = NOW - 24 * 3_600_000;
  assert.notEqual(whenElsewhere(yesterday, NOW), clock(yesterday));
});

test("days are the reader's days", () => {
  const at = (day: number, hour: number) =>
    new Date(2026, 5, day, hour).getTime();
  assert.equal(dayOf(at(15, 0), NOW), "Today");
  assert.equal(dayOf(at(14, 23), NOW), "Yesterday");
  assert.equal(dayOf(at(14, 0), NOW), "Yesterday");
  assert.notEqual(dayOf(at(13, 23), NOW), "Yesterday");
});
