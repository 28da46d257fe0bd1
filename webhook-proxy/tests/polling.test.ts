// polling.test.ts - what the webhooks did not say is found by asking, and nothing of it twice.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import * as http from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, test } from "node:test";
import {
  binary,
  environment,
  makeDirectory,
  Proxy,
  secret,
  type StoredEvent,
} from "./harness";

const TOKEN = "the-token-of-the-shop-2026";

type Order = { id: number; status: string; updated_at: string };
type Happened = { id: string; type: string; occurred_at: string; data: object };

/** A shop's API, as Sell.app's and Stripe's references describe it. */
class Shop {
  journal: Happened[] = [];
  orders: Order[] = [];
  deliveries: object[] = [];
  asked: { path: string; headers: http.IncomingHttpHeaders }[] = [];
  refusals: { status: number; headers?: http.OutgoingHttpHeaders }[] = [];
  expired = new Set<string>();
  pageSize = 2;
  private readonly server = http.createServer((request, response) => {
    const url = new URL(request.url!, "http://shop");
    this.asked.push({ path: request.url!, headers: request.headers });
    const refusal = this.refusals.shift();
    const cursor = url.searchParams.get("cursor") ?? "";
    const expired = this.expired.delete(cursor); // a cursor made anew is good
    if (
      refusal ||
      expired ||
      request.headers.authorization !== `Bearer ${TOKEN}`
    ) {
      const { status, headers = {} } = refusal ?? {
        status: expired ? 410 : 401,
      };
      response.writeHead(status, headers).end("{}");
      return;
    }
    response
      .writeHead(200, { "content-type": "application/json" })
      .end(JSON.stringify(this.page(url, cursor)));
  });

