// What a message may hold besides text: polls, stickers, components, forwards; and
// updates that are no edits.
import assert from "node:assert/strict";
import test from "node:test";
import {
  bench,
  CUSTOMERS,
  identified,
  MARA,
  MIRROR_VIP,
  rest,
  SIGNAL_BOT,
  SOURCE,
  VIP,
  type Bench,
  type Json,
} from "./harness.js";

const POST = `/channels/${MIRROR_VIP}/messages`;
const V2 = 1 << 15;
const bot = (b: Bench) => rest(b.url, "bot-token");
const firstReason = (errors: Json): string => {
  for (const value of Object.values(errors))
    return Array.isArray(value) ? value[0].code : firstReason(value);
  return "";
};

const POLL = {
  question: { text: "Next trade?" },
  answers: [{ poll_media: { text: "BTC" } }, { poll_media: { text: "ETH" } }],
  duration: 1,
  allow_multiselect: true,
};

test("a poll is posted, never edited, and ended with a result", async (t) => {
  const b = await bench(t);
  const heard = await identified(t, b.url, "bot-token", 513);
  const { body } = await bot(b)("POST", POST, { poll: POLL });
  assert.deepEqual(
    [
      body.poll.question.text,
      body.poll.answers.map((a: Json) => a["poll_media"].text),
      body.poll.allow_multiselect,
      body.poll.results.is_finalized,
    ],
    ["Next trade?", ["BTC", "ETH"], true, false],
  );
  const edit = await bot(b)("PATCH", `${POST}/${body.id}`, { content: "x" });
  assert.deepEqual([edit.status, edit.body.code], [400, 520003]);
  const expire = `/channels/${MIRROR_VIP}/polls/${body.id}/expire`;
  const ended = await bot(b)("POST", expire);
  assert.equal(ended.body.poll.results.is_finalized, true);
  await heard.event("MESSAGE_CREATE", (d) => d["type"] === 46);
  assert.equal((await bot(b)("POST", expire)).body.code, 520001);
  const text = (await bot(b)("POST", POST, { content: "x" })).body;
  const none = `/channels/${MIRROR_VIP}/polls/${text.id}/expire`;
  assert.equal((await bot(b)("POST", none)).body.code, 520006);
});

test("without MESSAGE_CONTENT there is no poll in a message", async (t) => {
  const b = await bench(t);
  const heard = await identified(t, b.url, "collector-token", 513);
  await b.say("", { poll: POLL });
  const { d } = (await heard.event("MESSAGE_CREATE")) as { d: Json };
  assert.equal("poll" in d, false);
});

const BAD_POLLS: [what: string, change: Json][] = [
  ["without answers", { answers: [] }],
  ["with eleven", { answers: Array(11).fill(POLL.answers[0]) }],
  [
    "with an answer of 56",
    { answers: [{ poll_media: { text: "x".repeat(56) } }] },
  ],
  ["without a question", { question: {} }],
  ["for more than 32 days", { duration: 769 }],
];
test("a poll that Discord would refuse is refused", async (t) => {
  const b = await bench(t);
  for (const [what, change] of BAD_POLLS) {
    const { body } = await bot(b)("POST", POST, {
      poll: { ...POLL, ...change },
    });
    assert.equal(body.code, 50035, what);
  }
});

test("people send any sticker, bots those of the guild; their files are open to all", async (t) => {
  const b = await bench(t);
  const content_base64 = Buffer.from("pixels").toString("base64");
  const add = (guild_id: string, name: string, format_type: number) =>
    b.control("POST", "/stickers", {
      guild_id,
      name,
      format_type,
      content_base64,
    });
  const here = await add(CUSTOMERS, "moon", 1);
  const there = await add(SOURCE, "rekt", 3);
  const said = await b.say("", { sticker_ids: [there.id] });
  assert.deepEqual(said["sticker_items"], [
    { id: there.id, name: "rekt", format_type: 3 },
  ]);
  const own = await bot(b)("POST", POST, { sticker_ids: [here.id] });
  assert.equal(own.body.sticker_items[0].name, "moon");
  const foreign = await bot(b)("POST", POST, { sticker_ids: [there.id] });
  assert.deepEqual([foreign.status, foreign.body.code], [400, 50081]);
  const file = await fetch(`${b.url}/cdn/stickers/${there.id}.json`);
  assert.equal(file.headers.get("content-type"), "application/json");
  assert.equal(
    (await fetch(`${b.url}/cdn/stickers/${there.id}.png`)).status,
    404,
  );
});

