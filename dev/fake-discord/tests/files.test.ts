// Attachments and the links that lead to them.
import assert from "node:assert/strict";
import test from "node:test";
import { bench, MIRROR_VIP, rest, VIP, type Json } from "./harness.js";

const POST = `/channels/${MIRROR_VIP}/messages`;
const PIXEL =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

function form(payload: Json, ...files: [string, string | Buffer][]): FormData {
  const data = new FormData();
  files.forEach(([name, bytes], i) =>
    data.append(
      `files[${i}]`,
      new Blob([new Uint8Array(Buffer.from(bytes))]),
      name,
    ),
  );
  data.append("payload_json", JSON.stringify(payload));
  return data;
}

test("files come as multipart, with names and descriptions from the payload", async (t) => {
  const b = await bench(t);
  const payload = {
    content: "two files",
    attachments: [
      { id: 0, description: "a chart" },
      { id: "1", filename: "täglich.csv" },
    ],
  };
  const { status, body } = await rest(b.url, "bot-token")(
    "POST",
    POST,
    form(payload, ["chart 1.png", Buffer.from(PIXEL, "base64")], ["x", "a;b"]),
  );
  assert.equal(status, 200);
  const [chart, csv] = body.attachments;
  assert.deepEqual(
    [
      chart.filename,
      chart.description,
      chart.content_type,
      chart.width,
      chart.height,
    ],
    ["chart_1.png", "a chart", "image/png", 1, 1],
  );
  assert.deepEqual(
    [csv.filename, csv.title, csv.size],
    ["tglich.csv", "täglich", 3],
  );
  const download = await fetch(chart.url);
  assert.equal(download.headers.get("content-type"), "image/png");
  assert.equal(
    Buffer.from(await download.arrayBuffer()).toString("base64"),
    PIXEL,
  );
});

test("an edit's list of attachments is the complete one", async (t) => {
  const b = await bench(t);
  const api = rest(b.url, "bot-token");
  const { body } = await api(
    "POST",
    POST,
    form({ content: "x" }, ["a.txt", "a"], ["b.txt", "b"]),
  );
  const [a, second] = body.attachments;
  const path = `${POST}/${body.id}`;
  const names = (answer: { body: Json }) =>
    answer.body["attachments"].map((f: Json) => f["filename"]);
  assert.deepEqual(names(await api("PATCH", path, { content: "y" })), [
    "a.txt",
    "b.txt",
  ]);
  assert.deepEqual(
    names(await api("PATCH", path, { attachments: [{ id: second.id }] })),
    ["b.txt"],
  );
  assert.equal((await fetch(a.url)).status, 404);
  const both = form(
    { attachments: [{ id: second.id }, { id: 0, filename: "c.txt" }] },
    ["c.txt", "c"],
  );
  assert.deepEqual(names(await api("PATCH", path, both)), ["b.txt", "c.txt"]);
  assert.deepEqual(names(await api("PATCH", path, { attachments: [] })), []);
});

test("a file used by an embed is shown there and not listed", async (t) => {
  const b = await bench(t);
  const payload = {
    embeds: [{ title: "x", image: { url: "attachment://chart.png" } }],
  };
  const { body } = await rest(b.url, "bot-token")(
    "POST",
    POST,
    form(payload, ["chart.png", "pixels"]),
  );
  assert.deepEqual(body.attachments, []);
  assert.equal(await (await fetch(body.embeds[0].image.url)).text(), "pixels");
});

test("too large a file or request is answered 413 40005", async (t) => {
  const b = await bench(t);
  const api = rest(b.url, "bot-token");
  const big = await api(
    "POST",
    POST,
    form({ content: "x" }, ["big.bin", Buffer.alloc(10 * 1024 * 1024 + 1)]),
  );
  assert.deepEqual([big.status, big.body.code], [413, 40005]);
  const files = Array.from({ length: 3 }, (_, i): [string, Buffer] => [
    `${i}.bin`,
    Buffer.alloc(9 * 1024 * 1024),
  ]);
  const huge = await api("POST", POST, form({ content: "x" }, ...files));
  assert.deepEqual([huge.status, huge.body.code], [413, 40005]);
});

test("a link that is unsigned, altered or expired leads nowhere; a new one can be had", async (t) => {
  const b = await bench(t);
  const said = await b.say("chart", {
    attachments: [
      { filename: "c.png", content_base64: PIXEL, content_type: "image/png" },
    ],
  });
  const { url } = said["attachments"][0];
  assert.equal((await fetch(url)).status, 200);
  assert.equal((await fetch(url.split("?")[0])).status, 403);
  assert.equal((await fetch(url.replace(/ex=\w/, "ex=f"))).status, 403);
  const api = rest(b.url, "collector-token");
  await b.fault("expire_cdn");
  const stale = (await api("GET", `/channels/${VIP}/messages/${said["id"]}`))
    .body.attachments[0].url;
  assert.equal((await fetch(stale)).status, 403);
  await b.fault("reset");
  const { body } = await api("POST", "/attachments/refresh-urls", {
    attachment_urls: [stale],
  });
  assert.equal((await fetch(body.refreshed_urls[0].refreshed)).status, 200);
});
