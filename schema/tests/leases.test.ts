import assert from "node:assert/strict";
import { test } from "node:test";
import {
  bounded,
  claimedReady,
  EMPTY,
  mayReport,
  putOff,
  release,
  withRows,
} from "../convex/model/leases";

const row = { fence: 3, lease: null, attempts: 1 };

test("only the instance with the newest fence may report", () => {
  const first = { ...row, ...claimedReady(row, "a", 50) };
  assert.deepEqual(first, {
    fence: 4,
    lease: { instance: "a", until: 50 },
    attempts: 2,
    readyAt: 50,
  });
  assert.equal(mayReport(first, "a", 4), true);
  const second = { ...first, ...claimedReady(first, "b", 90) };
  for (const [instance, fence] of [
    ["a", 4], // its lease went to another
    ["a", 5],
    ["b", 4],
  ] as const)
    assert.equal(mayReport(second, instance, fence), false);
  assert.equal(mayReport(second, "b", 5), true);
  assert.equal(mayReport({ ...second, ...putOff(60, 10) }, "b", 5), false);
  assert.equal(mayReport(null, "b", 5), false);
});

test("a claim is bounded, a wait is never in the past", () => {
  assert.deepEqual(
    [1, 2.9, 99, 0, NaN].map((limit) => bounded(limit, 16)),
    [1, 2, 16, 0, 0],
  );
  assert.deepEqual(putOff(60, -5), { lease: null, readyAt: 60 });
});

test("an instance gives up what an earlier life of it held, and nothing else", async () => {
  const held = (instance: string) => ({
    ...row,
    lease: { instance, until: 9 },
  });
  const rows = [held("a"), row, held("b"), held("a")];
  const freed: unknown[] = [];
  const count = await release(rows, "a", async (one) => void freed.push(one));
  assert.equal(count, 2);
  assert.deepEqual(freed, [rows[0], rows[3]]);
});

test("a queue tells the first time and the newest work, whatever is not known", () => {
  assert.deepEqual(withRows(EMPTY, {}), { nextAt: null, mark: 0 });
  const some = withRows(EMPTY, { readyAt: 5, wantedAt: 7 });
  assert.deepEqual(some, { nextAt: 5, mark: 7 });
  assert.deepEqual(withRows(some, { readyAt: 3 }), { nextAt: 3, mark: 7 });
  assert.deepEqual(withRows(some, { wantedAt: 2 }), some);
  assert.deepEqual(withRows(some, { readyAt: 9, wantedAt: 9 }).mark, 9);
});