const text = (content: string) => ({ type: 10, content });
const TREE = [
  {
    type: 17,
    accent_color: 0xff0000,
    components: [
      text("# BTC/USDT"),
      {
        type: 9,
        components: [text("Entry 64000")],
        accessory: { type: 11, media: { url: "attachment://chart.png" } },
      },
      { type: 14 },
      { type: 12, items: [{ media: { url: "https://example.com/a.png" } }] },
    ],
  },
];

test("components of the second kind hold the text, and the files they show are not listed", async (t) => {
  const b = await bench(t);
  const form = new FormData();
  form.append("files[0]", new Blob(["pixels"]), "chart.png");
  form.append(
    "payload_json",
    JSON.stringify({
      flags: V2,
      components: TREE,
      attachments: [{ id: "0", filename: "chart.png" }],
    }),
  );
  const { status, body } = await bot(b)("POST", POST, form);
  assert.equal(status, 200);
  assert.deepEqual(
    [body.content, body.flags & V2, body.attachments],
    ["", V2, []],
  );
  const [container] = body.components;
  assert.equal(container.components[0].content, "# BTC/USDT");
  const { media } = container.components[1].accessory;
  assert.match(media.url, /\/cdn\/attachments\/.*chart\.png\?ex=/);
  assert.equal(await (await fetch(media.url)).text(), "pixels");
  const ids: number[] = [];
  JSON.stringify(body.components, (key, value) => {
    if (key === "id") ids.push(value as number);
    return value as unknown;
  });
  assert.deepEqual(ids.sort(), [1, 2, 3, 4, 5, 6, 7]);
});

const REFUSED: [what: string, body: Json, reason: string][] = [
  [
    "content beside them",
    { flags: V2, components: [text("a")], content: "" },
    "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2",
  ],
  [
    "embeds beside them",
    { flags: V2, components: [text("a")], embeds: [{ title: "x" }] },
    "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2",
  ],
  [
    "a poll beside them",
    { flags: V2, components: [text("a")], poll: POLL },
    "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2",
  ],
  ["text without the flag", { components: [text("a")] }, "UNION_TYPE_CHOICES"],
  [
    "an empty text",
    { flags: V2, components: [text("")] },
    "BASE_TYPE_REQUIRED",
  ],
  [
    "41 of them",
    { flags: V2, components: Array(41).fill(text("a")) },
    "BASE_TYPE_MAX_LENGTH",
  ],
  [
    "4001 characters in all",
    { flags: V2, components: [text("x".repeat(4000)), text("x")] },
    "COMPONENT_DISPLAYABLE_TEXT_SIZE_EXCEEDED",
  ],
  [
    "a container in a container",
    {
      flags: V2,
      components: [{ type: 17, components: [{ type: 17, components: [] }] }],
    },
    "UNION_TYPE_CHOICES",
  ],
  [
    "a section without its accessory",
    { flags: V2, components: [{ type: 9, components: [text("a")] }] },
    "MODEL_TYPE_CONVERT",
  ],
  [
    "an empty gallery",
    { flags: V2, components: [{ type: 12, items: [] }] },
    "BASE_TYPE_REQUIRED",
  ],
  [
    "a file from elsewhere",
    {
      flags: V2,
      components: [{ type: 13, file: { url: "https://example.com/x" } }],
    },
    "URL_TYPE_INVALID_SCHEME",
  ],
  [
    "a row of six buttons",
    {
      components: [
        {
          type: 1,
          components: Array(6).fill({
            type: 2,
            style: 1,
            label: "a",
            custom_id: "a",
          }),
        },
      ],
    },
    "BASE_TYPE_MAX_LENGTH",
  ],
  [
    "a button without an id",
    {
      components: [
        { type: 1, components: [{ type: 2, style: 1, label: "a" }] },
      ],
    },
    "BASE_TYPE_REQUIRED",
  ],
];
test("components that Discord would refuse are refused", async (t) => {
  const b = await bench(t);
  for (const [what, message, reason] of REFUSED) {
    const { status, body } = await bot(b)("POST", POST, message);
    assert.equal(status, 400, what);
    assert.equal(firstReason(body.errors), reason, what);
  }
});

