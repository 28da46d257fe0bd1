// stripe.ts - what Stripe's events mean for access.
//
// Everything about one customer's subscription has the subject "subscription:sub_...", a
// single invoice "invoice:in_..." and a single payment "payment:pi_...". Facts: Stripe's API reference, pages on subscription
// webhooks and disputes. Versions since 2025-03-31 moved the period to the items and the
// invoice's subscription to `parent`; both places are read.

import type { FactKind } from "./facts";
import { first, type Envelope, type Json, type Reading } from "./reading";

type Found = {
  kinds: FactKind[];
  paidUntil?: number | null;
};

type Rule = (object: Json, event: Json) => Found | string;

const none = (why: string) => why;

const subscriptionChanged: Rule = (object) => {
  const status = object.get("status").text() ?? "";
  const paidUntil = periodEnd(object);
  const turn: FactKind = object.get("cancel_at_period_end").is(true)
    ? "cancels"
    : "continues";
  switch (status) {
    case "active":
    case "trialing":
      return { kinds: ["paid", turn], paidUntil };
    case "past_due":
      return { kinds: ["pastDue"] };
    case "unpaid":
    case "canceled":
    case "incomplete_expired":
    case "paused":
      return { kinds: ["ended"] };
    default:
      return none(`a subscription in status ${status || "unknown"}`);
  }
};

// A period begins before its invoice is paid, and other changes say nothing about money: that
// a subscription is active counts as a payment only where it turned so from one that was owed.
const OWED = ["incomplete", "past_due", "unpaid", "paused"];
const subscriptionUpdated: Rule = (object, event) => {
  const found = subscriptionChanged(object, event);
  const was = event.get("data", "previous_attributes", "status").text() ?? "";
  if (typeof found === "string" || !object.get("status").is("active"))
    return found;
  return OWED.includes(was)
    ? found
    : { kinds: found.kinds.filter((kind) => kind !== "paid") };
};

const checkout: Rule = (object) =>
  object.get("payment_status").is("paid")
    ? { kinds: ["paid"] }
    : none("a checkout that is not paid");

const refund: Rule = (object) => {
  const whole = object.get("refunded").is(true);
  return { kinds: [whole ? "refunded" : "partlyRefunded"] };
};

const disputeClosed: Rule = (object) => {
  const status = object.get("status").text();
  if (status === "won" || status === "warning_closed")
    return { kinds: ["disputeWon"] };
  return status === "lost"
    ? { kinds: ["disputeLost"] }
    : none(`a dispute closed in status ${status}`);
};

const RULES: Record<string, Rule> = {
  "checkout.session.completed": checkout,
  "checkout.session.async_payment_succeeded": checkout,
  "invoice.paid": (object) => ({
    kinds: ["paid"],
    paidUntil: invoiceEnd(object),
  }),
  "invoice_payment.paid": () => ({ kinds: [] }), // says which payment was for which invoice
  "invoice.payment_failed": () => ({ kinds: ["pastDue"] }),
  "customer.subscription.created": subscriptionChanged,
  "customer.subscription.updated": subscriptionUpdated,
  "customer.subscription.resumed": subscriptionChanged,
  "customer.subscription.paused": () => ({ kinds: ["ended"] }),
  "customer.subscription.deleted": () => ({ kinds: ["ended"] }),
  "charge.refunded": refund,
  "charge.dispute.created": () => ({ kinds: ["disputed"] }),
  "charge.dispute.closed": disputeClosed,
};

export function readStripe(envelope: Envelope, event: Json): Reading {
  const rule = RULES[envelope.type];
  if (!rule)
    return { type: "ignored", why: `${envelope.type} grants and ends nothing` };
  const object = event.get("data", "object");
  const found = rule(object, event);
  if (typeof found === "string") return { type: "ignored", why: found };
  const subscription = subscriptionOf(object);
  const [subject, ...aliases] = namesOf(object, subscription);
  if (subject === undefined)
    return { type: "ignored", why: "it names no subscription or payment" };
  const at = envelope.occurredAt ?? event.get("created").time();
  return {
    type: "facts",
    subject,
    aliases,
    renews: subscription !== null,
    email: emailOf(object),
    products: productsOf(object),
    test: event.get("livemode").is(false),
    facts: found.kinds.map((kind) => ({
      kind,
      at: at ?? envelope.receivedAt,
      ...(kind === "paid" && typeof found.paidUntil === "number"
        ? { paidUntil: found.paidUntil }
        : {}),
    })),
  };
}

// All that the purchase is called here, the widest first. A refund names the payment, and since
// 2025-03-31 nothing but an invoice payment says which invoice, so which subscription, it paid.
function namesOf(object: Json, subscription: string | null): string[] {
  const is = (type: string) => object.get("object").is(type);
  const own = (type: string) => (is(type) ? object.get("id").id() : null);
  const invoice = first(own("invoice"), object.get("invoice").id());
  const payment = first(
    object.get("payment_intent").id(),
    object.get("charge").id(),
    object.get("payment", "payment_intent").id(),
    object.get("payment", "charge").id(),
    own("charge"),
  );
  return [
    ...(subscription === null ? [] : [`subscription:${subscription}`]),
    ...(invoice === null ? [] : [`invoice:${invoice}`]),
    ...(payment === null ? [] : [`payment:${payment}`]),
  ];
}

function subscriptionOf(object: Json): string | null {
  if (object.get("object").is("subscription")) return object.get("id").id();
  return first(
    object.get("subscription").id(),
    object.get("parent", "subscription_details", "subscription").id(),
    object.get("metadata", "subscription").id(),
  );
}

function periodEnd(subscription: Json): number | null {
  return first(
    subscription.get("current_period_end").time(),
    subscription.get("items", "data", 0, "current_period_end").time(),
  );
}

// The end of what the invoice's lines pay for, the latest of them.
function invoiceEnd(invoice: Json): number | null {
  const ends = invoice
    .get("lines", "data")
    .items()
    .map((line) => line.get("period", "end").time())
    .filter((end) => end !== null);
  return ends.length > 0 ? Math.max(...ends) : null;
}

function emailOf(object: Json): string | null {
  return first(
    object.get("customer_email").text(),
    object.get("customer_details", "email").text(),
    object.get("billing_details", "email").text(),
    object.get("receipt_email").text(),
    object.get("metadata", "email").text(),
  );
}

function productsOf(object: Json): string[] {
  const lines = [
    ...object.get("items", "data").items(),
    ...object.get("lines", "data").items(),
  ];
  const ids = [
    object.get("metadata", "product").id(),
    ...lines.flatMap((line) => [
      line.get("price", "product").id(),
      line.get("pricing", "price_details", "product").id(),
      line.get("plan", "product").id(),
    ]),
  ].filter((id) => id !== null);
  return [...new Set(ids)];
}
