import assert from "node:assert/strict";
import { test } from "node:test";
import { digest } from "../convex/model/digest";

test("the digest is MurmurHash3 x86 128", () => {
  assert.equal(digest(""), "00000000000000000000000000000000");
  assert.equal(
    digest("The quick brown fox jumps over the lazy dog"),
    "2f1583c3ecee2c675d7bf66ce5e91d2c",
  );
});

test("every length around a block has its own digest", () => {
  const seen = new Set<string>();
  for (let length = 0; length <= 64; length++)
    seen.add(digest("a".repeat(length)));
  assert.equal(seen.size, 65);
});

test("texts that differ in one character differ in their digest", () => {
  const seen = new Set<string>();
  for (let i = 0; i < 20_000; i++) seen.add(digest(`TP${i} hit`));
  assert.equal(seen.size, 20_000);
});
