// convergence.ts - any order, any repetition, any crash: the same end.

import assert from "node:assert/strict";
import { test } from "node:test";
import { internal } from "../../convex/_generated/api";
import { permutations, random, shuffled } from "../random";
import type { Community, Deployment } from "./deployment";
import { newId, Source, type Event } from "./source";
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
    const early = { ...source.create(id), partial: true };
    assert.deepEqual(await world.record([elsewhere, stranger, early]), [
      "ignored",
      "ignored",
      "ignored",
    ]);
    await deployment.run(internal.channels.setUp, {
      community: community.slug,
      name: "off",
      enabled: false,
      ...community.channels[0]!,
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
