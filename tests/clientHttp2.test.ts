// The HTTP client and Node's HTTP/2: what shares a connection, and what the end of a shared one
// means. The server is of this file, with a certificate of its own authority; the client is
// convex-http-driver, which makes each call on a thread of its own.
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { generateKeyPairSync, sign, type KeyObject } from "node:crypto";
import { writeFileSync, rmSync } from "node:fs";
import {
  constants,
  createSecureServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type Http2Session,
} from "node:http2";
import { createServer, type Server as TlsServer } from "node:https";
import type { Socket } from "node:net";
import { createInterface } from "node:readline";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { binary, tempDir, until } from "./harness";

// ---- an authority, and a certificate of it for 127.0.0.1 ----

const der = (tag: number, ...parts: Buffer[]): Buffer => {
  const body = Buffer.concat(parts);
  const length =
    body.length < 128
      ? [body.length]
      : [0x82, body.length >> 8, body.length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...length]), body]);
};
const sequence = (...parts: Buffer[]) => der(0x30, ...parts);
const oid = (hex: string) => der(6, Buffer.from(hex, "hex"));
const ecdsaWithSha256 = sequence(oid("2a8648ce3d040302"));
const name = (text: string) =>
  sequence(der(0x31, sequence(oid("550403"), der(0x0c, Buffer.from(text)))));
const time = (ms: number) =>
  der(
    0x18,
    Buffer.from(new Date(ms).toISOString().replace(/[-:T]|\.\d+/g, "")),
  );
const extension = (id: string, value: Buffer) =>
  sequence(oid(id), der(4, value));

interface Pair {
  publicKey: KeyObject;
  privateKey: KeyObject;
}
const newPair = (): Pair => generateKeyPairSync("ec", { namedCurve: "P-256" });

function certificate(subject: string, of: Pair, issuer: Pair): string {
  const isAuthority = of === issuer;
  const basic = sequence(...(isAuthority ? [der(1, Buffer.from([0xff]))] : []));
  const address = sequence(der(0x87, Buffer.from([127, 0, 0, 1])));
  const body = sequence(
    der(0xa0, der(2, Buffer.from([2]))),
    der(2, Buffer.from([isAuthority ? 1 : 2])),
    ecdsaWithSha256,
    name("Test authority"),
    sequence(time(Date.now() - 7_200_000), time(Date.now() + 7_200_000)),
    name(subject),
    of.publicKey.export({ type: "spki", format: "der" }),
    der(
      0xa3,
      sequence(
        extension("551d13", basic),
        ...(isAuthority ? [] : [extension("551d11", address)]),
      ),
    ),
  );
  const signature = sign("sha256", body, issuer.privateKey);
  const whole = sequence(
    body,
    ecdsaWithSha256,
    der(3, Buffer.concat([Buffer.from([0]), signature])),
  );
  return `-----BEGIN CERTIFICATE-----\n${whole.toString("base64").replace(/.{64}/g, "$&\n")}\n-----END CERTIFICATE-----\n`;
}

const authority = newPair();
const host = newPair();
const key = host.privateKey.export({ type: "pkcs8", format: "pem" });
const cert = certificate("127.0.0.1", host, authority);
let dir: string;
before(() => {
  dir = tempDir();
  writeFileSync(
    join(dir, "ca.pem"),
    certificate("Test authority", authority, authority),
  );
});
after(() => rmSync(dir, { recursive: true, force: true }));

// ---- the server ----

interface Call {
  path: string;
  id: string;
  http2: boolean;
  end(): void;
  response: Http2ServerResponse;
}

/** What a call's path asks for when its time has come; else it is answered with its id. */
type Deed = (call: Call) => void;

class Server {
  readonly calls: Call[] = [];
  readonly sessions: Http2Session[] = [];
  url = "";
  private readonly server: TlsServer;
  private readonly sockets = new Set<Socket>();

  /** A call to "now:..." is answered at once, others by `deed`, or when release() is called. */
  constructor(
    http2: boolean,
    private readonly deed: Deed = () => undefined,
  ) {
    this.server = (
      http2
        ? createSecureServer({ key, cert, allowHTTP1: true })
        : createServer({ key, cert })
    ) as TlsServer;
    this.server.on("session", (session: Http2Session) => {
      session.on("error", () => undefined);
      this.sessions.push(session);
    });
    this.server.on("secureConnection", (socket: Socket) => {
      socket.on("error", () => undefined);
      this.sockets.add(socket);
    });
    this.server.on("request", (request: unknown, response: unknown) =>
      this.accept(
        request as Http2ServerRequest,
        response as Http2ServerResponse,
      ),
    );
  }

