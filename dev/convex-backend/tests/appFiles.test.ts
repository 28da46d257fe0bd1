// apps/files: uploads by URL and by HTTP action, background work on them,
// system tables, deletion.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { App } from "./official/app.js";
import { Watched } from "./official/clients.js";

interface Photo {
  _id: string;
  storageId: string;
  caption: string;
  url: string | null;
  summary?: { bytes: number; firstBytes: ArrayBuffer; text: string };
}

let app: App;

before(async () => {
  app = await App.start("files");
});
after(async () => {
  await app?.close();
});

const PNG = Uint8Array.from([137, 80, 78, 71, 13, 10, 26, 10, 0, 255]);

async function upload(body: BodyInit, type: string): Promise<string> {
  const url = await app.mutation<string>("photos:generateUploadUrl");
  const response = await fetch(url, {
    method: "POST",
    headers: { "Content-Type": type },
    body,
  });
  assert.equal(response.status, 200);
  const { storageId } = (await response.json()) as { storageId: string };
  return storageId;
}

describe("an app with files", { timeout: 600_000 }, () => {
  test("an upload is listed with a URL and summarised in the background", async () => {
    const photos = new Watched<Photo[]>(app.live(), "photos:list", {
      album: "a",
    });
    const storageId = await upload(PNG, "image/png");
    await app.mutation("photos:add", { storageId, album: "a", caption: "one" });
    const [photo] = await photos.until(
      ([first]) => first?.summary !== undefined,
    );
    assert.equal(photo?.summary?.text, "image/png of 10 bytes");
    assert.deepEqual(
      new Uint8Array(photo!.summary!.firstBytes),
      PNG.slice(0, 4),
    );
    const file = await fetch(photo!.url!);
    assert.equal(file.headers.get("content-type"), "image/png");
    assert.deepEqual(new Uint8Array(await file.arrayBuffer()), PNG);
  });

  test("the system table and getMetadata say the same of a file", async () => {
    const storageId = await upload("hello", "text/plain");
    const { document, metadata } = await app.query<{
      document: Record<string, unknown>;
      metadata: Record<string, unknown>;
    }>("photos:facts", { storageId });
    assert.equal(document._id, storageId);
    assert.equal(document.size, 5);
    assert.equal(document.contentType, "text/plain");
    assert.equal(
      Buffer.from(document.sha256 as string, "base64").toString("hex"),
      metadata.sha256,
    );
    assert.deepEqual(
      { ...metadata, sha256: null },
      { storageId, sha256: null, size: 5, contentType: "text/plain" },
    );
    const [newest] = await app.query<{ _id: string }[]>("photos:allFiles");
    assert.equal(newest?._id, storageId);
  });

  test("an action stores what it made, under its own digest", async () => {
    await app.action("photos:importText", { text: "made here", album: "b" });
    const [photo] = await app.query<Photo[]>("photos:list", { album: "b" });
    assert.equal(await (await fetch(photo!.url!)).text(), "made here");
  });

  test("an HTTP action takes and gives files, with CORS for browsers", async () => {
    const base = app.backend.siteUrl;
    const preflight = await fetch(`${base}/photos`, {
      method: "OPTIONS",
      headers: {
        Origin: "http://page.test",
        "Access-Control-Request-Method": "POST",
      },
    });
    assert.equal(preflight.status, 204);
    assert.equal(preflight.headers.get("access-control-allow-methods"), "POST");
    const sent = await fetch(`${base}/photos?album=c&caption=by%20http`, {
      method: "POST",
      headers: { "Content-Type": "image/png" },
      body: PNG,
    });
    assert.equal(sent.status, 201);
    const [photo] = await app.query<Photo[]>("photos:list", { album: "c" });
    assert.equal(photo?.caption, "by http");
    const got = await fetch(`${base}/photos/${photo!.storageId}`);
    assert.equal(got.headers.get("access-control-allow-origin"), "*");
    assert.equal(got.headers.get("content-type"), "image/png");
    assert.deepEqual(new Uint8Array(await got.arrayBuffer()), PNG);
  });

  test("a deleted file is gone with its document, its URL and its metadata", async () => {
    const [photo] = await app.query<Photo[]>("photos:list", { album: "c" });
    await app.mutation("photos:remove", { photoId: photo!._id });
    assert.deepEqual(await app.query("photos:list", { album: "c" }), []);
    assert.equal((await fetch(photo!.url!)).status, 404);
    const { storageId } = photo!;
    assert.deepEqual(await app.query("photos:facts", { storageId }), {
      document: null,
      metadata: null,
    });
    const missing = await fetch(`${app.backend.siteUrl}/photos/${storageId}`);
    assert.equal(missing.status, 404);
  });

  test("an empty upload is refused by the app and leaves no photo", async () => {
    const storageId = await upload("", "text/plain");
    await assert.rejects(
      app.mutation("photos:add", { storageId, album: "d", caption: "" }),
      /The upload is empty/,
    );
    assert.deepEqual(await app.query("photos:list", { album: "d" }), []);
  });
});
