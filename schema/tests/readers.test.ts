// readers.test.ts - what Sell.app's and Stripe's bodies mean for access.

import assert from "node:assert/strict";
import { test } from "node:test";
import { read } from "../convex/model/billing/readers";
import type { Reading } from "../convex/model/billing/reading";

const AT = Date.UTC(2026, 0, 10);
const ISO = "2026-01-10T00:00:00Z";
const END = Date.UTC(2026, 1, 10);
const END_ISO = "2026-02-10T00:00:00.000000Z";

function sellapp(type: string, data: object, subject?: string): Reading {
  const envelope = { type, receivedAt: 1, ...(subject ? { subject } : {}) };
  return read(
    "sellapp",
    envelope,
    JSON.stringify({ event: type, data, store: 1 }),
  );
}

function stripe(type: string, object: object, more: object = {}): Reading {
  const body = {
    id: "evt_1",
    created: AT / 1000,
    livemode: true,
    type,
    data: { object },
    ...more,
  };
  return read("stripe", { type, receivedAt: 1 }, JSON.stringify(body));
}

function factsOf(reading: Reading) {
  assert.equal(reading.type, "facts", JSON.stringify(reading));
  return reading.type === "facts" ? reading : assert.fail();
}
const kindsOf = (reading: Reading) => factsOf(reading).facts.map((f) => f.kind);

const order = {
  id: 12,
  created_at: ISO,
  updated_at: "2026-01-10T00:05:00Z",
  status: { status: { status: "COMPLETED" } },
  customer_information: { email: "Ann@Example.com" },
  product_variants: [{ id: 77, product_title: "VIP" }],
};

test("an unpaid order grants nothing", () => {
  for (const type of [
    "order.created",
    "order.partial_paid",
    "charge.review",
    "order.invented",
  ])
    assert.equal(sellapp(type, order, "order:12").type, "ignored");
});

test("order.paid and order.completed are one grant, from when the order was made", () => {
  const paid = factsOf(sellapp("order.paid", order, "order:12"));
  assert.equal(paid.subject, "order:12");
  assert.equal(paid.renews, false);
  assert.equal(paid.email, "Ann@Example.com");
  assert.deepEqual(paid.products, ["77"]);
  assert.deepEqual(paid.facts, [
    { kind: "paid", at: AT + 300_000, paidFrom: AT },
  ]);
  const completed = factsOf(sellapp("order.completed", order, "order:12"));
  assert.equal(completed.facts[0]!.paidFrom, paid.facts[0]!.paidFrom);
});

test("an order of a subscription is the subscription's", () => {
  const reading = factsOf(
    sellapp("order.paid", { ...order, subscription_id: 5 }, "subscription:5"),
  );
  assert.equal(reading.subject, "subscription:5");
  assert.deepEqual(reading.aliases, ["order:12"]);
  assert.equal(reading.renews, true);
});

test("polled orders tell of refunds and disputes", () => {
  const polled = (status: string) =>
    sellapp("order.polled", { ...order, status }, "order:12");
  assert.deepEqual(kindsOf(polled("PAID")), ["paid", "disputeWon"]);
  assert.deepEqual(kindsOf(polled("REFUNDED")), ["refunded"]);
  assert.deepEqual(kindsOf(polled("REVERSED")), ["refunded"]);
  assert.deepEqual(kindsOf(polled("DISPUTING")), ["disputed"]);
  for (const status of ["PENDING", "VOIDED", "FAILED", "NEW_ONE"])
    assert.equal(polled(status).type, "ignored");
});

test("a subscription's turns", () => {
  const about = (type: string, more: object) =>
    sellapp(type, {
      subscription_id: "s1",
      customer_email: "a@b.c",
      updated_at: ISO,
      current_period_end: END_ISO,
      ...more,
    });
  const created = factsOf(about("subscription.created", { status: "ACTIVE" }));
  assert.equal(created.subject, "subscription:s1");
  assert.deepEqual(created.facts[0], { kind: "paid", at: AT, paidUntil: END });
  assert.deepEqual(kindsOf(about("subscription.renewed", {})), [
    "paid",
    "continues",
  ]);
  const cancelling = about("subscription.cancelled", {
    cancel_at_period_end: true,
  });
  assert.deepEqual(kindsOf(cancelling), ["cancels"]);
  const over = about("subscription.cancelled", { current_period_end: ISO });
  assert.deepEqual(kindsOf(over), ["ended"]);
  assert.deepEqual(
    kindsOf(about("subscription.polled", { status: "ACTIVE" })),
    ["paid", "continues"],
  );
  assert.deepEqual(
    kindsOf(about("subscription.polled", { status: "PAST_DUE" })),
    ["pastDue"],
  );
  assert.equal(
    about("subscription.polled", { status: "PAUSED" }).type,
    "ignored",
  );
});

