// ./run demo --check: the main job, asserted. Each claim is one line, "ok" or "not ok".
import { spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { join } from "node:path";
import { ConvexClient } from "convex/browser";
import { convexToJson } from "convex/values";
import { makeFunctionReference } from "convex/server";
import type { Browser } from "playwright-core";
import { WebSocket } from "ws";
import { playFeed } from "../feed/player";
import { Dashboard, launch } from "./browser";
import { compareMirror, comparePage, compareRecords } from "./compare";
import { Discord, snowflakeTime, type Message } from "./discord";
import { Latency } from "./latency";
import { playLoad } from "./load";
import type { Options } from "./options";
import { purchaseAndRefund, type Turn } from "./payments";
import { CHANNELS, COMMUNITY, ROOT, SELLAPP_SECRET, type Stack } from "./stack";

const SETTLE_MS = 600_000; // how long the ends may take to be equal
const LOOK_EVERY_MS = 250;

export class Check {
  passed = 0;
  failed = 0;

  claim(what: string, problems: string[] | boolean): void {
    const list =
      typeof problems === "boolean"
        ? problems
          ? []
          : ["it does not hold"]
        : problems;
    if (list.length === 0) {
      this.passed++;
      process.stdout.write(`ok - ${what}\n`);
      return;
    }
    this.failed++;
    process.stdout.write(`not ok - ${what}\n`);
    for (const problem of list.slice(0, 12))
      process.stdout.write(`    ${problem}\n`);
    if (list.length > 12)
      process.stdout.write(`    … and ${list.length - 12} more\n`);
  }

  summary(): boolean {
    process.stdout.write(
      `\nchecks: ${this.passed} passed, ${this.failed} failed\n`,
    );
    return this.failed === 0;
  }
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** The last outcome of `look` once it is free of problems, or after the patience has ended. */
async function eventually(
  look: () => Promise<string[]>,
  patienceMs = SETTLE_MS,
  everyMs = LOOK_EVERY_MS,
): Promise<string[]> {
  const until = Date.now() + patienceMs;
  for (;;) {
    const problems = await look();
    if (problems.length === 0 || Date.now() > until) return problems;
    await sleep(everyMs);
  }
}

export type Pair = { name: string; source: string; mirror: string };

export async function compareAll(
  discord: Discord,
  page: Dashboard | null,
  channels: readonly Pair[] = CHANNELS,
): Promise<string[]> {
  const problems: string[] = [];
  const everything: Message[] = [];
  for (const channel of channels) {
    const source = await discord.messages(channel.source);
    everything.push(...source);
    problems.push(
      ...compareMirror(source, await discord.messages(channel.mirror)).map(
        (p) => `${channel.name}: ${p}`,
      ),
    );
  }
  if (page && problems.length === 0) {
    everything.sort((a, b) => (BigInt(a.id) < BigInt(b.id) ? -1 : 1));
    problems.push(...comparePage(everything, await page.rows()));
  }
  return problems;
}

/** The customers' guild against the source guild, whatever the order of what came late. */
export async function compareUnordered(
  stack: Stack,
  discord: Discord,
): Promise<string[]> {
  const records = ((await stack.table("mirrors")) as Mirror[]).map((m) => ({
    messageId: m.messageId,
    postIds: m.actual?.messageIds ?? [],
  }));
  const problems: string[] = [];
  for (const channel of CHANNELS)
    problems.push(
      ...compareRecords(
        await discord.messages(channel.source),
        await discord.messages(channel.mirror),
        records,
      ).map((p) => `${channel.name}: ${p}`),
    );
  return problems;
}

/** Waits until the customers' guild is equal to the source guild; the remaining differences. */
export function settle(
  discord: Discord,
  channels: readonly Pair[] = CHANNELS,
  patienceMs = SETTLE_MS,
  everyMs = LOOK_EVERY_MS,
): Promise<string[]> {
  return eventually(
    () => compareAll(discord, null, channels),
    ...[patienceMs, everyMs],
  );
}

/** The same, whatever the order. */
export function settleUnordered(
  stack: Stack,
  discord: Discord,
  patienceMs: number,
): Promise<string[]> {
  return eventually(() => compareUnordered(stack, discord), patienceMs);
}

// ---- the official JS client and ours, side by side ----

class SideBySide {
  private readonly js: string[] = [];
  private readonly c: string[] = [];
  private readonly client: ConvexClient;
  private readonly child;

  constructor(stack: Stack, token: string) {
    const args = {
      community: COMMUNITY,
      paginationOpts: { numItems: 100, cursor: null },
    };
    this.client = new ConvexClient(stack.backendUrl, {
      webSocketConstructor: WebSocket as unknown as typeof globalThis.WebSocket,
      unsavedChangesWarning: false,
      logger: false,
    });
    this.client.setAuth(async () => token);
    this.client.onUpdate(
      makeFunctionReference<"query">("feed:list"),
      args,
      (value) => this.js.push(canonical(convexToJson(value))),
    );
    this.child = spawn(
      join(ROOT, "build/release/bin/convex-example-watch"),
      [
        stack.backendUrl,
        "feed:list",
        JSON.stringify(args),
        "--token-env",
        "TOKEN",
      ],
      {
        env: { ...process.env, TOKEN: token },
        stdio: ["ignore", "pipe", "inherit"],
      },
    );
    createInterface({ input: this.child.stdout! }).on("line", (line) =>
      this.c.push(canonical(JSON.parse(line))),
    );
  }

  /** Waits until both have their first result. */
  async begun(): Promise<void> {
    await eventually(async () =>
      this.c.length > 0 && this.js.length > 0 ? [] : ["no result yet"],
    );
  }

  /**
   * The results that both saw are in the same order, and the last is the same. How many they
   * have in common is the machine's matter: several changes at once are one result.
   */
  problems(): string[] {
    const problems: string[] = [];
    const inC = new Set(this.c);
    const inJs = new Set(this.js);
    const common = [
      this.js.filter((r) => inC.has(r)),
      this.c.filter((r) => inJs.has(r)),
    ];
    if (this.c.length < 2 || this.js.length < 2)
      problems.push(
        `too few results: JS ${this.js.length}, C ${this.c.length}`,
      );
    if (common[0]!.join("\n") !== common[1]!.join("\n"))
      problems.push("the results that both saw are not in the same order");
    if (this.js[this.js.length - 1] !== this.c[this.c.length - 1])
      problems.push("the last results differ");
    return problems;
  }

  counts(): string {
    return `JS ${this.js.length} results, C ${this.c.length}`;
  }

  async close(): Promise<void> {
    this.child.kill("SIGTERM");
    await this.client.close();
  }
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_, v: unknown) =>
    v !== null && typeof v === "object" && !Array.isArray(v)
      ? Object.fromEntries(
          Object.entries(v).sort(([a], [b]) => (a < b ? -1 : 1)),
        )
      : v,
  );
}