test("a message that turned to components stays with them", async (t) => {
  const b = await bench(t);
  const { body } = await bot(b)("POST", POST, { content: "old" });
  const path = `${POST}/${body.id}`;
  const edit = (message: Json) => bot(b)("PATCH", path, message);
  const turned = await edit({
    content: null,
    flags: V2,
    components: [text("new")],
  });
  assert.deepEqual([turned.body.content, turned.body.flags & V2], ["", V2]);
  const back = await edit({ flags: 0, content: "old again" });
  assert.equal(back.body.code, 50035);
  assert.equal((await edit({ flags: 0 })).body.flags & V2, V2);
});

test("a forward shows the first message with its embeds, files, stickers and components", async (t) => {
  const b = await bench(t);
  const sticker = await b.control("POST", "/stickers", {
    guild_id: SOURCE,
    name: "moon",
  });
  const origin = await b.say("the original", {
    sticker_ids: [sticker.id],
    embeds: [{ title: "chart" }],
    attachments: [{ filename: "a.txt", content_base64: "YQ==" }],
  });
  const forward = (message_id: string, from: string, to: string) =>
    b.say(
      "",
      { message_reference: { type: 1, message_id, channel_id: from } },
      to,
    );
  const other = "1100000000000000102";
  const once = await forward(origin["id"], VIP, other);
  const twice = await forward(once["id"], other, VIP);
  const { message } = twice["message_snapshots"][0];
  assert.deepEqual(
    [message.content, message.embeds[0].title, message.sticker_items[0].name],
    ["the original", "chart", "moon"],
  );
  assert.equal(message.attachments[0].filename, "a.txt");
  assert.equal("author" in message, false);
  await b.control("DELETE", `/channels/${VIP}/messages/${origin["id"]}`);
  const [left] = await b.control("GET", `/channels/${other}/messages`);
  assert.equal(left.message_snapshots[0].message.content, "the original");
});

test("a deferred answer is empty until it is filled in, which is no edit", async (t) => {
  const b = await bench(t);
  const heard = await identified(t, b.url);
  const { id } = await b.say("", { author_id: SIGNAL_BOT, loading: true });
  const { d } = (await heard.event("MESSAGE_CREATE")) as { d: Json };
  assert.deepEqual([d["type"], d["flags"], d["content"]], [20, 1 << 7, ""]);
  const path = `/channels/${VIP}/messages/${id}`;
  await b.control("PATCH", path, { content: "BTC long" });
  const { d: filled } = (await heard.event("MESSAGE_UPDATE")) as { d: Json };
  assert.deepEqual(
    [filled["content"], filled["flags"], filled["edited_timestamp"]],
    ["BTC long", 0, null],
  );
});

test("publishing is an update that is no edit, once, in announcement channels", async (t) => {
  const b = await bench(t);
  const news = await b.control("POST", "/channels", {
    guild_id: CUSTOMERS,
    name: "news",
    type: 5,
  });
  const { body } = await bot(b)("POST", `/channels/${news.id}/messages`, {
    content: "x",
  });
  const path = `/channels/${news.id}/messages/${body.id}/crosspost`;
  const published = await bot(b)("POST", path);
  assert.deepEqual(
    [published.body.flags, published.body.edited_timestamp],
    [1, null],
  );
  assert.equal((await bot(b)("POST", path)).body.code, 40033);
  const plain = await bot(b)("POST", POST, { content: "x" });
  const wrong = await bot(b)("POST", `${POST}/${plain.body.id}/crosspost`);
  assert.equal(wrong.body.code, 50024);
});

test("a test may write messages of any type, and spoilers are flagged", async (t) => {
  const b = await bench(t);
  const joined = await b.say("", { type: 7, system_flags: 1 << 7 });
  assert.equal(joined["type"], 7);
  const hidden = await b.say("", {
    attachments: [{ filename: "SPOILER_a.txt", content_base64: "YQ==" }],
  });
  assert.equal(hidden["attachments"][0].flags, 1 << 3);
  assert.equal(hidden["author"].id, MARA);
});
