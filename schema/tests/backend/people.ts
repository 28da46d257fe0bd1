// people.ts - what operators find out about people, their payments, and what waits.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import type { ConvexHttpClient } from "convex/browser";
import { api } from "../../convex/_generated/api";
import type { Id } from "../../convex/_generated/dataModel";
import type { Community, Deployment } from "./deployment";
import { refuses, theOperator, until } from "./operator";
import { newId } from "./source";
import { entry } from "./trades";
import { World } from "./world";

const DAY = 24 * 3600 * 1000;
const ROLE = "1350000000000000011";
const page = (numItems = 50) => ({ numItems, cursor: null });

/** A community that sells product 77, its operator, and the proxy of its shop. */
class Office {
  #sent = 0;

  private constructor(
    readonly deployment: Deployment,
    readonly community: Community,
    readonly operator: ConvexHttpClient,
    readonly proxy: ConvexHttpClient,
  ) {}

  static async open(deployment: Deployment, slug: string): Promise<Office> {
    const over = { memberRoleIds: [ROLE] };
    return new Office(
      deployment,
      await deployment.community(slug, 1, over),
      await theOperator(deployment),
      await deployment.service("webhook-proxy"),
    );
  }

  get slug(): string {
    return this.community.slug;
  }

  async sells(product = "77"): Promise<void> {
    await this.operator.mutation(api.plans.set, {
      community: this.slug,
      source: "shop",
      product,
      name: "VIP monthly",
      days: 30,
      roleIds: [],
    });
  }

  /** What Sell.app says of an order, delivered. */
  async says(type: string, order: string, email: string, at = Date.now()) {
    const time = new Date(at).toISOString();
    const body = JSON.stringify({
      event: type,
      data: {
        id: order,
        created_at: time,
        updated_at: time,
        customer_information: { email },
        product_variants: [{ id: "77" }],
      },
    });
    await this.proxy.mutation(api.webhooks.ingest, {
      community: this.slug,
      source: "shop",
      provider: "sellapp",
      key: `k${this.#sent++}`,
      type,
      receivedAt: Date.now(),
      occurredAt: at,
      subject: `order:${order}`,
      body,
      bodySha256: createHash("sha256").update(body).digest("hex"),
      headers: [{ name: "content-type", value: "application/json" }],
      verdict: "verified",
    });
  }

  async find(text: string) {
    return await this.operator.query(api.people.find, {
      community: this.slug,
      text,
    });
  }

  async person(email: string) {
    return await this.operator.query(api.people.get, {
      community: this.slug,
      email,
    });
  }

  async events(filter = {}) {
    const { page: rows } = await this.operator.query(api.events.list, {
      community: this.slug,
      filter,
      paginationOpts: page(),
    });
    return rows;
  }
}

