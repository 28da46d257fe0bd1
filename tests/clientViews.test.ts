// What a program sees of its queries beyond one result, on a real backend: lists read page by page
// beside the official JS client, optimistic updates, and snapshots of several queries.
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { after, before, test } from "node:test";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { ConvexClient, ConvexHttpClient } from "convex/browser";
import { makeFunctionReference } from "convex/server";
import { WebSocket } from "ws";
import { Backend, binary, ROOT, until } from "./harness";

const page = makeFunctionReference<"query">("views:page");
const put = makeFunctionReference<"mutation">("views:put");
const move = makeFunctionReference<"mutation">("views:move");

let backend: Backend;
before(async () => {
  backend = await Backend.start();
  await backend.convex(join(ROOT, "tests/app"), ["deploy", "--yes"]);
});
after(async () => await backend.close());

/** One of our examples as a process, told what to do by lines. */
class Example {
  readonly lines: string[] = [];
  private readonly child: ChildProcess;
  private errors = "";

  constructor(name: string, args: string[]) {
    this.child = spawn(
      binary(`convex-example-${name}`),
      [backend.url, ...args],
      {
        stdio: ["pipe", "pipe", "pipe"],
      },
    );
    this.child.stderr!.on(
      "data",
      (data: Buffer) => (this.errors += data.toString()),
    );
    createInterface({ input: this.child.stdout! }).on("line", (line) =>
      this.lines.push(line),
    );
  }

  say(line: string): void {
    this.child.stdin!.write(`${line}\n`);
  }

  get last(): string {
    return this.lines[this.lines.length - 1] ?? "";
  }

  /** Ends its input; returns its exit status, or the signal that had to be sent. */
  async close(
    signal?: NodeJS.Signals,
  ): Promise<number | NodeJS.Signals | null> {
    const ended = new Promise<number | NodeJS.Signals | null>((resolve) =>
      this.child.once("close", (code, by) => resolve(code ?? by)),
    );
    this.child.stdin!.end();
    if (signal) this.child.kill(signal);
    const status = await ended;
    assert.equal(this.errors, "");
    return status;
  }
}

type Item = { key: string; value: unknown };
type List = { items: Item[]; status: string; error?: string };

/** The official client's list, newest state last. */
class OfficialList {
  items: Item[] = [];
  status = "";
  private more: (count: number) => unknown = () => undefined;
  private readonly client = new ConvexClient(backend.url, {
    webSocketConstructor: WebSocket as unknown as typeof globalThis.WebSocket,
    unsavedChangesWarning: false,
    logger: false,
  });

  constructor(prefix: string, initialNumItems: number) {
    this.client.onPaginatedUpdate_experimental(
      page,
      { prefix },
      { initialNumItems },
      (result: unknown) => {
        const state = result as {
          results: Item[];
          status: string;
          loadMore: (count: number) => unknown;
        };
        this.items = state.results;
        this.status = state.status;
        this.more = state.loadMore;
      },
    );
  }

  loadMore(count: number): void {
    this.more(count);
  }

  close(): Promise<void> {
    return this.client.close();
  }
}

const http = () => new ConvexHttpClient(backend.url, { logger: false });
const set = (key: string, value: unknown) =>
  http().mutation(put, { key, value });
const numbered = (prefix: string, n: number) =>
  `${prefix}${String(n).padStart(3, "0")}`;
const parsed = (line: string) => JSON.parse(line) as List;

test("both clients read the same pages while the list changes, pages split and the backend is killed", async () => {
  const prefix = "pages/";
  for (let n = 0; n < 30; n++) await set(numbered(prefix, n * 10), n);
  const js = new OfficialList(prefix, 5);
  const c = new Example("pages", [
    "views:page",
    JSON.stringify({ prefix }),
    "5",
  ]);
  const shows = (what: string, count: number, status: [string, string]) =>
    until(what, () => {
      if (!c.last) return false;
      const list = parsed(c.last);
      return (
        list.items.length === count &&
        list.status === status[0] &&
        js.items.length === count &&
        js.status === status[1]
      );
    });
  const canLoad: [string, string] = ["can load more", "CanLoadMore"];
  const exhausted: [string, string] = ["exhausted", "Exhausted"];
  await shows("the first page", 5, canLoad);
  c.say("10");
  js.loadMore(10);
  await shows("the second page", 15, canLoad);

  // more than twice the page's size: it is split
  for (let n = 1; n < 10; n++) await set(numbered(prefix, n), "new");
  await shows("the longer first page", 24, canLoad);
  await set(numbered(prefix, 0), null);
  await shows("the shorter first page", 23, canLoad);
  assert.deepEqual(parsed(c.last).items, js.items);

  await backend.killAndReopen();
  await set(numbered(prefix, 5), "after");
  await until("both to see what came after the kill", () =>
    [parsed(c.last).items, js.items].every((items) =>
      items.some((item) => item.value === "after"),
    ),
  );
  c.say("100");
  await until("the end of the list", () => {
    if (js.status === canLoad[1]) js.loadMore(100);
    return parsed(c.last).status === exhausted[0] && js.status === exhausted[1];
  });
  await shows("all", 38, exhausted);
  assert.deepEqual(parsed(c.last).items, js.items);

  // every state on the way: in order, no item twice, none left out at the front
  for (const line of c.lines) {
    const keys = parsed(line).items.map((item) => item.key);
    assert.deepEqual(keys, [...new Set(keys)].sort());
    assert.equal(parsed(line).error, undefined);
  }
  assert.equal(new Set(c.lines).size, c.lines.length); // and none told twice
  await js.close();
  assert.equal(await c.close(), 0);
});

