// The webhook-proxy between hostile senders and a real backend: whatever is killed, cut or
// thrown at it, what it acknowledged takes effect once. KILLS and HOSTILE and OUTAGE make the runs longer.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import * as http from "node:http";
import * as net from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { ConvexHttpClient } from "convex/browser";
import { makeFunctionReference } from "convex/server";
import {
  Backend,
  Daemon,
  deploySchema,
  freePort,
  tempDir,
  until,
} from "./harness";

const KILLS = Number(process.env.KILLS ?? 50);
const HOSTILE = Number(process.env.HOSTILE ?? 10_000);
const OUTAGE = Number(process.env.OUTAGE ?? 480); // events of a day: 1440 is one a minute
const SECRET = "a-secret-of-the-fault-runs";
const SLUG = "demo";

type Event = {
  key: string;
  subject?: string;
  state: string;
  _creationTime: number;
};

let backend: Backend;
let key: string;
const report: string[] = []; // of the long runs
const running: Daemon[] = [];

class Proxy {
  private daemon: Daemon;

  private constructor(
    readonly port: number,
    private readonly env: Record<string, string>,
  ) {
    this.daemon = this.spawn();
  }

  static async start(): Promise<Proxy> {
    const state = tempDir();
    const sources = join(state, "sources.json");
    const secrets = [{ id: "a", secret_env: "SHOP_SECRET" }];
    const source = {
      community: SLUG,
      source: "shop",
      provider: "sellapp",
      secrets,
    };
    writeFileSync(sources, JSON.stringify({ sources: [source] }));
    const port = await freePort();
    const proxy = new Proxy(port, {
      CONVEX_URL: backend.url,
      SERVICE_KEY_FILE: key,
      SOURCES_FILE: sources,
      STATE_DIRECTORY: join(state, "spool"),
      SHOP_SECRET: SECRET,
      LISTEN: `127.0.0.1:${port}`,
      CONNECTIONS_PER_IP: "512",
      REQUEST_TIME: "2s",
    });
    await proxy.listens();
    return proxy;
  }

  private spawn(): Daemon {
    const daemon = new Daemon("webhook-proxy", this.env);
    running.push(daemon);
    return daemon;
  }

  get log(): string {
    return this.daemon.log;
  }

  async listens(): Promise<void> {
    await until(`the proxy to listen; it says:\n${this.log}`, () =>
      /address=/.test(this.log),
    );
  }

  async killAndRestart(): Promise<void> {
    await this.daemon.stop("SIGKILL");
    this.daemon = this.spawn();
    await this.listens();
  }

  async stop(): Promise<void> {
    await this.daemon.stop();
    assert.equal(this.daemon.exit?.code, 0, this.log);
  }

  get memoryKb(): number {
    const status = readFileSync(`/proc/${this.daemon.pid}/status`, "utf8");
    return Number(/VmRSS:\s+(\d+) kB/.exec(status)![1]);
  }

  post(body: string, agent?: http.Agent): Promise<number> {
    const signature = createHmac("sha256", SECRET).update(body).digest("hex");
    return new Promise((resolve, reject) => {
      const request = http.request(
        {
          host: "127.0.0.1",
          port: this.port,
          method: "POST",
          path: `/v1/${SLUG}/shop`,
          agent: agent ?? false,
          headers: { signature, "content-length": Buffer.byteLength(body) },
        },
        (response) => {
          response.resume();
          response.on("end", () => resolve(response.statusCode!));
          response.on("error", reject);
        },
      );
      request.on("error", reject);
      request.end(body);
    });
  }
}

async function internal<T>(path: string, args: object): Promise<T> {
  const client = new ConvexHttpClient(backend.url, {
    logger: false,
  }) as unknown as {
    setAdminAuth(key: string): void;
    function(ref: unknown, component: undefined, args: unknown): Promise<T>;
  };
  client.setAdminAuth(backend.adminKey);
  return await client.function(makeFunctionReference(path), undefined, args);
}

async function table<T>(name: string): Promise<T[]> {
  const client = new ConvexHttpClient(backend.url, { logger: false });
  (client as unknown as { setAdminAuth(key: string): void }).setAdminAuth(
    backend.adminKey,
  );
  const rows: T[] = [];
  for (let cursor: string | null = null; ;) {
    const page = (await client.query(
      makeFunctionReference<"query">("_system/cli/tableData"),
      { table: name, order: "asc", paginationOpts: { numItems: 1000, cursor } },
    )) as { page: T[]; isDone: boolean; continueCursor: string };
    rows.push(...page.page);
    if (page.isDone) return rows;
    cursor = page.continueCursor;
  }
}

let orders = 0;
function order(): { id: string; body: string } {
  const id = String(700_000 + orders++);
  const time = new Date(1_769_860_800_000 + orders * 1000).toISOString();
  const data = {
    id,
    created_at: time,
    updated_at: time,
    customer_information: { email: `buyer${id}@test.example` },
    product_variants: [{ id: "9" }],
  };
  return { id, body: JSON.stringify({ event: "order.completed", data }) };
}

