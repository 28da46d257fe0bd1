// convergence.ts - any order, any repetition, any crash: the same end.

import assert from "node:assert/strict";
import { test } from "node:test";
import { api, internal } from "../../convex/_generated/api";
import { permutations, random, shuffled } from "../random";
import type { Community, Deployment } from "./deployment";
import { newId, SENT_AT, Source, type Event } from "./source";
import { World } from "./world";

// STORMS=1000 for a long run.
const STORMS = Number(process.env.STORMS ?? 12);

export function convergence(start: () => Promise<Deployment>): void {
  test("every order of create, two edits and a delete ends the same", async () => {
    const world = await World.make(await start(), "orders");
    const { source } = world;
    for (const gone of [false, true]) {
      for (const order of permutations([0, 1, 2, 3])) {
        const id = newId();
        const events = [
          source.create(id),
          source.edit(id, 1000),
          source.edit(id, 2000),
          gone ? source.remove(id) : source.edit(id, 3000),
        ];
        for (const i of order) await world.record([events[i]!]);
      }
    }
    await world.bot.drain();
    const feed = await world.feed();
    assert.equal(feed.length, 24);
    for (const item of feed)
      assert.equal(item.content, `edit 3000 of ${item.messageId}`);
    assert.deepEqual(
      world.guild.contents(),
      feed.map((item) => item.content).reverse(),
    );
  });

  test("a partial event that comes before its message is kept for it", async () => {
    const world = await World.make(await start(), "held");
    const { source } = world;
    const late = { partial: true, author: undefined, content: undefined };
    for (const order of permutations([0, 1, 2])) {
      const id = newId();
      const events = [
        source.create(id, { attachments: [] }),
        source.edit(id, 1000, { embeds: [{ title: "one" }] }),
        source.edit(id, 2000, { ...late, embeds: [{ title: "two" }] }),
      ];
      for (const i of order) await world.record([events[i]!]);
      const item = (await world.feed()).find((one) => one.messageId === id);
      assert.equal(item?.content, `edit 1000 of ${id}`);
      assert.deepEqual(item?.embeds, [{ title: "two" }]);
    }
    const id = newId();
    const early = source.edit(id, 5, { ...late, embeds: [] });
    assert.deepEqual(await world.record([early, early]), ["held", "unchanged"]);
    const { guildId, channelId } = source.place(id);
    assert.deepEqual(await world.collector.query(api.signals.held, {}), [
      { guildId, channelId, messageId: id },
    ]);
    await world.record([source.remove(id)]);
    assert.deepEqual(await world.collector.query(api.signals.held, {}), []);
    await world.bot.drain();
  });

  test("every order of a message's events and the end of its channel buries it", async () => {
    const deployment = await start();
    const world = await World.make(deployment, "gone", 24 * 2);
    let channel = 0;
    for (const threadId of [undefined, newId()])
      for (const order of permutations([0, 1, 2, 3])) {
        const source = world.at(channel++);
        const id = newId();
        const inside = threadId ? { threadId } : {};
        const events = [
          source.create(id, inside),
          source.edit(id, 1000, inside),
          source.edit(id, 2000, { ...inside, partial: true }),
          source.removeChannel(threadId),
        ];
        for (const i of order) await world.record([events[i]!]);
        assert.deepEqual(
          await world.record(events),
          Array(4).fill("unchanged"),
        );
      }
    assert.deepEqual(await world.feed(), []);
    await world.bot.drain();
    assert.deepEqual(world.guild.contents(), []);
  });

  test("a deleted channel takes all it has with it, a thread only its own", async () => {
    const world = await World.make(await start(), "purge", 2);
    const { source } = world;
    const [thread, other] = [newId(), newId()];
    const write = async (at: Source, count: number, inside: object) => {
      const ids = Array.from({ length: count }, newId);
      for (let i = 0; i < count; i += 50)
        await world.record(
          ids.slice(i, i + 50).map((id) => at.create(id, inside)),
        );
    };
    await write(source, 150, {});
    await write(source, 70, { threadId: thread });
    await write(source, 2, { threadId: other });
    await write(world.at(1), 1, {});
    const feed = async () => (await world.feed()).length;
    const until = async (count: number) => {
      while ((await feed()) > count) await world.bot.drain();
      assert.equal(await feed(), count);
    };
    await world.record([source.removeChannel(thread)]);
    await until(100); // a page
    await world.record([source.removeChannel()]);
    await until(1);
    assert.deepEqual(await world.record([source.create(newId())]), [
      "recorded",
    ]);
    assert.equal(await feed(), 1);
    await world.bot.drain();
    assert.equal(world.guild.contents().length, 1);
  });

  test("what the source has and what is known are compared by their text", async () => {
    const world = await World.make(await start(), "drift");
    const { source } = world;
    const ids = Array.from({ length: 6 }, newId);
    const [same, edited, unknown, missing, buried, above] = ids as [
      string,
      string,
      string,
      string,
      string,
      string,
    ];
    const thread = { threadId: newId() };
    const inThread = newId();
    await world.record([
      ...[same, edited, missing, buried, above].map((id) => source.create(id)),
      source.remove(buried),
      source.create(inThread, thread),
    ]);
    const seen = { capturedAt: SENT_AT + 9000 };
    const { guildId, channelId } = source.place(same);
    const page = {
      ...{ guildId, channelId, from: same, to: buried },
      capturedBefore: SENT_AT + 5000,
      ids: [same, edited, unknown, buried],
      events: [
        source.create(same, seen),
        source.edit(edited, 1000),
        source.create(unknown, seen),
        source.create(buried, seen),
      ],
    };
    const ask = (over: object) =>
      world.collector.query(api.signals.drift, { ...page, ...over });
    assert.deepEqual(await ask({}), {
      news: [edited, unknown],
      missing: [missing],
      unsettled: false,
    });
    assert.deepEqual(await ask({ capturedBefore: SENT_AT }), {
      news: [edited, unknown],
      missing: [],
      unsettled: true,
    });
    const empty = { ids: [], events: [], from: "0", to: inThread };
    assert.deepEqual(await ask({ ...empty, ...thread }), {
      news: [],
      missing: [inThread],
      unsettled: false,
    });
    assert.deepEqual((await ask(empty)).missing, [
      same,
      edited,
      missing,
      above,
    ]);
    assert.deepEqual(await ask({ ...empty, channelId: "5" }), {
      news: [],
      missing: [],
      unsettled: false,
    });
    await world.bot.drain();
  });

  test("an event recorded again is unchanged and writes nothing", async () => {
    const world = await World.make(await start(), "again");
    const { source } = world;
    const id = newId();
    const events = [source.create(id), source.edit(id, 500)];
    assert.deepEqual(await world.record(events), ["recorded", "recorded"]);
    const [before] = await world.feed();
    assert.deepEqual(await world.record(events), ["unchanged", "unchanged"]);
    const [after] = await world.feed();
    assert.deepEqual(after, before);
    const gone = source.remove(id);
    assert.deepEqual(await world.record([gone, gone]), [
      "recorded",
      "unchanged",
    ]);
    assert.deepEqual(await world.record(events), ["unchanged", "unchanged"]);
  });

  test("what is not configured is ignored", async () => {
    const deployment = await start();
    const world = await World.make(deployment, "ignored");
    const { source, community } = world;
    const id = newId();
    const elsewhere = { ...source.create(id), channelId: "5" };
    const stranger = { ...source.create(id), guildId: "6" };
    assert.deepEqual(await world.record([elsewhere, stranger]), [
      "ignored",
      "ignored",
    ]);
    const { sourceChannelId, mirrorChannelId } = community.channels[0]!;
    await deployment.run(internal.channels.setUp, {
      ...{ community: community.slug, name: "off", enabled: false },
      ...{ sourceChannelId, mirrorChannelId },
    });
    assert.deepEqual(await world.record([source.create(id)]), ["ignored"]);
  });

  test("a signal deleted before anybody tried to post it is never posted", async () => {
    const world = await World.make(await start(), "early");
    const id = newId();
    await world.record([world.source.create(id), world.source.remove(id)]);
    assert.deepEqual(await world.bot.claim(), []);
    assert.deepEqual(world.guild.log, []);
  });

  test("a delete during the post is a delete after it", async () => {
    const world = await World.make(await start(), "during");
    const id = newId();
    await world.record([world.source.create(id)]);
    const work = await world.bot.claim();
    await world.record([world.source.remove(id)]);
    assert.deepEqual(await world.bot.claim(), []);
    await world.bot.finish(work);
    assert.equal(world.guild.posts.size, 1);
    assert.equal(await world.bot.drain(), 1);
    assert.equal(world.guild.posts.size, 0);
  });

  test("edits while a post is under way collapse to the latest", async () => {
    const world = await World.make(await start(), "collapse");
    const { source, bot } = world;
    const id = newId();
    await world.record([source.create(id)]);
    const work = await bot.claim();
    for (const at of [1, 2, 3]) await world.record([source.edit(id, at)]);
    await bot.finish(work);
    assert.equal(await bot.drain(), 1);
    assert.deepEqual(world.guild.contents(), [`edit 3 of ${id}`]);
  });

  test("mixed events, lost reports and restarts leave no drift", async () => {
    const world = await World.make(await start(), "storm", 2);
    for (let seed = 1; seed <= STORMS; seed++) await storm(world, seed);
  });
}

