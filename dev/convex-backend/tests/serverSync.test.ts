// The server's side of the sync protocol, against the recorded vectors and
// the traps that clients fall into.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { Auth } from "../src/server/auth.js";
import { Functions } from "../src/server/functions.js";
import { openLog } from "../src/server/log.js";
import { sessionRequestId } from "../src/server/requestIds.js";
import type { Ending } from "../src/server/syncEnding.js";
import {
  InvalidMessage,
  parseClientMessage,
  transitionFrames,
} from "../src/server/syncMessages.js";
import { SyncSession, type Link } from "../src/server/syncSession.js";
import { decodeTimestamp, encodeTimestamp } from "../src/server/timestamps.js";
import { DataError, FakeEngine } from "./fakeEngine.js";

const ADMIN_KEY = "happy-animal-1|0123456789abcdef";
const SESSION = "7f3c0d9a-5f5e-4c1b-9a57-0e2d6b8c1a44";

type Frame = Record<string, any>;

/** A session and everything it said. */
class Client implements Link {
  readonly frames: Frame[] = [];
  ending: Ending | null = null;
  autoAck = true;
  readonly unacked: (() => void)[] = [];
  readonly engine: FakeEngine;
  readonly session: SyncSession;
  readonly #waiting: {
    want: (frames: Frame[]) => boolean;
    done: () => void;
  }[] = [];

  constructor(engine = new FakeEngine()) {
    this.engine = engine;
    const services = {
      engine,
      functions: new Functions(engine),
      auth: new Auth(engine, ADMIN_KEY),
      log: openLog("error", () => undefined),
    };
    this.session = new SyncSession(services, this, {
      chunks: true,
      client: undefined,
      ip: undefined,
      userAgent: undefined,
    });
  }

  send(frame: string, onSent?: () => void): void {
    this.frames.push(JSON.parse(frame) as Frame);
    if (onSent !== undefined) {
      if (this.autoAck) queueMicrotask(onSent);
      else this.unacked.push(onSent);
    }
    this.#wake();
  }

  end(ending: Ending): void {
    if (ending.frame !== undefined)
      this.frames.push(JSON.parse(ending.frame) as Frame);
    this.ending = ending;
    this.#wake();
  }

  say(...messages: unknown[]): this {
    for (const message of messages)
      this.session.receive(JSON.stringify(message));
    return this;
  }

  of(type: string): Frame[] {
    return this.frames.filter((frame) => frame.type === type);
  }

  async until(want: (frames: Frame[]) => boolean): Promise<void> {
    if (want(this.frames)) return;
    await new Promise<void>((done) => this.#waiting.push({ want, done }));
  }

  /** Waits for the nth frame of a type and returns it. */
  async nth(type: string, n: number): Promise<Frame> {
    await this.until(() => this.of(type).length >= n);
    return this.of(type)[n - 1] as Frame;
  }

  async ended(): Promise<Ending> {
    await this.until(() => this.ending !== null);
    return this.ending as Ending;
  }

  /** Lets everything that can happen without new input happen. */
  async settle(): Promise<void> {
    for (let i = 0; i < 5; i++)
      await new Promise((resolve) => setImmediate(resolve));
  }

  #wake(): void {
    for (const waiter of this.#waiting.splice(0)) {
      if (waiter.want(this.frames)) waiter.done();
      else this.#waiting.push(waiter);
    }
  }
}

const connect = (extra: Frame = {}): Frame => ({
  type: "Connect",
  sessionId: SESSION,
  connectionCount: 0,
  lastCloseReason: "InitialConnect",
  ...extra,
});

const add = (
  queryId: number,
  udfPath: string,
  args: Frame = {},
  extra: Frame = {},
): Frame => ({
  type: "Add",
  queryId,
  udfPath,
  args: [args],
  ...extra,
});

const modify = (baseVersion: number, ...modifications: Frame[]): Frame => ({
  type: "ModifyQuerySet",
  baseVersion,
  newVersion: baseVersion + 1,
  modifications,
});

const mutation = (
  requestId: number,
  udfPath: string,
  args: Frame = {},
): Frame => ({
  type: "Mutation",
  requestId,
  udfPath,
  args: [args],
});

const tsOf = (frame: Frame): bigint =>
  decodeTimestamp(frame.endVersion.ts) as bigint;