export function people(start: () => Promise<Deployment>): void {
  test("somebody is found by address, Discord id or name, and order, whole or begun", async () => {
    const office = await Office.open(await start(), "op-find");
    await office.sells();
    const email = "finder@found.example";
    const discordId = "1450000000000000001";
    await office.deployment.person(email);
    await office.operator.mutation(api.people.linkDiscord, {
      email,
      discordId,
    });
    await office.says("order.paid", "4711", email);
    await office.says("order.paid", "4712", "without@found.example");
    for (const [text, by] of [
      ["finder@", "e-mail"],
      [" Finder@Found.example ", "e-mail"],
      [discordId, "Discord"],
      ["4711", "order 4711"],
      ["#4711", "order 4711"],
      ["order 4711", "order 4711"],
    ] as const)
      assert.deepEqual(
        await office.find(text),
        [{ email, account: true, discord: { id: discordId, name: "" }, by }],
        text,
      );
    assert.deepEqual(
      (await office.find("WITHOUT@")).map((one) => [one.email, one.account]),
      [["without@found.example", false]],
    );
    assert.deepEqual(await office.find("nobody at all"), []);
    assert.deepEqual(await office.find(" "), []);
  });

  test("a grant, a revocation and its end say in the timeline who did them and what for", async () => {
    const office = await Office.open(await start(), "op-grant");
    const email = "granted@found.example";
    const whom = { community: office.slug, email };
    await office.deployment.person(email);
    assert.equal(
      (await office.person(email)).access.why,
      "They never had any.",
    );
    const grant = (over: object) =>
      office.operator.mutation(api.people.grant, {
        ...whom,
        until: null,
        reason: "guest of the house",
        ...over,
      });
    await refuses(grant({ until: 1 }), /^until: /);
    await refuses(grant({ reason: " " }), /^reason: /);
    await refuses(grant({ email: "nobody" }), /not an e-mail address/);
    assert.deepEqual(await grant({}), { bound: true });
    assert.deepEqual((await office.person(email)).access, {
      live: true,
      until: null,
      why: "Granted by hand: guest of the house",
    });
    await office.operator.mutation(api.people.revoke, {
      ...whom,
      reason: "abuse",
    });
    const revoked = await office.person(email);
    assert.equal(revoked.access.why, "An operator revoked it.");
    assert.equal(revoked.entitlements[0]!.state, "revoked");
    await office.operator.mutation(api.people.restore, {
      ...whom,
      reason: "cleared up",
    });
    assert.equal((await office.person(email)).access.live, true);
    const steps = await office.operator.query(api.people.timeline, whom);
    const said = steps
      .filter(({ kind }) => kind === "operator")
      .map(({ text, detail }) => `${text}: ${detail}`);
    assert.deepEqual(said, [
      "runs-it@test.example restored access: cleared up",
      "runs-it@test.example revoked access: abuse",
      "runs-it@test.example granted access: until further notice: guest of the house",
    ]);
    assert.deepEqual(
      steps.map(({ at }) => at),
      steps.map(({ at }) => at).sort((a, b) => b - a),
    );
  });

  test("a payment's way is told from the event to the access, and what is missing is named", async () => {
    const office = await Office.open(await start(), "op-why");
    const email = "payer@found.example";
    const whom = { community: office.slug, email };
    await office.says("order.paid", "81", email);
    const parked = await office.person(email);
    assert.equal(parked.purchases[0]!.parked, "product");
    assert.equal(parked.access.live, false);
    await office.sells();
    await until("the purchase to be settled", async () => {
      return (await office.person(email)).purchases[0]!.parked === null;
    });
    const waiting = await office.person(email);
    assert.equal(waiting.entitlements[0]!.state, "waiting");
    assert.match(waiting.access.why, /no account yet/);
    await office.deployment.person(email);
    assert.match(
      (await office.person(email)).access.why,
      /has not proved that it is theirs/,
    );
    await office.operator.mutation(api.people.proveEmail, { email });
    const { access } = await office.person(email);
    assert.deepEqual([access.live, access.why], [true, "Bought: VIP monthly"]);
    await office.operator.mutation(api.plans.unset, {
      community: office.slug,
      source: "shop",
      product: "77",
    });
    await until("the access to end", async () => {
      return !(await office.person(email)).access.live;
    });
    const steps = await office.operator.query(api.people.timeline, whom);
    const texts = steps.map(({ text }) => text);
    for (const text of [
      "Paid (order 81)",
      "sellapp said order.paid: parked",
      "Access bought: VIP monthly",
      "Access ended: VIP monthly",
      "Proved the address",
      "Parked: nobody said what its product buys (order 81)",
    ])
      assert.ok(texts.includes(text), `${text} of ${texts.join("; ")}`);
    const [event] = await office.events();
    const paid = steps.find(({ kind }) => kind === "payment");
    assert.equal(paid!.eventId ?? event!.id, event!.id);
  });

  test("roles expected and actual are shown, and a resync has the bot do them again", async () => {
    const office = await Office.open(await start(), "op-roles");
    const email = "roles@found.example";
    const discordId = "1450000000000000002";
    const whom = { community: office.slug, email };
    await office.deployment.person(email);
    await office.operator.mutation(api.people.linkDiscord, {
      email,
      discordId,
    });
    await office.operator.mutation(api.people.grant, {
      ...whom,
      until: null,
      reason: "guest",
    });
    const role = async () => (await office.person(email)).roles[0]!;
    assert.deepEqual(
      [(await role()).roleId, (await role()).desired, (await role()).state],
      [ROLE, true, "waiting"],
    );
    const bot = await office.deployment.service("bot");
    const work = async (outcome: object) => {
      const { jobs } = await bot.mutation(api.roles.claim, {
        instance: "bot-people",
        limit: 64,
      });
      const ours = jobs.filter((job) => job.discordId === discordId);
      await bot.mutation(api.roles.report, {
        instance: "bot-people",
        results: ours.map(({ jobId, fence }) => ({
          jobId,
          fence,
          outcome: outcome as never,
        })),
      });
      return ours.length;
    };
    assert.equal(await work({ type: "dead", error: "Missing Permissions" }), 1);
    const dead = await role();
    assert.deepEqual([dead.state, dead.error], ["dead", "Missing Permissions"]);
    const queue = { community: office.slug, queue: "roles" as const };
    const [entry] = await office.operator.query(api.queues.list, {
      ...queue,
      state: "dead",
    });
    assert.deepEqual(
      [entry!.subject, entry!.place, entry!.error, entry!.what],
      [discordId, ROLE, "Missing Permissions", "give a role"],
    );
    await office.operator.mutation(api.queues.retry, {
      ...queue,
      id: entry!.id,
    });
    assert.equal(await work({ type: "done", gave: true }), 1);
    assert.equal((await role()).state, "right");
    assert.equal(await work({ type: "done", gave: true }), 0);
    const done = await office.operator.mutation(api.people.resync, whom);
    assert.deepEqual(done, { purchases: 0, roles: 1 });
    assert.equal((await role()).state, "waiting");
    assert.equal(await work({ type: "done", gave: true }), 1);
    assert.equal(
      await office.operator.mutation(api.people.unlinkDiscord, { email }),
      true,
    );
    assert.equal((await office.person(email)).discord, null);
    assert.equal(await work({ type: "done", gave: false }), 1);
  });

  test("an event is found by each filter, shown whole, tried out and replayed", async () => {
    const office = await Office.open(await start(), "op-events");
    const email = "events@found.example";
    await office.says("order.paid", "91", email);
    await office.says("order.created", "92", email);
    await office.says("order.paid", "93", "other@found.example");
    assert.equal((await office.events()).length, 3);
    for (const [filter, count] of [
      [{ state: "parked" }, 2],
      [{ state: "ignored" }, 1],
      [{ type: "order.created" }, 1],
      [{ subject: "order:93" }, 1],
      [{ subject: "order:93", state: "ignored" }, 0],
      [{ source: "shop" }, 3],
      [{ source: "other" }, 0],
      [{ to: Date.now() - DAY }, 0],
      [{ from: Date.now() - DAY, type: "order.paid" }, 2],
    ] as const)
      assert.equal(
        (await office.events(filter)).length,
        count,
        JSON.stringify(filter),
      );
    const [event] = await office.events({ subject: "order:91" });
    const { id } = event!;
    const whole = await office.operator.query(api.events.get, { id });
    assert.equal(JSON.parse(whole.body).data.id, "91");
    assert.equal(
      createHash("sha256").update(whole.body).digest("hex"),
      whole.bodySha256,
    );
    assert.deepEqual(
      whole.attempts.map(({ by, state }) => [by, state]),
      [["webhook-proxy", "parked"]],
    );
    const tried = async (of: Id<"webhookEvents">) =>
      await office.operator.query(api.events.dryRun, { id: of });
    assert.equal((await tried(id)).state, "parked");
    await office.sells();
    // What is known of the purchase is told beside it, and changes as it is settled.
    await until("the purchase to be settled", async () => {
      return (await office.person(email)).purchases[0]!.parked === null;
    });
    const before = await tried(id);
    assert.equal(before.state, "applied");
    assert.equal(before.after!.plan, "VIP monthly");
    assert.ok(before.after!.access!.until! > Date.now());
    assert.deepEqual(await tried(id), before, "it changes nothing");
    const verdict = await office.operator.mutation(api.events.replay, { id });
    assert.equal(verdict.state, "applied");
    const again = await office.operator.query(api.events.get, { id });
    assert.deepEqual(
      again.attempts.map(({ by, state }) => [by, state]),
      [
        ["webhook-proxy", "parked"],
        ["runs-it@test.example", "applied"],
      ],
    );
    const [ignored] = await office.events({ state: "ignored" });
    assert.equal((await tried(ignored!.id)).after, null);
  });

  test("what was given up is counted with its reason, and tried again one by one or all", async () => {
    const deployment = await start();
    const operator = await theOperator(deployment);
    const world = await World.make(deployment, "op-queues");
    const community = world.community.slug;
    const ids = [newId(), newId(), newId()];
    await world.record(ids.map((id) => world.source.create(id)));
    const mirrors = async () =>
      (await operator.query(api.queues.overview, { community })).find(
        ({ queue }) => queue === "mirrors",
      )!;
    const waiting = await mirrors();
    assert.deepEqual([waiting.waiting, waiting.dead], [3, 0]);
    assert.ok(waiting.oldestAt !== null);
    const work = await world.bot.claim();
    await world.bot.report(
      work.map(({ mirrorId, fence }) => ({
        mirrorId,
        fence,
        outcome: { type: "dead", error: "50001 Missing Access" },
      })),
    );
    const dead = await mirrors();
    assert.deepEqual([dead.waiting, dead.dead, dead.oldestAt], [0, 3, null]);
    const queue = { community, queue: "mirrors" as const };
    const list = async () =>
      await operator.query(api.queues.list, { ...queue, state: "dead" });
    const [first] = await list();
    assert.equal(first!.error, "50001 Missing Access");
    await operator.mutation(api.queues.retry, { ...queue, id: first!.id });
    assert.deepEqual(
      [(await mirrors()).waiting, (await list()).length],
      [1, 2],
    );
    assert.equal(await world.bot.drain(), 1);
    assert.deepEqual(await operator.mutation(api.queues.retryAll, queue), {
      retried: 2,
      left: false,
    });
    assert.equal(await world.bot.drain(), 2);
    assert.equal(world.guild.contents().length, 3);
    await refuses(
      operator.mutation(api.queues.retry, { ...queue, id: "nonsense" }),
      /^id: /,
    );
  });

  test("files that failed and checks that wait are among the queues", async () => {
    const deployment = await start();
    const operator = await theOperator(deployment);
    const world = await World.make(deployment, "op-files");
    const community = world.community.slug;
    const of = async (queue: "attachments" | "checks") => {
      const all = await operator.query(api.queues.overview, { community });
      const { waiting, dead } = all.find((one) => one.queue === queue)!;
      return [waiting, dead];
    };
    const id = newId();
    const attachment = {
      id: newId(),
      filename: "chart.png",
      url: "https://cdn.discordapp.com/attachments/1/2/chart.png",
      size: 10,
    };
    await world.record([
      world.source.create(id, { attachments: [attachment] }),
    ]);
    await world.bot.drain();
    assert.deepEqual(await of("attachments"), [1, 0]);
    const { work } = await world.collector.mutation(api.attachments.claim, {
      instance: "one",
      limit: 16,
    });
    const ours = work.filter(({ messageId }) => messageId === id);
    await world.collector.mutation(api.attachments.report, {
      instance: "one",
      results: ours.map(({ jobId, fence }) => ({
        jobId,
        fence,
        outcome: {
          type: "failed" as const,
          reason: "404 Unknown Message",
        },
      })),
    });
    assert.deepEqual(await of("attachments"), [0, 1]);
    const queue = { community, queue: "attachments" as const };
    const [failed] = await operator.query(api.queues.list, {
      ...queue,
      state: "dead",
    });
    assert.deepEqual(
      [failed!.subject, failed!.place, failed!.error],
      [id, "chart.png", "404 Unknown Message"],
    );
    await operator.mutation(api.queues.retryAll, queue);
    assert.deepEqual(await of("attachments"), [1, 0]);
    await world.record([world.source.remove(id)]);
    await world.bot.drain();

    assert.deepEqual(await of("checks"), [0, 0]);
    const channelId = world.community.channels[0]!.id;
    await operator.mutation(api.checks.request, {
      community,
      channelId,
      kind: "permissions",
    });
    assert.deepEqual(await of("checks"), [1, 0]);
    const checks = { community, queue: "checks" as const };
    const [waiting] = await operator.query(api.queues.list, {
      ...checks,
      state: "waiting",
    });
    assert.equal(waiting!.what, "look at permissions");
    await refuses(
      operator.mutation(api.queues.retry, { ...queue, id: waiting!.id }),
      /^id: /,
    );
    const bot = world.bot.client;
    const { checks: claimed } = await bot.mutation(api.checks.claim, {
      instance: "one",
      limit: 16,
    });
    await bot.mutation(api.checks.report, {
      instance: "one",
      results: claimed.map(({ checkId, fence }) => ({
        checkId,
        fence,
        passed: true,
        findings: [],
      })),
    });
    assert.deepEqual(await of("checks"), [0, 0]);
  });

  test("exports page through everything once", async () => {
    const deployment = await start();
    const operator = await theOperator(deployment);
    const world = await World.make(deployment, "op-exports");
    const community = world.community.slug;
    const ids = Array.from({ length: 5 }, newId);
    const contentTrades = [entry("BTC"), entry("ETH", { side: "short" })];
    await world.record(
      ids.map((id, i) =>
        world.source.create(id, i === 1 ? { contentTrades } : {}),
      ),
    );
    await world.record([world.source.remove(ids[2]!)]);
    await world.bot.drain();
    const found: string[] = [];
    const traded: (string | null)[][] = [];
    let cursor: string | null = null;
    for (;;) {
      const got: {
        page: {
          messageId: string;
          symbol: string | null;
          side: string | null;
        }[];
        isDone: boolean;
        continueCursor: string;
      } = await operator.query(api.exports.signals, {
        community,
        paginationOpts: { numItems: 2, cursor },
      });
      found.push(...got.page.map(({ messageId }) => messageId));
      traded.push(...got.page.map(({ symbol, side }) => [symbol, side]));
      if (got.isDone) break;
      cursor = got.continueCursor;
    }
    assert.deepEqual(
      found,
      ids.filter((_, i) => i !== 2),
    );
    assert.deepEqual(traded.slice(0, 2), [
      [null, null],
      ["BTC/USDT, ETH/USDT", "long, short"],
    ]);
    const { page: members } = await operator.query(api.exports.people, {
      community,
      paginationOpts: page(),
    });
    assert.deepEqual(
      members.map(({ email, live, bought }) => [email, live, bought]),
      [["member@test.example", true, null]],
    );
  });

  test("the first run sees the test signal with its times, and no older one", async () => {
    const deployment = await start();
    const operator = await theOperator(deployment);
    const world = await World.make(deployment, "op-setup");
    const [channel] = world.community.channels;
    const signal = async (since: number) =>
      await operator.query(api.setup.testSignal, {
        community: world.community.slug,
        channelId: channel!.id,
        since,
      });
    assert.equal(await signal(0), null);
    await world.record([world.source.create(newId(), { content: "test!" })]);
    const seen = (await signal(0))!;
    assert.equal(seen.text, "test!");
    assert.equal(seen.postedAt, undefined);
    await world.bot.drain();
    assert.ok((await signal(0))!.postedAt !== undefined);
    assert.equal(await signal(seen.committedAt + 1), null);
    const standing = (client: ConvexHttpClient) =>
      client.query(api.setup.standing, {});
    const all = { operator: true, operators: true, communities: true };
    assert.deepEqual(await standing(operator), all);
    const other = { operator: false, operators: true, communities: true };
    assert.deepEqual(await standing(world.member), other);
  });
}
