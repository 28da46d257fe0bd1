// The outbox against the backend: the program, the backend and the connection between them are
// killed at random; a ledger shows that each accepted mutation took effect once, in order, and that
// each result was told. KILLS says how often the program dies.
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { connect, createServer, type Server, type Socket } from "node:net";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { ConvexHttpClient } from "convex/browser";
import { makeFunctionReference } from "convex/server";
import { Backend, binary, ROOT, tempDir, until } from "./harness";

const KILLS = Number(process.env.KILLS ?? 30);

let backend: Backend;
const dir = tempDir();

before(async () => {
  backend = await Backend.start();
  await backend.convex(join(ROOT, "tests/app"), ["deploy", "--yes"]);
});
after(async () => {
  await backend.close();
  rmSync(dir, { recursive: true, force: true });
});

/** A wire to the backend that can be cut. */
class Wire {
  port = 0;
  private readonly sockets = new Set<Socket>();
  private readonly server: Server;

  constructor(to: () => number) {
    this.server = createServer((near) => {
      const far = connect(to(), "127.0.0.1");
      for (const [from, into] of [
        [near, far],
        [far, near],
      ] as const) {
        this.sockets.add(from);
        from.on("close", () => {
          this.sockets.delete(from);
          into.destroy();
        });
        from.on("error", () => into.destroy());
        from.pipe(into);
      }
    });
  }

  async open(): Promise<void> {
    await new Promise<void>((done) =>
      this.server.listen(0, "127.0.0.1", () => done()),
    );
    this.port = (this.server.address() as { port: number }).port;
  }

  cut(): void {
    for (const socket of this.sockets) socket.resetAndDestroy();
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((done) => this.server.close(done));
  }
}

/** One life of convex-c/examples/outbox.c. */
class Life {
  /** In the order of the lines that were given. */
  readonly accepted: string[] = [];
  /** "done" or "threw", by seq. */
  readonly over = new Map<string, { how: string; text: string }>();
  stderr = "";
  readonly child: ChildProcess;
  private readonly ended: Promise<number | null>;

  constructor(url: string, file: string) {
    this.child = spawn(
      binary("convex-example-outbox"),
      [url, file, "ledger:append"],
      { stdio: ["pipe", "pipe", "pipe"] },
    );
    this.child.stdin!.on("error", () => undefined); // it was killed
    this.child.stderr!.on(
      "data",
      (data: Buffer) => (this.stderr += data.toString()),
    );
    const lines = createInterface({ input: this.child.stdout! });
    lines.on("line", (line) => {
      const [how, seq, ...text] = line.split(" ");
      if (how === "accepted") this.accepted.push(seq!);
      else this.over.set(seq!, { how: how!, text: text.join(" ") });
    });
    const closed = new Promise((done) => lines.once("close", done));
    this.ended = new Promise((done) =>
      this.child.once("exit", (code) => void closed.then(() => done(code))),
    );
  }

  give(n: number): void {
    this.child.stdin!.write(`{"n":${n}}\n`);
  }

  async kill(): Promise<void> {
    this.child.kill("SIGKILL");
    await this.ended;
  }

  async finish(): Promise<number | null> {
    this.child.stdin!.end();
    return await this.ended;
  }
}

async function ledger(): Promise<number[]> {
  const client = new ConvexHttpClient(backend.url, { logger: false });
  const list = makeFunctionReference<"query">("ledger:list");
  const all: number[] = [];
  for (;;) {
    const rows = (await client.query(list, { after: all.length })) as {
      n: number;
    }[];
    if (rows.length === 0) return all;
    all.push(...rows.map((row) => row.n));
  }
}

test(`over ${KILLS} kills, cuts and restarts each accepted mutation takes effect once, in order, and is told`, async () => {
  const file = join(dir, "box");
  const wire = new Wire(() => backend.port);
  await wire.open();
  const url = `http://127.0.0.1:${wire.port}`;
  const acceptedN = new Map<string, number>(); // by seq: known to be accepted
  const told = new Map<string, { how: string; text: string }>();
  let n = 0;

  const note = (life: Life, first: number): void => {
    life.accepted.forEach((seq, i) => acceptedN.set(seq, first + i));
    for (const [seq, over] of life.over) told.set(seq, over);
  };

  for (let kill = 0; kill < KILLS; kill++) {
    const first = n + 1;
    const life = new Life(url, file);
    const dies = Date.now() + 15 + Math.random() * 200;
    while (Date.now() < dies) {
      for (let i = Math.random() * 12; i > 0; i--) life.give(++n);
      if (Math.random() < 0.15) wire.cut();
      await new Promise((done) => setTimeout(done, Math.random() * 15));
    }
    if (kill % 10 === 4) await backend.killAndReopen();
    if (kill % 2 === 0) {
      // the others may be killed before they did anything
      life.give(++n);
      await until("one to be accepted", () => life.accepted.length > 0);
    }
    await life.kill();
    assert.equal(life.stderr, "");
    note(life, first);
  }
  const last = new Life(url, file);
  const first = n + 1;
  last.give(++n);
  assert.equal(await last.finish(), 0, last.stderr);
  note(last, first);
  await wire.close();

  const written = await ledger();
  assert.deepEqual(
    written,
    [...written].sort((a, b) => a - b),
    "in order",
  );
  assert.equal(new Set(written).size, written.length, "once");
  const there = new Set(written);
  for (const [seq, m] of acceptedN) {
    const over = told.get(seq);
    assert.ok(over, `${m} was accepted and never told`);
    assert.equal(over.how, m % 17 === 0 ? "threw" : "done", `${m}`);
    assert.equal(there.has(m), m % 17 !== 0, `${m}`);
    if (over.how === "done") assert.equal(over.text, String(m));
  }
  const results = new Set([...told.values()].map((over) => over.text));
  for (const m of written)
    assert.ok(results.has(String(m)), `${m} took effect and was never told`);
  assert.ok(acceptedN.size >= KILLS / 2, "there was something to prove");
  assert.ok(written.length >= acceptedN.size * 0.8);
});

test("the waiting entries can be listed while another process has the outbox", async () => {
  const file = join(dir, "listed");
  const nowhere = "http://127.0.0.1:1";
  const life = new Life(nowhere, file);
  for (let n = 1; n <= 3; n++) life.give(n);
  await until("them to be accepted", () => life.accepted.length === 3);
  const lines: string[] = [];
  const lister = spawn(binary("convex-example-outbox"), ["--list", file]);
  createInterface({ input: lister.stdout }).on("line", (l) => lines.push(l));
  await new Promise((done) => lister.once("close", done));
  assert.deepEqual(
    lines,
    life.accepted.map((seq, i) => `${seq} ledger:append {"n":${i + 1}}`),
  );
  const second = new Life(nowhere, file);
  assert.equal(await second.finish(), 1);
  assert.match(
    second.stderr,
    new RegExp(`in use by process ${life.child.pid}`),
  );
  await life.kill();
});