function counterEngine(): FakeEngine {
  const engine = new FakeEngine();
  engine.define("query", "q:a", (ctx) => ctx.get("a"));
  engine.define("query", "q:b", (ctx) => ctx.get("b"));
  engine.define("mutation", "m:set", (ctx, args) => {
    ctx.set(String(args.key), args.value ?? null);
    return args.value ?? null;
  });
  engine.define("mutation", "m:nothing", () => "done");
  return engine;
}

// ------------------------------------------------------------------ vectors

interface Vector {
  name: string;
  direction: string;
  json: any;
  expect: any;
}

const vectors = JSON.parse(
  readFileSync(new URL("./vectors/sync.json", import.meta.url), "utf8"),
) as Vector[];
const of = (direction: string) =>
  vectors.filter((v) => v.direction === direction);

describe("timestamps on the wire follow the vectors", () => {
  for (const { name, json, expect } of of("codec")) {
    test(name, () => {
      if (expect.requestIdText !== undefined) {
        assert.equal(
          sessionRequestId(json.sessionId, json.requestId),
          expect.requestIdText,
        );
        return;
      }
      if (json.b64 === undefined)
        return assert.fail(`unknown kind of vector ${name}`);
      const decoded = decodeTimestamp(json.b64);
      if (expect.verdict === "reject") return assert.equal(decoded, null);
      assert.equal(String(decoded), expect.u64);
      assert.equal(encodeTimestamp(decoded as bigint), expect.reencodes);
    });
  }
});

/** Brings a session to where the vector starts. */
async function given(
  client: Client,
  json: Frame,
  state: Frame = {},
): Promise<void> {
  if (state.identityExpired === true)
    return expireIdentity(client, state.sentIdentityVersion);
  const target =
    state.receivedQuerySetVersion ??
    (json.type === "ModifyQuerySet" ? json.baseVersion : 0);
  const queries: Frame = { ...state.queries };
  if (state.queries === undefined && Array.isArray(json.modifications)) {
    for (const { type, queryId } of json.modifications as Frame[]) {
      if (
        type === "Remove" &&
        !json.modifications.some(
          (m: Frame) => m.type === "Add" && m.queryId === queryId,
        )
      ) {
        queries[queryId] = "q:a";
      }
    }
  }
  if (target > 0) {
    const adds = Object.entries(queries).map(([id, path]) =>
      add(Number(id), path as string),
    );
    client.say({
      type: "ModifyQuerySet",
      baseVersion: 0,
      newVersion: target,
      modifications: adds,
    });
    await client.nth("Transition", 1);
  }
  if (
    json.type === "Authenticate" &&
    state.receivedIdentityVersion === undefined
  ) {
    for (let v = 0; v < json.baseVersion; v++) {
      client.say({ type: "Authenticate", baseVersion: v, tokenType: "None" });
    }
  }
}

async function expireIdentity(client: Client, version: number): Promise<void> {
  const { token, provider } = await userToken(client.engine);
  client.engine.providers = [provider];
  for (let v = 0; v < version; v++) {
    client.say({
      type: "Authenticate",
      baseVersion: v,
      tokenType: "User",
      value: token,
    });
  }
  await client.until(() =>
    client.of("Transition").some((t) => t.endVersion.identity === version),
  );
  client.engine.clock += 3_600_000;
}

async function userToken(engine: FakeEngine) {
  const { exportJWK, generateKeyPair, SignJWT } = await import("jose");
  const pair = await generateKeyPair("ES256", { extractable: true });
  const jwk = {
    ...(await exportJWK(pair.publicKey)),
    kid: "k1",
    alg: "ES256",
    use: "sig",
  };
  const seconds = Math.floor(engine.clock / 1000);
  const token = await new SignJWT({ role: "tester" })
    .setProtectedHeader({ alg: "ES256", kid: "k1", typ: "JWT" })
    .setIssuer("https://issuer.test")
    .setSubject("someone")
    .setAudience("app")
    .setIssuedAt(seconds)
    .setExpirationTime(seconds + 600)
    .sign(pair.privateKey);
  const jwks = Buffer.from(JSON.stringify({ keys: [jwk] })).toString("base64");
  const provider = {
    type: "customJwt",
    issuer: "https://issuer.test",
    applicationID: "app",
    algorithm: "ES256",
    jwks: `data:application/json;base64,${jwks}`,
  };
  return { token, provider };
}

