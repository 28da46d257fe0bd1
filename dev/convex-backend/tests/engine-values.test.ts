import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import type { JSONValue } from "../src/engine/api.js";
import { decodeId, encodeId, tryDecodeId } from "../src/engine/values/id.js";
import { checkValue, ValueError } from "../src/engine/values/json.js";
import { keyToBlob, sortKey } from "../src/engine/values/sortkey.js";
import { fixture } from "./harness.js";

type Vectors = {
  ordering: { values: { json: string; sort_key: string }[] };
  ids: {
    id: string;
    valid: boolean;
    table_number: number;
    internal_hex: string;
  }[];
  cases: {
    name: string;
    json: string;
    valid: boolean;
    canonical?: string;
    size?: number;
  }[];
};

const vectors = JSON.parse(
  readFileSync(fixture("values.json"), "utf8"),
) as Vectors;

test("sort keys are the real backend's bytes, in ascending order", () => {
  let last = "";
  for (const { json, sort_key } of vectors.ordering.values) {
    const key = sortKey(JSON.parse(json) as JSONValue);
    assert.equal(keyToBlob(key).toString("hex"), sort_key, json);
    assert.ok(key > last, json);
    last = key;
  }
});

test("valid ids decode to their table and bytes and encode back", () => {
  for (const vector of vectors.ids.filter(({ valid }) => valid)) {
    const { tableNumber, internal } = decodeId(vector.id);
    assert.equal(tableNumber, vector.table_number);
    assert.equal(internal.toString("hex"), vector.internal_hex);
    assert.equal(encodeId(tableNumber, internal), vector.id);
  }
});

test("malformed ids are refused", () => {
  for (const { id } of vectors.ids.filter(({ valid }) => !valid))
    assert.equal(tryDecodeId(id), null, id);
});

test("valid values have the canonical text and the size of the real backend", () => {
  for (const vector of vectors.cases.filter(({ valid }) => valid)) {
    const checked = checkValue(JSON.parse(vector.json) as JSONValue);
    if (vector.canonical !== undefined)
      assert.equal(checked.text, vector.canonical, vector.name);
    if (vector.size !== undefined)
      assert.equal(checked.size, vector.size, vector.name);
  }
});

test("invalid values are refused", () => {
  const accepted = vectors.cases
    .filter(({ valid }) => !valid)
    .filter(({ json }) => {
      try {
        checkValue(JSON.parse(json) as JSONValue);
        return true;
      } catch (error) {
        assert.ok(error instanceof ValueError || error instanceof SyntaxError);
        return false;
      }
    })
    .map(({ name }) => name);
  // What JSON.parse has already lost cannot be seen any more.
  assert.deepEqual(accepted, []);
});

test("values are nested 64 levels deep at most", () => {
  const nested = (levels: number, inner: JSONValue): JSONValue =>
    levels === 0 ? inner : [nested(levels - 1, inner)];
  assert.equal(checkValue(nested(64, 1)).nesting, 64);
  for (const value of [nested(65, 1), nested(64, {}), nested(64, [])])
    assert.throws(
      () => checkValue(value),
      new ValueError(
        "Value is too nested (nested 65 levels deep > maximum nesting 64)",
      ),
    );
});
