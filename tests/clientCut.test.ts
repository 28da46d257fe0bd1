// A mutation whose request or reply is cut off at every possible byte: it takes effect once, and its
// caller gets the right result. The official JS client goes through the same cuts, and what it does
// is reported. CUT_CLIENT names another program to be put in our client's place: started with a URL,
// it speaks the lines of convex-driver.
//
// CUT_STEP: cut at every n-th byte (and at the ends of frames); 1 is all.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { connect, createServer, type Server, type Socket } from "node:net";
import { after, before, test } from "node:test";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { ConvexClient, ConvexHttpClient } from "convex/browser";
import { makeFunctionReference } from "convex/server";
import { WebSocket } from "ws";
import { Backend, binary, ROOT } from "./harness";

const STEP = Number(process.env.CUT_STEP ?? 17);
const AT_ONCE = 24; // each waits about a second before it connects again
const PATIENCE_MS = 60_000;

const increment = makeFunctionReference<"mutation">("calls:increment");
const list = makeFunctionReference<"query">("items:list");

let backend: Backend;
before(async () => {
  backend = await Backend.start();
  await backend.convex(join(ROOT, "tests/app"), ["deploy", "--yes"]);
});
after(async () => await backend.close());

// ---- the clients ----

interface Client {
  /** Adds one to the number under `key`; the new number. */
  increment(key: string): Promise<unknown>;
  close(): Promise<void>;
}

function official(url: string): Client {
  const client = new ConvexClient(url, {
    webSocketConstructor: WebSocket as unknown as typeof globalThis.WebSocket,
    unsavedChangesWarning: false,
    logger: false,
  });
  return {
    increment: (key) => client.mutation(increment, { key }),
    close: () => client.close(),
  };
}

function program(url: string): Client {
  const command = process.env.CUT_CLIENT ?? binary("convex-driver");
  const child = spawn(command, [url], { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout });
  return {
    increment: (key) =>
      new Promise((resolve, reject) => {
        lines.on("line", (line) => {
          const answer = JSON.parse(line) as { value?: unknown };
          if ("value" in answer) resolve(answer.value);
          else reject(new Error(line));
        });
        child.on("exit", () => reject(new Error(`${command} ended`)));
        const request = { do: "mutation", path: "calls:increment", id: key };
        child.stdin.write(`${JSON.stringify({ ...request, args: { key } })}\n`);
      }),
    close: async () => {
      const ended = new Promise((resolve) => child.once("close", resolve));
      child.stdin.end();
      child.kill("SIGTERM");
      await ended;
    },
  };
}

// ---- the proxy ----

type Side = "request" | "reply";
/** Where the first connection ends: after so many bytes of the mutation's request, or of what the
 * server says from the mutation's reply on. null: nowhere. */
type Cut = { side: Side; bytes: number } | null;

/** The whole frames at the start of `data`: where each begins and ends, and its text. */
function frames(
  data: Buffer,
): { start: number; end: number; text: () => string }[] {
  const found = [];
  for (let start = 0; start + 2 <= data.length;) {
    const masked = (data[start + 1]! & 0x80) !== 0;
    let length = data[start + 1]! & 0x7f;
    let at = start + 2;
    if (length === 126) {
      if (at + 2 > data.length) break;
      length = data.readUInt16BE(at);
      at += 2;
    } else if (length === 127) {
      if (at + 8 > data.length) break;
      length = Number(data.readBigUInt64BE(at));
      at += 8;
    }
    const mask = masked ? data.subarray(at, at + 4) : Buffer.alloc(4);
    if (masked) at += 4;
    const end = at + length;
    if (end > data.length) break;
    const payload = data.subarray(at, end);
    const text = () => payload.map((byte, i) => byte ^ mask[i % 4]!).toString();
    found.push({ start, end, text });
    start = end;
  }
  return found;
}

class Proxy {
  readonly connections: Socket[] = [];
  /** Bytes of the first connection's request frame, and from the reply's start to its last byte. */
  readonly length = { request: 0, reply: 0 };
  cuts = 0;
  private server!: Server;

  constructor(private readonly cut: Cut) {}

  async open(): Promise<string> {
    this.server = createServer((socket) => this.accept(socket));
    await new Promise<void>((done) =>
      this.server.listen(0, "127.0.0.1", () => done()),
    );
    const { port } = this.server.address() as { port: number };
    return `http://127.0.0.1:${port}`;
  }

  private accept(client: Socket): void {
    const first = this.connections.length === 0;
    const server = connect(backend.port, "127.0.0.1");
    this.connections.push(client, server);
    const end = (): void => {
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) {
      socket.setNoDelay(true);
      socket.on("error", end);
      socket.on("close", end);
    }
    this.relay(client, server, first, "request", '"type":"Mutation"', end);
    this.relay(server, client, first, "reply", '"MutationResponse"', end);
  }

