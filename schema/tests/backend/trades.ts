// trades.ts - what was read out of a text, and which update is about which entry.

import assert from "node:assert/strict";
import { test } from "node:test";
import { internal } from "../../convex/_generated/api";
import type { Trade } from "../../convex/model/fields";
import { random, shuffled } from "../random";
import type { Deployment } from "./deployment";
import { newId, type Event, type Upsert } from "./source";
import { World } from "./world";

const HISTORIES = 2;

export function entry(base: string, over: Partial<Trade> = {}): Trade {
  const quote = "USDT";
  return {
    kind: "entry",
    ...{ symbol: `${base}/${quote}`, base, quote, side: "long" },
    targets: ["11", "12"],
    spans: [],
    confidence: 0.9,
    ...over,
  };
}

export function update(
  base: string | null,
  type: NonNullable<Trade["update"]>["type"],
  over: Partial<NonNullable<Trade["update"]>> = {},
): Trade {
  return {
    kind: "update",
    ...(base ? { symbol: base, base } : {}),
    update: { type, ...over },
    spans: [],
    confidence: 0.8,
  };
}

export function trades(start: () => Promise<Deployment>): void {
  const says = (contentTrade: Trade | null, replyToId?: string) =>
    ({
      contentTrade,
      ...(replyToId ? { replyToId, kind: "reply" } : {}),
    }) satisfies Partial<Upsert>;

  async function linksOf(world: World, messageId: string) {
    const deployment = await start();
    return await deployment.run(internal.trades.links, {
      community: world.community.slug,
      messageId,
    });
  }

  test("a signal carries the trade of its newest text, and none when that has none", async () => {
    const world = await World.make(await start(), "trade-text");
    const { source } = world;
    const id = newId();
    await world.record([source.create(id, says(entry("BTC")))]);
    assert.deepEqual((await world.feed())[0]!.trade, entry("BTC"));
    const embedsTrade = entry("BTC", { confidence: 0.95 });
    await world.record([
      source.edit(id, 1000, {
        ...says(entry("BTC")),
        embeds: [{}],
        embedsTrade,
      }),
    ]);
    assert.deepEqual((await world.feed())[0]!.trade, embedsTrade);
    const { version } = (await world.feed())[0]!;
    // The same text, read by a newer collector: no new version, but its reading.
    const again = source.edit(id, 1000, {
      ...says(entry("BTC", { stop: "9" })),
      ...{ embeds: [{}], capturedAt: source.edit(id, 1000).capturedAt + 60 },
    });
    await world.record([again]);
    const [seen] = await world.feed();
    assert.equal(seen!.trade?.stop, "9");
    assert.equal(seen!.version, version);
    await world.record([source.edit(id, 2000, says(null))]);
    assert.equal((await world.feed())[0]!.trade, undefined);
    await world.record([source.remove(id)]);
    await assert.rejects(linksOf(world, newId()), /No such message/);
    assert.deepEqual(await linksOf(world, id), { entries: [], updates: [] });
    await world.bot.drain();
  });

  test("an update belongs to the entry it answers, else to the only open one", async () => {
    const world = await World.make(await start(), "trade-links", 2);
    const { source } = world;
    const ids: Record<string, string> = {};
    const post = (name: string, trade: Trade | null, reply?: string) =>
      source.create(
        (ids[name] = newId()),
        says(trade, reply === undefined ? undefined : ids[reply]),
      );
    await world.record([
      post("btc", entry("BTC")),
      post("eth", entry("ETH", { side: "short" })),
      post("chart", null, "btc"),
      post("tp1", update("BTC", "target_hit", { targets: [1] })),
      post("moved", update(null, "stop_moved"), "chart"),
      post("wrong", update("ETH", "partial_close"), "btc"),
      post("second", entry("BTC")),
      post("which", update("BTC", "partial_close")),
      post("out", update(null, "closed"), "btc"),
      post("left", update("BTC", "target_hit", { targets: [1] })),
      post("last", update("BTC", "target_hit", { targets: [2] })),
      post("late", update("BTC", "closed")),
      post("lost", update(null, "closed")),
    ]);
    const elsewhere = newId();
    await world.record([
      world.at(1).create(elsewhere, says(update("ETH", "closed"))),
    ]);
    const names = new Map(Object.entries(ids).map(([name, id]) => [id, name]));
    const updatesOf = async (name: string) =>
      (await linksOf(world, ids[name]!)).updates.map(
        (one) => `${names.get(one.messageId)} by ${one.found}`,
      );
    assert.deepEqual(await updatesOf("btc"), [
      "tp1 by symbol",
      "moved by reply",
      "out by reply",
    ]);
    assert.deepEqual(await updatesOf("second"), [
      "left by symbol",
      "last by symbol",
    ]);
    assert.deepEqual(await updatesOf("eth"), ["wrong by symbol"]);
    for (const name of ["which", "late", "lost", "chart"])
      assert.deepEqual((await linksOf(world, ids[name]!)).entries, [], name);
    assert.deepEqual((await linksOf(world, elsewhere)).entries, []);
    // What answers a deleted message is about nothing that is known.
    await world.record([source.remove(ids["second"]!)]);
    assert.deepEqual(await updatesOf("btc"), [
      "tp1 by symbol",
      "moved by reply",
      "which by symbol",
      "out by reply",
    ]);
    await world.record([source.remove(ids["btc"]!)]);
    assert.deepEqual((await linksOf(world, ids["out"]!)).entries, []);
    await world.bot.drain();
  });

  test("a message of several trades carries all, and a reply is about the one it names", async () => {
    const world = await World.make(await start(), "trade-several");
    const { source } = world;
    const id = newId();
    const contentTrades = [entry("BTC"), entry("ETH", { side: "short" })];
    await world.record([source.create(id, { contentTrades })]);
    const [seen] = await world.feed();
    assert.equal(seen!.trade, undefined);
    assert.deepEqual(seen!.trades, contentTrades);
    const reply = { replyToId: id, kind: "reply" as const };
    const [eth, unclear, both, wrong] = Array.from({ length: 4 }, newId);
    await world.record([
      source.create(eth!, says(update("ETH", "closed"), id)),
      source.create(unclear!, says(update(null, "stop_moved"), id)),
      source.create(both!, {
        ...reply,
        contentTrades: [update("BTC", "stop_hit"), update("SOL", "closed")],
      }),
      source.create(wrong!, says(update("SOL", "closed"), id)),
    ]);
    assert.deepEqual(await linksOf(world, id), {
      entries: [],
      updates: [eth, both].map((messageId) => ({ messageId, found: "reply" })),
    });
    for (const one of [eth, both])
      assert.deepEqual((await linksOf(world, one!)).entries, [
        { messageId: id, found: "reply" },
      ]);
    for (const one of [unclear, wrong])
      assert.deepEqual((await linksOf(world, one!)).entries, []);
    // One of them is left by an edit: then it is a trade like any other.
    await world.record([source.edit(id, 1000, says(entry("ETH")))]);
    const after = (await world.feed()).find((one) => one.messageId === id)!;
    assert.deepEqual(after.trade, entry("ETH"));
    assert.equal(after.trades, undefined);
    await world.bot.drain();
  });

  test("each trade of a message is linked by its pair, from the side of the entry and of the update", async () => {
    const world = await World.make(await start(), "trade-pairs");
    const { source } = world;
    const [calls, sol, btc, news, again, late] = Array.from(
      { length: 6 },
      newId,
    );
    const bySymbol = (...ids: (string | undefined)[]) =>
      ids.map((messageId) => ({ messageId, found: "symbol" }));
    await world.record([
      source.create(calls!, { contentTrades: [entry("BTC"), entry("ETH")] }),
      source.create(sol!, says(entry("SOL"))),
      source.create(btc!, says(update("BTC", "closed"))),
      // Of BTC nothing is open any more.
      source.create(news!, {
        contentTrades: [
          update("BTC", "stop_hit"),
          update("ETH", "stop_moved"),
          update("SOL", "closed"),
          update(null, "cancelled"),
        ],
      }),
      source.create(again!, says(entry("BTC"))),
      source.create(late!, says(update("BTC", "stop_moved"))),
    ]);
    assert.deepEqual(await linksOf(world, calls!), {
      entries: [],
      updates: bySymbol(btc, news),
    });
    assert.deepEqual(await linksOf(world, news!), {
      entries: bySymbol(calls, sol),
      updates: [],
    });
    assert.deepEqual((await linksOf(world, sol!)).updates, bySymbol(news));
    assert.deepEqual((await linksOf(world, late!)).entries, bySymbol(again));
    await world.bot.drain();
  });

  test("links are the same in whatever order the messages came, from both ends", async () => {
    let count = 0;
    for (let seed = 1; seed <= HISTORIES; seed++) {
      const found: unknown[] = [];
      const ids = Array.from({ length: 36 }, newId);
      for (const turn of [0, 1]) {
        const world = await World.make(
          await start(),
          `trade-any-${seed}-${turn}`,
        );
        const next = random(seed * 100 + turn);
        const events = history(world, ids, random(seed));
        await world.record(shuffled(events, next));
        const links = await Promise.all(ids.map((id) => linksOf(world, id)));
        found.push(links);
        const down = links.flatMap(({ updates }, i) =>
          updates.map((one) => `${one.messageId} ${ids[i]} ${one.found}`),
        );
        const up = links.flatMap(({ entries }, i) =>
          entries.map((one) => `${ids[i]} ${one.messageId} ${one.found}`),
        );
        assert.deepEqual(down.sort(), up.sort(), `seed ${seed}`);
        count += up.length;
        await world.bot.drain();
      }
      assert.deepEqual(found[0], found[1], `seed ${seed}`);
    }
    assert.ok(count > 5 * HISTORIES, `${count} links are too few to tell`);
  });

  function history(world: World, ids: string[], next: () => number): Event[] {
    const pick = (n: number) => Math.floor(next() * n);
    const events: Event[] = [];
    for (const [i, id] of ids.entries()) {
      const base = ["BTC", "ETH"][pick(2)]!;
      const moved = "stop_moved" as const;
      const kinds = ["closed", "target_hit", moved, moved, moved] as const;
      const reply = i > 0 && pick(3) === 0 ? ids[pick(i)] : undefined;
      const one = () =>
        pick(4) === 0
          ? entry(base, { side: pick(2) ? "long" : "short" })
          : update(pick(4) ? base : null, kinds[pick(5)]!, { targets: [2] });
      const other = base === "BTC" ? "ETH" : "BTC";
      const second = () =>
        pick(2) ? entry(other) : update(other, kinds[pick(5)]!);
      const said = says(one(), reply);
      const { contentTrade, ...rest } = said;
      events.push(
        world.source.create(
          id,
          pick(4)
            ? said
            : { ...rest, contentTrades: [contentTrade!, second()] },
        ),
      );
      if (pick(8) === 0)
        events.push(world.source.edit(id, 500, says(entry(base), reply)));
      if (pick(8) === 0) events.push(world.source.remove(id));
    }
    return events;
  }
}