describe("client frames are taken or refused as the vectors say", () => {
  for (const { name, json, expect } of of("c2s")) {
    test(name, async () => {
      const client = new Client(counterEngine());
      await given(client, json, expect.given);
      if (json.$binaryHex !== undefined)
        client.session.fail(new Error("binary"));
      else
        client.session.receive(
          json.$raw ?? JSON.stringify(personal(json, client)),
        );
      await client.settle();
      if (expect.verdict === "accept") return assertAccepted(client, name);
      const { message, close } = expect.server as {
        message: Frame | null;
        close: Frame;
      };
      const ending = await client.ended();
      assert.equal(ending.code ?? null, close.code);
      if (close.reason !== undefined) assert.equal(ending.reason, close.reason);
      const last =
        ending.frame === undefined ? null : (JSON.parse(ending.frame) as Frame);
      if (message === null) return assert.equal(last, null);
      assertMatches(last, message);
    });
  }
});

/** The vectors' credentials and clocks are placeholders. */
function personal(json: Frame, client: Client): Frame {
  if (
    json.type === "Authenticate" &&
    json.tokenType === "Admin" &&
    json.value !== undefined
  ) {
    return { ...json, value: ADMIN_KEY };
  }
  if (json.type === "Authenticate" && json.value === "eyJhbGciOi.JWT.sig") {
    return { ...json, tokenType: "None" };
  }
  void client;
  return json;
}

function assertAccepted(client: Client, name: string): void {
  // A component needs an admin: the frame is well-formed, the session is not.
  if (name.includes("component_path"))
    return assert.notEqual(client.of("FatalError").length, 1);
  assert.equal(client.ending, null, JSON.stringify(client.ending));
}

/** `…` in the expectation stands for any text. */
function assertMatches(actual: Frame | null, expected: Frame): void {
  assert.notEqual(actual, null);
  for (const [key, want] of Object.entries(expected)) {
    const got = (actual as Frame)[key];
    if (typeof want === "string" && want.includes("…")) {
      assert.ok(
        String(got).startsWith(want.slice(0, want.indexOf("…"))),
        `${key}: ${got}`,
      );
    } else {
      assert.deepEqual(got, want, key);
    }
  }
}

describe("recorded sessions of the official client run through", () => {
  for (const { name, json } of of("exchange")) {
    test(name, async () => {
      const engine = counterEngine();
      const { token, provider } = await userToken(engine);
      const connections = new Map<number, Client>();
      for (const { from, conn = 0, frame } of json as Frame[]) {
        if (from !== "client") continue;
        let client = connections.get(conn);
        if (client === undefined)
          connections.set(conn, (client = new Client(engine)));
        engine.providers = [provider];
        const sent =
          typeof frame.value === "string" && frame.tokenType === "User"
            ? { ...frame, value: token }
            : frame;
        client.say(
          sent.type === "Connect"
            ? { ...sent, maxObservedTimestamp: undefined }
            : sent,
        );
        await client.settle();
      }
      for (const client of connections.values()) {
        assert.equal(client.ending, null, JSON.stringify(client.ending));
        assertContinuous(client);
      }
    });
  }
});

/** Every Transition starts where the last one ended. */
function assertContinuous(client: Client): void {
  let version: Frame = { querySet: 0, identity: 0, ts: "AAAAAAAAAAA=" };
  for (const { startVersion, endVersion } of client.of("Transition")) {
    assert.deepEqual(startVersion, version);
    version = endVersion;
  }
}

test("a frame with any field missing or of another type is taken or refused, never worse", () => {
  const junk = [undefined, null, true, -1, 1.5, 2 ** 53, "", "x", [], {}, [[]]];
  let refused = 0;
  for (const { json } of of("c2s")) {
    for (const key of Object.keys(json)) {
      for (const value of junk) {
        try {
          parseClientMessage(JSON.stringify({ ...json, [key]: value }));
        } catch (error) {
          assert.ok(error instanceof InvalidMessage, String(error));
          refused++;
        }
      }
    }
  }
  assert.ok(refused > 500);
});

// ------------------------------------------------------------------ rules

