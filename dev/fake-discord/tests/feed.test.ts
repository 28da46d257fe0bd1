// The sample feed, and the fake that it is played into.
import assert from "node:assert/strict";
import test from "node:test";
import {
  CHANNELS,
  AUTHORS,
  complaints,
  expected,
  feed,
  type ChannelName,
  type Create,
} from "../../demo/feed/feed.js";
import { playFeed } from "../../demo/feed/player.js";
import { bench, controls, identified, type Json } from "./harness.js";

const creates = feed.filter((step): step is Create => step.op === "create");
const count = (op: string) => feed.filter((step) => step.op === op).length;

test("the feed makes sense: no step needs what is not there", () => {
  assert.deepEqual(complaints(feed), []);
  assert.match(
    complaints([{ at: 0, op: "delete", ref: "x" }])[0]!,
    /never created/,
  );
});

test("the feed is as long and as varied as it claims", () => {
  assert.ok(feed.length >= 80);
  assert.ok(creates.length >= 64);
  assert.ok(
    count("edit") >= 8 && count("delete") >= 3 && count("bulkDelete") === 1,
  );
  assert.equal(new Set(creates.map((c) => c.channel)).size, 3);
  assert.equal(new Set(creates.map((c) => c.author)).size, 5);
  const lengths = creates.map((c) => c.content?.length ?? 0);
  assert.ok(lengths.some((n) => n > 1900 && n <= 2000));
  assert.ok(lengths.some((n) => n > 3800 && n <= 4000));
  const texts = creates.map((c) => c.content ?? "").join("\n");
  for (const kind of [
    /\p{Script=Arabic}/u,
    /\p{Script=Hebrew}/u,
    /\p{Script=Han}/u,
    /\u200d/,
    /```/,
    /\|\|/,
    /@everyone/,
    /@here/,
    /<@&\d+>/,
    /https:/,
  ])
    assert.match(texts, kind);
  const minutes = feed.at(-1)!.at / 60_000;
  assert.ok(minutes > 2.5 && minutes < 3.5);
});

test("played as fast as it goes, it leaves exactly what it promises", async (t) => {
  const b = await bench(t);
  let played = 0;
  const ids = await playFeed({
    control: b.url,
    speed: 0,
    onStep: () => played++,
  });
  assert.equal(played, feed.length);
  assert.equal(ids.size, creates.length);
  const wanted = expected();
  for (const channel of Object.keys(wanted) as ChannelName[]) {
    const live: Json[] = await b.control(
      "GET",
      `/channels/${CHANNELS[channel]}/messages`,
    );
    assert.deepEqual(
      live.map((m) => summary(m)),
      wanted[channel].map((m) => ({
        id: ids.get(m.ref),
        author: AUTHORS[m.author],
        content: m.content,
        embeds: m.embeds.map((e) => e.title ?? e.description),
        files: m.files.map((name) => name.replace(/\s/g, "_")),
        replyTo: m.replyTo === null ? undefined : ids.get(m.replyTo),
        edited: m.edited,
      })),
    );
  }
});

function summary(m: Json) {
  return {
    id: m["id"],
    author: m["author"].id,
    content: m["content"],
    embeds: m["embeds"].map((e: Json) => e["title"] ?? e["description"]),
    files: m["attachments"].map((a: Json) => a["filename"]),
    replyTo: m["message_reference"]?.message_id,
    edited: m["edited_timestamp"] !== null,
  };
}

test("a gateway client that merges the events ends where the source is", async (t) => {
  const b = await bench(t);
  const g = await identified(t, b.url);
  await playFeed({ control: `${b.url}/control`, speed: 0 });
  const { id: last } = await b.say("the end");
  await g.event("MESSAGE_CREATE", (d) => d["id"] === last);
  const merged = new Map<string, Json>();
  for (const { t: type, d } of g.payloads) {
    if (type === "MESSAGE_CREATE" || type === "MESSAGE_UPDATE")
      merged.set(d.id, { ...merged.get(d.id), ...d });
    else if (type === "MESSAGE_DELETE") merged.delete(d.id);
    else if (type === "MESSAGE_DELETE_BULK")
      for (const id of d.ids) merged.delete(id);
  }
  for (const channel of Object.values(CHANNELS)) {
    const live: Json[] = await b.control(
      "GET",
      `/channels/${channel}/messages`,
    );
    const mine = [...merged.values()].filter(
      (m) => m["channel_id"] === channel,
    );
    assert.deepEqual(mine.map(summary), live.map(summary));
  }
});

test("the player keeps its pace, stops when told to and says what was refused", async (t) => {
  const b = await bench(t);
  const stop = new AbortController();
  const play = playFeed({
    control: b.url,
    speed: 1,
    signal: stop.signal,
    onStep: () => stop.abort(),
  });
  await assert.rejects(play, { name: "AbortError" });
  const { control } = controls(b.url);
  const left = await control(
    "GET",
    `/channels/${CHANNELS["market-talk"]}/messages`,
  );
  assert.equal(left.length, 1);
  const steps = [
    {
      at: 0,
      op: "create",
      ref: "x",
      channel: "scalps",
      author: "analyst-yusuf",
      content: "x".repeat(2001),
    },
  ] as const;
  await assert.rejects(playFeed({ control: b.url, steps }), /50035/);
});