  /** From the frame with `mark` on, bytes are counted, and the cut falls among them. */
  private relay(
    from: Socket,
    to: Socket,
    first: boolean,
    side: Side,
    mark: string,
    end: () => void,
  ): void {
    let held = Buffer.alloc(0);
    let upgraded = false;
    let marked = false;
    let counted = 0;
    from.on("data", (data: Buffer) => {
      if (!first) {
        to.write(data);
        return;
      }
      held = Buffer.concat([held, data]);
      if (!upgraded) {
        const head = held.indexOf("\r\n\r\n");
        if (head < 0) return;
        upgraded = true;
        // frames are to be read here: no compression
        const text = held.subarray(0, head + 4).toString();
        to.write(text.replace(/^sec-websocket-extensions:.*\r\n/im, ""));
        held = held.subarray(head + 4);
      }
      let whole = 0;
      for (const frame of frames(held)) {
        marked ||= frame.text().includes(mark);
        const bytes = held.subarray(frame.start, frame.end);
        whole = frame.end;
        if (!marked) {
          to.write(bytes);
          continue;
        }
        const left =
          this.cut?.side === side ? this.cut.bytes - counted : Infinity;
        counted += bytes.length;
        if (side === "reply" || this.length.request === 0)
          this.length[side] = counted;
        if (left > bytes.length) {
          to.write(bytes);
          continue;
        }
        // what comes before the cut does arrive
        this.cuts++;
        to.write(bytes.subarray(0, left), () => to.end(end));
        from.pause();
        return;
      }
      held = held.subarray(whole);
    });
  }

  async close(): Promise<void> {
    for (const socket of this.connections) socket.destroy();
    await new Promise((done) => this.server.close(done));
  }
}

// ---- the cases ----

let cases = 0;

/** What is wrong with the outcome, or null. */
async function runCase(
  start: (url: string) => Client,
  cut: Cut,
): Promise<{ wrong: string | null; proxy: Proxy }> {
  const key = `cut/${String(++cases).padStart(6, "0")}`;
  const proxy = new Proxy(cut);
  const client = start(await proxy.open());
  let timer: NodeJS.Timeout;
  const patience = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error("no result")), PATIENCE_MS);
  });
  let wrong: string | null = null;
  try {
    const result = await Promise.race([client.increment(key), patience]);
    if (result !== 1) wrong = `result ${JSON.stringify(result)}`;
  } catch (error) {
    wrong = (error as Error).message;
  }
  clearTimeout(timer!);
  const rows = (await new ConvexHttpClient(backend.url, {
    logger: false,
  }).query(list, { prefix: key })) as { value: unknown }[];
  const effect = rows.length === 1 ? rows[0]!.value : rows;
  if (effect !== 1) wrong = `effect ${JSON.stringify(effect)}; ${wrong}`;
  // a caller may be answered before the last of the counted bytes: then there was nothing to cut
  if (cut && proxy.cuts !== 1 && !(cut.side === "reply" && proxy.cuts === 0))
    wrong = `cut ${proxy.cuts} times; ${wrong}`;
  await client.close();
  await proxy.close();
  return { wrong, proxy };
}

/** Every case of one client; those that went wrong. */
async function runAll(start: (url: string) => Client): Promise<string[]> {
  const { wrong, proxy } = await runCase(start, null);
  assert.equal(wrong, null);
  const { request, reply } = proxy.length;
  assert.ok(request > 50 && reply > 100, `frames of ${request}, ${reply}`);
  const cuts: Cut[] = [];
  for (const [side, length] of [
    ["request", request],
    ["reply", reply],
  ] as const)
    for (let bytes = 0; bytes < length; bytes++)
      if (bytes % STEP === 0 || bytes < 3 || bytes === length - 1)
        cuts.push({ side, bytes });
  // all of the request, but nothing of the reply
  cuts.push({ side: "request", bytes: request });
  const total = cuts.length;
  let cutOff = 0;
  const failures: string[] = [];
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (let cut; (cut = cuts.shift());) {
        const outcome = await runCase(start, cut);
        cutOff += outcome.proxy.cuts;
        if (outcome.wrong)
          failures.push(`${cut.side} at ${cut.bytes}: ${outcome.wrong}`);
      }
    }),
  );
  assert.ok(cutOff > total / 2, `of ${total} cuts only ${cutOff} fell`);
  return failures;
}

test("a mutation cut off at any byte takes effect once and has the right result", async () => {
  assert.deepEqual(await runAll(program), []);
});

test("the official client through the same cuts, for comparison", async (t) => {
  const failures = await runAll(official);
  t.diagnostic(
    failures.length === 0
      ? "the official client passes them all"
      : `the official client fails ${failures.length}:\n${failures.join("\n")}`,
  );
});
