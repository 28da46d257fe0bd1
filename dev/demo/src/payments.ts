// payments.ts - a purchase and its refund while the website is down: from a provider's signed
// webhook to the role in the customers' guild and to the feed, and back.
import { createHmac } from "node:crypto";
import { ConvexClient, ConvexHttpClient } from "convex/browser";
import { makeFunctionReference } from "convex/server";
import { WebSocket } from "ws";
import type { Discord } from "./discord";
import {
  COMMUNITY,
  GUILDS,
  MEMBER_ROLE,
  PRODUCT,
  STRIPE_SECRET,
  type Stack,
} from "./stack";

const PATIENCE_MS = 300_000;
const BUYER = { email: "buyer@example.com", password: "buyer-signals" };
const DISCORD_ID = "1400000000000000011"; // a member of the customers' guild

export type Turn = { roleMs: number; feedMs: number };

/** Somebody who has proved their address and linked their Discord account. */
async function makeBuyer(stack: Stack): Promise<string> {
  const signIn = () =>
    new ConvexHttpClient(stack.backendUrl, { logger: false }).action(
      makeFunctionReference<"action">("auth:signIn"),
      { provider: "password", params: { ...BUYER, flow: "signIn" } },
    ) as Promise<{ tokens: { token: string } }>;
  const { email, password } = BUYER;
  await stack
    .callInternal("auth:store", {
      args: {
        type: "createAccountFromCredentials",
        provider: "password",
        account: { id: email, secret: password },
        profile: { email, emailVerified: true },
      },
    })
    .catch((error: unknown) => {
      // made by an earlier run
      if (!/already exists/i.test(String(error))) throw error;
    });
  await stack.callInternal("discord:link", { email, discordId: DISCORD_ID });
  return (await signIn()).tokens.token;
}

/** What the buyer's open page is told: true with data, false when refused. */
class Watch {
  open: boolean | null = null;
  private readonly client: ConvexClient;

  constructor(stack: Stack, token: string) {
    this.client = new ConvexClient(stack.backendUrl, {
      webSocketConstructor: WebSocket as unknown as typeof globalThis.WebSocket,
      unsavedChangesWarning: false,
      logger: false,
    });
    this.client.setAuth(async () => token);
    this.client.onUpdate(
      makeFunctionReference<"query">("feed:channels"),
      { community: COMMUNITY },
      () => void (this.open = true),
      () => void (this.open = false),
    );
  }

  close(): Promise<void> {
    return this.client.close();
  }
}

async function hasRole(discord: Discord): Promise<boolean> {
  const { guilds } = await discord.state<{
    guilds: { id: string; members: { user_id: string; roles: string[] }[] }[];
  }>();
  const members = guilds.find(({ id }) => id === GUILDS.customer)?.members;
  const member = members?.find(({ user_id }) => user_id === DISCORD_ID);
  return member?.roles.includes(MEMBER_ROLE) ?? false;
}

async function deliver(
  stack: Stack,
  type: string,
  object: object,
): Promise<void> {
  const created = Math.floor(Date.now() / 1000);
  const body = JSON.stringify({
    id: `evt_${type.replace(/\W/g, "")}_${Date.now()}`,
    object: "event",
    type,
    created,
    livemode: true,
    data: { object },
  });
  const mac = createHmac("sha256", STRIPE_SECRET)
    .update(`${created}.${body}`)
    .digest("hex");
  const response = await fetch(`${stack.webhookUrl}/v1/${COMMUNITY}/stripe`, {
    method: "POST",
    headers: { "stripe-signature": `t=${created},v1=${mac}` },
    body,
  });
  if (!response.ok) throw new Error(`the webhook answered ${response.status}`);
}

/** Until role and feed are as wanted; the time that each took from `since`. */
async function turn(
  discord: Discord,
  watch: Watch,
  wanted: boolean,
  since: number,
): Promise<Turn> {
  const took: Partial<Turn> = {};
  while (took.roleMs === undefined || took.feedMs === undefined) {
    const now = Date.now() - since;
    if (now > PATIENCE_MS)
      throw new Error(
        `after ${PATIENCE_MS / 1000} s the role is ${took.roleMs === undefined ? "not " : ""}right and the feed is ${took.feedMs === undefined ? "not " : ""}right`,
      );
    if (watch.open === wanted) took.feedMs ??= now;
    if ((await hasRole(discord)) === wanted) took.roleMs ??= Date.now() - since;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return took as Turn;
}

/** With the website down: a purchase opens feed and guild, a refund closes both. */
export async function purchaseAndRefund(
  stack: Stack,
  discord: Discord,
): Promise<{ bought: Turn; refunded: Turn }> {
  await stack.stopWeb();
  const watch = new Watch(stack, await makeBuyer(stack));
  const payment = `pi_${Date.now()}`;
  try {
    await turn(discord, watch, false, Date.now());
    let since = Date.now();
    await deliver(stack, "checkout.session.completed", {
      object: "checkout.session",
      payment_status: "paid",
      payment_intent: payment,
      customer_details: { email: BUYER.email },
      metadata: { product: PRODUCT },
    });
    const bought = await turn(discord, watch, true, since);
    await new Promise((resolve) => setTimeout(resolve, 1100)); // Stripe's clock counts seconds
    since = Date.now();
    await deliver(stack, "charge.refunded", {
      object: "charge",
      payment_intent: payment,
      refunded: true,
    });
    return { bought, refunded: await turn(discord, watch, false, since) };
  } finally {
    await watch.close();
    await stack.startWeb();
  }
}
