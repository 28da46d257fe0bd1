// billing.ts - providers' events through the deployed functions, to who has access.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { ConvexClient, type ConvexHttpClient } from "convex/browser";
import { api, internal } from "../../convex/_generated/api";
import { permutations } from "../random";
import type { Deployment } from "./deployment";

const DAY = 24 * 3600 * 1000;
const SOURCE = "shop";
const PRODUCT = "77";

type Sent = { type: string; subject: string; body: object; at: number };

/** A shop that sells one community's access, and the proxy in front of it. */
class Shop {
  #sent = 0;

  private constructor(
    readonly deployment: Deployment,
    readonly slug: string,
    readonly proxy: ConvexHttpClient,
    readonly provider: string,
  ) {}

  static async open(
    deployment: Deployment,
    slug: string,
    provider = "sellapp",
  ): Promise<Shop> {
    await deployment.community(slug);
    const proxy = await deployment.service("webhook-proxy");
    return new Shop(deployment, slug, proxy, provider);
  }

  async sells(days: number | null = 30): Promise<void> {
    await this.deployment.run(internal.plans.map, {
      community: this.slug,
      source: SOURCE,
      product: PRODUCT,
      name: "VIP",
      days,
    });
  }

  async deliver(
    sent: Sent,
    over: { key?: string; body?: string; polled?: boolean } = {},
  ) {
    const body = over.body ?? JSON.stringify(sent.body);
    return await this.proxy.mutation(api.webhooks.ingest, {
      community: this.slug,
      source: SOURCE,
      provider: this.provider,
      key: over.key ?? `k${this.#sent++}`,
      type: sent.type,
      receivedAt: Date.now(),
      occurredAt: sent.at,
      subject: sent.subject,
      body,
      bodySha256: createHash("sha256").update(body).digest("hex"),
      headers: [],
      verdict: "verified",
      ...(over.polled ? { polled: true } : {}),
    });
  }

  async customer(email: string) {
    return await this.deployment.run(internal.access.show, {
      community: this.slug,
      email,
    });
  }

  /** Until when the address has access; undefined: it has none. */
  async access(email: string): Promise<number | null | undefined> {
    const { entitlements } = await this.customer(email);
    const live = entitlements.find(
      (row: Ends) =>
        row.revokedAt === null &&
        row.endedAt === null &&
        (row.until === null || row.until > Date.now()),
    );
    return live?.until;
  }

  async events(state?: "parked" | "conflict" | "ignored" | "applied") {
    return await this.deployment.run(internal.webhooks.list, {
      community: this.slug,
      ...(state ? { state } : {}),
    });
  }
}

type Ends = {
  revokedAt: number | null;
  endedAt: number | null;
  until: number | null;
};

function order(type: string, id: string, email: string, at: number): Sent {
  const time = new Date(at).toISOString();
  const data = {
    id,
    created_at: time,
    updated_at: time,
    customer_information: { email },
    product_variants: [{ id: PRODUCT }],
  };
  return { type, subject: `order:${id}`, body: { event: type, data }, at };
}

function subscription(type: string, at: number, end: number, more = {}): Sent {
  const data = {
    subscription_id: "s1",
    customer_email: "sub@test.example",
    product_variant_id: PRODUCT,
    current_period_end: new Date(end).toISOString(),
    updated_at: new Date(at).toISOString(),
    ...more,
  };
  const subject = "subscription:s1";
  return { type, subject, body: { event: type, data }, at };
}

