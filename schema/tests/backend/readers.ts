// readers.ts - what a member sees, and for how long.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ConvexError } from "convex/values";
import { api, internal } from "../../convex/_generated/api";
import type { Deployment } from "./deployment";
import { beat, webhook } from "./roles";
import { newId, SENT_AT } from "./source";
import { World } from "./world";

export function readers(start: () => Promise<Deployment>): void {
  test("pages lead through the feed, newest first, one channel or all", async () => {
    const world = await World.make(await start(), "pages", 2);
    const { community, member } = world;
    const ids = Array.from({ length: 30 }, newId);
    await world.record(ids.map((id, i) => world.at(i % 2).create(id)));
    const found: string[] = [];
    let cursor: string | null = null;
    for (let done = false; !done;) {
      const page: {
        page: { messageId: string }[];
        isDone: boolean;
        continueCursor: string;
      } = await member.query(api.feed.list, {
        community: community.slug,
        paginationOpts: { numItems: 7, cursor },
      });
      found.push(...page.page.map((item) => item.messageId));
      cursor = page.continueCursor;
      done = page.isDone;
    }
    assert.deepEqual(found, [...ids].reverse());

    const [first] = await member.query(api.feed.channels, {
      community: community.slug,
    });
    const { page } = await member.query(api.feed.list, {
      community: community.slug,
      channelId: first!.id,
      paginationOpts: { numItems: 100, cursor: null },
    });
    assert.equal(page.length, 15);
    assert.ok(page.every((item) => item.channel.name === first!.name));
    await world.bot.drain();
  });

  test("a reply quotes what it answers, until that is deleted", async () => {
    const world = await World.make(await start(), "quotes");
    const [target, reply] = [newId(), newId()];
    await world.record([
      world.source.create(target, { content: "LONG\nBTC" }),
      world.source.create(reply, { replyToId: target, kind: "reply" }),
    ]);
    assert.deepEqual((await world.feed())[0]!.replyTo, {
      messageId: target,
      authorName: "Ana",
      excerpt: "LONG BTC",
    });
    await world.record([world.source.remove(target)]);
    assert.deepEqual((await world.feed())[0]!.replyTo, {
      messageId: target,
      authorName: null,
      excerpt: null,
    });
    await world.bot.drain();
  });

  test("revoked access ends at once, and can be given again", async () => {
    const deployment = await start();
    const world = await World.make(deployment, "revoked");
    const community = "revoked";
    const email = "member@test.example";
    await world.feed();
    const reason = "refund";
    await deployment.run(internal.access.revoke, { community, email, reason });
    await assert.rejects(world.feed(), ConvexError);
    const mine = await world.member.query(api.feed.mine, {});
    assert.equal(mine.email, email);
    const standing = mine.communities.find(({ slug }) => slug === community);
    assert.equal(standing!.live, false);
    await deployment.member(community);
    assert.deepEqual(await world.feed(), []);
  });

  test("a grant to an address waits for its account and is bound by a second", async () => {
    const deployment = await start();
    const { slug: community } = await deployment.community("waiting");
    const email = "late@test.example";
    const grant = {
      community,
      email: " Late@Test.example ",
      until: null,
      reason: "gift",
    };
    assert.deepEqual(await deployment.run(internal.access.grant, grant), {
      bound: false,
    });
    const client = await deployment.person("LATE@test.example ");
    const read = () => client.query(api.feed.channels, { community });
    await assert.rejects(read(), ConvexError); // anybody can type an address
    assert.deepEqual(await deployment.run(internal.access.grant, grant), {
      bound: true,
    });
    assert.equal((await read()).length, 1);
    const again = await deployment.person(email, "signIn");
    assert.equal((await again.query(api.feed.mine, {})).email, email);
  });

  test("latency tells every hop of the newest version", async () => {
    const deployment = await start();
    const world = await World.make(deployment, "latency");
    const { community, member, source } = world;
    const messageId = newId();
    await world.record([source.create(messageId, { sentAt: Date.now() })]);
    await world.bot.drain();
    const [{ version } = { version: "" }] = await world.feed();
    const seenAt = Date.now();
    await member.mutation(api.latency.seen, {
      community: community.slug,
      samples: [
        { messageId, version, seenAt },
        { messageId, version, seenAt: seenAt + 5 },
        { messageId, version: "other", seenAt },
      ],
    });
    const recent = async () =>
      await world.bot.client.query(api.latency.recent, {
        community: community.slug,
        limit: 10,
      });
    const [hops] = await recent();
    assert.equal(hops!.seenAt, seenAt);
    assert.ok(hops!.postedAt! >= hops!.committedAt);
    await world.record([source.edit(messageId, seenAt + 1 - SENT_AT)]);
    assert.equal((await recent())[0]!.seenAt, undefined);
    assert.equal((await recent())[0]!.postedAt, undefined);
    await world.bot.drain();
  });

  test("a webhook is stored once, a heartbeat replaces the last", async () => {
    const deployment = await start();
    const { slug: community } = await deployment.community("hooks");
    const client = await deployment.service("webhook-proxy");
    const event = { ...webhook("evt-1"), community };
    const ingest = async () =>
      (await client.mutation(api.webhooks.ingest, event)).outcome;
    assert.deepEqual([await ingest(), await ingest()], ["stored", "duplicate"]);
    for (let i = 0; i < 2; i++)
      assert.equal(
        await client.mutation(api.services.heartbeat, beat("webhook-proxy")),
        null,
      );
  });
}
