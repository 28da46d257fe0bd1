// scene.ts - a community in the middle of a day, for the pictures: what was written over the last
// hours, posted and read within moments, bought, given up and asked for.
//
// Plays every daemon itself, by the same functions and with the same tokens, so that all
// figures on the pages are those that the backend worked out. The backend's clock and this
// process' go together through those hours.
import { createHash } from "node:crypto";
import type { ConvexHttpClient } from "convex/browser";
import { api } from "../../schema/convex/_generated/api";
import {
  Community,
  MARA,
  MEMBER,
  World,
  writeSample,
} from "../../tests/web-harness";

const SPREAD = 150; // three minutes become seven hours and a half
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const NAME = "Northwind Signals";
const CHANNELS = ["vip-signals", "scalps", "market-talk"];
const SHOP = { source: "shop", product: "77", name: "VIP monthly", days: 30 };
const ROLE = "1200000000000000201";
const VERSION = "1.4.0";
const INSTANCE = "bot-1";

export const OPERATOR = MEMBER;
export const CUSTOMER = {
  email: "ada@example.com",
  password: "a long enough one",
};
export const FORMER = {
  email: "otto@example.com",
  password: "a long enough one",
};
export const VISITOR = {
  email: "new@example.com",
  password: "a long enough one",
};

export type Scene = {
  community: Community;
  entry: string; // the id of a trade
  update: string; // and of what was said of it
  share: string; // the token of a link
};

/** The clock of this process and, once it is there, of the backend. Never goes back. */
class Clock {
  readonly #real = Date.now.bind(Date);
  #behind = 0;
  world: World | null = null;

  constructor(start: number) {
    Date.now = () => this.#real() - this.#behind;
    this.#behind = this.#real() - start;
  }

  async set(at: number): Promise<void> {
    this.#behind = Math.max(0, this.#real() - at);
    await this.world?.backend.control("/clock", { set: Date.now() });
  }
}

/** Figures that look like a network's, the same in every run. */
class Chance {
  #seed = 20;

  between(low: number, high: number): number {
    this.#seed = (this.#seed * 1_103_515_245 + 12_345) % 2 ** 31;
    const share = this.#seed / 2 ** 31;
    return Math.round(low + (high - low) * share ** 3);
  }
}

/** Posts what waits and reads it, as the bot and a customer do. */
class Pipeline {
  readonly #chance = new Chance();
  #reader: ConvexHttpClient | null = null;
  #signedInAt = 0;

  constructor(
    private readonly clock: Clock,
    private readonly bot: ConvexHttpClient,
    private readonly community: Community,
  ) {}