export function billing(start: () => Promise<Deployment>): void {
  test("a paid order grants, repeated it grants once, refunded it ends", async () => {
    const shop = await Shop.open(await start(), "bill-order");
    await shop.sells();
    const email = "buyer@test.example";
    const now = Date.now();
    await shop.deliver(order("order.created", "1", email, now));
    assert.equal(await shop.access(email), undefined);
    const paid = order("order.paid", "1", email, now);
    const all = Array.from({ length: 20 }, () =>
      shop.deliver(paid, { key: "once" }),
    );
    const outcomes = (await Promise.all(all)).map(({ outcome }) => outcome);
    assert.equal(outcomes.filter((outcome) => outcome === "stored").length, 1);
    await shop.deliver(order("order.completed", "1", email, now));
    assert.equal(await shop.access(email), now + 30 * DAY);
    const { entitlements } = await shop.customer(email);
    assert.equal(entitlements.length, 1);

    const refunded = order("order.polled", "1", email, now + 5);
    Object.assign((refunded.body as { data: object }).data, {
      status: "REFUNDED",
    });
    await shop.deliver(refunded);
    assert.equal(await shop.access(email), undefined);
    await shop.deliver(order("order.completed", "1", email, now + 1));
    assert.equal(
      await shop.access(email),
      undefined,
      "a stale event revives nothing",
    );
  });

  test("every order of arrival ends in the same access", async () => {
    const deployment = await start();
    const now = Date.now();
    const events = [
      subscription("subscription.created", now - 40 * DAY, now - 10 * DAY),
      subscription("subscription.renewed", now - 10 * DAY, now + 20 * DAY),
      subscription("subscription.cancelled", now - 5 * DAY, now + 20 * DAY, {
        cancel_at_period_end: true,
      }),
      order("order.completed", "o1", "sub@test.example", now - 10 * DAY),
    ];
    Object.assign((events[3]!.body as { data: object }).data, {
      subscription_id: "s1",
    });
    const ends: unknown[] = [];
    for (const [i, arrival] of permutations(events).entries()) {
      const shop = await Shop.open(deployment, `bill-order-${i}`);
      await shop.sells();
      for (const event of arrival) await shop.deliver(event);
      const { purchases } = await shop.customer("sub@test.example");
      const own = purchases.filter(
        (row: { aliasOf: unknown }) => row.aliasOf === null,
      );
      assert.equal(own.length, 1);
      ends.push([
        await shop.access("sub@test.example"),
        own[0]!.phase,
        own[0]!.paidUntil,
      ]);
    }
    for (const end of ends) assert.deepEqual(end, ends[0]);
    assert.deepEqual(ends[0], [now + 20 * DAY, "cancelling", now + 20 * DAY]);
  });

  test("what nobody mapped is parked, and granted once it is mapped", async () => {
    const shop = await Shop.open(await start(), "bill-parked");
    const email = "parked@test.example";
    const now = Date.now();
    await shop.deliver(order("order.paid", "1", email, now));
    assert.equal(await shop.access(email), undefined);
    assert.equal((await shop.events("parked")).length, 1);
    await shop.sells(null);
    await until(
      "the parked purchase is settled",
      async () => (await shop.access(email)) === null,
    );
    const [event] = await shop.events("parked");
    const verdict = await shop.deployment.run(internal.webhooks.replay, {
      id: event!.id,
    });
    assert.equal(verdict.state, "applied");
    assert.equal((await shop.events("parked")).length, 0);
    assert.equal((await shop.customer(email)).entitlements.length, 1);
  });

  test("a refund that names only the payment finds its subscription, whichever came first", async () => {
    const deployment = await start();
    const now = Date.now();
    const email = "stripe@test.example";
    const at = Math.floor(now / 1000);
    const invoice = {
      object: "invoice",
      subscription: "sub_1",
      payment_intent: "pi_1",
      customer_email: email,
      lines: {
        data: [{ period: { end: at + 86400 }, price: { product: PRODUCT } }],
      },
    };
    const event = (type: string, object: object, later: number): Sent => ({
      type,
      subject: "",
      at: (at + later) * 1000,
      body: { created: at + later, livemode: true, type, data: { object } },
    });
    const paid = event("invoice.paid", invoice, 0);
    // As since 2025-03-31: only the invoice payment joins the two.
    const { payment_intent, subscription, ...bare } = invoice;
    const parent = { subscription_details: { subscription } };
    const billed = event("invoice.paid", { ...bare, id: "in_1", parent }, 0);
    const payment = { payment_intent };
    const joined = event(
      "invoice_payment.paid",
      { invoice: "in_1", payment },
      1,
    );
    const charge = { object: "charge", payment_intent: "pi_1", refunded: true };
    const refund = event("charge.refunded", charge, 9);
    for (const [i, arrival] of [
      [paid, refund],
      [refund, paid],
      ...permutations([billed, joined, refund]),
    ].entries()) {
      const shop = await Shop.open(deployment, `bill-alias-${i}`, "stripe");
      await shop.sells();
      for (const sent of arrival) await shop.deliver(sent);
      assert.equal(await shop.access(email), undefined, `order ${i}`);
      const { purchases } = await shop.customer(email);
      assert.equal(purchases[0]!.phase, "refunded");
    }
  });

  test("a test event grants nothing, unless the community tries things out", async () => {
    const shop = await Shop.open(await start(), "bill-test", "stripe");
    await shop.sells();
    const object = {
      object: "checkout.session",
      payment_status: "paid",
      payment_intent: "pi_9",
      customer_email: "t@test.example",
      metadata: { product: PRODUCT },
    };
    const type = "checkout.session.completed";
    await shop.deliver({
      type,
      subject: "",
      at: Date.now(),
      body: { livemode: false, type, data: { object } },
    });
    assert.equal(await shop.access("t@test.example"), undefined);
    assert.equal((await shop.events())[0]!.state, "test");
  });

  test("a revocation outlives renewals until it is taken back", async () => {
    const shop = await Shop.open(await start(), "bill-revoke");
    await shop.sells();
    const who = {
      community: shop.slug,
      email: "sub@test.example",
      reason: "abuse",
    };
    const now = Date.now();
    await shop.deliver(subscription("subscription.created", now, now + DAY));
    await shop.deployment.run(internal.access.revoke, who);
    await shop.deliver(
      subscription("subscription.renewed", now + 1, now + 9 * DAY),
    );
    assert.equal(await shop.access(who.email), undefined);
    await shop.deployment.run(internal.access.restore, who);
    assert.equal(await shop.access(who.email), now + 12 * DAY);
  });

  test("the same key with another body is kept, and an operator is told", async () => {
    const shop = await Shop.open(await start(), "bill-conflict");
    await shop.sells();
    const first = order("order.paid", "1", "a@test.example", Date.now());
    const other = order("order.paid", "1", "b@test.example", Date.now());
    assert.equal((await shop.deliver(first, { key: "k" })).outcome, "stored");
    assert.equal((await shop.deliver(other, { key: "k" })).outcome, "stored");
    assert.equal(
      (await shop.deliver(other, { key: "k" })).outcome,
      "duplicate",
    );
    assert.equal((await shop.events("conflict")).length, 1);
    assert.equal(await shop.access("b@test.example"), undefined);
  });

  test("what came by webhook and by asking is one event, however it is spelt", async () => {
    const shop = await Shop.open(await start(), "bill-polled");
    await shop.sells();
    const sent = order("order.paid", "1", "polled@test.example", Date.now());
    const spelt = JSON.stringify(sent.body, null, 1);
    await shop.deliver(sent, { key: "event:evt_1" });
    const again = await shop.deliver(sent, {
      key: "event:evt_1",
      body: spelt,
      polled: true,
    });
    assert.equal(again.outcome, "duplicate");
    await shop.deliver(sent, { key: "event:evt_2", body: spelt, polled: true });
    assert.equal(
      (await shop.deliver(sent, { key: "event:evt_2" })).outcome,
      "duplicate",
    );
    assert.equal((await shop.events("conflict")).length, 0);
    assert.equal((await shop.events()).length, 2);
  });

  test("a body of a megabyte is kept whole", async () => {
    const shop = await Shop.open(await start(), "bill-long");
    await shop.sells();
    const long = order("order.paid", "1", "long@test.example", Date.now());
    const note = "\u{1f680}é".repeat(250_000);
    Object.assign((long.body as { data: object }).data, { note });
    await shop.deliver(long);
    const [event] = await shop.events();
    assert.equal(event!.state, "applied");
    const again = await shop.deployment.run(internal.webhooks.replay, {
      id: event!.id,
    });
    assert.equal(again.state, "applied", "its parts make the same JSON again");
  });

  test("only a proved address opens what was bought for it", async () => {
    const deployment = await start();
    const shop = await Shop.open(deployment, "bill-proof");
    await shop.sells();
    const feed = async (client: ConvexHttpClient) =>
      await client.query(api.feed.channels, { community: shop.slug });
    await shop.deliver(
      order("order.paid", "1", "Proof@Test.example", Date.now()),
    );
    const stranger = await deployment.person("proof@test.example");
    await assert.rejects(feed(stranger), /no_access/);
    await shop.deliver(
      order("order.paid", "2", "proved@test.example", Date.now()),
    );
    const proved = await deployment.provedPerson("proved@test.example");
    assert.equal((await feed(proved)).length, 1);
  });

  test("access that ends with time empties a page that is open", async () => {
    const deployment = await start();
    const { slug } = await deployment.community("bill-time");
    const email = "time@test.example";
    await deployment.person(email);
    const grant = async (until: number | null) =>
      await deployment.run(internal.access.grant, {
        ...{ community: slug, email, until },
        reason: "test",
      });
    await grant(null);
    const watcher = new ConvexClient(deployment.url, { logger: false });
    const token = await deployment.tokenOf(email);
    watcher.setAuth(async () => token);
    const seen: string[] = [];
    watcher.onUpdate(
      api.feed.channels,
      { community: slug },
      () => void seen.push("data"),
      () => void seen.push("refused"),
    );
    await until("the page to open", async () => seen.at(-1) === "data");
    await grant(Date.now() + 1000);
    await until("the end to be told", async () => seen.at(-1) === "refused");
    await watcher.close();
  });

  test("access for ten years is given, too", async () => {
    const shop = await Shop.open(await start(), "bill-decade");
    await shop.sells(3650);
    const now = Date.now();
    await shop.deliver(order("order.paid", "1", "decade@test.example", now));
    assert.equal(await shop.access("decade@test.example"), now + 3650 * DAY);
  });

  test("support can make a test subscription and show its customer", async () => {
    const deployment = await start();
    const { slug } = await deployment.community("bill-support");
    const email = "support@test.example";
    const made = await deployment.run(internal.access.createTestSubscription, {
      community: slug,
      email,
      product: "trial",
      days: 7,
    });
    assert.equal(made.state, "applied");
    const { purchases, entitlements, account } = await deployment.run(
      internal.access.show,
      { community: slug, email },
    );
    assert.equal(purchases[0]!.subject, made.subject);
    assert.equal(entitlements.length, 1);
    assert.equal(account, null);
  });
}

async function until(
  what: string,
  holds: () => Promise<boolean>,
): Promise<void> {
  const end = Date.now() + 300_000;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