/** Random events in random order, against a bot that dies now and then. */
async function storm(world: World, seed: number): Promise<void> {
  const next = random(seed);
  const { ids, events, expected } = history(world.community, next);
  let left = shuffled([...events, ...events.slice(0, 4)], next);
  while (left.length > 0) {
    const count = 1 + Math.floor(next() * 4);
    await world.record(left.slice(0, count));
    left = left.slice(count);
    if (next() < 0.4) continue;
    const work = await world.bot.claim(1 + Math.floor(next() * 5));
    // The bot may die before or after Discord did what it was asked.
    const fate = next();
    if (fate < 0.6) await world.bot.finish(work);
    else if (fate < 0.8) for (const one of work) world.bot.perform(one);
    if (fate >= 0.6) await world.bot.release();
  }
  await world.bot.drain();
  const feed = (await world.feed()).map((item) => item.content).sort();
  assert.deepEqual(feed, expected.sort(), `seed ${seed}`);
  assert.deepEqual(world.guild.contents().sort(), feed, `seed ${seed}`);
  await world.record(ids.map((id) => world.source.remove(id)));
  await world.bot.drain();
  assert.deepEqual(world.guild.contents(), [], `seed ${seed}`);
}

function history(community: Community, next: () => number) {
  const events: Event[] = [];
  const expected: string[] = [];
  const ids: string[] = [];
  for (let i = 0; i < 6; i++) {
    const source = new Source(community, i % 2);
    const id = newId();
    ids.push(id);
    const edits = Array.from({ length: Math.floor(next() * 3) }, (_, k) =>
      source.edit(id, 1000 * (k + 1)),
    );
    const last = edits.at(-1) ?? source.create(id);
    const gone = next() < 0.35;
    events.push(source.create(id), ...edits);
    if (gone) events.push(source.remove(id));
    else expected.push(last.content!);
  }
  return { ids, events, expected };
}
