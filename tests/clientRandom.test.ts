// The official JS client and ours through the same random operations, each on items of its own:
// whatever the program sees must be the same: results, their order, errors and their words.
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { after, before, test } from "node:test";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { ConvexClient } from "convex/browser";
import { ConvexError, convexToJson, jsonToConvex } from "convex/values";
import { makeFunctionReference } from "convex/server";
import { WebSocket } from "ws";
import { Backend, binary, ROOT, until } from "./harness";

const STEPS = Number(process.env.CLIENT_STEPS ?? 2000);
const SEED = Number(process.env.CLIENT_SEED ?? 1);

type Json = ReturnType<typeof convexToJson>;
type Args = Record<string, unknown>;
type Kind = "mutation" | "action" | "query";
/** What a client showed for one subscription or call: a value, or an error with its data. */
type Seen = { value: Json } | { error: string; data?: Json };

/** A client as the test sees it. `subscribe` and calls note what they come to under `id`. */
interface Client {
  subscribe(id: string, path: string, args: Args): void;
  /** Asks for other arguments of the same query. */
  setArgs(id: string, path: string, args: Args): void;
  unsubscribe(id: string): void;
  call(id: string, kind: Kind, path: string, args: Args): void;
  auth(subject: string | null): void;
  seen(id: string): Seen[];
  close(): Promise<void>;
}

let backend: Backend;
before(async () => {
  backend = await Backend.start();
  await backend.convex(join(ROOT, "tests/app"), ["deploy", "--yes"]);
});
after(async () => await backend.close());

const identity = (subject: string) => ({
  issuer: "https://test.invalid",
  subject,
});

/** There, but left out of the published types. */
type WithAdminAuth = {
  setAdminAuth(key: string, identity: object): void;
  clearAuth(): void;
};

/** Called when any client showed anything. */
let wake = (): void => {};

class Log {
  private readonly entries = new Map<string, Seen[]>();
  seen(id: string): Seen[] {
    return this.entries.get(id) ?? [];
  }
  /** Only distinct results count: neither client promises not to repeat itself. */
  note(id: string, seen: Seen): void {
    const list = this.seen(id);
    if (JSON.stringify(list.at(-1)) !== JSON.stringify(seen)) list.push(seen);
    this.entries.set(id, list);
    wake();
  }
}

class Official implements Client {
  private readonly log = new Log();
  private readonly subs = new Map<string, () => void>();
  private readonly client = new ConvexClient(backend.url, {
    webSocketConstructor: WebSocket as unknown as typeof globalThis.WebSocket,
    unsavedChangesWarning: false,
    logger: false,
  });

  private value = (id: string) => (value: unknown) =>
    this.log.note(id, { value: convexToJson(value as never) });
  /** Its words, without what only this client adds around them. */
  private error = (id: string) => (error: Error) => {
    const words = error.message
      .replace(/^\[CONVEX [QMA]\([^)]*\)\] /, "")
      .replace(/\n {2}Called by client$/, "");
    this.log.note(id, {
      error: withoutId(words),
      ...(error instanceof ConvexError && { data: convexToJson(error.data) }),
    });
  };

  subscribe(id: string, path: string, args: Args): void {
    const query = makeFunctionReference<"query">(path);
    this.subs.set(
      id,
      this.client.onUpdate(query, args, this.value(id), this.error(id)),
    );
  }
  setArgs(id: string, path: string, args: Args): void {
    this.unsubscribe(id);
    this.subscribe(id, path, args);
  }
  unsubscribe(id: string): void {
    this.subs.get(id)!();
  }
  call(id: string, kind: Kind, path: string, args: Args): void {
    const result: Promise<unknown> =
      kind === "mutation"
        ? this.client.mutation(makeFunctionReference<"mutation">(path), args)
        : kind === "action"
          ? this.client.action(makeFunctionReference<"action">(path), args)
          : this.client.query(makeFunctionReference<"query">(path), args);
    void result.then(this.value(id), this.error(id));
  }
  auth(subject: string | null): void {
    const client = this.client.client as unknown as WithAdminAuth;
    if (subject === null) client.clearAuth();
    else client.setAdminAuth(backend.adminKey, identity(subject));
  }
  seen = (id: string): Seen[] => this.log.seen(id);
  close = (): Promise<void> => this.client.close();
}

class Ours implements Client {
  private readonly log = new Log();
  private readonly child: ChildProcess;