  static async open(): Promise<Shop> {
    const shop = new Shop();
    await new Promise<void>((resolve) =>
      shop.server.listen(0, "127.0.0.1", resolve),
    );
    after(() => shop.server.close());
    return shop;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/api`;
  }

  private page(url: URL, cursor: string) {
    if (url.pathname.startsWith("/api/v1/events")) {
      const before = url.searchParams.get("ending_before");
      const after = url.searchParams.get("starting_after");
      const newest = [...this.journal].reverse();
      if (after) {
        const from = newest.findIndex(({ id }) => id === after) + 1;
        const data = newest.slice(from, from + this.pageSize);
        const has_more = from + data.length < newest.length;
        return { object: "list", data, has_more };
      }
      const end = before
        ? newest.findIndex(({ id }) => id === before)
        : newest.length;
      const from = before ? Math.max(0, end - this.pageSize) : 0;
      const data = newest.slice(from, before ? end : this.pageSize);
      return {
        object: "list",
        data,
        has_more: before ? from > 0 : newest.length > this.pageSize,
      };
    }
    const list = url.pathname.endsWith("/events")
      ? this.journal
      : url.pathname.endsWith("/orders")
        ? this.orders
        : url.pathname.endsWith("/webhook-deliveries")
          ? this.deliveries
          : [];
    const from = cursor ? Number(cursor.slice(1)) : 0;
    const data = list.slice(from, from + this.pageSize);
    const next = from + data.length;
    const more = url.pathname.endsWith("/events")
      ? data.length > 0
      : next < list.length;
    return { data, meta: { next_cursor: more ? `c${next}` : null } };
  }

  happens(type: string, data: object = {}): Happened {
    const id = `evt_${String(this.journal.length + 1).padStart(26, "0")}`;
    const event = { id, type, occurred_at: "2026-01-31T12:00:00Z", data };
    this.journal.push(event);
    return event;
  }

  requests(part: string): string[] {
    return this.asked
      .map(({ path }) => path)
      .filter((path) => path.includes(part));
  }
}

async function start(
  shop: Shop,
  provider: string,
  directory?: string,
  token = TOKEN,
) {
  const made = directory ? null : makeDirectory();
  const where = directory ?? made!.directory;
  const store = provider === "sellapp" ? { store: "my-shop" } : {};
  const source = {
    community: "demo",
    source: "shop",
    provider,
    secrets: [{ id: "a", secret_env: "SELLAPP_SECRET" }],
    api: { token_env: "SHOP_TOKEN", url: shop.url, ...store },
  };
  writeFileSync(
    join(where, "sources.json"),
    JSON.stringify({ sources: [source] }),
  );
  const env = { SHOP_TOKEN: token, POLL_EVERY: "150ms" };
  const proxy = await Proxy.start({ directory: where, env });
  return { proxy, directory: where };
}

async function eventually(
  proxy: Proxy,
  what: string,
  holds: (events: StoredEvent[]) => boolean,
) {
  const end = Date.now() + 120_000;
  for (;;) {
    const events = await proxy.events();
    if (holds(events)) return events;
    if (Date.now() > end)
      throw new Error(
        `waited in vain for ${what}:\n${JSON.stringify(events)}\n${proxy.log}`,
      );
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

const keys = (events: StoredEvent[]) =>
  events.map(({ key }) => key.replace(/^demo\/shop\/(.*)#\w+$/, "$1"));

test("the journal is read to its end, goes on behind it, and resumes there after a restart", async () => {
  const shop = await Shop.open();
  const first = Array.from({ length: 5 }, (_, i) =>
    shop.happens("order.paid", { id: i }),
  );
  const { proxy, directory } = await start(shop, "sellapp");
  const found = await eventually(
    proxy,
    "five events",
    (events) => events.length === 5,
  );
  assert.deepEqual(
    keys(found),
    first.map(({ id }) => `event:${id}`),
  );
  shop.happens("subscription.renewed");
  await eventually(proxy, "the sixth", (events) => events.length === 6);
  const headers = shop.asked[0]!.headers;
  assert.equal(headers["x-store"], "my-shop");
  await proxy.kill();
  shop.asked.length = 0;
  shop.happens("order.paid");
  const again = (await start(shop, "sellapp", directory)).proxy;
  await eventually(again, "the seventh", (events) => events.length === 7);
  assert.ok(
    shop.requests("/events").every((path) => path.includes("cursor=")),
    "nothing is read from its start again",
  );
  for (const said of [proxy.log, again.log])
    assert.ok(!said.includes(TOKEN) && !said.includes(secret));
  await again.stop();
});

test("an order that changes is told again, one that does not is not", async () => {
  const shop = await Shop.open();
  shop.orders = [1, 2, 3].map((id) => ({
    id,
    status: "COMPLETED",
    updated_at: "2026-01-31T12:00:00Z",
  }));
  const { proxy } = await start(shop, "sellapp");
  await eventually(proxy, "three orders", (events) => events.length === 3);
  shop.orders[1] = {
    id: 2,
    status: "REFUNDED",
    updated_at: "2026-02-01T12:00:00Z",
  };
  const all = await eventually(
    proxy,
    "the refund",
    (events) => events.length === 4,
  );
  await new Promise((resolve) => setTimeout(resolve, 500));
  assert.equal((await proxy.events()).length, 4);
  assert.equal(new Set(keys(all)).size, 4);
  await proxy.stop();
});

test("a place that has expired: the list is read from its start, nothing is skipped", async () => {
  const shop = await Shop.open();
  for (let i = 0; i < 4; i++) shop.happens("order.paid");
  const { proxy, directory } = await start(shop, "sellapp");
  await eventually(proxy, "four events", (events) => events.length === 4);
  await proxy.kill();
  shop.expired = new Set(["c4"]);
  shop.happens("order.paid");
  const again = (await start(shop, "sellapp", directory)).proxy;
  await again.seen(/a saved place has expired/);
  const events = await eventually(
    again,
    "the fifth",
    (found) => found.length === 5,
  );
  assert.equal(new Set(keys(events)).size, 5);
  await again.stop();
});

test("a shop that limits or fails is waited for, and the next round goes on", async () => {
  const shop = await Shop.open();
  shop.happens("order.paid");
  shop.refusals = [
    { status: 429, headers: { "retry-after": "1" } },
    { status: 502 },
  ];
  const { proxy } = await start(shop, "sellapp");
  await eventually(proxy, "the event", (events) => events.length === 1);
  shop.refusals = Array.from({ length: 3 }, () => ({ status: 403 }));
  await proxy.seen(/could not be asked.*403: check the token/);
  shop.happens("order.paid");
  await eventually(proxy, "the next", (events) => events.length === 2);
  await proxy.stop();
});

test("a wrong token is named and the webhooks go on", async () => {
  const shop = await Shop.open();
  const { proxy } = await start(shop, "sellapp", undefined, "a-wrong-token");
  await proxy.seen(/401: check the token/);
  assert.ok(!proxy.log.includes("a-wrong-token"));
  assert.equal(
    (await fetch(`http://127.0.0.1:${proxy.port}/readyz`)).status,
    200,
  );
  await proxy.stop();
});

