import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { bench, type Bench, eventually, nobody, valueOf } from "./harness.js";

let b: Bench;
before(async () => {
  b = await bench("app");
});
after(async () => {
  await b.close();
});

test("missing arguments are refused in the real backend's words", async () => {
  assert.equal(
    await b.failure("messages:send", { channel: "a" }),
    "[Request ID: x] Server Error\n" +
      "ArgumentValidationError: Object is missing the required field `body`. Consider wrapping the field validator in `v.optional(...)` if this is expected.\n" +
      "\n" +
      'Object: {channel: "a"}\n' +
      "Validator: v.object({body: v.string(), channel: v.string(), rank: v.optional(v.float64())})\n",
  );
});

test("extra and mistyped arguments are refused with path, value and validator", async () => {
  assert.match(
    await b.failure("messages:counter", { name: "a", more: 1 }),
    /Object contains extra field `more` that is not in the validator\.\n\nObject: \{more: 1\.0, name: "a"\}\nValidator: v\.object\(\{name: v\.string\(\)\}\)/,
  );
  assert.match(
    await b.failure("messages:counter", { name: 1 }),
    /ArgumentValidationError: Value does not match validator\.\nPath: \.name\nValue: 1\.0\nValidator: v\.string\(\)/,
  );
});

test("an id of another table is refused by name", async () => {
  await b.mutate("messages:increment", { name: "id" });
  const { value } = b.engine.tablePage("counters", {
    numItems: 1,
    cursor: null,
  });
  const id = value.page[0]!["_id"] as string;
  assert.match(
    await b.failure("messages:get", { id }),
    new RegExp(
      `Found ID "${id}" from table \`counters\`, which does not match the table name in validator \`v.id\\("messages"\\)\`\\.Path: \\.id`,
    ),
  );
});

test("a bad return value is refused", async () => {
  assert.match(
    await b.failure("messages:badReturn"),
    /ReturnsValidationError: Value does not match validator\.\n\nValue: 1\.0\nValidator: v\.string\(\)/,
  );
});

test("a write that breaks the schema fails and names table and field", async () => {
  assert.match(
    await b.failure("messages:wrongShape"),
    /Failed to insert or update a document in table "counters" because it does not match the schema: Value does not match validator\.\nPath: \.value/,
  );
});

