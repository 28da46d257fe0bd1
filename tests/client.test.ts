// The official JS client and ours on the same query of the same backend, side by side.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, before, test } from "node:test";
import { join } from "node:path";
import { promisify } from "node:util";
import { ConvexClient, ConvexHttpClient } from "convex/browser";
import { convexToJson, type Value } from "convex/values";
import { makeFunctionReference } from "convex/server";
import { WebSocket } from "ws";
import { Backend, binary, ROOT, until, Watch } from "./harness";

let backend: Backend;
const list = makeFunctionReference<"query">("items:list");
const set = makeFunctionReference<"mutation">("items:set");

before(async () => {
  backend = await Backend.start();
  await backend.convex(join(ROOT, "tests/app"), ["deploy", "--yes"]);
});
after(async () => await backend.close());

/** The official client, noting each result or error as our example prints it. */
class Official {
  readonly results: unknown[] = [];
  private readonly client: ConvexClient;

  constructor(args: { prefix: string }) {
    this.client = new ConvexClient(backend.url, {
      webSocketConstructor: WebSocket as unknown as typeof globalThis.WebSocket,
      unsavedChangesWarning: false,
      logger: false,
    });
    this.client.onUpdate(
      list,
      args,
      (value: unknown) => this.results.push(convexToJson(value as Value)),
      (error) => this.results.push({ error: error.message }),
    );
  }

  close(): Promise<void> {
    return this.client.close();
  }
}

const isError = (result: unknown): boolean =>
  typeof result === "object" && result !== null && "error" in result;

/** Errors are worded by each client for itself: only that there is one is compared. */
const comparable = (results: unknown[]): unknown[] =>
  results.map((result) => (isError(result) ? "error" : result));

function mutate(key: string, value: unknown): Promise<unknown> {
  return new ConvexHttpClient(backend.url, { logger: false }).mutation(set, {
    key,
    value,
  });
}

const VALUES: Value[] = [
  "text",
  "ünïcødé 👩‍👩‍👧 \u0000 end",
  0,
  -0,
  1.5,
  1e300,
  NaN,
  -Infinity,
  2n ** 62n,
  -1n,
  true,
  [],
  [null, [1], { a: [] }],
  { nested: { deep: [1n, 2, "3"] }, "key with space": false },
  new Uint8Array([0, 255, 7]).buffer,
];

test("both clients see the same sequence of distinct results, step by step", async () => {
  const js = new Official({ prefix: "step/" });
  const c = new Watch(backend.url, "items:list", { prefix: "step/" });
  await until(
    "the first result",
    () => js.results.length > 0 && c.lines.length > 0,
  );
  for (let i = 0; i < 90; i++) {
    const seen = [js.results.length, c.lines.length];
    const remove = i % 7 === 6;
    await mutate(
      `step/${remove ? (i - 1) % 10 : i % 10}`,
      remove ? null : VALUES[i % VALUES.length],
    );
    await mutate("elsewhere", i); // changes nothing of it: no new result
    await until(
      `both to see step ${i}`,
      () => js.results.length > seen[0]! && c.lines.length > seen[1]!,
    );
  }
  assert.deepEqual(comparable(c.lines), comparable(js.results));
  await js.close();
  await c.close();
});

test("a failing query is an error in both, and its recovery a result", async () => {
  const js = new Official({ prefix: "fail/" });
  const c = new Watch(backend.url, "items:list", { prefix: "fail/" });
  const steps: [string, unknown][] = [
    ["fail/one", 1],
    ["fail/bad", 1],
    ["fail/bad", null],
    ["fail/one", 2],
  ];
  await until(
    "the first result",
    () => js.results.length > 0 && c.lines.length > 0,
  );
  for (const [key, value] of steps) {
    const seen = [js.results.length, c.lines.length];
    await mutate(key, value);
    await until(
      `both to see ${key}`,
      () => js.results.length > seen[0]! && c.lines.length > seen[1]!,
    );
  }
  assert.deepEqual(comparable(c.lines), comparable(js.results));
  assert.ok(c.lines.some(isError));
  await js.close();
  await c.close();
});

test("in a burst and over a kill -9 of the backend, the results that both see are in one order and end equal", async () => {
  const js = new Official({ prefix: "burst/" });
  const c = new Watch(backend.url, "items:list", { prefix: "burst/" });
  await until(
    "the first result",
    () => js.results.length > 0 && c.lines.length > 0,
  );
  for (let round = 0; round < 3; round++) {
    await Promise.all(
      Array.from({ length: 40 }, (_, i) =>
        mutate(`burst/${i % 20}`, round * 40 + i),
      ),
    );
    if (round === 1) await backend.killAndReopen();
  }
  await mutate("burst/end", "end");
  const last = (list: unknown[]) => JSON.stringify(list[list.length - 1]);
  await until("both to see the end", () =>
    [js.results, c.lines].every((results) => last(results).includes('"end"')),
  );
  const jsTexts = js.results.map((r) => JSON.stringify(r));
  const cTexts = c.lines.map((r) => JSON.stringify(r));
  assert.equal(cTexts.at(-1), jsTexts.at(-1));
  assert.deepEqual(
    cTexts.filter((t) => jsTexts.includes(t)),
    jsTexts.filter((t) => cTexts.includes(t)),
  );
  await js.close();
  await c.close();
});

test("an unknown function and bad arguments are reported in Convex's own words", async () => {
  const unknown = new Watch(backend.url, "items:missing", {}, ["--count", "1"]);
  const bad = new Watch(backend.url, "items:list", { prefix: 7 }, [
    "--count",
    "1",
  ]);
  await until(
    "both errors",
    () => unknown.lines.length > 0 && bad.lines.length > 0,
  );
  assert.match(unknown.raw[0]!, /Could not find public function/);
  assert.match(bad.raw[0]!, /ArgumentValidationError/);
  await unknown.close();
  await bad.close();
});

test("the C++ example sees the effect of its mutation before the mutation is done", async () => {
  const { stdout } = await promisify(execFile)(binary("convex-example-set"), [
    backend.url,
    "items:set",
    '{"key":"cpp/one","value":1}',
    "items:list",
    '{"prefix":"cpp/"}',
  ]);
  const lines = stdout.trim().split("\n");
  assert.equal(lines.at(-1), "mutation: null");
  assert.equal(lines.at(-2), 'query: [{"key":"cpp/one","value":1}]');
});