test("the event cancelled and the status CANCELED are told apart from each other", () => {
  const canceled = {
    id: 9,
    subscription_id: "s1",
    status: "CANCELED",
    updated_at: ISO,
  };
  assert.deepEqual(
    kindsOf(
      sellapp("subscription.polled", { ...canceled, current_period_end: ISO }),
    ),
    ["ended"],
  );
  assert.deepEqual(
    kindsOf(
      sellapp("subscription.polled", {
        ...canceled,
        current_period_end: END_ISO,
      }),
    ),
    ["cancels"],
  );
});

test("disputes by their status", () => {
  const dispute = (status: string) =>
    sellapp("dispute.polled", {
      id: 1,
      status,
      source: { type: "order", id: 12 },
      updated_at: ISO,
    });
  assert.deepEqual(kindsOf(dispute("open")), ["disputed"]);
  assert.deepEqual(kindsOf(dispute("won")), ["disputeWon"]);
  assert.deepEqual(kindsOf(dispute("lost")), ["disputeLost"]);
  assert.equal(factsOf(dispute("won")).subject, "order:12");
  assert.equal(dispute("closed").type, "ignored");
});

test("an id that JavaScript cannot hold is never taken for another", () => {
  const body =
    '{"event":"order.paid","data":{"id":12345678901234567890,"product_variants":[{"id":12345678901234567891}]},"store":1}';
  const reading = read(
    "sellapp",
    {
      type: "order.paid",
      subject: "order:12345678901234567890",
      receivedAt: 1,
    },
    body,
  );
  assert.equal(factsOf(reading).subject, "order:12345678901234567890");
  assert.deepEqual(factsOf(reading).products, []);
});

test("Stripe: only a paid checkout grants", () => {
  const session = {
    object: "checkout.session",
    subscription: "sub_1",
    payment_intent: "pi_1",
    customer_details: { email: "a@b.c" },
  };
  const paid = factsOf(
    stripe("checkout.session.completed", {
      ...session,
      payment_status: "paid",
    }),
  );
  assert.deepEqual(paid.facts, [{ kind: "paid", at: AT }]);
  assert.equal(paid.subject, "subscription:sub_1");
  assert.deepEqual(paid.aliases, ["payment:pi_1"]);
  assert.equal(
    stripe("checkout.session.completed", {
      ...session,
      payment_status: "unpaid",
    }).type,
    "ignored",
  );
});

test("Stripe: the period and the subscription are read in both places of the API's versions", () => {
  const lines = {
    data: [{ period: { end: END / 1000 }, price: { product: "prod_1" } }],
  };
  const old = factsOf(
    stripe("invoice.paid", { object: "invoice", subscription: "sub_1", lines }),
  );
  const parent = { subscription_details: { subscription: "sub_1" } };
  const now = factsOf(
    stripe("invoice.paid", { object: "invoice", parent, lines }),
  );
  assert.deepEqual(old.facts, now.facts);
  assert.equal(old.subject, now.subject);
  assert.deepEqual(old.facts, [{ kind: "paid", at: AT, paidUntil: END }]);
  assert.deepEqual(old.products, ["prod_1"]);
  const items = { data: [{ current_period_end: END / 1000 }] };
  const subscription = {
    object: "subscription",
    id: "sub_1",
    status: "active",
  };
  for (const shape of [{ current_period_end: END / 1000 }, { items }]) {
    const reading = factsOf(
      stripe("customer.subscription.created", { ...subscription, ...shape }),
    );
    assert.equal(reading.facts[0]!.paidUntil, END);
  }
});

