/* Text search indexes: what matches, in what order, and what ends a result. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { JSONObject, QueryResult } from "../src/engine/index.js";
import { type Bench, bench, fixture, nobody, push } from "./harness.js";
import { pushRequest } from "./bundle.js";
import {
  filterHash,
  parseEntry,
  searchIndex,
  wordEntries,
  wordKey,
  wordsOf,
} from "../src/engine/run/words.js";

let b: Bench;

before(async () => {
  b = await bench("search");
});
after(async () => {
  await b.close();
});

const add = (...texts: string[]) =>
  b.mutate("notes:add", { texts }) as Promise<string[]>;
const find = (text: string, more: JSONObject = {}) =>
  b.query("notes:find", { text, ...more });

test("words are runs of letters and digits, lower-case, shorter than 32 bytes", () => {
  assert.deepEqual(wordsOf("Hello, wörld! it's 42_x"), [
    "hello",
    "wörld",
    "it",
    "s",
    "42",
    "x",
  ]);
  assert.deepEqual(wordsOf(`${"a".repeat(31)} ${"b".repeat(32)}`), [
    "a".repeat(31),
  ]);
  assert.equal(wordsOf("w ".repeat(20), 16).length, 16);
});

test("an entry is read as it was written, whatever its filter's hash begins with", () => {
  const index = searchIndex({
    id: 1,
    name: "search",
    searchField: "text",
    filterFields: ["room"],
  } as never);
  const firstBytes = new Set<number>();
  for (let i = 0; i < 4096; i++) {
    const document = { _id: `id${i}`, _creationTime: i, text: "word", room: i };
    const [entry] = wordEntries(index, document);
    const parsed = parseEntry(index, entry!);
    assert.equal(parsed.word, wordKey("word"));
    assert.deepEqual(parsed.filters, [filterHash(i)]);
    assert.equal(parsed.id, `id${i}`);
    assert.deepEqual([parsed.count, parsed.length], [1, 1]);
    firstBytes.add(parsed.filters[0]!.charCodeAt(0));
  }
  assert.ok(firstBytes.has(0xff) && firstBytes.has(0));
});

test("any word matches, more and rarer words rank higher, newest first among equals", async () => {
  await add("red apple", "red pear", "green apple pie", "blue plum");
  assert.deepEqual(await find("red apple"), [
    "red apple",
    "red pear",
    "green apple pie",
  ]);
  await add("violet", "violet");
  const both = (await b.query("notes:page", {
    text: "violet",
    paginationOpts: { numItems: 10, cursor: null },
  })) as { page: string[] };
  assert.equal(both.page.length, 2);
});

test("only the last word matches as the beginning of a word, below whole words", async () => {
  await add("wonderful day", "wonder", "day of wonders");
  assert.deepEqual(await find("wonder"), [
    "wonder",
    "wonderful day",
    "day of wonders",
  ]);
  assert.deepEqual(await find("won da"), ["wonderful day", "day of wonders"]);
  assert.deepEqual(await find("won xyz"), []);
});

test("an empty text and one without words find nothing", async () => {
  assert.deepEqual(await find(""), []);
  assert.deepEqual(await find("... !"), []);
});

test("filter fields narrow a search, also nested and missing ones", async () => {
  await b.mutate("notes:add", { texts: ["kiwi here"], channel: "a" });
  await b.mutate("notes:add", { texts: ["kiwi there"], channel: "b" });
  await b.mutate("notes:insert", {
    note: {
      text: "kiwi deep",
      channel: "b",
      meta: { title: "Deep Title", lang: "en" },
    },
  });
  const kiwi = (filters: (string | null)[][]) => find("kiwi", { filters });
  assert.deepEqual(await kiwi([["channel", "a"]]), ["kiwi here"]);
  assert.deepEqual(
    await kiwi([
      ["channel", "b"],
      ["meta.lang", "en"],
    ]),
    ["kiwi deep"],
  );
  assert.deepEqual(await kiwi([["meta.lang", "en"]]), ["kiwi deep"]);
  assert.deepEqual(await kiwi([["channel", "c"]]), []);
  assert.deepEqual(
    await find("deep", { index: "by_title", field: "meta.title" }),
    ["kiwi deep"],
  );
});

test("a document whose search field is missing is not found, until it has one", async () => {
  const id = await b.mutate("notes:insert", { note: { channel: "late" } });
  assert.deepEqual(await find("lately"), []);
  await b.mutate("notes:patch", { id, change: { text: "lately" } });
  assert.deepEqual(await find("lately"), ["lately"]);
  await b.mutate("notes:remove", { id });
  assert.deepEqual(await find("lately"), []);
});

test("a mutation finds its own writes and not what it deleted or changed", async () => {
  assert.deepEqual(await b.mutate("notes:ownWrites"), [1, 0]);
  assert.deepEqual(await find("own"), []);
  assert.deepEqual(await find("altered"), ["altered"]);
});

test("pages follow each other in rank order", async () => {
  await add(...Array.from({ length: 25 }, (_, i) => `paged n${i}`));
  const seen: string[] = [];
  let cursor: string | null = null;
  for (;;) {
    const { page, isDone, continueCursor, splitCursor } = (await b.query(
      "notes:page",
      { text: "paged", paginationOpts: { numItems: 10, cursor } },
    )) as {
      page: string[];
      isDone: boolean;
      continueCursor: string;
      splitCursor: string | null;
    };
    assert.equal(splitCursor, null);
    seen.push(...page);
    if (isDone) break;
    cursor = continueCursor;
  }
  assert.deepEqual(
    seen,
    Array.from({ length: 25 }, (_, i) => `paged n${24 - i}`),
  );
});

test("more than 1024 documents are too many, fewer can be taken", async () => {
  for (let i = 0; i < 3; i++)
    await add(...Array.from({ length: 400 }, () => "crowded"));
  await assert.rejects(
    b.query("notes:all", { text: "crowded" }),
    /Search query scanned too many documents \(fetched 1024\)/,
  );
  assert.equal(((await find("crowded")) as string[]).length, 100);
});

test("what cannot be is refused in the real backend's words", async () => {
  const fails = (args: JSONObject, wanted: RegExp) =>
    assert.rejects(b.query("notes:find", { text: "x", ...args }), wanted);
  await fails(
    { filters: [["text", "x"]] },
    /contains an equality filter on text but that field isn't indexed for filtering in `filterFields`/,
  );
  await fails(
    { field: "channel" },
    /contains a search filter against channel, which doesn't match the indexed `searchField` text/,
  );
  await fails(
    { index: "by_channel" },
    /notes.by_channel is not a search index/,
  );
  await fails({ index: "nothing" }, /Index notes.nothing not found/);
  await fails(
    { filters: Array.from({ length: 9 }, () => ["channel", "x"]) },
    /too many filter conditions. Max: 8 Actual: 9/,
  );
});

test("a result ends with a document that enters, leaves or changes it, and not with others", async () => {
  const [id] = await add("watched word");
  const run = async (args: JSONObject) => {
    const call = { path: "notes:find", args, identity: nobody, requestId: "w" };
    const result: QueryResult = await b.engine.runQuery(call);
    return b.engine.watch(result.reads, result.ts);
  };
  const watched = () => run({ text: "watched" });
  let watch = await watched();
  await add("another subject");
  assert.equal(watch.valid, true);
  await add("also watched");
  assert.equal(watch.valid, false);
  watch = await watched();
  await b.mutate("notes:patch", { id: id!, change: { channel: "other" } });
  assert.equal(watch.valid, false);
  watch = await watched();
  await b.mutate("notes:patch", { id: id!, change: { text: "left" } });
  assert.equal(watch.valid, false);
  watch = await run({ text: "nothing has this word" });
  assert.equal(watch.valid, true);
  await add("nothing has this word");
  assert.equal(watch.valid, false);
});

test("a search at an earlier time finds what was there", async () => {
  const [id] = await add("historic");
  const ts = b.engine.latestTs();
  await b.mutate("notes:remove", { id: id! });
  const at = async (time?: bigint) => {
    const { outcome } = await b.engine.runQuery({
      path: "notes:find",
      args: { text: "historic" },
      identity: nobody,
      requestId: "h",
      ts: time,
    });
    return outcome.success ? outcome.value : outcome.errorMessage;
  };
  assert.deepEqual(await at(ts), ["historic"]);
  assert.deepEqual(await at(), []);
});

test("a new search index finds older documents; a staged one waits until it is enabled", async () => {
  const app = await bench("search");
  await app.mutate("notes:add", { texts: ["older"] });
  const request = await pushRequest(fixture("search"));
  const schema = request.appDefinition.schema!;
  const plain = schema.source;
  const named = (staged: boolean) =>
    plain.replace(
      'searchField: "text",',
      `searchField: "text", staged: ${staged},`,
    );
  assert.notEqual(named(true), plain);
  schema.source = named(true);
  const done = await push(app.engine, request);
  assert.deepEqual(
    done.component.indexDiff.disabled_indexes[0]?.name,
    "notes.by_text",
  );
  await assert.rejects(
    app.query("notes:find", { text: "older" }),
    /Index notes.by_text is currently staged and not available to query until it is enabled\./,
  );
  await app.mutate("notes:add", { texts: ["older and staged"] });
  schema.source = named(false);
  const enabled = await push(app.engine, request);
  assert.equal(enabled.component.indexDiff.enabled_indexes.length, 1);
  assert.deepEqual(await app.query("notes:find", { text: "older" }), [
    "older",
    "older and staged",
  ]);
  await app.close();
});