  async open(): Promise<this> {
    await new Promise<void>((done) =>
      this.server.listen(0, "127.0.0.1", () => done()),
    );
    const { port } = this.server.address() as { port: number };
    this.url = `https://127.0.0.1:${port}`;
    return this;
  }

  private accept(
    request: Http2ServerRequest,
    response: Http2ServerResponse,
  ): void {
    const parts: Buffer[] = [];
    request.on("error", () => undefined);
    response.on("error", () => undefined);
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", () => {
      if (request.aborted) return; // given up by its caller
      const body = Buffer.concat(parts);
      if (request.url.startsWith("/file")) {
        if (request.method === "POST") {
          file = body;
          response.end(JSON.stringify({ storageId: "stored" }));
        } else response.end(file);
        return;
      }
      const { path, args } = JSON.parse(body.toString()) as {
        path: string;
        args: [{ id: string }];
      };
      const { id } = args[0];
      const value = { status: "success", value: id, logLines: [] };
      const call: Call = {
        path,
        id,
        http2: request.httpVersionMajor === 2,
        end: () => response.end(JSON.stringify(value)),
        response,
      };
      this.calls.push(call);
      if (path.startsWith("now:")) call.end();
      else this.deed(call);
    });
  }

  release(): void {
    for (const { end } of this.calls) end();
  }

  /** How often a call of this id arrived. */
  times = (id: string) => this.calls.filter((call) => call.id === id).length;

  close(): void {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
  }
}
let file = Buffer.alloc(0);

// ---- the client ----

interface Answer {
  id: string;
  value?: unknown;
  status?: string;
  message?: string;
}

class Driver {
  private readonly child: ChildProcess;
  private readonly waiting = new Map<string, (answer: Answer) => void>();

  constructor(server: Server, version: "auto" | "1.1" | "2") {
    this.child = spawn(
      binary("convex-http-driver"),
      [server.url, join(dir, "ca.pem"), version],
      { stdio: ["pipe", "pipe", "inherit"] },
    );
    const lines = createInterface({ input: this.child.stdout! });
    lines.on("line", (line) => {
      const answer = JSON.parse(line) as Answer;
      this.waiting.get(answer.id)!(answer);
    });
  }

  ask(id: string, command: object): Promise<Answer> {
    return new Promise((resolve) => {
      this.waiting.set(id, resolve);
      this.child.stdin!.write(`${JSON.stringify({ id, ...command })}\n`);
    });
  }

  call = (kind: string, path: string, id: string, timeout_ms?: number) =>
    this.ask(id, {
      do: kind,
      path,
      args: { id },
      ...(timeout_ms ? { timeout_ms } : {}),
    });

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.child.once("close", resolve));
    this.child.stdin!.end();
    assert.equal(await ended, 0);
  }
}

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
});

async function meet(
  version: "auto" | "1.1" | "2",
  { http2 = true, deed }: { http2?: boolean; deed?: Deed } = {},
): Promise<{ server: Server; driver: Driver }> {
  const server = await new Server(http2, deed).open();
  const driver = new Driver(server, version);
  open.push(server, driver); // in this order: calls that still wait end

  return { server, driver };
}

const numbers = (count: number) => Array.from({ length: count }, (_, i) => i);

// ---- what is shared ----

test("calls at once share one HTTP/2 connection, one alone goes by HTTP/1.1", async () => {
  const { server, driver } = await meet("auto");
  assert.equal((await driver.call("query", "now:x", "alone")).value, "alone");
  assert.equal(server.calls[0]!.http2, false);
  const answers = numbers(8).map((i) =>
    driver.call("query", "held:x", `together ${i}`),
  );
  await until("all to be there", () => server.calls.length === 9);
  assert.equal(server.calls.filter(({ http2 }) => http2).length, 7);
  assert.equal(server.sessions.length, 1);
  server.release();
  for (const [i, answer] of (await Promise.all(answers)).entries())
    assert.equal(answer.value, `together ${i}`);
});

for (const [version, http2, sessions] of [
  ["2", true, 1],
  ["2", false, 0],
  ["auto", true, 1],
  ["auto", false, 0],
  ["1.1", true, 0],
] as const)
  test(`every kind of call, version ${version}, with a server that ${http2 ? "offers" : "knows no"} HTTP/2`, async () => {
    const { server, driver } = await meet(version, { http2 });
    const kinds = ["query", "mutation", "action", "query", "mutation"];
    const answers = kinds.map((kind, i) =>
      driver.call(kind, "held:x", `${kind} ${i}`),
    );
    await until("all to be there", () => server.calls.length === kinds.length);
    assert.equal(server.sessions.length, sessions);
    for (const { id, http2 } of server.calls)
      if (version !== "2" && !id.startsWith("query")) assert.ok(!http2, id);
    server.release();
    for (const [i, { value }] of (await Promise.all(answers)).entries())
      assert.equal(value, `${kinds[i]} ${i}`);
  });

