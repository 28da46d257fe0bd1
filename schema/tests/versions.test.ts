import assert from "node:assert/strict";
import { test } from "node:test";
import type { Layer, Trade, UpsertEvent } from "../convex/model/fields";
import {
  bodyOf,
  join,
  layerOf,
  orderOf,
  sameLayers,
  snowflakeTime,
  versionOf,
} from "../convex/model/versions";
import { permutations, random, shuffled } from "./random";

const MESSAGE = "1420000000000000001";
const SENT_AT = 1_700_000_000_000;

function whole(over: Partial<UpsertEvent> = {}): UpsertEvent {
  return {
    type: "upsert",
    guildId: "1",
    channelId: "2",
    messageId: MESSAGE,
    author: { id: "9", name: "Ana", bot: false },
    content: "LONG BTC/USDT",
    embeds: [],
    attachments: [],
    kind: "default",
    sentAt: SENT_AT,
    editedAt: null,
    partial: false,
    capturedAt: SENT_AT + 20,
    ...over,
  };
}

function edit(at: number, content: string, capturedAt = at + 20): UpsertEvent {
  return whole({ editedAt: SENT_AT + at, content, capturedAt });
}

function partial(over: Partial<UpsertEvent>): UpsertEvent {
  const { type, guildId, channelId, messageId } = whole();
  return {
    ...{ type, guildId, channelId, messageId },
    partial: true,
    capturedAt: SENT_AT,
    ...over,
  };
}

function joined(events: readonly UpsertEvent[]): Layer[] {
  return events.reduce<Layer[]>(
    (layers, event) => join(layers, layerOf(event)),
    [],
  );
}

const text = (events: readonly UpsertEvent[]) =>
  bodyOf(joined(events))?.content;

test("the latest edit wins in every order", () => {
  const events = [
    whole(),
    edit(1000, "entry 64k"),
    edit(2000, "entry 63k"),
    edit(3000, "closed"),
  ];
  for (const order of permutations(events)) {
    assert.equal(text(order), "closed");
    assert.ok(sameLayers(joined(order), joined(events)));
  }
});

test("of two states with one edit time the later captured wins", () => {
  const first = edit(1000, "a", 5000);
  const second = edit(1000, "b", 6000);
  assert.equal(text([first, second]), "b");
  assert.equal(text([second, first]), "b");
});

test("of two states with equal times the same one wins in every order", () => {
  const events = [edit(1000, "a"), edit(1000, "b"), edit(1000, "c")];
  const results = permutations(events).map((order) => text(order));
  assert.equal(new Set(results).size, 1);
});

test("joining an event again changes nothing", () => {
  const events = [whole(), edit(1000, "x"), partial({ embeds: [{}] })];
  const once = joined(events);
  assert.ok(sameLayers(once, joined([...events, ...events])));
});

test("a link preview that resolves later keeps the text", () => {
  const preview = partial({
    embeds: [{ title: "Chart" }],
    capturedAt: SENT_AT + 500,
  });
  const body = bodyOf(joined([whole(), preview]));
  assert.equal(body?.content, "LONG BTC/USDT");
  assert.deepEqual(body?.embeds, [{ title: "Chart" }]);
  assert.equal(body?.editedAt, null);
});

test("a link preview captured before an edit does not survive it", () => {
  const preview = partial({
    embeds: [{ title: "Chart" }],
    capturedAt: SENT_AT + 500,
  });
  const after = edit(1000, "no link", SENT_AT + 1020);
  for (const order of permutations([whole(), preview, after]))
    assert.deepEqual(bodyOf(joined(order))?.embeds, []);
});

test("a partial edit with its time lies between whole ones", () => {
  const middle = partial({
    content: "middle",
    editedAt: SENT_AT + 1500,
    capturedAt: SENT_AT + 1520,
  });
  assert.equal(text([edit(1000, "low"), middle]), "middle");
  assert.equal(text([middle, edit(1000, "low")]), "middle");
  assert.equal(text([middle, edit(2000, "high")]), "high");
  assert.equal(text([edit(2000, "high"), middle]), "high");
});

test("what was read out of a text is shown beside that text only", () => {
  const contentTrade: Trade = { kind: "entry", spans: [], confidence: 1 };
  const first = whole({ contentTrade });
  const preview = partial({ embeds: [{}], capturedAt: SENT_AT + 500 });
  assert.deepEqual(
    bodyOf(joined([first, preview]))?.contentTrade,
    contentTrade,
  );
  const silent = partial({ content: "never mind", editedAt: SENT_AT + 900 });
  for (const order of permutations([first, preview, silent]))
    assert.ok(!("contentTrade" in bodyOf(joined(order))!));
  assert.equal(
    versionOf(bodyOf(joined([first]))!),
    versionOf(bodyOf(joined([whole()]))!),
  );
});

