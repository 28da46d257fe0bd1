// attachments.ts - the copies of files: which are wanted, who fetches them, and that none is left.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { ConvexClient, type ConvexHttpClient } from "convex/browser";
import type { FunctionArgs, FunctionReturnType } from "convex/server";
import { api, internal } from "../../convex/_generated/api";
import type { Deployment } from "./deployment";
import { newId } from "./source";
import { World } from "./world";

type Work = FunctionReturnType<typeof api.attachments.claim>["work"][number];
type Outcome = FunctionArgs<
  typeof api.attachments.report
>["results"][number]["outcome"];

const PNG = Buffer.from("89504e470d0a1a0a0000000d49484452", "hex");

/** Stands for one collector's part that fetches. */
export class Fetcher {
  constructor(
    readonly client: ConvexHttpClient,
    readonly instance = "one",
  ) {}

  async claim(limit = 16): Promise<Work[]> {
    const { instance } = this;
    const args = { instance, limit };
    return (await this.client.mutation(api.attachments.claim, args)).work;
  }

  async report({ jobId, fence }: Work, outcome: Outcome): Promise<boolean> {
    const { accepted } = await this.client.mutation(api.attachments.report, {
      instance: this.instance,
      results: [{ jobId, fence, outcome }],
    });
    return accepted[0]!;
  }

  async upload(work: Work, bytes: Buffer, contentType = "image/png") {
    const response = await fetch(work.uploadUrl, {
      method: "POST",
      headers: { "content-type": contentType },
      body: new Uint8Array(bytes),
    });
    assert.equal(response.status, 200);
    const { storageId } = (await response.json()) as { storageId: string };
    return {
      type: "stored",
      storageId,
      contentType,
      size: bytes.length,
      sha256: createHash("sha256").update(bytes).digest("hex"),
    } as Extract<Outcome, { type: "stored" }>;
  }

  /** Does what there is to do. */
  async drain(bytes = PNG): Promise<void> {
    for (const work of await this.claim())
      assert.ok(await this.report(work, await this.upload(work, bytes)));
  }
}

const file = (id: string, name = `${id}.png`) => ({
  id,
  filename: name,
  url: `https://cdn.discordapp.com/attachments/1/${id}/${name}?ex=1&is=1&hm=ab&`,
  contentType: "image/png",
  size: 16,
});