// ---- the phases ----

async function feedArrives(
  check: Check,
  stack: Stack,
  discord: Discord,
  page: Dashboard,
  options: Options,
): Promise<void> {
  const both = new SideBySide(stack, await stack.signIn());
  await both.begun();
  await playFeed({
    control: stack.discordUrl,
    speed: options.speed === 1 ? 12 : options.speed,
  });
  check.claim(
    "the sample feed is the same in the source guild, on the page and in the customers' guild",
    await eventually(() => compareAll(discord, page)),
  );
  const differences = await eventually(async () => both.problems());
  check.claim(
    `the official JS client and ours see the same results (${both.counts()})`,
    differences,
  );
  await both.close();
}

async function killsInTheFeed(
  check: Check,
  stack: Stack,
  discord: Discord,
  page: Dashboard,
  options: Options,
): Promise<void> {
  // another backend than ours is not ours to kill
  const victims = ["collector", "bot", "backend"].filter((name) =>
    stack.children.has(name),
  );
  let killed = 0;
  let steps = 0;
  await playFeed({
    control: stack.discordUrl,
    speed: options.speed === 1 ? 8 : options.speed,
    onStep: () => {
      if (++steps % 15 === 0 && killed < 2 * victims.length)
        void stack.child(victims[killed++ % victims.length]!).kill9();
    },
  });
  check.claim(
    `${victims.join(", ")} were killed (kill -9) in the middle, ${killed} times`,
    killed >= victims.length,
  );
  check.claim(
    "after the kills both ends are equal to the source again",
    await eventually(() => compareAll(discord, page)),
  );
}

async function measure(
  check: Check,
  stack: Stack,
  discord: Discord,
  page: Dashboard,
  options: Options,
): Promise<Latency> {
  const latency = new Latency();
  process.stdout.write(
    `\n… ${options.messages} messages at ${options.rate}/s\n`,
  );
  const written = await playLoad(discord, {
    count: options.messages,
    perSecond: options.rate,
    seed: options.seed,
  });
  check.claim(
    `${options.messages} messages at ${options.rate}/s: both ends are equal to the source`,
    await eventually(() => compareAll(discord, page)),
  );
  const paints = await page.paints();
  let hops = await hopsOf(stack);
  check.claim(
    "every hop of every measured message has its time",
    await eventually(async () => {
      hops = await hopsOf(stack); // a post is there before it is reported
      const complete = written.filter(
        ({ id }) => hops.get(id)?.postedAt !== undefined && paints.has(id),
      ).length;
      return complete === written.length
        ? []
        : [`${complete} of ${written.length}`];
    }),
  );
  for (const { id } of written) {
    const row = hops.get(id);
    const paint = paints.get(id);
    if (!row) continue;
    latency.addTimes({
      ...row,
      seenAt:
        paint === undefined || !Number.isFinite(paint) ? undefined : paint,
    });
  }
  process.stdout.write(`\n${latency.table().join("\n")}\n\n`);
  return latency;
}