test("a write is shown at once, once, and taken back when it is refused", async () => {
  const prefix = "opt/";
  const c = new Example("optimistic", ["views:list", "views:put", prefix]);
  const item = (key: string, value: unknown) => ({ key, value });
  const b = item("opt/b", 1);
  await until("the empty list", () => c.lines.length === 1);
  c.say("opt/b 1");
  await until("the first write", () => c.last === "done opt/b");
  c.say('opt/c "refused"');
  await until("the refusal", () => c.last === "failed opt/c");
  c.say("opt/a 2");
  c.say('opt/b "refused"');
  await until(
    "both",
    () => c.lines.includes("done opt/a") && c.lines.includes("failed opt/b"),
  );
  assert.deepEqual(c.lines.slice(0, 6), [
    "[]",
    JSON.stringify([b]),
    "done opt/b",
    JSON.stringify([b, item("opt/c", "refused")]),
    JSON.stringify([b]),
    "failed opt/c",
  ]);
  const rest = c.lines.slice(6);
  assert.deepEqual(
    rest.filter((line) => line.startsWith("[")).pop(),
    JSON.stringify([item("opt/a", 2), b]),
  );
  for (let i = 1; i < rest.length; i++) assert.notEqual(rest[i], rest[i - 1]);
  assert.equal(await c.close(), 0);
});

test("a burst of writes over a kill of the backend: each shown until the results show it", async () => {
  const prefix = "burst/";
  const c = new Example("optimistic", ["views:list", "views:put", prefix]);
  await until("the empty list", () => c.lines.length === 1);
  for (let n = 0; n < 60; n++) {
    c.say(`${numbered(prefix, n)} ${n}`);
    if (n === 30) await backend.killAndReopen();
  }
  await until(
    "all writes",
    () => c.lines.filter((line) => line.startsWith("done")).length === 60,
  );
  const lists = c.lines
    .filter((line) => line.startsWith("["))
    .map((line) => (JSON.parse(line) as Item[]).map((item) => item.value));
  for (let i = 1; i < lists.length; i++)
    assert.ok(
      lists[i]!.length > lists[i - 1]!.length,
      "what was shown never vanishes, and nothing is told twice",
    );
  assert.deepEqual(
    lists[lists.length - 1],
    Array.from({ length: 60 }, (_, n) => n),
  );
  assert.equal(await c.close(), 0);
});

test("a snapshot never mixes two versions, also over a kill of the backend", async () => {
  const keys = ["snap/a", "snap/b", "snap/c"];
  for (const key of keys) await set(key, 100);
  const c = new Example(
    "snapshot",
    keys.flatMap((prefix) => ["views:list", JSON.stringify({ prefix })]),
  );
  await until("the first snapshot", () => c.lines.length > 0);
  for (let round = 0; round < 3; round++) {
    await Promise.all(
      Array.from({ length: 40 }, (_, i) =>
        http().mutation(move, {
          from: keys[i % 3]!,
          to: keys[(i + 1 + (i % 2)) % 3]!,
        }),
      ),
    );
    if (round === 1) await backend.killAndReopen();
  }
  await set("snap/a", "end");
  await until("the end", () => c.last.includes('"end"'));
  type Snapshot = { results: Item[][]; ts: { $integer: string } };
  let before = 0n;
  for (const line of c.lines.slice(0, -1)) {
    const { results, ts } = JSON.parse(line) as Snapshot;
    const values = results.map((items) => items[0]!.value as number);
    assert.equal(
      values.reduce((sum, value) => sum + value, 0),
      300,
      line,
    );
    const now = Buffer.from(ts.$integer, "base64").readBigInt64LE();
    assert.ok(now > before);
    before = now;
  }
  assert.ok(c.lines.length > 3);
  assert.equal(await c.close("SIGTERM"), "SIGTERM");
});
