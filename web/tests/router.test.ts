import assert from "node:assert/strict";
import { test } from "node:test";
import { href, matchPath, parsePlace } from "../src/app/router";

test("a hash names a path and a query; what is no place is the start", () => {
  const place = (hash: string) => {
    const { path, query } = parsePlace(hash);
    return [path, query.toString()];
  };
  assert.deepEqual(place(""), ["/", ""]);
  assert.deepEqual(place("#"), ["/", ""]);
  assert.deepEqual(place("#main"), ["/", ""]);
  assert.deepEqual(place("#/?channel=a&symbol=BTC%2FUSDT"), [
    "/",
    "channel=a&symbol=BTC%2FUSDT",
  ]);
  assert.deepEqual(place("#/signal/12/"), ["/signal/12", ""]);
  assert.deepEqual(place("#/a?b=c?d"), ["/a", "b=c%3Fd"]);
});

test("a pattern gives a path its parameters, decoded", () => {
  assert.deepEqual(matchPath("/", "/"), {});
  assert.deepEqual(matchPath("/signal/:messageId", "/signal/12"), {
    messageId: "12",
  });
  assert.deepEqual(matchPath("/people/:email", "/people/a%40b.c"), {
    email: "a@b.c",
  });
  assert.equal(matchPath("/signal/:messageId", "/signal"), null);
  assert.equal(matchPath("/signal/:messageId", "/signal/1/2"), null);
  assert.equal(matchPath("/people/:email", "/people/%zz"), null);
});

test("an address leads back to the parameters it was made of", () => {
  const email = "a/b?c#d@e.f";
  const { path, query } = parsePlace(
    href("/people/:email", { email }, { tab: "roles & access", gone: null }),
  );
  assert.deepEqual(matchPath("/people/:email", path), { email });
  assert.equal(query.toString(), "tab=roles+%26+access");
});