test("an error shows its message and its place in the source", async () => {
  const { outcome, logLines } = await b.engine.runQuery({
    path: "messages:boom",
    args: {},
    identity: nobody,
    requestId: "abc",
  });
  assert.ok(!outcome.success);
  assert.match(
    outcome.errorMessage,
    /^\[Request ID: abc\] Server Error\nUncaught Error: boom\n {4}at handler \(.*messages\.ts:\d+:\d+\)\n$/,
  );
  assert.ok(!("errorData" in outcome));
  assert.match(logLines[0]!, /^\[LOG\] 'before' \{/);
});

test("an id of another table than was said is refused", async () => {
  const id = await b.mutate("messages:send", { channel: "of", body: "x" });
  assert.match(
    await b.failure("messages:ofTable", { table: "counters", id }),
    /Invalid argument `id` for `db.get`: expected to be an Id<"counters">, got Id<"messages"> instead\./,
  );
});

test("a table that does not exist is empty and has no index", async () => {
  assert.deepEqual(await b.query("messages:nowhere", { whole: true }), []);
  assert.match(
    await b.failure("messages:nowhere"),
    /Uncaught Error: Index nowhere.by_x not found\.\n {4}at async <anonymous> \(.*messages\.ts:\d+:\d+\)\n$/,
  );
});

test("a ConvexError carries its data", async () => {
  const { outcome } = await b.engine.runQuery({
    path: "messages:convexError",
    args: {},
    identity: nobody,
    requestId: "abc",
  });
  assert.ok(!outcome.success);
  assert.deepEqual(outcome.errorData, { code: "no", count: 1 });
});

test("unknown, internal and wrong-kind functions are told apart as in the real backend", async () => {
  const missing = /Could not find public function for 'messages:nope'/;
  assert.match(await b.failure("messages:nope"), missing);
  assert.match(
    await b.failure("messages:secret", { body: "" }),
    /Could not find public function for 'messages:secret'/,
  );
  const { outcome } = await b.engine.runQuery({
    path: "messages:send",
    args: {},
    identity: nobody,
    requestId: "x",
  });
  assert.ok(!outcome.success);
  assert.match(
    outcome.errorMessage,
    /Trying to execute messages\.js:send as Query, but it is defined as Mutation\./,
  );
});

test("the admin may call internal functions", async () => {
  const { outcome } = await b.engine.runAny({
    path: "messages:secret",
    args: { body: "by admin" },
    identity: { kind: "admin" },
    requestId: "x",
  });
  assert.equal(outcome.success, true);
});

test("a promise that nothing settles fails the call", async () => {
  assert.match(
    await b.failure("messages:hang"),
    /Server Error\nReturned promise will never resolve\n?$/,
  );
});

test("an endless loop is stopped and does not harm a parallel call", async () => {
  const endless = b.failure("messages:loop");
  const others = await Promise.all(
    Array.from({ length: 20 }, (_, i) =>
      b.mutate("messages:send", { channel: "loop", body: `${i}` }),
    ),
  );
  assert.equal(new Set(others).size, 20);
  assert.match(
    await endless,
    /Function execution timed out \(maximum duration: 15?s\)/,
  );
  const listed = (await b.query("messages:list", {
    channel: "loop",
  })) as unknown[];
  assert.equal(listed.length, 20);
});

test("a mutation does not wait for all the queries that came before it", async () => {
  const ended: string[] = [];
  const queries = Array.from({ length: 400 }, async (_, i) => {
    await b.query("messages:list", { channel: `none ${i}` });
    ended.push("query");
  });
  await b.mutate("messages:increment", { name: "id" });
  assert.ok(ended.length < 400);
  await Promise.all(queries);
});

test("queries have frozen time, seeded chance and no fetch", async () => {
  const [now, again, chance] = (await b.query("messages:clock")) as number[];
  assert.equal(now, again);
  assert.ok(chance! >= 0 && chance! < 1);
  assert.match(
    await b.failure("messages:fetches"),
    /Can't use fetch\(\) in queries and mutations\. Please consider using an action\./,
  );
});

test("environment variables reach functions and end results that read them", async () => {
  const call = () =>
    b.engine.runQuery({
      path: "messages:clock",
      args: {},
      identity: nobody,
      requestId: "e",
    });
  const first = await call();
  const watch = b.engine.watch(first.reads, first.ts);
  await b.engine.setEnvironmentVariables([{ name: "GREETING", value: "hey" }]);
  assert.equal(watch.valid, false);
  assert.equal((valueOf((await call()).outcome) as unknown[])[3], "hey");
  assert.deepEqual(
    b.engine
      .environmentVariables()
      .value.map(({ name, value }) => [name, value]),
    [["GREETING", "hey"]],
  );
  await assert.rejects(
    b.engine.setEnvironmentVariables([{ name: "1BAD", value: "" }]),
    { code: "EnvironmentVariableNameInvalid" },
  );
});

test("an action calls mutations and queries, waits, and stores files", async () => {
  const before = (await b.query("messages:list", {
    channel: "secret",
  })) as unknown[];
  const { outcome, logLines } = await b.engine.runAction({
    path: "messages:act",
    args: { body: "x" },
    identity: { kind: "admin" },
    requestId: "a",
  });
  const [count, text, url] = valueOf(outcome) as [number, string, string];
  assert.equal(count, before.length + 1);
  assert.equal(text, "stored x");
  assert.deepEqual(logLines, ["[LOG] 'acting'"]);
  const uuid = url.slice(url.lastIndexOf("/") + 1);
  const file = b.engine.fileByUuid(uuid)!;
  assert.equal(file.contentType, "text/plain");
  const chunks: Buffer[] = [];
  for await (const chunk of file.read(0, 5)) chunks.push(chunk as Buffer);
  assert.equal(Buffer.concat(chunks).toString(), "stored");
});

test("a scheduled mutation runs once when it is due", async () => {
  const id = await b.mutate("messages:later", { body: "scheduled", ms: 1 });
  const state = () =>
    b.engine
      .tablePage("_scheduled_functions", { numItems: 100, cursor: null })
      .value.page.find((job) => job["_id"] === id)!["state"] as {
      kind: string;
    };
  await eventually(b.engine, async () => state().kind === "success");
  const found = (await b.query("messages:list", { channel: "secret" })) as {
    body: string;
  }[];
  assert.equal(found.filter(({ body }) => body === "scheduled").length, 1);
});

const read = async (body: AsyncIterable<unknown>) => {
  const chunks: Buffer[] = [];
  for await (const chunk of body) chunks.push(Buffer.from(chunk as Buffer));
  return Buffer.concat(chunks).toString();
};

test("HTTP actions get the request and answer through the router", async () => {
  const http = (method: string, path: string, body?: string) =>
    b.engine.httpAction(
      {
        method,
        url: `http://127.0.0.1:3211${path}`,
        headers: [["x-test", "yes"]],
        ...(body === undefined ? {} : { body: Buffer.from(body) }),
      },
      nobody,
      "h",
    );
  const echo = await http("POST", "/echo", "hello");
  assert.equal(echo.status, 201);
  assert.equal(await read(echo.body), "got hello");
  assert.equal(new Map(echo.headers).get("x-was"), "yes");
  const prefix = await http("GET", "/files/a/b");
  assert.equal(await read(prefix.body), "/files/a/b");
  assert.equal((await http("GET", "/echo")).status, 404);
  const failed = await http("GET", "/fail");
  assert.equal(failed.status, 500);
  assert.match(await read(failed.body), /http boom/);
});

test("files are stored under their digest's control and served in ranges", async () => {
  const body = Buffer.from("0123456789");
  await assert.rejects(
    b.engine.storeFile({ body, contentType: null, sha256: "bad" }),
    { code: "Sha256Mismatch" },
  );
  const stored = await b.engine.storeFile({ body, contentType: "text/x" });
  assert.equal(await read(stored.read(3, 5)), "345");
  assert.equal(b.engine.fileByUuid(stored.uuid)!.size, 10);
  assert.throws(() => b.engine.checkUploadToken("nonsense"), {
    code: "StorageTokenInvalid",
  });
});

test("an inline query runs against the deployment", async () => {
  const { outcome } = await b.engine.runTestQuery({
    source:
      'import { query } from "convex:/_system/repl/wrappers.js";' +
      'export default query({ handler: async (ctx) => (await ctx.db.query("counters").collect()).length });',
    args: {},
    identity: { kind: "admin" },
    requestId: "t",
  });
  assert.equal(valueOf(outcome), 1);
});

test("components are answered as not supported", async () => {
  const { outcome } = await b.engine.runQuery({
    path: "messages:me",
    args: {},
    identity: { kind: "admin" },
    requestId: "x",
    componentPath: "child",
  });
  assert.ok(!outcome.success);
  assert.match(
    outcome.errorMessage,
    /not supported by the development backend: components/,
  );
});
