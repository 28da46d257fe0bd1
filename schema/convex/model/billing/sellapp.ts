// sellapp.ts - what Sell.app's events and objects mean for access.
//
// Events carry an invoice-shaped `data` (nesting as public receivers show it, hence the
// several places); objects found by polling come as "order.polled", "subscription.polled"
// and "dispute.polled" with the API's object as `data`. Their status is the only source of
// refunds, failed renewals and the ends of disputes. Facts: Sell.app's API and webhook pages.

import type { FactKind } from "./facts";
import { first, type Envelope, type Json, type Reading } from "./reading";

// Order events that mean money arrived. "order.created" does not.
const PAID = [
  "order.paid",
  "order.completed",
  "order.manual_payment_completed",
];
const DISPUTES = ["order.disputed", "charge.disputed"];

// An order that stands paid again after a dispute has won it.
const ORDER_STATUS: Record<string, FactKind[]> = {
  PAID: ["paid", "disputeWon"],
  COMPLETED: ["paid", "disputeWon"],
  REFUNDED: ["refunded"],
  REVERSED: ["refunded"],
  DISPUTING: ["disputed"],
};
const DISPUTE_STATUS: Record<string, FactKind> = {
  open: "disputed",
  under_review: "disputed",
  won: "disputeWon",
  lost: "disputeLost",
};

export function readSellapp(envelope: Envelope, body: Json): Reading {
  const data = body.get("data");
  const { type } = envelope;
  if (type.startsWith("subscription.")) return subscription(envelope, data);
  if (type === "dispute.polled") return dispute(envelope, data);
  if (PAID.includes(type)) return order(envelope, data, ["paid"]);
  if (DISPUTES.includes(type)) return order(envelope, data, ["disputed"]);
  if (type === "order.polled") {
    const status = statusOf(data)?.toUpperCase() ?? "";
    const kinds = ORDER_STATUS[status];
    return kinds
      ? order(envelope, data, kinds)
      : { type: "ignored", why: `an order in status ${status || "unknown"}` };
  }
  return { type: "ignored", why: `${type} grants and ends nothing` };
}

function order(envelope: Envelope, data: Json, kinds: FactKind[]): Reading {
  const subscription = data.get("subscription_id").id();
  const created = data.get("created_at").time();
  const id = data.get("id").id();
  return facts(envelope, data, {
    subject: subscription ? `subscription:${subscription}` : envelope.subject,
    aliases: subscription && id ? [`order:${id}`] : [],
    renews: subscription !== null,
    kinds,
    ...(kinds.includes("paid") && created !== null
      ? { paidFrom: created }
      : {}),
  });
}

function subscription(envelope: Envelope, data: Json): Reading {
  const id = first(data.get("subscription_id").id(), data.get("id").id());
  const end = data.get("current_period_end").time();
  const kinds = turnsOf(envelope, data, end);
  if (kinds.length === 0)
    return {
      type: "ignored",
      why: `a subscription in status ${statusOf(data)}`,
    };
  return facts(envelope, data, {
    subject: id === null ? envelope.subject : `subscription:${id}`,
    renews: true,
    kinds,
    ...(end === null ? {} : { paidUntil: end }),
  });
}

function turnsOf(envelope: Envelope, data: Json, end: number | null) {
  const status = (statusOf(data) ?? "").toUpperCase();
  const cancelled =
    envelope.type === "subscription.cancelled" || status.startsWith("CANCEL");
  const cancels = data.get("cancel_at_period_end").is(true);
  const paid =
    envelope.type === "subscription.created" ||
    envelope.type === "subscription.renewed" ||
    status === "ACTIVE";
  const remains = end !== null && end > timeOf(envelope, data);
  const kinds: FactKind[] = [];
  if (cancelled && !remains && !(cancels && end === null))
    return ["ended"] satisfies FactKind[];
  if (paid) kinds.push("paid");
  if (cancelled || cancels) kinds.push("cancels");
  else if (paid) kinds.push("continues");
  else if (["PAST_DUE", "UNPAID"].includes(status)) kinds.push("pastDue");
  return kinds;
}

function dispute(envelope: Envelope, data: Json): Reading {
  const status = data.get("status").text() ?? "";
  const kind = DISPUTE_STATUS[status];
  if (!kind) return { type: "ignored", why: `a dispute in status ${status}` };
  const source = data.get("source");
  const id = source.get("id").id();
  const subject =
    id === null ? undefined : `${source.get("type").text()}:${id}`;
  return facts(envelope, data, {
    subject,
    renews: subject?.startsWith("subscription:") ?? false,
    kinds: [kind],
  });
}

function facts(
  envelope: Envelope,
  data: Json,
  found: {
    subject: string | undefined;
    aliases?: string[];
    renews: boolean;
    kinds: FactKind[];
    paidFrom?: number;
    paidUntil?: number;
  },
): Reading {
  const { subject, aliases = [], renews, kinds, ...paid } = found;
  if (!subject) return { type: "ignored", why: "it names no order" };
  const at = timeOf(envelope, data);
  return {
    type: "facts",
    subject,
    aliases,
    renews,
    email: emailOf(data),
    products: productsOf(data),
    test: false,
    facts: kinds.map((kind) => ({
      kind,
      at,
      ...(kind === "paid" ? paid : {}),
    })),
  };
}

function timeOf(envelope: Envelope, data: Json): number {
  const said = first(
    data.get("updated_at").time(),
    data.get("created_at").time(),
  );
  return envelope.occurredAt ?? said ?? envelope.receivedAt;
}

// A text, or {status: {status: text}} in invoice-shaped data.
function statusOf(data: Json): string | null {
  const status = data.get("status");
  return first(
    status.text(),
    status.get("status").text(),
    status.get("status", "status").text(),
  );
}

function emailOf(data: Json): string | null {
  return first(
    data.get("customer_information", "email").text(),
    data.get("customer", "email").text(),
    data.get("customer_email").text(),
    data.get("payment", "gateway", "data", "customer_email").text(),
  );
}

function productsOf(data: Json): string[] {
  const lines = [
    ...data
      .get("product_variants")
      .items()
      .map((line) => line.get("id")),
    ...data
      .get("line_items")
      .items()
      .map((line) => line.get("product_variant_id")),
    data.get("product_variant_id"),
  ];
  const ids = lines.map((line) => line.id()).filter((id) => id !== null);
  return [...new Set(ids)];
}