interface Signal {
  messageId: string;
  capturedAt: number;
  committedAt: number;
}
interface Mirror {
  messageId: string;
  actual: { messageIds: string[] } | null;
}

/** Times by message id. Posted: when Discord made the first post. */
export async function hopsOf(stack: Stack): Promise<
  Map<
    string,
    {
      sourceAt: number;
      capturedAt: number;
      committedAt: number;
      postedAt?: number;
    }
  >
> {
  const posts = new Map(
    ((await stack.table("mirrors")) as Mirror[]).map((m) => [
      m.messageId,
      m.actual?.messageIds[0],
    ]),
  );
  return new Map(
    ((await stack.table("signals")) as Signal[]).map((s) => {
      const post = posts.get(s.messageId);
      return [
        s.messageId,
        {
          sourceAt: snowflakeTime(s.messageId),
          capturedAt: s.capturedAt,
          committedAt: s.committedAt,
          postedAt: post ? snowflakeTime(post) : undefined,
        },
      ];
    }),
  );
}

async function webhookArrives(check: Check, stack: Stack): Promise<void> {
  const body = JSON.stringify({
    event: "order.completed",
    store: 17,
    data: {
      id: 900719925474,
      status: { status: { status: "COMPLETED" } },
      payment: {
        gateway: { data: { customer_email: "buyer@example.com", total: 4900 } },
      },
      created_at: "2026-01-05T10:00:00Z",
      updated_at: "2026-01-05T10:00:07Z",
    },
  });
  const send = (signature: string) =>
    fetch(`${stack.webhookUrl}/v1/${COMMUNITY}/sellapp`, {
      method: "POST",
      headers: { "content-type": "application/json", signature },
      body,
    });
  const signature = createHmac("sha256", SELLAPP_SECRET)
    .update(body)
    .digest("hex");
  check.claim(
    "the webhook-proxy answers its health check",
    (await fetch(`${stack.webhookUrl}/healthz`)).ok,
  );
  check.claim(
    "a wrong signature is refused with 401",
    (await send("0".repeat(64))).status === 401,
  );
  check.claim(
    "a signed order.completed is accepted",
    (await send(signature)).ok,
  );
  check.claim(
    "the same delivery again is accepted too",
    (await send(signature)).ok,
  );
  const stored = async () =>
    (
      (await stack.table("webhookEvents")) as { type: string; body: string }[]
    ).filter((e) => e.body === body);
  check.claim(
    "it is in Convex, once, as it was received",
    await eventually(async () => {
      const rows = await stored();
      return rows.length === 1 && rows[0]!.type === "order.completed"
        ? []
        : [`${rows.length} rows`];
    }),
  );
}

async function paymentsDecide(
  check: Check,
  stack: Stack,
  discord: Discord,
): Promise<void> {
  const said = ({ roleMs, feedMs }: Turn) =>
    `role after ${roleMs} ms, feed after ${feedMs} ms`;
  try {
    const { bought, refunded } = await purchaseAndRefund(stack, discord);
    check.claim(
      `with the website down a signed purchase opens the feed and gives the role (${said(bought)})`,
      true,
    );
    check.claim(
      `its refund closes the feed and takes the role (${said(refunded)})`,
      true,
    );
  } catch (error) {
    check.claim("a purchase and its refund decide about feed and role", [
      (error as Error).message,
    ]);
  }
}

async function daemonsSay(check: Check, stack: Stack): Promise<void> {
  const missing = async () => {
    const rows = (await stack.table("services")) as {
      service: string;
      state: string;
    }[];
    return ["collector", "bot", "webhook-proxy"]
      .filter(
        (name) =>
          !rows.some((row) => row.service === name && row.state === "ready"),
      )
      .map((name) => `${name} is not`);
  };
  check.claim(
    "each daemon's instance is in the services table and ready",
    await eventually(missing),
  );
}

export async function runCheck(
  stack: Stack,
  options: Options,
): Promise<boolean> {
  const check = new Check();
  const discord = new Discord(stack.discordUrl);
  if (!existsSync(join(ROOT, "web/dist/index.html")))
    throw new Error("the dashboard is not built: ./run build");
  let browser: Browser | null = null;
  try {
    browser = await launch();
    const page = await Dashboard.open(browser, stack);
    check.claim(
      "a customer signs in on the dashboard in a real browser and sees the feed",
      true,
    );
    await feedArrives(check, stack, discord, page, options);
    await webhookArrives(check, stack);
    await paymentsDecide(check, stack, discord);
    await daemonsSay(check, stack);
    await measure(check, stack, discord, page, options);
    check.claim("the page has logged no error", page.problems);
    await killsInTheFeed(check, stack, discord, page, options);
  } finally {
    await browser?.close();
  }
  return check.summary();
}