describe("updates", () => {
  test("input that arrives together shares one Transition", async () => {
    const client = new Client(counterEngine());
    client.say(
      connect(),
      {
        type: "Authenticate",
        baseVersion: 0,
        tokenType: "Admin",
        value: ADMIN_KEY,
      },
      modify(0, add(0, "q:a"), add(1, "q:b")),
    );
    const first = await client.nth("Transition", 1);
    assert.deepEqual(
      [first.endVersion.querySet, first.endVersion.identity],
      [1, 1],
    );
    assert.deepEqual(
      first.modifications.map((m: Frame) => m.queryId),
      [0, 1],
    );
    await client.settle();
    assert.equal(client.of("Transition").length, 1);
  });

  test("a commit reruns only the queries that read what it wrote", async () => {
    const client = new Client(counterEngine());
    client.say(connect(), modify(0, add(0, "q:a"), add(1, "q:b")));
    await client.nth("Transition", 1);
    client.engine.calls.length = 0;
    const ts = client.engine.write({ a: 1 });
    const second = await client.nth("Transition", 2);
    assert.deepEqual(client.engine.calls, ["q:a"]);
    assert.equal(tsOf(second), ts);
    assert.deepEqual(second.modifications, [
      {
        type: "QueryUpdated",
        queryId: 0,
        value: 1,
        logLines: [],
        journal: null,
      },
    ]);
  });

  test("a rerun with an equal result is left out of the Transition", async () => {
    const client = new Client(counterEngine());
    client.say(connect(), modify(0, add(0, "q:a")));
    await client.nth("Transition", 1);
    client.engine.write({ a: null });
    assert.deepEqual((await client.nth("Transition", 2)).modifications, []);
  });

  test("a mutation that touches nothing subscribed is followed by an empty Transition", async () => {
    const client = new Client(counterEngine());
    client.say(connect(), modify(0, add(0, "q:a")));
    await client.nth("Transition", 1);
    client.say(mutation(0, "m:set", { key: "zzz", value: 1 }));
    const response = await client.nth("MutationResponse", 1);
    const after = await client.nth("Transition", 2);
    assert.deepEqual(after.modifications, []);
    assert.ok(tsOf(after) >= (decodeTimestamp(response.ts) as bigint));
  });

  test("a mutation's response comes before the Transition that shows its write", async () => {
    const client = new Client(counterEngine());
    client.say(connect(), modify(0, add(0, "q:a")));
    await client.nth("Transition", 1);
    client.say(mutation(0, "m:set", { key: "a", value: 7 }));
    await client.nth("Transition", 2);
    await client.settle();
    const types = client.frames.map((frame) => frame.type);
    assert.deepEqual(types.slice(0, 3), [
      "Transition",
      "MutationResponse",
      "Transition",
    ]);
    assert.deepEqual(client.of("Transition")[1]?.modifications[0].value, 7);
  });

  test("an update under way when a mutation commits is followed by another Transition", async () => {
    const client = new Client(counterEngine());
    client.say(connect(), modify(0, add(0, "q:a")));
    await client.nth("Transition", 1);
    const release = client.engine.hold("q:b");
    client.say(modify(1, add(1, "q:b")));
    await client.settle();
    client.say(mutation(0, "m:set", { key: "a", value: 1 }));
    const response = await client.nth("MutationResponse", 1);
    release();
    const last = await client.nth("Transition", 3);
    assert.ok(tsOf(last) >= (decodeTimestamp(response.ts) as bigint));
    assertContinuous(client);
  });

  test("no update is computed while two Transitions wait unsent, and work folds meanwhile", async () => {
    const client = new Client(counterEngine());
    client.autoAck = false;
    client.say(connect(), modify(0, add(0, "q:a")));
    await client.nth("Transition", 1);
    for (let i = 1; i <= 5; i++) {
      client.engine.write({ a: i });
      await client.settle();
    }
    assert.equal(client.of("Transition").length, 2);
    client.unacked.shift()?.();
    const third = await client.nth("Transition", 3);
    assert.equal(third.modifications[0].value, 5);
    assertContinuous(client);
  });

  test("adding and removing one query in a list leaves a lone QueryRemoved", async () => {
    const client = new Client(counterEngine());
    client.say(
      connect(),
      modify(0, add(4, "q:a"), { type: "Remove", queryId: 4 }),
    );
    const first = await client.nth("Transition", 1);
    assert.deepEqual(first.modifications, [
      { type: "QueryRemoved", queryId: 4 },
    ]);
  });

  test("removing and adding one query in a list leaves only the new result", async () => {
    const client = new Client(counterEngine());
    client.engine.write({ b: "bee" });
    client.say(connect(), modify(0, add(0, "q:a")));
    await client.nth("Transition", 1);
    client.say(modify(1, { type: "Remove", queryId: 0 }, add(0, "q:b")));
    const second = await client.nth("Transition", 2);
    assert.equal(second.modifications.length, 1);
    assert.equal(second.modifications[0].value, "bee");
  });

  test("an identity change reruns every query but resends only what differs", async () => {
    const engine = counterEngine();
    engine.define("query", "q:me", (ctx) => ctx.identity.kind);
    const client = new Client(engine);
    client.say(connect(), modify(0, add(0, "q:a"), add(1, "q:me")));
    await client.nth("Transition", 1);
    engine.calls.length = 0;
    client.say({
      type: "Authenticate",
      baseVersion: 0,
      tokenType: "Admin",
      value: ADMIN_KEY,
    });
    const second = await client.nth("Transition", 2);
    assert.deepEqual(engine.calls.sort(), ["q:a", "q:me"]);
    assert.deepEqual(
      second.modifications.map((m: Frame) => [m.queryId, m.value]),
      [[1, "admin"]],
    );
    assert.equal(second.endVersion.identity, 1);
  });

  test("the journal a client brings is given to the query, and its own comes back", async () => {
    const engine = counterEngine();
    const given: unknown[] = [];
    const original = engine.runQuery.bind(engine);
    engine.runQuery = async (call) => {
      given.push(call.journal);
      return { ...(await original(call)), journal: "J2" };
    };
    const client = new Client(engine);
    client.say(connect(), modify(0, add(0, "q:a", {}, { journal: "J1" })));
    assert.equal(
      (await client.nth("Transition", 1)).modifications[0].journal,
      "J2",
    );
    engine.write({ a: 1 });
    await client.nth("Transition", 2);
    assert.deepEqual(given, ["J1", "J2"]);
  });

  test("a query that paginates nothing has the journal null, not none", async () => {
    const client = new Client(counterEngine());
    client.say(connect(), modify(0, add(0, "q:a"), add(1, "q:none")));
    const { modifications } = await client.nth("Transition", 1);
    for (const modification of modifications as Frame[])
      assert.equal(modification.journal, null);
  });

  test("versions are of one connection: the next one of the session starts at zero", async () => {
    const engine = counterEngine();
    const first = new Client(engine);
    first.say(connect(), modify(0, add(0, "q:a")), modify(1, add(1, "q:b")));
    await first.nth("Transition", 1);
    first.session.close();
    const next = new Client(engine);
    next.say(connect({ connectionCount: 1 }), modify(0, add(0, "q:a")));
    const { startVersion, endVersion } = await next.nth("Transition", 1);
    assert.deepEqual(startVersion, {
      querySet: 0,
      identity: 0,
      ts: "AAAAAAAAAAA=",
    });
    assert.equal(endVersion.querySet, 1);
  });

  test("serverTs is written in full, as it is beyond what a double counts", async () => {
    const engine = counterEngine();
    engine.clock = 1_763_704_800_123;
    const client = new Client(engine);
    const texts: string[] = [];
    const send = client.send.bind(client);
    client.send = (frame, onSent) => {
      texts.push(frame);
      send(frame, onSent);
    };
    client.say(connect({ clientTs: 0 }), modify(0, add(0, "q:a")));
    await client.nth("Transition", 1);
    assert.match(texts[0]!, /"serverTs":1763704800123000000[,}]/);
  });

  test("an overloaded engine is asked again within the same update", async () => {
    const engine = counterEngine();
    const { EngineError } = await import("../src/engine/api.js");
    const original = engine.runQuery.bind(engine);
    let failures = 1;
    engine.runQuery = async (call) => {
      if (failures-- > 0)
        throw new EngineError(503, "WorkerOverloaded", "busy");
      return original(call);
    };
    const client = new Client(engine);
    client.say(connect(), modify(0, add(0, "q:a")));
    assert.equal((await client.nth("Transition", 1)).modifications.length, 1);
  });
});

