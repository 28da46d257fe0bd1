import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import type { JSONObject, JSONValue } from "../src/engine/index.js";
import { bench, type Bench, fixture, valueOf } from "./harness.js";

let b: Bench;
before(async () => {
  b = await bench("app");
});
after(async () => {
  await b.close();
});

const send = (channel: string, body: string, rank?: number) =>
  b.mutate("messages:send", {
    channel,
    body,
    ...(rank === undefined ? {} : { rank }),
  }) as Promise<string>;

test("an inserted document is read back with its system fields", async () => {
  const id = await send("one", "hello", 3);
  const document = (await b.query("messages:get", { id })) as JSONObject;
  const { _creationTime: time, ...rest } = document;
  assert.deepEqual(rest, { _id: id, body: "hello", channel: "one", rank: 3 });
  assert.equal(typeof time, "number");
});

test("patch changes the given fields and undefined removes one", async () => {
  const id = await send("patch", "old", 1);
  await b.mutate("messages:edit", { id, body: "new" });
  const edited = (await b.query("messages:get", { id })) as JSONObject;
  assert.equal(edited["body"], "new");
  assert.equal(edited["rank"], 1);
  const cleared = (await b.mutate("messages:unrank", { id })) as JSONObject;
  assert.ok(!("rank" in cleared));
});

test("replace keeps the id and creation time and drops the other fields", async () => {
  const id = await send("replace", "old", 1);
  const old = (await b.query("messages:get", { id })) as JSONObject;
  await b.mutate("messages:rewrite", { id, channel: "replaced", body: "new" });
  const now = (await b.query("messages:get", { id })) as JSONObject;
  assert.deepEqual(now, {
    _creationTime: old["_creationTime"],
    _id: id,
    body: "new",
    channel: "replaced",
  });
  assert.deepEqual(await b.query("messages:list", { channel: "replace" }), []);
});

test("a deleted document is gone from reads and indexes", async () => {
  const id = await send("delete", "x");
  await b.mutate("messages:remove", { id });
  assert.equal(await b.query("messages:get", { id }), null);
  assert.deepEqual(await b.query("messages:list", { channel: "delete" }), []);
  assert.match(
    await b.failure("messages:remove", { id }),
    /Delete on nonexistent document ID/,
  );
});

test("index ranges honour their bounds", async () => {
  for (let rank = 0; rank < 10; rank++) await send("range", `r${rank}`, rank);
  const args = { channel: "range", from: 3, to: 7 };
  assert.deepEqual(await b.query("messages:ranked", args), [
    "r3",
    "r4",
    "r5",
    "r6",
  ]);
});

test("a descending take reads the end of an index", async () => {
  for (let rank = 0; rank < 5; rank++) await send("desc", `d${rank}`, rank);
  const found = (await b.query("messages:latest", {
    channel: "desc",
    n: 2,
  })) as JSONObject[];
  assert.deepEqual(
    found.map((document) => document["body"]),
    ["d4", "d3"],
  );
});

test("filters compare across types as the real backend does", async () => {
  await send("filter", "high", 1000);
  await send("filter", "none");
  assert.deepEqual(await b.query("messages:filtered", { min: 999 }), ["high"]);
});

test("a mutation reads its own writes in index order", async () => {
  assert.deepEqual(await b.mutate("messages:ownWrites"), ["abc", "ca"]);
});

test("a nested mutation that fails is undone alone", async () => {
  assert.deepEqual(await b.mutate("messages:nested"), [
    "Uncaught Error: inner",
    1,
  ]);
});

test("an index orders values of all types like the real backend", async () => {
  const { ordering } = JSON.parse(
    readFileSync(fixture("values.json"), "utf8"),
  ) as { ordering: { values: { json: string }[] } };
  // The official client turns every NaN into one and refuses no other of these.
  const values = ordering.values
    .map(({ json }) => JSON.parse(json) as JSONValue)
    .filter((value) => JSON.stringify(value) !== "null" || value === null)
    .filter((value) => !isOddNaN(value));
  const shuffled = values
    .map((value, i) => ({ value, at: (i * 7919) % values.length }))
    .sort((x, y) => x.at - y.at);
  for (const { value } of shuffled)
    await b.mutate("messages:putValue", { value });
  assert.deepEqual(await b.query("messages:valuesInOrder"), values);
});

function isOddNaN(value: JSONValue): boolean {
  if (value === null || typeof value !== "object" || Array.isArray(value))
    return false;
  const payload = value["$float"];
  if (typeof payload !== "string") return false;
  const float = Buffer.from(payload, "base64").readDoubleLE(0);
  return Number.isNaN(float) && payload !== "AAAAAAAA+H8=";
}

