// apps/chat on the official command line and clients: search, pages, live
// results, errors with data.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { App } from "./official/app.js";
import { Watched } from "./official/clients.js";

type Message = { _id: string; body: string; author: string };
type Page = { page: Message[]; isDone: boolean; continueCursor: string };

let app: App;
let channelId: string;

before(async () => {
  app = await App.start("chat");
  channelId = await app.mutation("channels:create", { name: "general" });
});
after(async () => {
  await app?.close();
});

const send = (author: string, body: string, to = channelId) =>
  app.mutation<string>("messages:send", { channelId: to, author, body });
const bodies = (messages: Message[]) => messages.map(({ body }) => body);

describe("a chat app", { timeout: 600_000 }, () => {
  test("channels are found by id and by name, and names are unique", async () => {
    for (const idOrName of [channelId, "general"]) {
      const found = await app.query<{ _id: string }>("channels:find", {
        idOrName,
      });
      assert.equal(found._id, channelId);
    }
    assert.equal(await app.query("channels:find", { idOrName: "none" }), null);
    await assert.rejects(app.mutation("channels:create", { name: "general" }), {
      data: { code: "TAKEN", name: "general" },
    });
    await app.mutation("channels:setTopic", { channelId, topic: "all" });
    await app.mutation("channels:setTopic", { channelId, topic: null });
    const [channel] = await app.query<object[]>("channels:list");
    assert.ok(!("topic" in channel!));
  });

  test("messages are read in pages, newest first, without gap or repeat", async () => {
    for (let i = 0; i < 7; i++) await send("ann", `message ${i}`);
    const seen: string[] = [];
    let cursor: string | null = null;
    for (;;) {
      const page: Page = await app.query("messages:list", {
        channelId,
        paginationOpts: { numItems: 3, cursor },
      });
      seen.push(...bodies(page.page));
      if (page.isDone) break;
      cursor = page.continueCursor;
    }
    assert.deepEqual(
      seen,
      Array.from({ length: 7 }, (_, i) => `message ${6 - i}`),
    );
  });

  test("search ranks, completes the last word, and keeps to channel and author", async () => {
    const other = await app.mutation<string>("channels:create", {
      name: "other",
    });
    await send("ann", "the deploy went fine");
    await send("bo", "deploy the new dashboard");
    await send("bo", "dashboards are down", other);
    const search = async (args: object) =>
      bodies(await app.query("messages:search", args as never));
    assert.deepEqual(await search({ text: "deploy dash" }), [
      "deploy the new dashboard",
      "the deploy went fine",
      "dashboards are down",
    ]);
    assert.deepEqual(await search({ text: "dash", channelId: other }), [
      "dashboards are down",
    ]);
    assert.deepEqual(
      await search({ text: "deploy", author: "ann", channelId }),
      ["the deploy went fine"],
    );
    assert.deepEqual(await search({ text: "" }), []);
  });

  test("a search in pages ends", async () => {
    const first: Page = await app.query("messages:searchPages", {
      text: "message",
      paginationOpts: { numItems: 5, cursor: null },
    });
    assert.equal(first.page.length, 5);
    const second: Page = await app.query("messages:searchPages", {
      text: "message",
      paginationOpts: { numItems: 5, cursor: first.continueCursor },
    });
    assert.equal(second.page.length, 2);
    assert.equal(second.isDone, true);
  });

  test("a live search follows messages as they come, change and go", async () => {
    const live = app.live();
    const results = new Watched<Message[]>(live, "messages:search", {
      text: "unicorn",
    });
    await results.until((found) => found.length === 0);
    const messageId = await send("ann", "a unicorn");
    await results.until((found) => found[0]?.body === "a unicorn");
    await app.mutation("messages:edit", {
      messageId,
      author: "ann",
      body: "a unicorn again",
    });
    await results.until((found) => found[0]?.body === "a unicorn again");
    await app.mutation("messages:remove", { messageId, author: "ann" });
    await results.until((found) => found.length === 0);
  });

  test("edits, reactions and counts obey the app's rules", async () => {
    const messageId = await send("bo", "mine");
    await assert.rejects(
      app.mutation("messages:edit", { messageId, author: "ann", body: "x" }),
      { data: "Not your message" },
    );
    for (const author of ["ann", "bo", "ann"])
      await app.mutation("messages:react", { messageId, author, emoji: "+1" });
    const [found] = await app.query<{ reactions: object }[]>(
      "messages:search",
      { text: "mine" },
    );
    assert.deepEqual(found?.reactions, { "+1": ["bo"] });
    const others = await app.query("messages:byOthers", {
      channelId,
      author: "ann",
    });
    assert.equal(others, 2);
    await app.mutation("messages:typing", { channelId, author: "ann" });
    await app.mutation("messages:typing", { channelId, author: "ann" });
    assert.deepEqual(await app.query("messages:whoIsTyping", { channelId }), [
      "ann",
    ]);
    await send("ann", "done");
    assert.deepEqual(
      await app.query("messages:whoIsTyping", { channelId }),
      [],
    );
  });

  test("concurrent senders all count", async () => {
    const busy = await app.mutation<string>("channels:create", {
      name: "busy",
    });
    await Promise.all(
      Array.from({ length: 30 }, (_, i) => {
        const live = i < 3 ? app.live() : null;
        return live === null
          ? send(`a${i}`, `m${i}`, busy)
          : live.mutation(
              "messages:send" as never,
              {
                channelId: busy,
                author: `a${i}`,
                body: `m${i}`,
              } as never,
            );
      }),
    );
    const channel = await app.query<{ messageCount: number }>("channels:find", {
      idOrName: "busy",
    });
    assert.equal(channel.messageCount, 30);
  });
});