export function attachments(start: () => Promise<Deployment>): void {
  let made: Promise<World> | undefined;
  const settings = async () => {
    const deployment = await start();
    const world = await (made ??= World.make(deployment, "files"));
    const collector = await deployment.service("collector");
    const fetcher = new Fetcher(collector);
    // What other tests left is nobody's wish here.
    const rest = new Fetcher(collector, "rest");
    for (const work of await rest.claim())
      await rest.report(work, { type: "refused", reason: "left over" });
    return { deployment, world, collector, fetcher };
  };
  const stored = async (deployment: Deployment): Promise<string[]> =>
    await deployment.storedFiles();

  test("a signal's files are wanted with it, once each, and shown as they are", async () => {
    const { world: w, fetcher, deployment } = await settings();
    const [id, one, two] = [newId(), newId(), newId()];
    const event = w.source.create(id, {
      attachments: [file(one), { ...file(two), description: "the chart" }],
      embeds: [
        {
          title: "x",
          image: { url: "https://cdn.discordapp.com/a/b.png?ex=1&is=1&hm=ab&" },
          thumbnail: {
            url: "https://example.com/t.png",
            proxyUrl: "https://images-ext-1.discordapp.net/external/t.png",
          },
        },
      ],
    });
    await w.record([event, event]);
    const [item] = await w.feed();
    assert.deepEqual(
      item!.attachments.map(({ id, state, size, description }) => [
        id,
        state,
        size,
        description,
      ]),
      [
        [one, "pending", 16, undefined],
        [two, "pending", 16, "the chart"],
      ],
    );
    assert.equal(item!.embeds[0]!.imageFile!.state, "pending");
    const before = await stored(deployment);
    const work = await fetcher.claim();
    assert.deepEqual(
      work.map(({ kind, filename, attempts }) => [kind, filename, attempts]),
      [
        ["file", `${one}.png`, 0],
        ["file", `${two}.png`, 0],
        ["embed", "b.png", 0],
        ["embed", "t.png", 0],
      ],
    );
    assert.equal(
      work[3]!.url,
      "https://images-ext-1.discordapp.net/external/t.png",
      "Discord's own copy of another host's picture",
    );
    await fetcher.report(work[3]!, { type: "refused", reason: "too large" });
    assert.equal(work[0]!.channelId, w.community.channels[0]!.sourceChannelId);
    assert.deepEqual(await fetcher.claim(), [], "what is leased stays leased");
    const [first, second, picture] = work as [Work, Work, Work, Work];
    const copy = await fetcher.upload(first, PNG);
    assert.equal(await fetcher.report(first, copy), true);
    assert.equal(await fetcher.report(first, copy), false, "said twice");
    const reason = "it is a program (MZ)";
    await fetcher.report(second, { type: "refused", reason });
    await fetcher.report(picture, { type: "failed", reason: "gone (404)" });
    const [after] = await w.feed();
    assert.deepEqual(
      after!.attachments.map(({ state, contentType, reason }) => [
        state,
        contentType,
        reason,
      ]),
      [
        ["stored", "image/png", undefined],
        ["refused", undefined, reason],
      ],
    );
    assert.equal(after!.embeds[0]!.imageFile!.reason, "gone (404)");
    assert.equal((await stored(deployment)).length, before.length + 1);
    await w.record([w.source.remove(id)]);
    assert.deepEqual(await stored(deployment), before);
    await w.bot.drain();
  });

  test("an edit forgets what it drops, and the delete of a signal its bytes", async () => {
    const { world: w, fetcher, deployment } = await settings();
    const before = await stored(deployment);
    const [id, one, two] = [newId(), newId(), newId()];
    const both = { attachments: [file(one), file(two)] };
    await w.record([w.source.create(id, both)]);
    await fetcher.drain();
    assert.equal((await stored(deployment)).length, before.length + 2);
    const renewed = {
      ...file(two),
      url: file(two).url.replace("ex=1", "ex=2"),
    };
    await w.record([w.source.edit(id, 1, { attachments: [renewed] })]);
    assert.equal((await stored(deployment)).length, before.length + 1);
    assert.deepEqual(await fetcher.claim(), [], "the other is there already");
    await w.record([w.source.remove(id)]);
    assert.deepEqual(await stored(deployment), before);
    await w.bot.drain();
  });

  test("what is stored for a signal that was deleted meanwhile is deleted with the report", async () => {
    const { world: w, fetcher, deployment } = await settings();
    const before = await stored(deployment);
    const id = newId();
    await w.record([w.source.create(id, { attachments: [file(newId())] })]);
    const [work] = await fetcher.claim();
    const copy = await fetcher.upload(work!, PNG);
    await w.record([w.source.remove(id)]);
    assert.equal((await stored(deployment)).length, before.length + 1);
    assert.equal(await fetcher.report(work!, copy), false);
    assert.deepEqual(await stored(deployment), before);
    await w.record([w.source.create(newId(), { attachments: [] })]);
    assert.deepEqual(await fetcher.claim(), []);
    await w.bot.drain();
  });

  test("an older lease may neither report nor leave bytes, and its own life gives it up", async () => {
    const { world: w, collector, fetcher, deployment } = await settings();
    const other = new Fetcher(collector, "two");
    const before = await stored(deployment);
    const id = newId();
    await w.record([w.source.create(id, { attachments: [file(newId())] })]);
    const [first] = await fetcher.claim();
    const release = async (instance: string) =>
      (await collector.mutation(api.attachments.release, { instance }))
        .released;
    assert.equal(await release("two"), 0);
    assert.equal(await release("one"), 1);
    const [second] = await other.claim();
    assert.equal(second!.jobId, first!.jobId);
    assert.equal(
      await fetcher.report(first!, await fetcher.upload(first!, PNG)),
      false,
    );
    assert.deepEqual(await stored(deployment), before);
    assert.ok(await other.report(second!, await other.upload(second!, PNG)));
    assert.equal((await stored(deployment)).length, before.length + 1);
    await w.record([w.source.remove(id)]);
    await w.bot.drain();
  });

  test("a copy that differs from what was read is deleted, and tried again later", async () => {
    const { world: w, fetcher, collector, deployment } = await settings();
    const before = await stored(deployment);
    const id = newId();
    await w.record([w.source.create(id, { attachments: [file(newId())] })]);
    const [work] = await fetcher.claim();
    const copy = await fetcher.upload(work!, PNG);
    const torn = { ...copy, sha256: "0".repeat(64) };
    const reportedAt = Date.now();
    assert.equal(await fetcher.report(work!, torn), true);
    assert.deepEqual(await stored(deployment), before);
    const { nextAt } = await collector.query(api.attachments.queue, {});
    assert.ok(nextAt! > reportedAt + 1000);
    const early = await fetcher.claim();
    assert.ok(early.length === 0 || Date.now() >= nextAt!);
    await w.record([w.source.remove(id)]);
    await w.bot.drain();
  });

  test("a file that cannot be got is given up after eight attempts, in words", async () => {
    const { world: w, fetcher, collector } = await settings();
    const id = newId();
    await w.record([w.source.create(id, { attachments: [file(newId())] })]);
    const instance = fetcher.instance;
    for (let i = 0; i < 8; i++) {
      const [work] = await fetcher.claim();
      assert.equal(work!.attempts, i);
      if (i < 7)
        await collector.mutation(api.attachments.release, { instance });
      else
        await fetcher.report(work!, {
          type: "retry",
          error: "no answer",
          retryAfterMs: 0,
        });
    }
    const [item] = await w.feed();
    assert.equal(item!.attachments[0]!.state, "failed");
    assert.equal(
      item!.attachments[0]!.reason,
      "given up after 8 attempts: no answer",
    );
    await w.record([w.source.remove(id)]);
    await w.bot.drain();
  });

  test("the queue of files tells its subscriber of new work", async () => {
    const { world: w, deployment, fetcher } = await settings();
    const client = new ConvexClient(deployment.url);
    client.setAuth(() => deployment.token("collector"));
    const seen: { nextAt: number | null; mark: number }[] = [];
    let wake = () => {};
    client.onUpdate(api.attachments.queue, {}, (queue) => {
      seen.push(queue);
      wake();
    });
    const until = async (wanted: (nextAt: number | null) => boolean) => {
      while (!wanted(seen.at(-1)?.nextAt ?? null) || seen.length === 0)
        await new Promise<void>((resolve) => (wake = resolve));
      return seen.at(-1)!;
    };
    try {
      await until((nextAt) => nextAt === null);
      const id = newId();
      await w.record([w.source.create(id, { attachments: [file(newId())] })]);
      await until((nextAt) => nextAt !== null && nextAt <= Date.now());
      await fetcher.drain();
      await until((nextAt) => nextAt === null);
      await w.record([w.source.remove(id)]);
    } finally {
      await client.close();
    }
    await w.bot.drain();
  });

  test("only a collector may ask for files, and nobody else may report them", async () => {
    const { deployment, world: w } = await settings();
    const clients = [
      deployment.anonymous(),
      w.member,
      await deployment.service("bot"),
    ];
    for (const client of clients) {
      await assert.rejects(client.query(api.attachments.queue, {}));
      await assert.rejects(new Fetcher(client).claim());
      await assert.rejects(
        client.mutation(api.attachments.release, { instance: "one" }),
      );
      await assert.rejects(
        client.mutation(api.attachments.report, { instance: "x", results: [] }),
      );
    }
  });

  test("a stored file is served to whoever may read the feed, safely, and to nobody else", async () => {
    const { deployment, world: w, fetcher } = await settings();
    const email = "reader@files.example";
    const community = w.community.slug;
    const grant = { community, email, until: null, reason: "test" };
    const token = await deployment.tokenOf(email, "signUp");
    await deployment.run(internal.access.grant, grant);
    const other = await deployment.tokenOf("elsewhere@files.example", "signUp");
    const [id, picture, text, waits] = [newId(), newId(), newId(), newId()];
    await w.record([
      w.source.create(id, {
        attachments: [
          file(picture, "chart.png"),
          file(text, '\u202egnp."Zürich".csv'),
          file(waits),
        ],
      }),
    ]);
    const work = await fetcher.claim();
    const at = (name: string) => work.find((one) => one.attachmentId === name)!;
    const say = async (name: string, bytes: string, type: string) => {
      const copy = await fetcher.upload(at(name), Buffer.from(bytes), type);
      assert.ok(await fetcher.report(at(name), copy));
    };
    await say(picture, "0123456789", "image/png");
    await say(text, "a,b\n", "text/plain; charset=utf-8");
    const get = (name: string, headers: Record<string, string> = {}) =>
      fetch(`${deployment.siteUrl}/attachments/${community}/${id}/${name}`, {
        headers: { authorization: `Bearer ${token}`, ...headers },
      });
    const shown = await get(picture);
    const etag = shown.headers.get("etag")!;
    assert.equal(await shown.text(), "0123456789");
    assert.deepEqual(
      [
        "content-type",
        "content-disposition",
        "x-content-type-options",
        "content-security-policy",
        "cache-control",
        "access-control-allow-origin",
      ].map((name) => shown.headers.get(name)),
      [
        "image/png",
        "inline; filename=\"chart.png\"; filename*=UTF-8''chart.png",
        "nosniff",
        "default-src 'none'; sandbox",
        "private, no-cache",
        "http://127.0.0.1:5180",
      ],
    );
    assert.equal(
      (await get(text)).headers.get("content-disposition"),
      "attachment; filename=\"gnp._Z_rich_.csv\"; filename*=UTF-8''gnp.%22Z%C3%BCrich%22.csv",
    );
    const part = await get(picture, { range: "bytes=2-4" });
    assert.equal(part.status, 206);
    assert.equal(part.headers.get("content-range"), "bytes 2-4/10");
    assert.equal(await part.text(), "234");
    assert.equal((await get(picture, { range: "bytes=99-" })).status, 416);
    assert.equal((await get(picture, { "if-none-match": etag })).status, 304);

    const refusals = async (name: string, headers: Record<string, string>) => {
      const answer = await get(name, headers);
      const { code, message } = (await answer.json()) as Record<string, string>;
      return `${answer.status} ${code}: ${message}`;
    };
    assert.equal(
      await refusals(waits, {}),
      "404 not_found: This file is still being fetched",
    );
    await fetcher.report(at(waits), {
      type: "refused",
      reason: "it is a program",
    });
    assert.equal(
      await refusals(waits, {}),
      "404 not_found: This file is not kept: it is a program",
    );
    assert.match(await refusals("7", {}), /^404 not_found: There is no such/);
    assert.match(
      await refusals(picture, { authorization: `Bearer ${other}` }),
      /^403 no_access/,
    );
    assert.match(
      await refusals(picture, {
        authorization: `Bearer ${await deployment.token("collector")}`,
      }),
      /^403 forbidden/,
    );
    assert.match(
      await refusals(picture, { authorization: `Bearer ${token}x` }),
      /^401 /,
    );
    const reason = "refund";
    await deployment.run(internal.access.revoke, { community, email, reason });
    assert.match(
      await refusals(picture, { "if-none-match": etag }),
      /^403 no_access/,
    );
    await w.record([w.source.remove(id)]);
    await w.bot.drain();
  });

  test("the sweep leaves young uploads alone", async () => {
    const { deployment, world: w, fetcher } = await settings();
    const before = await stored(deployment);
    const id = newId();
    await w.record([w.source.create(id, { attachments: [file(newId())] })]);
    const [work] = await fetcher.claim();
    const copy = await fetcher.upload(work!, PNG);
    const sweep = await deployment.run(internal.attachments.sweep, {});
    assert.deepEqual(sweep, { deleted: 0 });
    assert.equal((await stored(deployment)).length, before.length + 1);
    assert.ok(await fetcher.report(work!, copy));
    await w.record([w.source.remove(id)]);
    await w.bot.drain();
  });
}
