// leases.ts - work is one bot's at a time, and in order.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ConvexClient } from "convex/browser";
import type { FunctionReturnType } from "convex/server";
import { api } from "../../convex/_generated/api";
import type { Deployment } from "./deployment";
import { Bot } from "./mirror";
import { newId } from "./source";
import { World } from "./world";

type Queue = FunctionReturnType<typeof api.mirrors.queue>;

export function leases(start: () => Promise<Deployment>): void {
  test("a report with an older fence is refused", async () => {
    const world = await World.make(await start(), "fences");
    await world.record([world.source.create(newId())]);
    const [first] = await world.bot.claim();
    assert.equal(await world.bot.release(), 1);
    const other = new Bot(world.bot.client, world.guild, "bot-2");
    const [second] = await other.claim();
    assert.equal(second!.mirrorId, first!.mirrorId);
    assert.ok(second!.fence > first!.fence);
    assert.equal(second!.nonce, first!.nonce);
    assert.equal(second!.attempts, 1);
    const late = {
      mirrorId: first!.mirrorId,
      outcome: world.bot.perform(first!),
    };
    assert.deepEqual(
      await world.bot.report([{ ...late, fence: first!.fence }]),
      [false],
    );
    assert.deepEqual(
      await world.bot.report([{ ...late, fence: second!.fence }]),
      [false],
    );
    assert.deepEqual(await other.report([{ ...late, fence: second!.fence }]), [
      true,
    ]);
    assert.deepEqual(await other.claim(), []);
  });

  test("two bots that claim at once never hold one row", async () => {
    const world = await World.make(await start(), "rivals", 4);
    const { bot, guild, community } = world;
    const rival = new Bot(bot.client, guild, "bot-2");
    const sources = community.channels.map((_, i) => world.at(i));
    const ids = Array.from({ length: 40 }, newId);
    await world.record(ids.map((id, i) => sources[i % 4]!.create(id)));
    const seen = new Set<string>();
    while (seen.size < ids.length) {
      const claims = await Promise.all([bot.claim(3), rival.claim(3)]);
      const held = claims.flat().map(({ mirrorId }) => mirrorId);
      assert.ok(held.length > 0);
      assert.equal(new Set(held).size, held.length);
      for (const id of held) {
        assert.ok(!seen.has(id));
        seen.add(id);
      }
      await bot.finish(claims[0]);
      await rival.finish(claims[1]);
    }
    assert.equal(guild.posts.size, 40);
  });

  test("a channel's posts leave in source order", async () => {
    const world = await World.make(await start(), "lane");
    const ids = Array.from({ length: 9 }, newId);
    const shuffledIds = [4, 8, 0, 6, 2, 7, 1, 5, 3].map((i) => ids[i]!);
    await world.record(shuffledIds.map((id) => world.source.create(id)));
    const first = await world.bot.claim(4);
    assert.deepEqual(
      first.map(({ content }) => content),
      ids.slice(0, 4).map((id) => `signal ${id}`),
    );
    assert.deepEqual(await world.bot.claim(), []);
    await world.bot.finish(first);
    await world.bot.drain();
    assert.deepEqual(
      world.guild.log,
      ids.map((id) => `signal ${id}`),
    );
  });

  test(
    "the queue tells its subscriber of work that only looks the same",
    { timeout: 600_000 },
    async () => {
      const deployment = await start();
      const world = await World.make(deployment, "queue");
      const client = new ConvexClient(deployment.url);
      client.setAuth(() => deployment.token("bot"));
      const states = new States();
      client.onUpdate(api.mirrors.queue, {}, (queue) => states.add(queue));
      try {
        await states.until((queue) => queue.head === null);
        const id = newId();
        await world.record([world.source.create(id)]);
        const wanted = await states.until((queue) => queue.ready === 1);
        await world.bot.drain();
        await states.until((queue) => queue.ready === 0);
        await world.record([world.source.edit(id, 1)]);
        const again = await states.until((queue) => queue.ready === 1);
        assert.equal(again.head, wanted.head);
        assert.ok(again.mark > wanted.mark);
        await world.bot.drain();
      } finally {
        await client.close();
      }
    },
  );

  test("work of all lanes is found, whatever the number of rows in each", async () => {
    const world = await World.make(await start(), "lanes", 4);
    for (const [i, count] of [40, 70, 1, 30].entries())
      for (let left = count; left > 0; left -= 64)
        await world.record(
          Array.from({ length: Math.min(left, 64) }, () =>
            world.at(i).create(newId()),
          ),
        );
    const queue = await world.bot.client.query(api.mirrors.queue, {});
    assert.equal(queue.ready, 40 + 64 + 1 + 30); // at most 64 of a lane
    await world.bot.drain();
    assert.equal(world.guild.posts.size, 141);
  });

  test("a retry holds its lane and no other", async () => {
    const world = await World.make(await start(), "retry", 2);
    const [held, behind, other] = [newId(), newId(), newId()];
    await world.record([
      world.source.create(held),
      world.source.create(behind),
      world.at(1).create(other),
    ]);
    const work = await world.bot.claim(1);
    const [head] = work;
    await world.bot.report([
      {
        mirrorId: head!.mirrorId,
        fence: head!.fence,
        outcome: { type: "retry", error: "503", retryAfterMs: 600_000 },
      },
    ]);
    const free = await world.bot.claim();
    assert.deepEqual(
      free.map(({ content }) => content),
      [`signal ${other}`],
    );
    await world.bot.finish(free);
    const queue = await world.bot.client.query(api.mirrors.queue, {});
    assert.equal(queue.ready, 0);
    assert.equal(queue.head, head!.mirrorId);
    assert.ok(queue.nextAt! > Date.now() + 500_000);
    await world.record([held, behind].map((id) => world.source.remove(id)));
  });

  test("a dead row holds nobody and is tried again when it changes", async () => {
    const world = await World.make(await start(), "dead");
    const [bad, good] = [newId(), newId()];
    await world.record([world.source.create(bad), world.source.create(good)]);
    const [head] = await world.bot.claim(1);
    const outcome = { type: "dead", error: "Cannot send" } as const;
    const { mirrorId, fence } = head!;
    await world.bot.report([{ mirrorId, fence, outcome }]);
    await world.bot.drain();
    assert.deepEqual(world.guild.contents(), [`signal ${good}`]);
    await world.record([world.source.edit(bad, 5)]);
    await world.bot.drain();
    assert.deepEqual(world.guild.contents().sort(), [
      `edit 5 of ${bad}`,
      `signal ${good}`,
    ]);
  });

  test("a reply names our message, once there is one", async () => {
    const world = await World.make(await start(), "reply");
    const [target, reply] = [newId(), newId()];
    await world.record([
      world.source.create(target),
      world.source.create(reply, { replyToId: target, kind: "reply" }),
    ]);
    const first = await world.bot.claim();
    assert.equal(first.length, 1);
    await world.bot.finish(first);
    const [second] = await world.bot.claim();
    const [post] = world.guild.posts.values();
    assert.equal(second!.replyToMessageId, post!.id);
    await world.bot.finish([second!]);
  });
}

class States {
  #last: Queue | undefined;
  #wake: () => void = () => {};

  add(queue: Queue): void {
    this.#last = queue;
    this.#wake();
  }

  async until(wanted: (queue: Queue) => boolean): Promise<Queue> {
    for (;;) {
      const last = this.#last;
      if (last !== undefined && wanted(last)) return last;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}