  constructor() {
    this.child = spawn(binary("convex-driver"), [backend.url], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    createInterface({ input: this.child.stdout! }).on("line", (line) => {
      const { id, ...seen } = JSON.parse(line) as { id: string } & Seen;
      if ("error" in seen) seen.error = withoutId(seen.error);
      this.log.note(id, seen);
    });
  }
  private tell(command: object): void {
    this.child.stdin!.write(`${JSON.stringify(command)}\n`);
  }
  subscribe(id: string, path: string, args: Args): void {
    this.tell({ do: "subscribe", id, path, args: convexToJson(args as never) });
  }
  setArgs(id: string, _path: string, args: Args): void {
    this.tell({ do: "set_args", id, args: convexToJson(args as never) });
  }
  unsubscribe(id: string): void {
    this.tell({ do: "unsubscribe", id });
  }
  call(id: string, kind: string, path: string, args: Args): void {
    this.tell({ do: kind, id, path, args: convexToJson(args as never) });
  }
  auth(subject: string | null): void {
    this.tell(
      subject === null
        ? { do: "auth" }
        : { do: "auth", key: backend.adminKey, as: identity(subject) },
    );
  }
  seen = (id: string): Seen[] => this.log.seen(id);
  async close(): Promise<void> {
    const ended = new Promise<number | null>((resolve) =>
      this.child.once("exit", resolve),
    );
    this.child.stdin!.end();
    assert.equal(await ended, 0, "the driver's exit status");
  }
}

/** Request ids are random. */
const withoutId = (words: string): string =>
  words.replace(/\[Request ID: [^\]]*\] ?/, "").trim();

/** Chance that is the same every time. */
function chance(seed: number): (bound: number) => number {
  let state = seed >>> 0;
  return (bound) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % bound;
  };
}

const VALUES: Json[] = [
  "text",
  "throw",
  "null",
  "ünï \u0000 👩‍👧",
  1.5,
  { $float: "AAAAAAAAAIA=" },
  { $integer: "AAAAAAAAAEA=" },
  { $bytes: "AP8H" },
  [null, { a: [true] }],
  null,
];

/** Two clients and everything that was done with them. */
class Pair {
  readonly sides: [string, Client][] = [
    ["@js/", new Official()],
    ["@c/", new Ours()],
  ];
  readonly ids: string[] = [];
  readonly open: string[] = [];

  private id(kind: string): string {
    this.ids.push(`${kind}${this.ids.length}`);
    return this.ids.at(-1)!;
  }

  subscribe(path: string, args: (own: string) => Args): void {
    const id = this.id(path);
    this.open.push(id);
    for (const [own, client] of this.sides)
      client.subscribe(id, path, args(own));
  }
  setArgs(i: number, args: (own: string) => Args): void {
    const id = this.open[i]!;
    const path = id.replace(/[0-9]+$/, "");
    for (const [own, client] of this.sides) client.setArgs(id, path, args(own));
  }
  unsubscribe(i: number): void {
    const [id] = this.open.splice(i, 1);
    for (const [, client] of this.sides) client.unsubscribe(id!);
  }
  call(kind: Kind, path: string, args: (own: string) => Args): string {
    const id = this.id(path);
    for (const [own, client] of this.sides)
      client.call(id, kind, path, args(own));
    return id;
  }
  auth(subject: string | null): void {
    for (const [, client] of this.sides) client.auth(subject);
  }

  /** Until both have an answer to all that was asked of them. */
  private async answered(): Promise<void> {
    const done = () =>
      [...this.open, ...this.ids.slice(-1)].every((id) =>
        this.sides.every(([, client]) => client.seen(id).length > 0),
      );
    const patience = setTimeout(() => wake(), 120_000);
    const end = Date.now() + 120_000;
    while (!done()) {
      assert.ok(Date.now() < end, `no answer to ${this.ids.at(-1)}`);
      await new Promise<void>((resolve) => (wake = resolve));
    }
    clearTimeout(patience);
  }

  /** The same, then until a mutation that changes nothing of it has gone the whole way too. */
  async settled(): Promise<void> {
    await this.answered();
    this.call("mutation", "items:set", (own) => ({
      key: `mark/${own}`,
      value: this.ids.length,
    }));
    await this.answered();
  }

