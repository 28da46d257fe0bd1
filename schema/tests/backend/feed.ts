// feed.ts - finding signals, and knowing which are new.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { FunctionReturnType } from "convex/server";
import { ConvexError } from "convex/values";
import { api, internal } from "../../convex/_generated/api";
import type { Deployment } from "./deployment";
import { newId, SENT_AT } from "./source";
import { entry, update } from "./trades";
import { World } from "./world";

export function feed(start: () => Promise<Deployment>): void {
  test("a search finds signals by any of their words, of one channel or pair too, newest first", async () => {
    const world = await World.make(await start(), "search", 2);
    const { source, member } = world;
    const [text, card, other, gone] = [newId(), newId(), newId(), newId()];
    await world.record([
      source.create(text, {
        content: "LONG BTCUSDT from 64,000, momentum",
        contentTrade: entry("BTC"),
      }),
      source.create(card, {
        content: "",
        embeds: [
          {
            title: "Signal",
            fields: [{ name: "Why", value: "Momentum shift", inline: true }],
          },
        ],
        attachments: [
          {
            id: "1",
            filename: "orderbook.png",
            url: "https://a.example/1",
            size: 1,
          },
        ],
      }),
      world.at(1).create(other, { content: "no momentum at all" }),
      source.create(gone, { content: "momentum that was deleted" }),
      source.remove(gone),
    ]);
    const find = async (text: string, over: object = {}) =>
      (
        await member.query(api.feed.search, {
          community: "search",
          text,
          ...over,
        })
      ).map(({ messageId }) => messageId);
    assert.deepEqual(await find("momentum"), [other, card, text]);
    assert.deepEqual(await find("moment"), [other, card, text]); // as it is typed
    assert.deepEqual(await find("orderbook"), [card]);
    assert.deepEqual(await find("BTC"), [text]);
    assert.deepEqual(await find("momentum", { symbol: "BTC" }), [text]);
    const channels = await member.query(api.feed.channels, {
      community: "search",
    });
    const channelId = channels[1]!.id;
    assert.deepEqual(await find("momentum", { channelId }), [other]);
    assert.deepEqual(await find("  "), []);
    await assert.rejects(find("x".repeat(201)), /text: at most 200/);
    await world.record([
      source.edit(text, 5, { content: "closed in profit", contentTrade: null }),
    ]);
    assert.deepEqual(await find("64"), []);
    assert.deepEqual(await find("profit"), [text]);
    await world.bot.drain();
  });

  test("a page of one symbol, or with tombstones in their places", async () => {
    const world = await World.make(await start(), "filters", 2);
    const { source, member } = world;
    const [btc, eth, gone, away] = [newId(), newId(), newId(), newId()];
    const community = "filters";
    await world.record([
      source.create(btc, { contentTrade: entry("BTC") }),
      source.create(eth, { contentTrade: entry("ETH") }),
      source.create(gone, { content: "secret" }),
      source.remove(gone),
      world.at(1).create(away, { contentTrade: entry("BTC") }),
    ]);
    const list = async (over: object) =>
      (
        await member.query(api.feed.list, {
          community,
          paginationOpts: { numItems: 10, cursor: null },
          ...over,
        })
      ).page;
    const ids = async (over: object) =>
      (await list(over)).map(({ messageId }) => messageId);
    const channels = await member.query(api.feed.channels, { community });
    const channelId = channels[0]!.id;
    assert.deepEqual(await ids({}), [away, eth, btc]);
    assert.deepEqual(await ids({ symbol: "BTC" }), [away, btc]);
    assert.deepEqual(await ids({ symbol: "BTC", channelId }), [btc]);
    assert.deepEqual(await ids({ hideDeleted: false }), [away, gone, eth, btc]);
    const [tombstone] = await list({ hideDeleted: false, channelId });
    assert.equal(tombstone!.messageId, gone);
    assert.equal(tombstone!.state, "deleted");
    assert.equal(tombstone!.sourceAt, SENT_AT + 99_000);
    assert.doesNotMatch(JSON.stringify(tombstone), /secret|Ana/);
    assert.deepEqual(await member.query(api.feed.symbols, { community }), [
      "BTC",
      "ETH",
    ]);
    await world.bot.drain();
  });

  test("a message of several trades is found by each of its pairs, once, page by page and by its words", async () => {
    const world = await World.make(await start(), "pairs", 2);
    const { source, member } = world;
    const community = "pairs";
    const both = [entry("BTC"), entry("ETH"), entry("BTC", { side: "short" })];
    const ids = Array.from({ length: 12 }, newId);
    await world.record(
      ids.map((id, i) => {
        const from = world.at(i % 2);
        if (i % 3 === 0) return from.create(id, { contentTrades: both });
        return from.create(id, { contentTrade: entry(["BTC", "SOL"][i % 2]!) });
      }),
    );
    const args = async (channel?: number) => {
      if (channel === undefined) return { community };
      const all = await member.query(api.feed.channels, { community });
      return { community, channelId: all[channel]!.id };
    };
    const idsOf = async (symbol: string, channel?: number) => {
      const found: string[] = [];
      for (let cursor: string | null = null, done = false; !done;) {
        const page: FunctionReturnType<typeof api.feed.list> =
          await member.query(api.feed.list, {
            ...(await args(channel)),
            symbol,
            paginationOpts: { numItems: 2, cursor },
          });
        found.push(...page.page.map(({ messageId }) => messageId));
        [cursor, done] = [page.continueCursor, page.isDone];
      }
      return found;
    };
    const find = async (text: string, symbol: string) =>
      (await member.query(api.feed.search, { community, text, symbol })).map(
        ({ messageId }) => messageId,
      );
    const wanted = (which: (i: number) => boolean) =>
      ids.filter((_, i) => which(i)).reverse();
    const symbols = async () =>
      await member.query(api.feed.symbols, { community });
    assert.deepEqual(await symbols(), ["BTC", "ETH", "SOL"]);
    const btc = (i: number) => i % 3 === 0 || i % 2 === 0;
    assert.deepEqual(await idsOf("BTC"), wanted(btc));
    assert.deepEqual(
      await idsOf("BTC", 1),
      wanted((i) => btc(i) && i % 2 === 1),
    );
    assert.deepEqual(
      await idsOf("ETH"),
      wanted((i) => i % 3 === 0),
    );
    assert.deepEqual(await find("signal", "BTC"), wanted(btc));
    assert.deepEqual(await find(ids[3]!, "ETH"), [ids[3]]);
    assert.deepEqual(await find(ids[3]!, "SOL"), []);
    // Edits take one away, leave a single one, say it in other words; a delete takes all.
    await world.record([
      world.at(0).edit(ids[0]!, 1, { contentTrades: [both[1]!, entry("SOL")] }),
      world.at(1).edit(ids[3]!, 1, { contentTrade: entry("ETH") }),
      world.at(0).edit(ids[6]!, 1, { content: "rumour", contentTrades: both }),
      world.at(1).remove(ids[9]!),
    ]);
    assert.deepEqual(await idsOf("BTC"), [
      ids[10],
      ids[8],
      ids[6],
      ids[4],
      ids[2],
    ]);
    assert.deepEqual(await idsOf("ETH"), [ids[6], ids[3], ids[0]]);
    assert.deepEqual((await idsOf("SOL")).at(-1), ids[0]);
    assert.deepEqual(await find("rumour", "ETH"), [ids[6]]);
    assert.deepEqual(await find(ids[6]!, "ETH"), []); // it no longer says that
    assert.deepEqual(await find(`edit`, "ETH"), [ids[3], ids[0]]);
    await world.record([source.remove(ids[0]!), world.at(1).remove(ids[3]!)]);
    assert.deepEqual(await idsOf("ETH"), [ids[6]]);
    await world.bot.drain();
  });

  test("a signal comes with its entry or updates, and when each hop had it", async () => {
    const world = await World.make(await start(), "detail");
    const { source, member } = world;
    const [first, hit, stray] = [newId(), newId(), newId()];
    await world.record([
      source.create(first, { contentTrade: entry("BTC") }),
      source.create(hit, {
        contentTrade: update("BTC", "target_hit", { targets: [1] }),
        replyToId: first,
        kind: "reply",
      }),
      source.create(stray, { contentTrade: update("XRP", "closed") }),
    ]);
    await world.bot.drain();
    const get = async (messageId: string) =>
      await member.query(api.feed.get, { community: "detail", messageId });
    const [one, two, none] = [
      await get(first),
      await get(hit),
      await get(stray),
    ];
    const links = (detail: typeof one) =>
      detail!.updates.map(({ signal, found }) => [signal.messageId, found]);
    assert.deepEqual(one!.entries, []);
    assert.deepEqual(links(one), [[hit, "reply"]]);
    assert.deepEqual(
      two!.entries.map(({ signal }) => signal.messageId),
      [first],
    );
    assert.deepEqual(links(two), [[hit, "reply"]]);
    assert.deepEqual([none!.entries, none!.updates], [[], []]);
    assert.ok(one!.postedAt! >= one!.signal.committedAt);
    assert.equal(one!.seenAt, null);
    assert.equal(await get("1"), null);
  });

  test("what a signal said before its author's edits is kept, not without bound, and goes with it", async () => {
    const world = await World.make(await start(), "edits");
    const { source, member } = world;
    const messageId = newId();
    const versions = async () =>
      (
        await member.query(api.feed.versions, { community: "edits", messageId })
      ).map(({ at, text, trades }) => [
        at - SENT_AT,
        text,
        ...trades.map(({ stop }) => stop),
      ]);
    const call = (stop: string) => ({
      contentTrade: entry("BTC", {
        stop,
        spans: [{ field: "stop", part: "content", start: 0, end: 1 }],
      }),
    });
    const embeds = [{ title: "Chart", fields: [] }];
    const first = source.create(messageId, { content: "one", ...call("9") });
    // A link's preview is no edit.
    await world.record([first, { ...first, capturedAt: SENT_AT + 20, embeds }]);
    assert.deepEqual(await versions(), [[0, "one\nChart", "9"]]);
    const edit = (at: number, content: string, stop = "9") =>
      source.edit(messageId, at, { content, embeds, ...call(stop) });
    await world.record([
      edit(1000, "two"),
      edit(500, "late"), // never shown
      edit(2000, "two", "8"),
      edit(3000, "two", "8"), // says the same
    ]);
    const shown = [
      [0, "one\nChart", "9"],
      [1000, "two\nChart", "9"],
      [3000, "two\nChart", "8"],
    ];
    assert.deepEqual(await versions(), shown);
    for (let i = 4; i < 20; i++)
      await world.record([edit(i * 1000, `edit ${i}`)]);
    const kept = (await versions()).map(([, text]) => text);
    assert.deepEqual(kept, [
      "one\nChart",
      ...Array.from({ length: 10 }, (_, i) => `edit ${i + 10}\nChart`),
    ]);
    await world.record([source.remove(messageId)]);
    assert.deepEqual(await versions(), []);
    await world.bot.drain();
  });

  test("what came after the mark is unread, and a mark never moves back", async () => {
    const deployment = await start();
    const world = await World.make(deployment, "unread");
    const { source, member } = world;
    const community = "unread";
    const ids = Array.from({ length: 120 }, newId);
    await world.record(ids.slice(0, 3).map((id) => source.create(id)));
    const unread = async () =>
      await member.query(api.feed.unread, { community });
    const mark = async (messageId: string) =>
      await member.mutation(api.feed.markRead, { community, messageId });
    assert.deepEqual(await unread(), { readTo: null, count: 0 });
    await mark(ids[1]!);
    assert.deepEqual(await unread(), { readTo: ids[1], count: 1 });
    await mark(ids[0]!);
    assert.equal((await unread()).readTo, ids[1]);
    await world.record([source.remove(ids[2]!)]);
    assert.equal((await unread()).count, 0);
    for (let i = 3; i < ids.length; i += 39)
      await world.record(ids.slice(i, i + 39).map((id) => source.create(id)));
    assert.equal((await unread()).count, 100); // or more
    await assert.rejects(mark("7"), ConvexError);
    const email = "another@test.example";
    const another = await deployment.person(email);
    const until = null;
    const grant = { community, email, until, reason: "test" };
    await deployment.run(internal.access.grant, grant);
    const theirs = await another.query(api.feed.unread, { community });
    assert.deepEqual(theirs, { readTo: null, count: 0 });
    await world.bot.drain();
  });
}
