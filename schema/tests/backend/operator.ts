// operator.ts - what operators set up and see.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { ConvexHttpClient } from "convex/browser";
import { ConvexError } from "convex/values";
import { api, internal } from "../../convex/_generated/api";
import * as Histogram from "../../convex/model/histogram";
import type { Deployment } from "./deployment";
import { newId } from "./source";
import { World } from "./world";

const EMAIL = "runs-it@test.example";
let made: Promise<ConvexHttpClient> | undefined;

/** The one operator of these tests. */
export async function theOperator(
  deployment: Deployment,
): Promise<ConvexHttpClient> {
  made ??= (async () => {
    const client = await deployment.person(EMAIL);
    await deployment.run(internal.access.makeOperator, { email: EMAIL });
    return client;
  })();
  return await made;
}

/** Refused as a bad argument, with words that name the field. */
export async function refuses(
  call: Promise<unknown>,
  words: RegExp,
): Promise<void> {
  await assert.rejects(call, (error) => {
    assert.ok(error instanceof ConvexError, String(error));
    assert.match((error.data as { message: string }).message, words);
    return true;
  });
}

export async function until(
  what: string,
  holds: () => Promise<boolean>,
): Promise<void> {
  const end = Date.now() + 300_000;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`waited in vain for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const page = (numItems = 50) => ({ numItems, cursor: null });

export function operator(start: () => Promise<Deployment>): void {
  test("an operator makes a community, changes it, and every change names who made it", async () => {
    const client = await theOperator(await start());
    const settings = {
      slug: "op-made",
      name: "Made",
      sourceGuildId: "1150000000000000001",
      customerGuildId: "1250000000000000001",
    };
    await client.mutation(api.communities.create, settings);
    await refuses(client.mutation(api.communities.create, settings), /^slug: /);
    await client.mutation(api.communities.update, {
      ...settings,
      name: "Renamed",
      memberRoleIds: ["1350000000000000001"],
      graceDays: 7,
      joinsAllowed: true,
    });
    const all = await client.query(api.communities.list, {});
    assert.deepEqual(
      all.find(({ slug }) => slug === settings.slug),
      {
        ...settings,
        name: "Renamed",
        memberRoleIds: ["1350000000000000001"],
        graceDays: 7,
        joinsAllowed: true,
      },
    );
    const log = await client.query(api.audit.list, {
      community: settings.slug,
      paginationOpts: page(),
    });
    assert.deepEqual(
      log.page.map(({ actor, action }) => [actor, action]),
      [
        [EMAIL, "community.setUp"],
        [EMAIL, "community.setUp"],
      ],
    );
  });

  test("settings that cannot be right are refused with the name of the field", async () => {
    const deployment = await start();
    const client = await theOperator(deployment);
    const { slug, guildId } = await deployment.community("op-refused");
    const good = {
      slug,
      name: "x",
      sourceGuildId: guildId,
      customerGuildId: "1250000000000000002",
    };
    const set = (over: object) =>
      client.mutation(api.communities.update, { ...good, ...over });
    await refuses(set({ name: " " }), /^name: /);
    await refuses(set({ sourceGuildId: "12" }), /^sourceGuildId: "12"/);
    await refuses(set({ customerGuildId: "vip" }), /^customerGuildId: "vip"/);
    await refuses(set({ memberRoleIds: ["@vip"] }), /^memberRoleIds: "@vip"/);
    await refuses(set({ graceDays: -1 }), /^graceDays: /);
    await refuses(set({ slug: "nowhere" }), /no community "nowhere"/);
    const other = (await deployment.community("op-refused-2")).guildId;
    await refuses(
      set({ sourceGuildId: other }),
      /^sourceGuildId: .*op-refused-2/,
    );
    const channel = {
      community: slug,
      sourceChannelId: "1150000000000000002",
      mirrorChannelId: "1250000000000000003",
      name: "signals",
      enabled: true,
    };
    const add = (over: object) =>
      client.mutation(api.channels.create, { ...channel, ...over });
    await refuses(add({ sourceChannelId: "#vip" }), /^sourceChannelId: /);
    await refuses(
      add({ mirrorChannelId: channel.sourceChannelId }),
      /^mirrorChannelId: .*itself/,
    );
    await refuses(add({ name: "" }), /^name: /);
    await add({});
    await refuses(add({}), /^sourceChannelId: .*mapped already/);
    await refuses(
      client.mutation(api.channels.update, {
        ...channel,
        sourceChannelId: "1150000000000000009",
      }),
      /no channel 1150000000000000009/,
    );
  });

  test("a channel is turned off and on, and only what is on is captured", async () => {
    const deployment = await start();
    const client = await theOperator(deployment);
    const collector = await deployment.service("collector");
    const { slug, channels } = await deployment.community("op-channels");
    const { id: _, ...mapping } = channels[0]!;
    const channel = { community: slug, ...mapping, name: "renamed" };
    const captured = async () =>
      (await collector.query(api.channels.captured, {})).some(
        ({ channelId }) => channelId === channel.sourceChannelId,
      );
    assert.equal(await captured(), true);
    await client.mutation(api.channels.update, { ...channel, enabled: false });
    assert.equal(await captured(), false);
    const [row] = await client.query(api.channels.list, { community: slug });
    assert.deepEqual(
      [row!.name, row!.enabled, row!.signals, row!.lastAt],
      ["renamed", false, 0, null],
    );
    await client.mutation(api.channels.update, { ...channel, enabled: true });
    assert.equal(await captured(), true);
  });

  test("what passes through is counted once, by the minute, with the times of each hop", async () => {
    const deployment = await start();
    const client = await theOperator(deployment);
    const world = await World.make(deployment, "op-stats");
    const community = world.community.slug;
    const from = Date.now() - 60_000;
    const ids = [newId(), newId(), newId()];
    await world.record(ids.map((id) => world.source.create(id)));
    await world.bot.drain();
    const tick = () => deployment.run(internal.stats.tick, { lagMs: 0 });
    const range = async () =>
      await client.query(api.stats.range, {
        community,
        from: from - 60_000,
        to: Date.now() + 60_000,
      });
    await tick();
    await until("the count", async () => {
      const { counts } = (await range()).total;
      return counts.signals === 3 && counts.posts === 3;
    });
    await world.record([world.source.remove(ids[0]!)]);
    await tick();
    await until("the deletion", async () => {
      return (await range()).total.counts.deletes === 1;
    });
    await tick();
    const { total, spans, step, until: mark } = await range();
    assert.equal(step, 60_000);
    assert.ok(mark !== null && mark >= from);
    assert.deepEqual(total.counts, {
      signals: 3,
      edits: 0,
      deletes: 1,
      posts: 3,
      sightings: 0,
    });
    assert.equal(total.hops.commit.count, 4);
    assert.equal(total.hops.post.count, 3);
    assert.ok(total.hops.post.p50! <= total.hops.post.p99!);
    assert.equal(
      spans.reduce((sum, { counts }) => sum + counts.signals, 0),
      3,
    );
    const [channel] = await client.query(api.channels.list, { community });
    assert.equal(channel!.signals, 3);
    assert.ok(channel!.lastAt !== null);
  });

  test("a long range is shown by the hour, and an endless one is refused", async () => {
    const deployment = await start();
    const client = await theOperator(deployment);
    const { slug: community } = await deployment.community("op-range");
    const to = Date.now();
    const range = (from: number) =>
      client.query(api.stats.range, { community, from, to });
    const { step, spans, total } = await range(to - 24 * 3_600_000);
    assert.deepEqual([step, spans, total.hops.post.p50], [3_600_000, [], null]);
    await refuses(range(0), /^from: /);
    await refuses(range(to), /^to: /);
  });

  test("a percentile of buckets is within five per cent of the sorted times'", () => {
    const times = Array.from({ length: 5000 }, (_, i) => 1 + (i * i) / 50);
    const halves = [times.slice(0, 1234), times.slice(1234)];
    const sum = halves
      .map(Histogram.of)
      .reduce(Histogram.merged, Histogram.empty());
    assert.deepEqual(sum, Histogram.of(times));
    for (const share of [0.5, 0.95, 0.99]) {
      const exact = times[Math.ceil(times.length * share) - 1]!;
      const told = Histogram.percentile(sum, share)!;
      assert.ok(
        Math.abs(told / exact - 1) < 0.05,
        `${share}: ${told} ${exact}`,
      );
    }
    assert.equal(Histogram.percentile(Histogram.empty(), 0.5), null);
    assert.equal(Histogram.percentile(Histogram.of([-5, 0]), 0.5), 1);
  });
}
