/* Random transactions of several clients over the sync protocol: there is one order of them, that
 * of their timestamps, in which every one of them read what it says; and every subscriber is
 * shown exactly the states that were, in that order.
 */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { randomUUID } from "node:crypto";
import { WebSocket } from "ws";
import { openLog } from "../src/server/log.js";
import { startServer, type RunningServer } from "../src/server/server.js";
import { decodeTimestamp } from "../src/server/timestamps.js";
import { pushRequest } from "./bundle.js";
import { fixture, openAt, push } from "./harness.js";

const TRANSACTIONS = Number(process.env.TRANSACTIONS ?? 3000);
const WRITERS = 6;
const IN_FLIGHT = 4;
const KEYS = 24;
const SUBSCRIBERS = 4;

type Op = { kind: string; key: number; to?: number };
type Cells = [number, string][];
type Done = { tag: string; ops: Op[]; found: unknown[]; ts: bigint };
type Message = {
  type: string;
  requestId: number;
  success: boolean;
  result: unknown[];
  ts: string;
  endVersion: { ts: string };
  modifications: { type: string; queryId: number; value: Cells }[];
};
type Seen = { from: number; to: number; ts: bigint; cells: Cells | null };

let folder: string;
let server: RunningServer;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "serial-"));
  server = await startServer({
    host: "127.0.0.1",
    port: 0,
    sitePort: 0,
    instanceName: "dev",
    adminKey: "dev|00",
    cloudOrigin: null,
    siteOrigin: null,
    log: openLog("error"),
    openEngine: () => openAt(folder),
  });
  await push(server.engine, await pushRequest(fixture("ledger")));
});
after(async () => {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

async function open(receive: (message: Message) => void): Promise<WebSocket> {
  const socket = new WebSocket(
    `ws://127.0.0.1:${server.port}/api/1.48.0/sync`,
    { perMessageDeflate: false },
  );
  await new Promise((resolve) => socket.once("open", resolve));
  socket.on("message", (data) => receive(JSON.parse(String(data)) as Message));
  socket.send(
    JSON.stringify({
      type: "Connect",
      sessionId: randomUUID(),
      connectionCount: 0,
      lastCloseReason: "InitialConnect",
    }),
  );
  return socket;
}

const below = (n: number) => Math.floor(Math.random() * n);

function randomOp(): Op {
  const key = below(KEYS);
  const kind = ["get", "put", "put", "delete", "range", "last"][below(6)]!;
  return kind === "range" || kind === "last"
    ? { kind, key, to: key + 1 + below(8) }
    : { kind, key };
}

function randomOps(): Op[] {
  const ops = Array.from({ length: 1 + below(5) }, randomOp);
  if (below(20) === 0) ops.push({ kind: "fail", key: 0 });
  return ops;
}

/** Calls until the share of this writer is done. */
async function write(
  name: number,
  share: number,
  done: Done[],
  opsOf: () => Op[] = randomOps,
): Promise<void> {
  let next = 0;
  let answered = 0;
  const asked = new Map<number, { tag: string; ops: Op[] }>();
  await new Promise<void>((resolve, reject) => {
    const ask = (socket: WebSocket) => {
      while (asked.size < IN_FLIGHT && next < share) {
        const requestId = next++;
        const call = { tag: `${name}-${requestId}`, ops: opsOf() };
        asked.set(requestId, call);
        const args = [call];
        const udfPath = "ledger:act";
        socket.send(
          JSON.stringify({ type: "Mutation", requestId, udfPath, args }),
        );
      }
    };
    const opened = open((message: Message) => {
      const { type, requestId, success, result, ts } = message;
      if (type !== "MutationResponse") return;
      const call = asked.get(requestId)!;
      asked.delete(requestId);
      if (success)
        done.push({ ...call, found: result, ts: decodeTimestamp(ts)! });
      else if (!call.ops.some(({ kind }) => kind === "fail"))
        reject(new Error(String(result)));
      void opened.then((socket) => {
        if (++answered === share) resolve(socket.close());
        else ask(socket);
      });
    });
    void opened.then(ask, reject);
  });
}

/** Everything that a subscriber of two ranges is shown until stop(). */
async function subscribe(): Promise<{ seen: Seen[]; stop: () => void }> {
  const seen: Seen[] = [];
  const ranges = [
    { from: 0, to: KEYS },
    { from: below(KEYS / 2), to: KEYS / 2 + below(KEYS / 2) },
  ];
  const shown: (Cells | null)[] = [null, null];
  const socket = await open((message: Message) => {
    if (message.type !== "Transition") return;
    const { endVersion, modifications } = message;
    for (const { type, queryId, value } of modifications) {
      assert.equal(type, "QueryUpdated");
      shown[queryId] = value;
    }
    const ts = decodeTimestamp(endVersion.ts)!;
    ranges.forEach((range, i) => seen.push({ ...range, ts, cells: shown[i]! }));
  });
  const modifications = ranges.map((range, queryId) => ({
    type: "Add",
    queryId,
    udfPath: "ledger:range",
    args: [range],
  }));
  socket.send(
    JSON.stringify({
      type: "ModifyQuerySet",
      baseVersion: 0,
      newVersion: 1,
      modifications,
    }),
  );
  return { seen, stop: () => socket.close() };
}

const inRange = (state: Map<number, string>, from: number, to: number) =>
  [...state]
    .filter(([key]) => key >= from && key < to)
    .sort(([a], [b]) => a - b);

/** What the operations would find, and what they make of the state. */
function replay(state: Map<number, string>, { tag, ops }: Done): unknown[] {
  return ops.map(({ kind, key, to }, i) => {
    const present = state.get(key) ?? null;
    if (kind === "range") return inRange(state, key, to!);
    if (kind === "last") return inRange(state, key, to!).slice(-1);
    if (kind === "put") state.set(key, `${tag}.${i}`);
    if (kind === "delete") state.delete(key);
    return kind === "put" ? null : present;
  });
}

test(`${TRANSACTIONS} random transactions are serialisable, and subscribers see their states in order`, async () => {
  const done: Done[] = [];
  const subscribers = await Promise.all(
    Array.from({ length: SUBSCRIBERS }, subscribe),
  );
  await Promise.all(
    Array.from({ length: WRITERS }, (_, name) =>
      write(name, TRANSACTIONS / WRITERS, done),
    ),
  );
  // What comes last has to be seen by all: subscribers are told of nothing else.
  await write(WRITERS, 1, done, () => [{ kind: "put", key: 0 }]);
  const last = done.reduce((ts, one) => (one.ts > ts ? one.ts : ts), 0n);
  for (const { seen } of subscribers)
    while ((seen.at(-1)?.ts ?? 0n) < last)
      await new Promise((resolve) => setTimeout(resolve, 5));

  done.sort((a, b) => (a.ts < b.ts ? -1 : 1));
  const views = subscribers.map(({ seen }) => ({ seen, at: 0 }));
  const state = new Map<number, string>();
  /** Checks what was shown as of times before `until`. */
  const checkViews = (until: bigint) => {
    for (const view of views)
      for (; view.at < view.seen.length; view.at++) {
        const { ts, from, to, cells } = view.seen[view.at]!;
        if (ts >= until) break;
        assert.deepEqual(cells, inRange(state, from, to), `shown at ${ts}`);
      }
  };
  for (const one of done) {
    checkViews(one.ts);
    assert.deepEqual(one.found, replay(state, one), `${one.tag} at ${one.ts}`);
  }
  checkViews(last + 1n);
  for (const { seen, stop } of subscribers) {
    assert.ok(seen.length > 10);
    for (let i = 1; i < seen.length; i++)
      assert.ok(seen[i]!.ts >= seen[i - 1]!.ts);
    stop();
  }
});