test("Stripe: a subscription's status decides", () => {
  const about = (status: string, more: object = {}) =>
    stripe("customer.subscription.updated", {
      object: "subscription",
      id: "sub_1",
      status,
      ...more,
    });
  const ends = { cancel_at_period_end: true };
  assert.deepEqual(kindsOf(about("trialing", ends)), ["paid", "cancels"]);
  assert.deepEqual(kindsOf(about("past_due")), ["pastDue"]);
  for (const status of ["unpaid", "canceled", "incomplete_expired", "paused"])
    assert.deepEqual(kindsOf(about(status)), ["ended"]);
  assert.equal(about("incomplete").type, "ignored");
});

test("Stripe: a new period, or any change of an active subscription, is no payment", () => {
  const updated = (previous_attributes: object) =>
    kindsOf(
      stripe(
        "customer.subscription.updated",
        {},
        {
          data: {
            object: {
              object: "subscription",
              id: "sub_1",
              status: "active",
              current_period_end: END / 1000,
            },
            previous_attributes,
          },
        },
      ),
    );
  assert.deepEqual(updated({ current_period_end: 1 }), ["continues"]);
  assert.deepEqual(updated({ cancel_at_period_end: true }), ["continues"]);
  assert.deepEqual(updated({ status: "trialing" }), ["continues"]);
  for (const status of ["incomplete", "past_due", "unpaid", "paused"])
    assert.deepEqual(updated({ status }), ["paid", "continues"]);
});

test("Stripe: an invoice payment says which invoice a payment was for", () => {
  const parent = { subscription_details: { subscription: "sub_1" } };
  const invoice = factsOf(
    stripe("invoice.paid", { object: "invoice", id: "in_1", parent }),
  );
  assert.deepEqual(
    [invoice.subject, ...invoice.aliases],
    ["subscription:sub_1", "invoice:in_1"],
  );
  const payment = factsOf(
    stripe("invoice_payment.paid", {
      object: "invoice_payment",
      invoice: "in_1",
      payment: { type: "payment_intent", payment_intent: "pi_1" },
    }),
  );
  assert.deepEqual(
    [payment.subject, ...payment.aliases],
    ["invoice:in_1", "payment:pi_1"],
  );
  assert.deepEqual(payment.facts, []);
});

test("Stripe: refunds and disputes name a payment", () => {
  const charge = { object: "charge", payment_intent: "pi_1", amount: 100 };
  assert.deepEqual(
    kindsOf(stripe("charge.refunded", { ...charge, refunded: true })),
    ["refunded"],
  );
  assert.deepEqual(
    kindsOf(stripe("charge.refunded", { ...charge, refunded: false })),
    ["partlyRefunded"],
  );
  const dispute = { object: "dispute", payment_intent: "pi_1", charge: "ch_1" };
  assert.equal(
    factsOf(stripe("charge.dispute.created", dispute)).subject,
    "payment:pi_1",
  );
  assert.deepEqual(
    kindsOf(stripe("charge.dispute.closed", { ...dispute, status: "lost" })),
    ["disputeLost"],
  );
});

test("Stripe: without livemode it is a test", () => {
  const session = {
    object: "checkout.session",
    subscription: "sub_1",
    payment_status: "paid",
  };
  const reading = stripe("checkout.session.completed", session, {
    livemode: false,
  });
  assert.equal(factsOf(reading).test, true);
});

test("hostile bodies are ignored, not thrown at anybody", () => {
  for (const provider of ["sellapp", "stripe"])
    for (const type of [
      "order.paid",
      "subscription.cancelled",
      "invoice.paid",
      "charge.refunded",
      "dispute.polled",
    ])
      for (const body of [
        "",
        "[]",
        "null",
        "7",
        "{",
        '{"data":null}',
        '{"data":{"object":[]}}',
        '{"data":{"__proto__":{"id":1},"status":{"status":{"status":{}}}}}',
      ])
        assert.equal(
          read(provider, { type, receivedAt: 1 }, body).type,
          "ignored",
          `${provider} ${type} ${body}`,
        );
});

test("what only signs is kept and means nothing", () => {
  assert.equal(
    read("hmac", { type: "order.paid", receivedAt: 1 }, "{}").type,
    "ignored",
  );
});
