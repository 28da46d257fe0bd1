import assert from "node:assert/strict";
import { test } from "node:test";
import { parseConfig } from "../src/config";

test("a configuration needs a deployment and a community", () => {
  assert.deepEqual(
    parseConfig({ convexUrl: "https://convex.example/", community: "vip" }),
    { convexUrl: "https://convex.example", community: "vip", sampling: 1 },
  );
});

test("a wrong configuration names the setting", () => {
  const url = "https://convex.example";
  const wrong: [unknown, RegExp][] = [
    [null, /convexUrl/],
    [{ convexUrl: "convex.example", community: "vip" }, /convexUrl/],
    [{ convexUrl: "javascript:x", community: "vip" }, /convexUrl/],
    [{ convexUrl: url }, /community/],
    [{ convexUrl: url, community: "vip", sampling: 2 }, /sampling/],
  ];
  for (const [given, named] of wrong)
    assert.throws(() => parseConfig(given), named);
});