  /** Signed in again before the token ends. */
  async #signedIn(): Promise<ConvexHttpClient> {
    if (Date.now() - this.#signedInAt > HOUR / 2) {
      this.#reader = await this.community.world.person(OPERATOR, "signIn");
      this.#signedInAt = Date.now();
    }
    return this.#reader!;
  }

  /** The moment at which the backend has what is written at `at`. */
  async arrive(at: number): Promise<void> {
    await this.deliver();
    await this.clock.set(at + this.#chance.between(35, 90));
  }

  async deliver(): Promise<void> {
    const { slug, world } = this.community;
    const seenAt = Date.now() + this.#chance.between(18, 60);
    await this.clock.set(Date.now() + this.#chance.between(90, 320));
    await post(this.community, this.bot);
    const reader = await this.#signedIn();
    const recent = await reader.query(api.feed.list, {
      community: slug,
      paginationOpts: { numItems: 3, cursor: null },
    });
    const samples = recent.page.map(({ messageId, version }) => ({
      messageId,
      version,
      seenAt,
    }));
    if (samples.length > 0)
      await reader.mutation(api.latency.seen, {
        community: slug,
        samples,
      });
    await world.run("stats:tick", { lagMs: 0 });
  }
}

let posts = 0n;

/** Whatever waits is posted, edited or deleted now. */
export async function post(community: Community, by?: ConvexHttpClient) {
  const bot = by ?? (await community.world.service("bot"));
  const postedAt = Date.now();
  const claim = { instance: INSTANCE, limit: 64 };
  const { work } = await bot.mutation(api.mirrors.claim, claim);
  const results = work.map(({ mirrorId, fence, version, op, messageIds }) => {
    const fresh = [`12000000000000${String(++posts).padStart(5, "0")}`];
    const ids = messageIds.length > 0 ? messageIds : fresh;
    const made = {
      type: "posted" as const,
      messageIds: ids,
      postedAt,
      version,
    };
    const outcome = op === "delete" ? { type: "deleted" as const } : made;
    return { mirrorId, fence, outcome };
  });
  if (results.length > 0)
    await bot.mutation(api.mirrors.report, { instance: INSTANCE, results });
}

/** The newest trade and what came of it, so that both are on top. */
async function writeTrade(
  community: Community,
  before: (at: number) => Promise<void>,
  sentAt: number,
): Promise<{ entry: string; update: string }> {
  const text =
    "LONG BTC/USDT\nEntry 64000 - 64200\nTP 65000 / 66000 / 68000\nSL 62900";
  const place = (of: string) => {
    const start = text.indexOf(of);
    return { part: "content", start, end: start + of.length };
  };
  await before(sentAt);
  const entry = await community.write({
    content: text,
    sentAt,
    contentTrade: {
      kind: "entry",
      ...{ symbol: "BTC/USDT", base: "BTC", quote: "USDT", side: "long" },
      leverage: { min: 5, max: 10, mode: "cross" },
      entries: { type: "range", values: ["64000", "64200"] },
      targets: ["65000", "66000", "68000"],
      stop: "62900",
      spans: [
        { field: "side", ...place("LONG") },
        { field: "symbol", ...place("BTC/USDT") },
        { field: "entry", ...place("64000") },
        { field: "entry", ...place("64200") },
        { field: "target", ...place("65000") },
        { field: "target", ...place("66000") },
        { field: "target", ...place("68000") },
        { field: "stop", ...place("62900") },
      ],
      confidence: 0.95,
    },
  });
  const updatedAt = sentAt + 3 * MINUTE;
  await before(updatedAt);
  const update = await community.write({
    content: "TP1 hit, stop to entry. Letting the rest run.",
    sentAt: updatedAt,
    replyToId: entry,
    author: MARA,
    contentTrade: {
      kind: "update",
      update: { type: "target_hit", targets: [1] },
      spans: [],
      confidence: 0.9,
    },
  });
  return { entry, update };
}

type Order = { id: string; email: string; product?: string; type?: string };

/** What Sell.app says of orders, as the proxy forwards it. */
async function takeOrders(
  community: Community,
  proxy: ConvexHttpClient,
  orders: Order[],
): Promise<void> {
  for (const { id, email, product = SHOP.product, type } of orders) {
    const event = type ?? "order.completed";
    const time = new Date(Date.now()).toISOString();
    const body = JSON.stringify({
      event,
      data: {
        id,
        created_at: time,
        updated_at: time,
        customer_information: { email },
        product_variants: [{ id: product }],
      },
    });
    await proxy.mutation(api.webhooks.ingest, {
      community: community.slug,
      source: SHOP.source,
      provider: "sellapp",
      key: `${id} ${event}`,
      type: event,
      receivedAt: Date.now(),
      occurredAt: Date.now(),
      subject: `order:${id}`,
      body,
      bodySha256: createHash("sha256").update(body).digest("hex"),
      headers: [
        { name: "content-type", value: "application/json" },
        { name: "signature", value: "(64 hexadecimal digits)" },
      ],
      verdict: "verified",
    });
  }
}

/** People with and without access, and why. */
async function fillWithPeople(world: World, community: Community) {
  const { slug } = community;
  for (const one of [CUSTOMER, FORMER, VISITOR])
    await world.person(one, "signUp");
  await world.run("access:makeOperator", { email: OPERATOR.email });
  await world.run("plans:map", { community: slug, ...SHOP });
  await world.run("discord:link", {
    email: CUSTOMER.email,
    discordId: "1400000000000000011",
  });
  await world.run("account:proveEmail", { email: CUSTOMER.email });
  await takeOrders(community, await world.service("webhook-proxy"), [
    { id: "4711", email: CUSTOMER.email },
    { id: "4712", email: "lin@example.com", type: "order.created" },
    { id: "4712", email: "lin@example.com" },
    { id: "4713", email: "sam@example.com", product: "91" },
    { id: "4714", email: "kim@example.com" },
    { id: "4714", email: "kim@example.com", type: "order.disputed" },
  ]);
  await world.run("access:grant", {
    ...{ community: slug, email: FORMER.email },
    until: Date.now() + 5 * HOUR, // which is over by now
    reason: "A trial",
  });
  await giveRoles(world);
}

/** How the daemons say that they are. */
export async function beat(world: World): Promise<void> {
  const counters = {
    collector: { events_captured_total: 74, outbox_waiting: 0, outbox_dead: 0 },
    bot: { posts_total: 63, edits_total: 9, roles_given_total: 2 },
    "webhook-proxy": { webhooks_accepted_total: 6, webhooks_refused_total: 0 },
  };
  for (const service of ["collector", "bot", "webhook-proxy"] as const)
    await (
      await world.service(service)
    ).mutation(api.services.heartbeat, {
      service,
      instance: `${service}-1`,
      version: VERSION,
      state: "ready",
      counters: Object.entries(counters[service]).map(([name, value]) => ({
        name,
        value,
      })),
    });
}

/** Asks the bot about channels, one after the other in its favour or not. */
export async function answerChecks(community: Community): Promise<void> {
  const { world, slug } = community;
  const bot = await world.service("bot");
  const operator = await world.person(OPERATOR, "signIn");
  const channels = await operator.query(api.channels.list, { community: slug });
  for (const { id: channelId } of channels.slice(0, 2))
    await operator.mutation(api.checks.request, {
      ...{ community: slug, channelId, kind: "permissions" },
    });
  const claim = { instance: INSTANCE, limit: 8 };
  const { checks } = await bot.mutation(api.checks.claim, claim);
  for (const { sourceChannelId } of channels)
    await world.collector.mutation(api.checks.source, {
      ...{ guildId: community.guildId, channelId: sourceChannelId },
      ...{ passed: true, findings: [READABLE] },
    });
  const mirror = channels[0]!.mirrorChannelId;
  await bot.mutation(api.checks.report, {
    instance: INSTANCE,
    results: checks.map(({ checkId, fence, channelId }) => ({
      ...{ checkId, fence, passed: channelId === mirror },
      findings: [channelId === mirror ? FINE : LACKING],
    })),
  });
}

const READABLE = {
  code: "ok",
  detail: "The bot may see the channel and read its history.",
  instruction: "",
};
const FINE = {
  code: "ok",
  detail: "The bot has every permission that it needs here.",
  instruction: "",
};
const LACKING = {
  code: "missing_permission",
  detail:
    'The bot lacks "Attach Files": charts and other files cannot be posted.',
  instruction:
    'In Discord open the settings of #scalps, Permissions, and allow "Attach Files" for the bot\'s role.',
};

/** Links to read with; the token of the one that is open. */
async function share(community: Community): Promise<string> {
  const operator = await community.world.person(OPERATOR, "signIn");
  const wanted = { community: community.slug, expiresAt: Date.now() + 7 * DAY };
  const press = { ...wanted, label: "Press" };
  const { id } = await operator.action(api.shares.create, press);
  await operator.mutation(api.shares.revoke, { id });
  const trial = { ...wanted, label: "Trial readers" };
  return (await operator.action(api.shares.create, trial)).token;
}

/** Roles are given, as far as there are any to give, and looked at. */
async function giveRoles(world: World): Promise<void> {
  const bot = await world.service("bot");
  const claim = { instance: INSTANCE, limit: 8 };
  const { jobs } = await bot.mutation(api.roles.claim, claim);
  await bot.mutation(api.roles.report, {
    instance: INSTANCE,
    results: jobs.map(({ jobId, fence }) => ({
      ...{ jobId, fence },
      outcome: { type: "done" as const, gave: true },
    })),
  });
}

/** A post that cannot be made, given up. */
async function giveUp(community: Community, bot: ConvexHttpClient) {
  const claim = { instance: INSTANCE, limit: 1 };
  const { work } = await bot.mutation(api.mirrors.claim, claim);
  await bot.mutation(api.mirrors.report, {
    instance: INSTANCE,
    results: work.map(({ mirrorId, fence }) => ({
      ...{ mirrorId, fence },
      outcome: { type: "dead" as const, error: "50013 Missing Permissions" },
    })),
  });
}

/** The whole of it. Both clocks are that of the wall again when it is done. */
export async function play(): Promise<{ world: World; scene: Scene }> {
  const now = Date.now();
  const clock = new Clock(now - 8 * HOUR);
  const world = await World.start({ control: true, clock: Date.now() });
  clock.world = world;
  const community = await found(world);
  await fillWithPeople(world, community);
  const bot = await world.service("bot");
  const pipeline = new Pipeline(clock, bot, community);
  const before = (at: number) => pipeline.arrive(at);
  await writeSample(community, SPREAD, before, now - 8 * MINUTE);
  const trade = await writeTrade(community, before, now - 5 * MINUTE);
  await pipeline.deliver();
  await clock.set(now - MINUTE);
  for (let i = 0; i < 4; i++) await world.fetchFiles();
  await answerChecks(community);
  await community.write("Charts of the week are in the archive.", CHANNELS[2]);
  await giveUp(community, bot);
  const token = await share(community);
  await world.run("stats:tick", { lagMs: 0 });
  await clock.set(Infinity);
  return { world, scene: { community, ...trade, share: token } };
}

async function found(world: World): Promise<Community> {
  const community = await world.community(CHANNELS, NAME);
  const { slug, guildId } = community;
  await world.run("communities:setUp", {
    ...{ slug, name: NAME, sourceGuildId: guildId },
    customerGuildId: `2${guildId.slice(1)}`,
    memberRoleIds: [ROLE],
  });
  const url = await world.site({
    ...{ convexUrl: world.backend.url, community: slug },
    buyUrl: "https://shop.example.com/vip",
  });
  await world.setEnvironment("SITE_URL", url);
  await community.grant(OPERATOR.email);
  return new Community(world, url, slug, guildId, CHANNELS);
}
