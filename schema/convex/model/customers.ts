// customers.ts - what an operator asks about one customer.

import type { MutationCtx, QueryCtx } from "../_generated/server";
import * as Access from "./access";
import { normalEmail } from "./accounts";
import { audit } from "./audit";
import * as Purchases from "./billing/purchases";
import * as Communities from "./communities";
import type { EventState } from "./fields";
import * as Links from "./links";
import * as Plans from "./plans";

const DAY = 24 * 3600 * 1000;
const TEST_SOURCE = "test";

export async function show(ctx: QueryCtx, slug: string, address: string) {
  const community = await Communities.requireBySlug(ctx, slug);
  const email = normalEmail(address);
  const user = await Access.userByEmail(ctx, email);
  return {
    email,
    account:
      user === null
        ? null
        : { id: user._id, verified: user.emailVerificationTime !== undefined },
    discord: user === null ? null : await Links.ofUser(ctx, user._id),
    entitlements: await Access.ofPerson(ctx, community._id, email, user),
    purchases: await Purchases.ofEmail(ctx, community._id, email),
  };
}

/** Goes the way of a real one: facts, plan, entitlement. */
export async function testSubscription(
  ctx: MutationCtx,
  wanted: { community: string; email: string; product: string; days: number },
): Promise<{ subject: string; state: EventState }> {
  const community = await Communities.requireBySlug(ctx, wanted.community);
  const now = Date.now();
  const subject = `subscription:test-${now}`;
  const { product } = wanted;
  if ((await Plans.planOf(ctx, community._id, TEST_SOURCE, [product])) === null)
    await Plans.map(ctx, {
      community: wanted.community,
      source: TEST_SOURCE,
      product,
      name: `test of ${product}`,
      days: wanted.days,
      roleIds: [],
    });
  const state = await Purchases.apply(
    ctx,
    community,
    { source: TEST_SOURCE, provider: "test", key: subject },
    {
      type: "facts",
      subject,
      aliases: [],
      renews: true,
      email: wanted.email,
      products: [product],
      test: false,
      facts: [{ kind: "paid", at: now, paidUntil: now + wanted.days * DAY }],
    },
  );
  await audit(
    ctx,
    community._id,
    "access.createTestSubscription",
    normalEmail(wanted.email),
    `${product}, ${wanted.days} days`,
  );
  return { subject, state };
}