describe("calls", () => {
  test("mutations run one at a time in order, actions at once", async () => {
    const engine = counterEngine();
    const order: string[] = [];
    engine.define("mutation", "m:first", () => order.push("first"));
    engine.define("mutation", "m:second", () => order.push("second"));
    engine.define("action", "a:act", () => order.push("action"));
    const client = new Client(engine);
    const release = engine.hold("m:first");
    client.say(connect(), mutation(0, "m:first"), mutation(1, "m:second"), {
      ...mutation(2, "a:act"),
      type: "Action",
    });
    await client.nth("ActionResponse", 1);
    assert.deepEqual(order, ["action"]);
    release();
    await client.nth("MutationResponse", 2);
    assert.deepEqual(order, ["action", "first", "second"]);
  });

  test("a repeated request of the same session gets the stored result and its ts", async () => {
    const engine = counterEngine();
    engine.define("mutation", "m:inc", (ctx) => {
      const next = Number(ctx.get("n") ?? 0) + 1;
      ctx.set("n", next);
      return next;
    });
    const first = new Client(engine).say(connect(), mutation(0, "m:inc"));
    const answer = await first.nth("MutationResponse", 1);
    first.session.close();
    const second = new Client(engine).say(
      connect({ connectionCount: 1 }),
      mutation(0, "m:inc"),
    );
    assert.deepEqual(await second.nth("MutationResponse", 1), answer);
    assert.equal(engine.data.get("n"), 1);
  });

  test("errorData is absent for a plain error and present for a ConvexError, even null", async () => {
    const engine = counterEngine();
    engine.define("query", "q:plain", () => {
      throw new Error("no");
    });
    engine.define("query", "q:data", () => {
      throw new DataError(null);
    });
    const client = new Client(engine);
    client.say(connect(), modify(0, add(0, "q:plain"), add(1, "q:data")));
    const [plain, data] = (await client.nth("Transition", 1)).modifications;
    assert.equal(plain.type, "QueryFailed");
    assert.equal("errorData" in plain, false);
    assert.equal(data.errorData, null);
    assert.deepEqual(data.logLines, []);
  });

  test("an unknown function fails only its own query", async () => {
    const client = new Client(counterEngine());
    client.say(connect(), modify(0, add(0, "nope:missing"), add(1, "q:a")));
    const first = await client.nth("Transition", 1);
    assert.match(
      first.modifications[0].errorMessage,
      /Could not find public function for 'nope:missing'/,
    );
    client.engine.write({ a: 2 });
    assert.equal((await client.nth("Transition", 2)).modifications[0].value, 2);
  });

  test("paths with .js and without are the same function", async () => {
    const client = new Client(counterEngine());
    client.say(
      connect(),
      modify(0, add(0, "q.js:a")),
      mutation(0, "m.js:nothing"),
    );
    assert.equal((await client.nth("MutationResponse", 1)).success, true);
    assert.equal(
      (await client.nth("Transition", 1)).modifications[0].type,
      "QueryUpdated",
    );
  });

  test("the identity of a mutation is the one in force when it arrived", async () => {
    const engine = counterEngine();
    engine.define("mutation", "m:who", (ctx) => ctx.identity.kind);
    const client = new Client(engine);
    const release = engine.hold("m:who");
    client.say(connect(), mutation(0, "m:who"), {
      type: "Authenticate",
      baseVersion: 0,
      tokenType: "Admin",
      value: ADMIN_KEY,
    });
    await client.nth("Transition", 1);
    release();
    assert.equal((await client.nth("MutationResponse", 1)).result, "none");
  });

  test("naming a component without being an admin ends the session with 1011", async () => {
    for (const frame of [
      modify(0, add(0, "q:a", {}, { componentPath: "comp" })),
      { ...mutation(0, "m:nothing"), componentPath: "comp" },
    ]) {
      const client = new Client(counterEngine()).say(connect(), frame);
      assert.deepEqual(await client.ended(), {
        code: 1011,
        reason: "InternalServerError",
      });
    }
  });

  test("a bad admin key is an AuthError", async () => {
    const client = new Client(counterEngine());
    client.say(connect(), {
      type: "Authenticate",
      baseVersion: 0,
      tokenType: "Admin",
      value: "x|y",
    });
    assert.equal((await client.ended()).code, undefined);
    const [error] = client.of("AuthError");
    assert.equal(error?.authUpdateAttempted, true);
    assert.equal(error?.baseVersion, 0);
  });
});

describe("large Transitions", () => {
  test("are cut on code points and join to the same text", () => {
    const text = JSON.stringify({
      type: "Transition",
      pad: `${"a".repeat(4_999_960)}${"😀".repeat(40)}`,
    });
    const frames = transitionFrames(text).map(
      (frame) => JSON.parse(frame) as Frame,
    );
    assert.equal(frames.length, 2);
    assert.deepEqual(
      frames.map((f) => [f.type, f.partNumber, f.totalParts]),
      [
        ["TransitionChunk", 0, 2],
        ["TransitionChunk", 1, 2],
      ],
    );
    assert.equal(frames.map((f) => f.chunk).join(""), text);
    assert.equal(frames[0]?.transitionId, String(Buffer.byteLength(text)));
    assert.ok(frames.every((f) => Buffer.byteLength(f.chunk) <= 5_000_000));
  });

  test("stay whole at exactly five million bytes", () => {
    const text = "a".repeat(5_000_000);
    assert.deepEqual(transitionFrames(text), [text]);
  });
});