test("a file goes up and down over HTTP/2, larger than its windows", async () => {
  const { server, driver } = await meet("2");
  const text = "0123456789abcdef".repeat(100_000);
  const url = `${server.url}/file`;
  const up = await driver.ask("up", { do: "upload", url, text });
  assert.equal(up.value, "stored");
  assert.equal(file.toString(), text);
  const down = await driver.ask("down", { do: "download", url });
  assert.equal(down.value, text);
  assert.equal(server.sessions.length, 2); // a connection of its own for each
});

// ---- how a shared connection ends ----

/** A query and a mutation at once, and what came of them: the query twice, the mutation once. */
async function endsWith(deed: Deed): Promise<void> {
  let done = false;
  const { server, driver } = await meet("2", {
    deed: (call) => {
      const all = server.calls.filter(({ path }) => path === "held:x");
      if (done) call.end();
      else if (all.length === 2) {
        done = true;
        for (const each of all) deed(each);
      }
    },
  });
  // libcurl sends again by itself on a connection that was kept
  await driver.call("query", "now:x", "before");
  const query = driver.call("query", "held:x", "query");
  const mutation = driver.call("mutation", "held:x", "mutation");
  const answer = await query;
  assert.equal(answer.value, "query", JSON.stringify(answer));
  const { status, message } = await mutation;
  assert.match(String(status), /unknown/);
  assert.match(String(message), /whether it took effect is unknown/);
  assert.equal(server.times("query"), 2);
  assert.equal(server.times("mutation"), 1);
  const next = await driver.call("mutation", "now:x", "next");
  assert.equal(next.value, "next");
}

const sessionOf = ({ response }: Call) => response.stream.session!;

for (const [what, deed] of [
  ["a lost socket", (call) => call.response.stream.session?.destroy()],
  [
    "a GOAWAY that refuses all",
    (call) => sessionOf(call).goaway(constants.NGHTTP2_NO_ERROR, 1),
  ],
  [
    "a GOAWAY with an error",
    (call) => sessionOf(call).goaway(constants.NGHTTP2_ENHANCE_YOUR_CALM, 1),
  ],
  [
    "refused streams",
    (call) => call.response.stream.close(constants.NGHTTP2_REFUSED_STREAM),
  ],
  [
    "reset streams",
    (call) => call.response.stream.close(constants.NGHTTP2_INTERNAL_ERROR),
  ],
  [
    "streams reset in the middle of the answer",
    ({ response }) => {
      response.setHeader("content-length", "1000");
      response.write('{"status":"succ', () =>
        response.stream.close(constants.NGHTTP2_CANCEL),
      );
    },
  ],
] as [string, Deed][])
  test(`${what}: a query is asked again, a mutation is not`, () =>
    endsWith(deed));

test("a GOAWAY that lets calls end loses none, and the next take another connection", async () => {
  const { server, driver } = await meet("2");
  const answers = ["query", "mutation"].map((kind) =>
    driver.call(kind, "held:x", kind),
  );
  await until("both to be there", () => server.calls.length === 2);
  server.sessions[0]!.close(); // GOAWAY; the streams go on
  server.release();
  for (const { id, value } of await Promise.all(answers))
    assert.equal(value, id);
  assert.equal((await driver.call("mutation", "now:x", "next")).value, "next");
  assert.equal(server.sessions.length, 2);
  assert.equal(server.calls.length, 3);
});

test("after a timeout no call is put on the connection where it happened", async () => {
  const { server, driver } = await meet("2");
  assert.equal((await driver.call("query", "now:x", "before")).value, "before");
  const late = await driver.call("query", "held:x", "late", 200);
  assert.match(String(late.status), /time/);
  assert.equal((await driver.call("query", "now:x", "after")).value, "after");
  assert.deepEqual(
    server.calls.filter(({ path }) => path === "now:x").map((c) => c.http2),
    [true, false],
  );
});

test("a server that ends a connection after a thousand resets costs no query its answer", async () => {
  const { driver } = await meet("2");
  for (let from = 0; from < 1_600; from += 16) {
    const some = numbers(16).map((i) =>
      driver.call("query", "now:x", `${from + i}`),
    );
    for (const { id, value } of await Promise.all(some))
      assert.equal(value, id);
  }
});
