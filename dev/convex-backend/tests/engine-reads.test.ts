import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { JSONObject, QueryResult } from "../src/engine/index.js";
import { bench, type Bench, nobody, valueOf } from "./harness.js";

let b: Bench;
before(async () => {
  b = await bench("app");
});
after(async () => {
  await b.close();
});

const send = (channel: string, body: string, rank: number) =>
  b.mutate("messages:send", { channel, body, rank }) as Promise<string>;

const run = (path: string, args: JSONObject, journal?: string | null) =>
  b.engine.runQuery({
    path,
    args,
    identity: nobody,
    requestId: "r",
    ...(journal === undefined ? {} : { journal }),
  });

const watch = (result: QueryResult) => b.engine.watch(result.reads, result.ts);

test("a write outside of the range read leaves a result valid", async () => {
  await send("a", "x", 1);
  const watching = watch(await run("messages:list", { channel: "a" }));
  await send("b", "x", 1);
  await b.mutate("messages:increment", { name: "n" });
  assert.equal(watching.valid, true);
  assert.equal(watching.validThrough(), b.engine.latestTs());
  watching.close();
});

test("an insert, an edit and a delete inside of the range each end a result", async () => {
  const id = await send("c", "x", 1);
  const changes = [
    () => send("c", "y", 2),
    () => b.mutate("messages:edit", { id, body: "z" }),
    () => b.mutate("messages:remove", { id }),
  ];
  for (const change of changes) {
    const watching = watch(await run("messages:list", { channel: "c" }));
    assert.equal(watching.valid, true);
    const before = b.engine.latestTs();
    await change();
    assert.equal(watching.valid, false);
    assert.equal(watching.validThrough(), before);
  }
});

test("a range that is not read to its end is only watched as far as it was read", async () => {
  for (let rank = 0; rank < 5; rank++) await send("d", `d${rank}`, rank);
  const watching = watch(await run("messages:latest", { channel: "d", n: 2 }));
  await send("d", "below", 1.5);
  assert.equal(watching.valid, true);
  await send("d", "within", 3.5);
  assert.equal(watching.valid, false);
});

test("a missing document that appears ends the result that missed it", async () => {
  const watching = watch(await run("messages:counter", { name: "later" }));
  await b.mutate("messages:increment", { name: "other" });
  assert.equal(watching.valid, true);
  await b.mutate("messages:increment", { name: "later" });
  assert.equal(watching.valid, false);
});

test("a watch tells of its end once, after the commit", async () => {
  const result = await run("messages:list", { channel: "e" });
  let told = 0;
  b.engine.watch(result.reads, result.ts, () => told++);
  await send("e", "1", 1);
  await send("e", "2", 2);
  assert.equal(told, 1);
});

test("a watch that starts too late is invalid from the start", async () => {
  const result = await run("messages:list", { channel: "f" });
  await send("f", "1", 1);
  assert.equal(b.engine.watch(result.reads, result.ts).valid, false);
});

test("an equal query of a valid result is not run again", async () => {
  let runs = 0;
  const off = b.engine.onLog((entry) => {
    if (entry.udfType === "Query" && !entry.cached) runs++;
  });
  const call = () => run("messages:list", { channel: "g" });
  await Promise.all([call(), call(), call()]);
  await call();
  assert.equal(runs, 1);
  await send("g", "1", 1);
  const { outcome } = await call();
  assert.equal(runs, 2);
  assert.equal((valueOf(outcome) as unknown[]).length, 1);
  off();
});

test("results of a function that asks who calls are not shared", async () => {
  const user = (subject: string) => ({
    kind: "user" as const,
    attributes: {
      issuer: "https://i.example",
      subject,
      tokenIdentifier: `https://i.example|${subject}`,
    },
  });
  const names = await Promise.all(
    ["ann", "bob", "ann"].map((name) => b.query("messages:me", {}, user(name))),
  );
  assert.deepEqual(
    names.map((identity) => (identity as JSONObject)["subject"]),
    ["ann", "bob", "ann"],
  );
  assert.equal(await b.query("messages:me"), null);
});

const page = (numItems: number, cursor: string | null, endCursor?: string) => ({
  paginationOpts: {
    numItems,
    cursor,
    ...(endCursor === undefined ? {} : { endCursor }),
  },
});

type Page = {
  page: JSONObject[];
  isDone: boolean;
  continueCursor: string;
  splitCursor: string | null;
  pageStatus: string | null;
};

const pageOf = async (args: JSONObject, journal?: string | null) => {
  const result = await run("messages:page", args, journal);
  return { ...(valueOf(result.outcome) as unknown as Page), result };
};

test("pages follow each other without gap or repeat", async () => {
  const seen: string[] = [];
  let cursor: string | null = null;
  for (;;) {
    const next: Page = await pageOf(page(3, cursor));
    seen.push(...next.page.map((document) => document["_id"] as string));
    if (next.isDone) break;
    cursor = next.continueCursor;
  }
  const { value } = b.engine.tableSize("messages");
  assert.equal(seen.length, value);
  assert.equal(new Set(seen).size, value);
});

test("with its journal a page grows instead of sliding", async () => {
  const first = await pageOf(page(2, null));
  const end = first.page[1]!["_id"];
  await send("h", "newest", 1);
  const again = await pageOf(page(2, null), first.result.journal);
  assert.equal(again.page.length, 3);
  assert.equal(again.page[2]!["_id"], end);
  assert.equal(again.continueCursor, first.continueCursor);
  assert.equal(again.result.journal, first.result.journal);
  const slid = await pageOf(page(2, null));
  assert.equal(slid.page.length, 2);
});

test("a page can be split at its splitCursor", async () => {
  const whole = await pageOf(page(5, null));
  const left = await pageOf(page(5, null, whole.splitCursor!));
  const right = await pageOf(page(5, whole.splitCursor, whole.continueCursor));
  assert.deepEqual([...left.page, ...right.page], whole.page);
});

test("a page that cannot be read whole keeps its end, and its halves hold all of it", async () => {
  const first = await pageOf(page(2, null));
  for (let n = 0; n < 4; n++) await send("cut", `new ${n}`, n);
  const limited = page(2, null);
  const cut = await pageOf(
    { paginationOpts: { ...limited.paginationOpts, maximumRowsRead: 3 } },
    first.result.journal,
  );
  assert.equal(cut.pageStatus, "SplitRequired");
  assert.equal(cut.page.length, 3);
  assert.equal(cut.continueCursor, first.continueCursor);
  assert.equal(cut.result.journal, first.result.journal);
  const left = await pageOf(page(2, null, cut.splitCursor!));
  const right = await pageOf(page(2, cut.splitCursor, cut.continueCursor));
  const whole = await pageOf(page(2, null), first.result.journal);
  assert.equal(whole.page.length, 6);
  assert.deepEqual([...left.page, ...right.page], whole.page);
});

test("a cursor of another query is refused with InvalidCursor", async () => {
  const { outcome } = await run("messages:page", page(2, "bm90IGEgY3Vyc29y"));
  assert.ok(!outcome.success);
  assert.match(outcome.errorMessage, /InvalidCursor/);
  assert.deepEqual(outcome.errorData, {
    isConvexSystemError: true,
    paginationError: "InvalidCursor",
  });
});