test("a table outside the schema appears with its first document", async () => {
  assert.equal(await b.mutate("messages:loose", { n: 1 }), 1);
  assert.equal(await b.mutate("messages:loose", { n: 2 }), 2);
  const { value } = b.engine.tables();
  assert.ok(value.some((t) => t.name === "unplanned" && t.numDocs === 2));
});

test("200 concurrent increments of one counter make 200", async () => {
  await Promise.all(
    Array.from({ length: 200 }, () =>
      b.mutate("messages:increment", { name: "shared" }),
    ),
  );
  assert.equal(await b.query("messages:counter", { name: "shared" }), 200);
});

test("a query at an earlier time sees the documents as they were", async () => {
  const id = await send("history", "first", 1);
  const then = b.engine.latestTs();
  await b.mutate("messages:edit", { id, body: "second" });
  await send("history", "another", 0);
  const call = (ts?: bigint) =>
    b.engine.runQuery({
      path: "messages:latest",
      args: { channel: "history", n: 10 },
      identity: { kind: "none" },
      requestId: "h",
      ts,
    });
  const bodies = async (ts?: bigint) => {
    const { outcome } = await call(ts);
    assert.ok(outcome.success);
    return (outcome.value as JSONObject[]).map((d) => d["body"]);
  };
  assert.deepEqual(await bodies(then), ["first"]);
  assert.deepEqual(await bodies(), ["second", "another"]);
  await b.mutate("messages:remove", { id });
  assert.deepEqual(await bodies(then), ["first"]);
  assert.deepEqual(await bodies(), ["another"]);
});

test("stored documents can be read in pages by the system", async () => {
  const first = b.engine.tablePage("messages", { numItems: 2, cursor: null });
  assert.equal(first.value.page.length, 2);
  assert.equal(first.value.isDone, false);
  const second = b.engine.tablePage("messages", {
    numItems: 1000,
    cursor: first.value.continueCursor,
  });
  assert.equal(second.value.isDone, true);
  assert.throws(() =>
    b.engine.tablePage("counters", {
      numItems: 2,
      cursor: first.value.continueCursor,
    }),
  );
});

test("what cannot be stored is refused in the real backend's words", async () => {
  const nested = (levels: number): JSONValue =>
    levels === 0 ? 1 : { d: nested(levels - 1) };
  const refusals: [string, JSONValue, RegExp][] = [
    [
      "unplanned",
      3,
      /Invalid argument `value` for `db\.insert`: Value must be an Object\n/,
    ],
    [
      "unplanned",
      nested(17),
      /Document is too nested \(nested 17 levels deep > maximum nesting 16\)/,
    ],
    [
      "9x",
      {},
      /Invalid argument `table` for `db\.insert`: Invalid first character '9' in 9x: Identifiers must start with an alphabetic character or underscore\n/,
    ],
    [
      "a-b",
      {},
      /Identifier a-b has invalid character '-': Identifiers can only contain alphanumeric characters or underscores\n/,
    ],
    ["", {}, /Identifier cannot be empty\n/],
    ["x".repeat(65), {}, /Identifier is too long \(65 > maximum 64\)\n/],
  ];
  for (const [table, value, words] of refusals)
    assert.match(
      await b.failure("messages:insertAny", { table, value }),
      words,
    );
  await b.mutate("messages:insertAny", {
    table: "unplanned",
    value: nested(16),
  });
});

test("a page of one and a half documents is refused", async () => {
  const paginationOpts = { numItems: 1.5, cursor: null };
  assert.match(
    await b.failure("messages:page", { paginationOpts }),
    /Invalid arguments for `queryPage`: invalid type: floating point `1\.5`, expected usize\n/,
  );
});

test("mutations and actions refuse what is no storage id, alike", async () => {
  const names = ["getUrl", "getMetadata", "delete"];
  const user = await send("storage", "x");
  const uuid = "00000000-0000-4000-8000-000000000000";
  const expected: [string, unknown[]][] = [
    [
      "junk",
      names.map(
        (name) =>
          `Invalid argument \`storageId\` for \`storage.${name}\`: Invalid storage ID: "junk". Storage ID should be an Id of '_storage' table, or a UUID string.`,
      ),
    ],
    [
      user,
      names.map(
        () =>
          "Invalid storage ID. Storage ID cannot be an ID on any table other than '_storage'.",
      ),
    ],
    [uuid, [null, null, `storage id ${uuid} not found`]],
  ];
  for (const [id, answers] of expected) {
    const args = { id, names };
    assert.deepEqual(
      await b.mutate("messages:storageByMutation", args),
      answers,
    );
    const { outcome } = await b.engine.runAction({
      path: "messages:storageByAction",
      args,
      identity: { kind: "none" },
      requestId: "a",
    });
    assert.deepEqual(valueOf(outcome), answers);
  }
});