  /** Until both have an answer to every call. */
  async allAnswered(): Promise<void> {
    const done = () =>
      this.ids.every((id) =>
        this.sides.every(([, client]) => client.seen(id).length > 0),
      );
    await until("an answer to every call", done);
    await this.settled();
  }

  /** What one side saw, as if its items were everybody's. */
  private story(own: string, client: Client, id: string): unknown[] {
    return JSON.parse(JSON.stringify(client.seen(id)).replaceAll(own, "@own/"));
  }

  private stories(id: string): [unknown[], unknown[]] {
    const [js, c] = this.sides.map(([own, client]) =>
      this.story(own, client, id),
    );
    return [js!, c!];
  }

  /** Both saw the same, of everything. */
  compare(what: string): void {
    for (const id of this.ids) {
      const [js, c] = this.stories(id);
      assert.deepEqual(c, js, `${what}: ${id}`);
    }
  }

  /** Calls came to the same, and live queries, which may skip results, show the same in the end. */
  compareEnds(what: string): void {
    const open = new Set(this.open);
    for (const id of this.ids) {
      const [js, c] = this.stories(id);
      assert.deepEqual(c.at(-1), js.at(-1), `${what}: ${id} ends`);
      if (!open.has(id)) assert.deepEqual(c, js, `${what}: ${id}`);
    }
  }

  async close(): Promise<void> {
    for (const [, client] of this.sides) await client.close();
  }
}

function randomStep(pair: Pair, draw: (bound: number) => number): void {
  const key = (own: string) => `${own}${at}`;
  const at = draw(4);
  const what = draw(20);
  const value = jsonToConvex(VALUES[draw(VALUES.length)]!);
  if (what < 3 && pair.open.length < 12)
    pair.subscribe("items:get", (own) => ({ key: key(own) }));
  else if (what < 4 && pair.open.length < 12)
    pair.subscribe("items:list", (own) => ({ prefix: own }));
  else if (what < 6 && pair.open.length > 0)
    pair.unsubscribe(draw(pair.open.length));
  else if (what < 7) {
    const i = pair.open.findIndex((id) => id.startsWith("items:get"));
    if (i >= 0) pair.setArgs(i, (own) => ({ key: key(own) }));
    else pair.call("query", "items:get", (own) => ({ key: key(own) }));
  } else if (what < 8)
    pair.call("query", "items:get", (own) => ({ key: key(own) }));
  else if (what < 11)
    pair.call("mutation", "items:set", (own) => ({ key: key(own), value }));
  else if (what < 15) {
    const by = draw(8);
    pair.call("mutation", "items:add", (own) => ({ key: key(own), by }));
  } else if (what < 16)
    pair.call("mutation", "items:add", (own) => ({ key: key(own) }));
  else if (what < 17) pair.call("mutation", "items:missing", () => ({}));
  else if (what < 18) {
    const echoed = ["throw", "refuse", value][draw(3)];
    pair.call("action", "items:echo", () => ({ value: echoed }));
  } else if (what < 19 && pair.open.length < 12)
    pair.subscribe("items:whoami", () => ({}));
  else pair.auth(draw(2) === 0 ? null : `user${draw(3)}`);
}

test(`${STEPS} random operations, one by one: both clients show the same`, async (t) => {
  t.diagnostic(`CLIENT_SEED=${SEED}`);
  const draw = chance(SEED);
  const pair = new Pair();
  t.after(() => pair.close());
  for (let i = 0; i < STEPS; i++) {
    randomStep(pair, draw);
    await pair.settled();
    if (i % 100 === 99) pair.compare(`step ${i}`);
  }
  pair.compare("at the end");
});

test("bursts of mutations over kills of the backend: each takes effect once, in order, in both", async (t) => {
  const draw = chance(SEED + 1);
  const pair = new Pair();
  t.after(() => pair.close());
  for (let i = 0; i < 3; i++)
    pair.subscribe("items:get", (own) => ({ key: `${own}${i}` }));
  pair.subscribe("items:list", (own) => ({ prefix: own }));
  for (let round = 0; round < 6; round++) {
    for (let i = 0; i < 60; i++) {
      const at = draw(3);
      const by = draw(6) === 0 ? -20 : draw(4);
      pair.call("mutation", "items:add", (own) => ({ key: `${own}${at}`, by }));
    }
    if (round % 2 === 1) await backend.killAndReopen();
    await pair.allAnswered();
    pair.compareEnds(`round ${round}`);
  }
});
