import assert from "node:assert/strict";
import { test } from "node:test";
import { parseConfig } from "../src/app/config";

test("a configuration needs a deployment and a community", () => {
  assert.deepEqual(
    parseConfig({ convexUrl: "https://convex.example/", community: "vip" }),
    {
      convexUrl: "https://convex.example",
      siteUrl: "https://convex.example/http",
      community: "vip",
      sampling: 1,
      buyUrl: null,
    },
  );
});

test("a deployment's HTTP actions may have a host of their own", () => {
  const given = {
    convexUrl: "https://convex.example",
    siteUrl: "https://site.example/",
    community: "vip",
  };
  assert.equal(parseConfig(given).siteUrl, "https://site.example");
});

test("a wrong configuration names the setting", () => {
  const url = "https://convex.example";
  const wrong: [unknown, RegExp][] = [
    [null, /convexUrl/],
    [{ convexUrl: "convex.example", community: "vip" }, /convexUrl/],
    [{ convexUrl: "javascript:x", community: "vip" }, /convexUrl/],
    [{ convexUrl: url, siteUrl: "/http", community: "vip" }, /siteUrl/],
    [{ convexUrl: url }, /community/],
    [{ convexUrl: url, community: "vip", buyUrl: "shop" }, /buyUrl/],
    [{ convexUrl: url, community: "vip", sampling: 2 }, /sampling/],
  ];
  for (const [given, named] of wrong)
    assert.throws(() => parseConfig(given), named);
});