function tally(list: string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const one of list) counts.set(one, (counts.get(one) ?? 0) + 1);
  return counts;
}

const twice = (counts: Map<string, number>): string[] =>
  [...counts].filter(([, count]) => count > 1).map(([one]) => one);

/** The backend against the ledger: acknowledged orders without an event or an entitlement, and
 * whatever, acknowledged or not, has two. */
async function audit(
  acknowledged: string[],
): Promise<{ lost: string[]; twice: string[] }> {
  const events = tally(
    (await table<Event>("webhookEvents")).map(({ subject }) => subject ?? ""),
  );
  const given = tally(
    (await table<{ email: string }>("entitlements")).map(({ email }) => email),
  );
  events.delete(""); // what cannot be read has no subject
  return {
    lost: acknowledged.filter(
      (id) =>
        !events.has(`order:${id}`) || !given.has(`buyer${id}@test.example`),
    ),
    twice: [...twice(events), ...twice(given)],
  };
}

/** Every acknowledged order is in the backend once, with one entitlement. */
async function takesEffectOnce(
  what: string,
  acknowledged: string[],
): Promise<void> {
  const giveUp = Date.now() + 900_000;
  let found = await audit(acknowledged);
  while (found.lost.length > 0 && Date.now() < giveUp) {
    // To look at all of it again and again would keep the backend from going on.
    const pause = Math.min(100 + found.lost.length, 5000);
    await new Promise((resolve) => setTimeout(resolve, pause));
    found = await audit(acknowledged);
  }
  report.push(
    `${what}: ${acknowledged.length} acknowledged, ${found.lost.length} lost, ${found.twice.length} applied twice`,
  );
  assert.deepEqual(found, { lost: [], twice: [] });
}

before(async () => {
  backend = await Backend.start();
  key = await deploySchema(backend);
  await internal("communities:setUp", {
    slug: SLUG,
    name: "Demo",
    sourceGuildId: "1100000000000000001",
    customerGuildId: "1200000000000000001",
  });
  await internal("plans:map", {
    community: SLUG,
    source: "shop",
    product: "9",
    name: "VIP",
    days: 3650,
  });
});
after(async () => {
  for (const daemon of running) await daemon.stop("SIGKILL");
  await backend.close();
  if (process.env.KILLS !== undefined) console.log(`\n${report.join("\n")}`);
});