test("Stripe's list is read forward from the newest event that was known", async () => {
  const shop = await Shop.open();
  shop.journal = [1, 2, 3].map((i) => ({
    id: `evt_${i}`,
    type: "invoice.paid",
    occurred_at: "",
    data: {},
    created: 1,
  }));
  const { proxy } = await start(shop, "stripe");
  await eventually(proxy, "the newest page", (events) => events.length === 2);
  for (let i = 4; i <= 8; i++)
    shop.journal.push({
      id: `evt_${i}`,
      type: "invoice.paid",
      occurred_at: "",
      data: {},
    });
  const events = await eventually(
    proxy,
    "all that came",
    (found) => found.length === 7,
  );
  assert.deepEqual(
    keys(events).sort(),
    [2, 3, 4, 5, 6, 7, 8].map((i) => `event:evt_${i}`),
  );
  await proxy.stop();
});

test("a place that Stripe has forgotten is no end: all that it still has is read, backwards, then what comes", async () => {
  const shop = await Shop.open();
  shop.happens("charge.refunded");
  const { proxy } = await start(shop, "stripe");
  await eventually(proxy, "the first", (events) => events.length === 1);
  // While we looked away it forgot where we were, and more happened than one page has.
  shop.refusals = [{ status: 400 }];
  for (let i = 0; i < 7; i++) shop.happens("charge.refunded");
  await eventually(proxy, "what was missed", (events) => events.length === 8);
  await proxy.seen(/a saved place has expired/);
  const backwards = shop.requests("starting_after").length;
  assert.ok(backwards >= 3);
  shop.happens("charge.refunded");
  await eventually(proxy, "the next", (events) => events.length === 9);
  assert.equal(shop.requests("starting_after").length, backwards);
  await proxy.stop();
});

test("deliveries that the shop gave up are said once, each", async () => {
  const shop = await Shop.open();
  const delivery = (status: string, n: number) => ({
    id: `delivery-${n}`,
    event_id: `evt_${n}`,
    event_type: "order.paid",
    status,
    attempts: 5,
    response_status: 502,
  });
  shop.deliveries = [1, 2, 3].map((n) =>
    delivery(n === 2 ? "failed" : "succeeded", n),
  );
  const { proxy } = await start(shop, "sellapp");
  await proxy.seen(
    /webhooks do not arrive.*could not deliver order\.paid \(evt_2\), it was answered: 502/,
  );
  const rounds = shop.requests("webhook-deliveries").length;
  while (shop.requests("webhook-deliveries").length < rounds + 4)
    await new Promise((resolve) => setTimeout(resolve, 25));
  assert.equal(proxy.log.split("do not arrive").length, 2);
  assert.equal((await proxy.events()).length, 0);
  await proxy.stop();
});

test("two sources of one shop each get its orders", async () => {
  const shop = await Shop.open();
  shop.orders = [
    { id: 1, status: "REFUNDED", updated_at: "2026-01-31T12:00:00Z" },
  ];
  const { directory } = makeDirectory();
  const sources = ["one", "two"].map((source) => ({
    community: "demo",
    source,
    provider: "sellapp",
    secrets: [{ id: "a", secret_env: "SELLAPP_SECRET" }],
    api: { token_env: "SHOP_TOKEN", url: shop.url, store: "my-shop" },
  }));
  writeFileSync(join(directory, "sources.json"), JSON.stringify({ sources }));
  const env = { SHOP_TOKEN: TOKEN, POLL_EVERY: "150ms" };
  const proxy = await Proxy.start({ directory, env });
  await eventually(proxy, "both", (events) => events.length === 2);
  await proxy.stop();
});

test("a token, a store or an address that could change the request is refused", async () => {
  const { directory } = makeDirectory();
  const refusal = (api: object, token = TOKEN) => {
    const source = {
      community: "demo",
      source: "shop",
      provider: "sellapp",
      secrets: [{ id: "a", secret_env: "SELLAPP_SECRET" }],
      api: { token_env: "SHOP_TOKEN", store: "my-shop", ...api },
    };
    writeFileSync(
      join(directory, "sources.json"),
      JSON.stringify({ sources: [source] }),
    );
    const env = environment(directory, { SHOP_TOKEN: token });
    const { status, stderr } = spawnSync(binary, ["--check-config"], { env });
    assert.equal(status, 6);
    return String(stderr);
  };
  const smuggled = "token\r\nX-Admin: 1";
  const said = refusal({}, smuggled);
  assert.match(said, /api: the token has characters/);
  assert.ok(!said.includes(smuggled));
  assert.match(refusal({ store: "my\r\nshop" }), /api\.store: expected/);
  assert.match(refusal({ url: "file:///etc" }), /api\.url: expected/);
});
