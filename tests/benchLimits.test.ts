// What `./run bench pipeline` takes for unavoidable: Discord's limits, and nothing else.
import assert from "node:assert/strict";
import { test } from "node:test";
import { leastWaits } from "../dev/demo/src/limits";

const posts = (
  count: number,
  everyMs: number,
  channel: (i: number) => string,
) =>
  Array.from({ length: count }, (_, i) => ({
    channel: channel(i),
    at: i * everyMs,
  }));

test("five posts in five seconds wait for nothing, the sixth for the window", () => {
  const waits = leastWaits(posts(11, 100, () => "one"));
  assert.deepEqual(waits.slice(0, 5), [0, 0, 0, 0, 0]);
  assert.equal(waits[5], 5000 - 500);
  assert.equal(waits[10], 10_000 - 1000);
});

test("channels wait for each other only at fifty in a second", () => {
  const waits = leastWaits(posts(120, 1, (i) => `channel ${i}`));
  assert.ok(waits.slice(0, 50).every((ms) => ms === 0));
  assert.equal(waits[50], 1000 - 50);
  assert.equal(waits[119], 2000 - 119);
});

test("posts told of in any order wait in that of their times", () => {
  const some = posts(8, 200, () => "one");
  const waits = leastWaits(some);
  assert.deepEqual(leastWaits([...some].reverse()), waits.reverse());
});