test("a message is unknown until a whole event says it all", () => {
  assert.equal(bodyOf(joined([partial({ content: "?" })])), null);
});

test("what Discord leaves out is empty, and the id tells the time", () => {
  const bare = partial({ partial: false, content: "hi" });
  const body = bodyOf(joined([bare]))!;
  assert.equal(body.sentAt, snowflakeTime(MESSAGE));
  assert.deepEqual([body.embeds, body.attachments], [[], []]);
  assert.equal(body.author.name, "Unknown");
});

test("any mix of events converges in any order", () => {
  for (let seed = 1; seed <= 400; seed++) {
    const next = random(seed);
    const events = Array.from({ length: 7 }, (_, i) => randomEvent(next, i));
    const expected = joined(events);
    for (let round = 0; round < 12; round++) {
      const order = shuffled([...events, events[round % 7]!], next);
      const found = joined(order);
      assert.ok(sameLayers(found, expected), `seed ${seed}`);
      assert.deepEqual(bodyOf(found), bodyOf(expected), `seed ${seed}`);
    }
  }
});

const POLL = { question: "Direction?", answers: ["up"], multiple: false };
const STICKER = { id: "5", name: "moon", format: "png" as const };

test("stickers, a poll and a spoiler are part of the version", () => {
  const file = { id: "7", filename: "a.png", size: 1, url: "https://f/a" };
  const versions = [
    whole(),
    whole({ stickers: [STICKER] }),
    whole({ poll: POLL }),
    whole({ attachments: [file] }),
    whole({ attachments: [{ ...file, spoiler: true }] }),
  ].map((event) => versionOf(bodyOf(joined([event]))!));
  assert.equal(new Set(versions).size, versions.length);
});

test("a poll that a later whole event does not have is gone in every order", () => {
  const early = partial({ poll: POLL, capturedAt: SENT_AT + 10 });
  const after = edit(1000, "closed", SENT_AT + 1020);
  for (const order of permutations([early, whole(), after]))
    assert.equal(bodyOf(joined(order))?.poll, undefined);
});

// Small ranges on purpose: ties and clock skew are where orders differ.
function randomEvent(next: () => number, i: number): UpsertEvent {
  const pick = (n: number) => Math.floor(next() * n);
  const capturedAt = SENT_AT + pick(5);
  const editedAt = pick(2) ? SENT_AT + pick(4) : null;
  const content = `text ${pick(3)}`;
  const embeds = [{ title: `embed ${i}` }];
  const contentTrade = pick(2)
    ? { kind: "entry" as const, spans: [], confidence: pick(2) }
    : null;
  const says = { content, contentTrade };
  const kind = pick(3);
  const more = [{}, { poll: POLL }, { stickers: [STICKER] }][pick(3)];
  if (kind === 0)
    return partial({
      ...{ capturedAt, embeds, ...more },
      ...(pick(2) ? says : {}),
    });
  if (kind === 1)
    return partial({ capturedAt, ...says, editedAt: SENT_AT + pick(4) });
  return whole({ capturedAt, editedAt, ...says, embeds, ...more });
}

test("the version names the text, not the signature of a file's URL", () => {
  const file = (signature: string) => ({
    id: "7",
    filename: "chart.png",
    size: 10,
    url: `https://cdn.example/a/chart.png?ex=${signature}&is=1&hm=${signature}&`,
  });
  const version = (event: UpsertEvent) => versionOf(bodyOf(joined([event]))!);
  const first = version(whole({ attachments: [file("aa")] }));
  assert.equal(version(whole({ attachments: [file("bb")] })), first);
  assert.notEqual(version(whole({ attachments: [] })), first);
  assert.notEqual(version(whole({ content: "other" })), first);
});

test("orders sort like the numbers they are", () => {
  const ids = ["9", "10", "1100000000000000001", "999999999999999999"];
  assert.deepEqual(ids.map(orderOf).sort(), [
    orderOf("9"),
    orderOf("10"),
    orderOf("999999999999999999"),
    orderOf("1100000000000000001"),
  ]);
});

test("a snowflake tells when it was made", () => {
  assert.equal(snowflakeTime("175928847299117063"), 1462015105796);
  assert.equal(snowflakeTime("not a number"), 0);
});
