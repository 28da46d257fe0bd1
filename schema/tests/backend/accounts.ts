// accounts.ts - what people do with their own account, and links to share: what a browser
// does not show. The rest is in ../../../tests/webAccount.test.ts.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ConvexHttpClient } from "convex/browser";
import type { FunctionArgs } from "convex/server";
import { ConvexError } from "convex/values";
import { api, internal } from "../../convex/_generated/api";
import type { Deployment } from "./deployment";
import { until } from "./operator";
import { newId } from "./source";
import { World } from "./world";

const PASSWORD = "correct horse"; // of everybody the deployment signs up
const HOUR = 3_600_000;
const page = { numItems: 10, cursor: null };

export function accounts(start: () => Promise<Deployment>): void {
  test("signing out ends the token, too, and only that session", async () => {
    const deployment = await start();
    const email = "sessions@test.example";
    const here = await deployment.person(email);
    const there = await deployment.person(email, "signIn");
    await here.action(api.auth.signOut, {});
    assert.equal(
      await codeOf(here.query(api.account.me, {})),
      "unauthenticated",
    );
    assert.equal((await there.query(api.account.me, {})).email, email);
  });

  test("a sign-up tries no password, and a flow that is none is refused by name", async () => {
    const deployment = await start();
    const email = "flows@test.example";
    await deployment.person(email);
    const signIn = async (params: object) =>
      await codeOf(
        deployment
          .anonymous()
          .action(api.auth.signIn, { provider: "password", params }),
      );
    const right = { email, password: PASSWORD };
    assert.equal(await signIn({ ...right, flow: "signUp" }), "account_exists");
    assert.equal(await signIn({ ...right, flow: "reset" }), "bad_argument");
    assert.equal(await signIn({ email, flow: "signIn" }), "bad_credentials");
    const other = { email: "new@test.example", flow: "signUp" };
    assert.equal(
      await signIn({ ...other, password: "short" }),
      "weak_password",
    );
  });

  test("an account without a proved address is told nothing of what waits for the address", async () => {
    const deployment = await start();
    const { slug: community } = await deployment.community("waits");
    const email = "waits@test.example";
    await buy(deployment, community, email);
    await grant(deployment, community, email, "before there was an account");
    const client = await deployment.person(email);
    assert.deepEqual((await client.query(api.account.me, {})).communities, []);
    assert.deepEqual(await client.query(api.account.history, {}), []);
    assert.doesNotMatch(await exported(client), /before there was|order|plan/);
    await deployment.run(internal.account.proveEmail, { email });
    const [standing] = (await client.query(api.account.me, {})).communities;
    assert.equal(standing!.live, true);
    assert.deepEqual(standing!.grounds.map(({ kind }) => kind).sort(), [
      "grant",
      "purchase",
    ]);
    assert.match(await exported(client), /before there was/);
  });

  test("who leaves keeps no row: the books have an alias, an operator's links end, a new account has nothing", async () => {
    const deployment = await start();
    const { slug: community } = await deployment.community("leaves");
    const email = "leaves@test.example";
    const client = await deployment.provedPerson(email);
    await buy(deployment, community, email);
    await deployment.run(internal.access.makeOperator, { email });
    await deployment.run(internal.discord.link, {
      email,
      discordId: "1500000000000000777",
    });
    const share = await client.action(api.shares.create, {
      community,
      expiresAt: Date.now() + HOUR,
      label: "mine",
    });
    const wrong = client.action(api.account.deleteAccount, { password: "no" });
    assert.equal(await codeOf(wrong), "bad_credentials");
    await client.action(api.account.deleteAccount, { password: PASSWORD });
    assert.equal(
      await codeOf(client.query(api.account.me, {})),
      "unauthenticated",
    );
    const show = async () =>
      await deployment.run(internal.access.show, { community, email });
    await until("the books to forget the address", async () => {
      const { entitlements, purchases } = await show();
      return entitlements.length + purchases.length === 0;
    });
    const reader = deployment.anonymous();
    const about = async () =>
      await codeOf(reader.query(api.shares.about, { token: share.token }));
    assert.equal(await about(), "share_over");
    // The address may come again, and finds nothing of before.
    const again = await deployment.provedPerson(email);
    assert.deepEqual((await again.query(api.account.me, {})).communities, []);
    const { link } = await again.query(api.account.discord, {});
    assert.equal(link, null);
    await until(
      "the log to forget the address",
      async () => !(await exported(again)).includes("createTestSubscription"),
    );
    // A renewal of what goes on at the provider is the provider's word about the address.
    await buy(deployment, community, email);
    const [standing] = (await again.query(api.account.me, {})).communities;
    assert.equal(standing!.live, true);
  });

  test("a share opens what it names and nothing beside it", async () => {
    const deployment = await start();
    const world = await World.make(deployment, "shared", 2);
    const { slug: elsewhere } = await deployment.community("not-shared");
    const { community, member } = world;
    const [one, two, three] = [newId(), newId(), newId()];
    const files = [
      { id: "1", filename: "chart.png", url: "https://x.invalid/1", size: 1 },
    ];
    await world.record([
      world.at(0).create(one, { content: "ONE", attachments: files }),
      world.at(1).create(two, { content: "TWO" }),
      world.at(0).create(three, { content: "THREE" }),
    ]);
    const email = "sharer@test.example";
    const operator = await deployment.person(email);
    await deployment.run(internal.access.makeOperator, { email });
    const channels = await member.query(api.feed.channels, {
      community: community.slug,
    });
    const channelId = channels.find(({ name }) => name === "channel-0")!.id;
    type Wanted = FunctionArgs<typeof api.shares.create>;
    const create = async (over: Partial<Wanted>) =>
      await operator.action(api.shares.create, {
        community: community.slug,
        expiresAt: Date.now() + HOUR,
        label: "guest",
        ...over,
      });
    const read = async (over: Partial<Wanted>) => {
      const { token } = await create(over);
      const found = await deployment
        .anonymous()
        .query(api.shares.feed, { token, paginationOpts: page });
      assert.doesNotMatch(JSON.stringify(found), /x\.invalid|chart\.png/);
      return found.page.map(({ content }) => content);
    };
    assert.deepEqual(await read({}), ["THREE", "TWO", "ONE"]);
    assert.deepEqual(await read({ channelId }), ["THREE", "ONE"]);
    assert.deepEqual(await read({ messageId: two }), ["TWO"]);
    for (const [over, code] of [
      [{ community: elsewhere, channelId }, "not_found"],
      [{ community: elsewhere, messageId: one }, "not_found"],
      [{ label: "  " }, "bad_argument"],
      [{ expiresAt: Date.now() - 1 }, "bad_argument"],
      [{ expiresAt: Date.now() + 400 * 24 * HOUR }, "bad_argument"],
    ] as const)
      assert.equal(await codeOf(create(over)), code);
    await world.record([world.at(1).remove(two)]);
    assert.deepEqual(await read({}), ["THREE", "ONE"]);
    await world.bot.drain();
  });
}

async function buy(deployment: Deployment, community: string, email: string) {
  await deployment.run(internal.access.createTestSubscription, {
    community,
    email,
    product: "plan",
    days: 30,
  });
}

async function grant(
  deployment: Deployment,
  community: string,
  email: string,
  reason: string,
) {
  const wanted = { community, email, until: null, reason };
  await deployment.run(internal.access.grant, wanted);
}

/** All pages of the caller's own data, as text. */
async function exported(client: ConvexHttpClient): Promise<string> {
  let text = "";
  let cursor: string | null = null;
  do {
    const found: { entries: unknown[]; next: string | null } =
      await client.query(api.account.exportPage, { cursor });
    text += JSON.stringify(found.entries);
    cursor = found.next;
  } while (cursor !== null);
  return text;
}

async function codeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return "allowed";
  } catch (error) {
    if (!(error instanceof ConvexError)) throw error;
    return (error.data as { code: string }).code;
  }
}