test(`kill -9 of the proxy under load, ${KILLS} times: what it acknowledged takes effect once`, async () => {
  const proxy = await Proxy.start();
  const acknowledged: string[] = [];
  let going = true;
  const sender = async () => {
    while (going) {
      const { id, body } = order();
      const status = await proxy.post(body).catch(() => 0);
      if (status === 200) acknowledged.push(id);
      else await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  const senders = Array.from({ length: 4 }, sender);
  for (let kill = 0; kill < KILLS; kill++) {
    const before = acknowledged.length;
    await until(
      "some to be acknowledged",
      () => acknowledged.length > before + (kill % 7),
    );
    await proxy.killAndRestart();
  }
  going = false;
  await Promise.all(senders);
  assert.ok(acknowledged.length >= KILLS);
  await takesEffectOnce(`kill -9 under load, ${KILLS} times`, acknowledged);
  await proxy.stop();
});

test("two proxies on one backend: an event that reaches both has one effect", async () => {
  const proxies = [await Proxy.start(), await Proxy.start()];
  const sent = Array.from({ length: 60 }, order);
  for (const { body } of sent)
    for (const status of await Promise.all(
      proxies.map((proxy) => proxy.post(body)),
    ))
      assert.equal(status, 200);
  await takesEffectOnce(
    "two proxies at once, each order to both",
    sent.map(({ id }) => id),
  );
  for (const proxy of proxies) await proxy.stop();
});

test("a day without the backend: everything is taken, and delivered in order after it", async () => {
  const proxy = await Proxy.start();
  await backend.end("SIGKILL");
  await until("it to be noticed", () =>
    /backend connection lost/.test(proxy.log),
  );
  const sent = Array.from({ length: OUTAGE }, order);
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  for (const { body } of sent) assert.equal(await proxy.post(body, agent), 200);
  agent.destroy();
  await backend.open();
  await takesEffectOnce(
    `a day without the backend, ${OUTAGE} orders`,
    sent.map(({ id }) => id),
  );
  const arrived = (await table<Event>("webhookEvents"))
    .sort((a, b) => a._creationTime - b._creationTime)
    .map(({ subject }) => subject!.slice("order:".length));
  const ids = new Set(sent.map(({ id }) => id));
  assert.deepEqual(
    arrived.filter((id) => ids.has(id)),
    sent.map(({ id }) => id),
  );
  report.push("  drained in the order in which they came");
  await proxy.stop();
});

// ---- hostile requests ----

const POST = `POST /v1/${SLUG}/shop HTTP/1.1\r\nHost: h\r\nSignature: ${"0".repeat(64)}\r\n`;
const deep = `${"[".repeat(5000)}${"]".repeat(5000)}`;
const signed = (body: string | Buffer) =>
  `POST /v1/${SLUG}/shop HTTP/1.1\r\nHost: h\r\nSignature: ${createHmac("sha256", SECRET).update(body).digest("hex")}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n`;

/** One request of each kind of malice, made anew so that none is known already. */
const MALICE: ((n: number) => (string | Buffer)[])[] = [
  () => ["\0\0\0\0\r\n\r\n"],
  () => ["GET\r\n\r\n"],
  (n) => [`GET /${"a".repeat(n % 9000)} HTTP/1.1\r\nHost: h\r\n\r\n`],
  () => [`${POST}${"X-Y: z\r\n".repeat(3000)}\r\n`],
  (n) => [
    `${POST}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${n}`,
  ],
  () => [`${POST}Content-Length: 99999999999999999999\r\n\r\n`],
  () => [`${POST}Content-Length: 1000000000\r\n\r\n`, "x".repeat(1000)],
  () => [`${POST}Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\nx`],
  () => [
    `${POST}Transfer-Encoding: chunked\r\n\r\n`,
    "5\r\nhello\r\n".repeat(400),
    "0\r\n\r\n",
  ],
  (n) => [`${POST}Content-Length: 3\r\n\r\n${n % 10}`], // and then nothing
  () => [POST], // slow head
  () => [
    `POST /v1/%2e%2e/%00 HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n`,
  ],
  () => [`${POST}Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x8b`],
  () => [`PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n`],
  () => [Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3])], // a TLS hello
  () => [
    Buffer.from(`${POST}X-B\xff: \xfe\r\nContent-Length: 0\r\n\r\n`, "latin1"),
  ],
  (n) => [
    `${signed(`{"event":"x","n":${n},"d":${deep}}`)}{"event":"x","n":${n},"d":${deep}}`,
  ],
  (n) => [
    signed(Buffer.from([0xff, n & 255, n >> 8])),
    Buffer.from([0xff, n & 255, n >> 8]),
  ],
  (n) => [`${signed(`{"event":1,"event":${n}}`)}{"event":1,"event":${n}}`],
];

/** Sends the pieces; resolves with what came back when the other side closes, or at once after. */
function attack(
  port: number,
  pieces: (string | Buffer)[],
  patienceMs: number,
): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    const socket = net.connect(port, "127.0.0.1", () => {
      for (const piece of pieces) socket.write(piece);
    });
    const timer = setTimeout(() => socket.destroy(), patienceMs);
    socket.setEncoding("latin1");
    socket.on("data", (data) => {
      text += String(data);
      if (text.length > 0) socket.destroy();
    });
    socket.on("error", () => undefined);
    socket.on("close", () => {
      clearTimeout(timer);
      resolve(text);
    });
  });
}

test(`${HOSTILE} hostile requests: alive, memory flat, honest senders unharmed`, async () => {
  const proxy = await Proxy.start();
  const acknowledged: string[] = [];
  let going = true;
  const honest = (async () => {
    while (going) {
      const { id, body } = order();
      assert.equal(await proxy.post(body), 200);
      acknowledged.push(id);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  })();
  let sent = 0;
  const attacker = async () => {
    while (sent < HOSTILE) {
      const n = sent++;
      const pieces = MALICE[n % MALICE.length]!(n);
      const text = await attack(proxy.port, pieces, n % 50 === 0 ? 2500 : 30);
      const code = /^HTTP\/1\.[01] (\d{3})/.exec(text)?.[1];
      const signedBody = n % MALICE.length >= MALICE.length - 3;
      if (code === "200")
        assert.ok(signedBody, `accepted: ${String(pieces[0]).slice(0, 80)}`);
      assert.doesNotMatch(
        text,
        /X-Y|hello|\[\[\[/,
        "nothing that was sent is said back",
      );
    }
  };
  const half = HOSTILE / 2;
  const attackers = Array.from({ length: 32 }, attacker);
  await until("half of the attack", () => sent >= half, 300_000);
  const middle = proxy.memoryKb;
  await Promise.all(attackers);
  going = false;
  await honest;
  const grown = proxy.memoryKb - middle;
  report.push(
    `${HOSTILE} hostile requests: alive, memory ${middle} kB half-way and ${grown >= 0 ? "+" : ""}${grown} kB at the end`,
  );
  assert.ok(grown < 16_384, `grew by ${grown} kB in the second half`);
  assert.ok(acknowledged.length > 10);
  await takesEffectOnce("  honest senders meanwhile", acknowledged);
  await proxy.stop();
});
