// The files of messages, from Discord through the collector into the backend's storage and out to
// a customer: what is kept, what is refused and why, and that nothing is left behind.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, test } from "node:test";
import { deflateRawSync } from "node:zlib";
import { ConvexHttpClient } from "convex/browser";
import { makeFunctionReference } from "convex/server";
import {
  Backend,
  Daemon,
  deploySchema,
  FakeDiscord,
  tempDir,
  until,
} from "./harness";

const SOURCE = "1100000000000000101";
const MIRROR = "1200000000000000101";
const ANALYST = "1400000000000000001";
const SIGNAL_BOT = "1400000000000000005";
const MAX_BYTES = 300_000;

interface File {
  filename: string;
  bytes: Buffer;
}
interface Row {
  messageId: string;
  attachmentId: string;
  kind: string;
  filename: string;
  state: string;
  reason?: string;
  contentType?: string;
  sha256?: string;
  storageId?: string;
}

let backend: Backend;
let discord: FakeDiscord;
let env: Record<string, string>;
let collector: Daemon;
const state = tempDir();

async function internal<T>(path: string, args: object): Promise<T> {
  const client = new ConvexHttpClient(backend.url, {
    logger: false,
  }) as unknown as {
    setAdminAuth(key: string): void;
    function(ref: unknown, component: undefined, args: unknown): Promise<T>;
  };
  client.setAdminAuth(backend.adminKey);
  return await client.function(makeFunctionReference(path), undefined, args);
}

async function table<T>(name: string): Promise<T[]> {
  const paginationOpts = { numItems: 1000, cursor: null };
  return (
    await internal<{ page: T[] }>("_system/cli/tableData", {
      table: name,
      paginationOpts,
    })
  ).page;
}

const rowsOf = async (messageId: string): Promise<Row[]> =>
  (await table<Row>("attachments"))
    .filter((row) => row.messageId === messageId)
    .sort((a, b) => (a.attachmentId < b.attachmentId ? -1 : 1));

const stored = async (): Promise<string[]> =>
  (await table<{ _id: string }>("_storage")).map(({ _id }) => _id).sort();

const faults = (fault: object): Promise<void> =>
  discord.control("POST", "/faults", fault);

async function write(files: File[], more: object = {}): Promise<string> {
  const { id } = await discord.control<{ id: string }>(
    "POST",
    `/channels/${SOURCE}/messages`,
    {
      author_id: ANALYST,
      content: "see the chart",
      attachments: files.map(({ filename, bytes }) => ({
        filename,
        content_base64: bytes.toString("base64"),
        content_type: "image/png", // what is claimed decides nothing
      })),
      ...more,
    },
  );
  return id;
}

/** Until no file of a message is pending. */
async function settled(messageId: string, count: number): Promise<Row[]> {
  let rows: Row[] = [];
  await until(`the files of ${messageId}; ${collector.log}`, async () => {
    rows = await rowsOf(messageId);
    return (
      rows.length === count && rows.every(({ state }) => state !== "pending")
    );
  });
  return rows;
}

const PNG = Buffer.concat([
  Buffer.from("89504e470d0a1a0a0000000d49484452", "hex"),
  Buffer.from(Array.from({ length: 90_000 }, (_, i) => (i * 7919) & 255)),
]);

/** A zip archive that holds one file. */
function zip(name: string, content: string): Buffer {
  const body = deflateRawSync(content);
  const fields = Buffer.alloc(26);
  fields.writeUInt16LE(20, 0);
  fields.writeUInt16LE(8, 4);
  fields.writeUInt32LE(body.length, 14);
  fields.writeUInt32LE(content.length, 18);
  fields.writeUInt16LE(name.length, 22);
  const local = Buffer.concat([
    Buffer.from("PK\x03\x04"),
    fields,
    Buffer.from(name),
    body,
  ]);
  const central = Buffer.concat([
    Buffer.from("PK\x01\x02\x14\x00"),
    fields,
    Buffer.alloc(14),
    Buffer.from(name),
  ]);
  const end = Buffer.alloc(18);
  end.writeUInt16LE(1, 4);
  end.writeUInt16LE(1, 6);
  end.writeUInt32LE(central.length, 8);
  end.writeUInt32LE(local.length, 12);
  return Buffer.concat([local, central, Buffer.from("PK\x05\x06"), end]);
}

function start(more: Record<string, string> = {}): Daemon {
  collector = new Daemon("collector", {
    ...env,
    ...more,
    STATE_DIRECTORY: state,
    DISCORD_TOKEN: "collector-token",
  });
  return collector;
}

const ready = () =>
  until("the collector's session", () =>
    /gateway (ready|session resumed)/.test(collector.log),
  );

async function customer(email: string): Promise<string> {
  const client = new ConvexHttpClient(backend.url, { logger: false });
  const params = { email, password: "correct horse", flow: "signUp" };
  const { tokens } = (await client.action(
    makeFunctionReference<"action">("auth:signIn"),
    { provider: "password", params },
  )) as { tokens: { token: string } };
  await internal("access:grant", {
    community: "demo",
    email,
    until: null,
    reason: "test",
  });
  return tokens.token;
}

const get = (row: Row, token: string): Promise<Response> =>
  fetch(
    `${backend.url}/http/attachments/demo/${row.messageId}/${row.attachmentId}`,
    { headers: { authorization: `Bearer ${token}` } },
  );

before(async () => {
  backend = await Backend.start({ control: true });
  discord = await FakeDiscord.start();
  const key = await deploySchema(backend);
  await internal("communities:setUp", {
    slug: "demo",
    name: "Demo",
    sourceGuildId: "1100000000000000001",
    customerGuildId: "1200000000000000001",
  });
  await internal("channels:setUp", {
    community: "demo",
    sourceChannelId: SOURCE,
    mirrorChannelId: MIRROR,
    name: "vip-signals",
    enabled: true,
  });
  env = {
    CONVEX_URL: backend.url,
    SERVICE_KEY_FILE: key,
    INSTANCE: "test",
    DISCORD_API_URL: `${discord.url}/api/v10`,
    FILES_ORIGIN: discord.url,
    FILES_MAX_BYTES: String(MAX_BYTES),
    LOG_LEVEL: "debug",
  };
  start();
  await ready();
});
after(async () => {
  await collector.stop();
  await discord.close();
  await backend.close();
});

test("pictures and files are stored with their bytes, and end for a customer whose access is revoked", async () => {
  const email = "reader@test.example";
  const token = await customer(email);
  const files: File[] = [
    { filename: "chart.png", bytes: PNG },
    { filename: "journal.csv", bytes: Buffer.from("pair,pnl\nBTC,1\n") },
    { filename: "plan.zip", bytes: zip("plan.txt", "long BTC") },
    { filename: "not-a-picture.png", bytes: Buffer.from("%PDF-1.7 …") },
  ];
  const id = await write(files);
  const rows = await settled(id, files.length);
  assert.deepEqual(
    rows.map(({ filename, state, contentType, sha256 }) => ({
      filename,
      state,
      contentType,
      sha256,
    })),
    files.map(({ filename, bytes }, i) => ({
      filename,
      state: "stored",
      contentType: [
        "image/png",
        "text/plain; charset=utf-8",
        "application/zip",
        "application/pdf",
      ][i],
      sha256: createHash("sha256").update(bytes).digest("hex"),
    })),
  );
  for (const [i, row] of rows.entries()) {
    const answer = await get(row, token);
    assert.equal(answer.status, 200);
    assert.match(
      answer.headers.get("content-disposition")!,
      i === 0 ? /^inline/ : /^attachment/,
    );
    assert.ok(
      Buffer.from(await answer.arrayBuffer()).equals(files[i]!.bytes),
      row.filename,
    );
  }
  const community = "demo";
  await internal("access:revoke", { community, email, reason: "refund" });
  assert.equal((await get(rows[0]!, token)).status, 403);
});

test("what is not safe or too large is refused in words, and the text is there all the same", async () => {
  const bytes = (text: string) => Buffer.from(text, "latin1");
  const files: File[] = [
    { filename: "setup.png", bytes: bytes("MZ\x90\x00 program") },
    { filename: "logo.png", bytes: bytes("<svg onload='alert(1)'/>") },
    { filename: "page.txt", bytes: bytes(" <!DOCTYPE html><p>hi") },
    { filename: "run.txt", bytes: bytes("#!/bin/sh\nrm -rf /") },
    { filename: "notes.bat", bytes: bytes("echo hi") },
    { filename: "tool.zip", bytes: zip("bin/tool.exe", "MZ") },
    { filename: "huge.png", bytes: Buffer.concat([PNG, PNG, PNG, PNG]) },
    { filename: "noise.png", bytes: bytes("\x01\x02\xfe\xff\x00") },
  ];
  const id = await write(files);
  const rows = await settled(id, files.length);
  assert.deepEqual(
    rows.map(({ state, reason }) => `${state}: ${reason}`),
    [
      "a Windows program",
      "a page or a drawing that a browser could run (HTML, SVG, XML)",
      "a page or a drawing that a browser could run (HTML, SVG, XML)",
      "a script",
      "named as a program or a script (.bat)",
      "an archive that holds a program or a script (.exe)",
      "360064 bytes: larger than the 300000 bytes that are kept",
      "not of a type that is known to be safe",
    ].map((reason) => `refused: ${reason}`),
  );
  const [signal] = (
    await table<{ messageId: string; body: unknown }>("signals")
  ).filter(({ messageId }) => messageId === id);
  assert.equal((signal!.body as { content: string }).content, "see the chart");
});

test("a picture of an embed is copied, and one of another host is not asked for", async () => {
  const { attachments } = await discord.control<{
    attachments: { url: string }[];
  }>("POST", `/channels/${SOURCE}/messages`, {
    author_id: ANALYST,
    content: "",
    attachments: [
      { filename: "a.png", content_base64: PNG.toString("base64") },
    ],
  });
  const id = await write([], {
    author_id: SIGNAL_BOT, // whose embeds are its own words
    embeds: [
      {
        title: "BTC",
        image: { url: attachments[0]!.url },
        thumbnail: { url: "http://127.0.0.1:9/internal.png" },
      },
    ],
  });
  const rows = await settled(id, 2);
  assert.deepEqual(
    rows.map(({ kind, state, reason }) => `${kind} ${state} ${reason}`).sort(),
    [
      "embed refused not on Discord's file servers: files of other hosts are not fetched",
      "embed stored undefined",
    ],
  );
});

test("an address that has expired is renewed, and the file comes", async () => {
  await faults({ kind: "expire_cdn" });
  const id = await write([{ filename: "late.png", bytes: PNG }]);
  await until("an attempt with an old address", () =>
    /a file is put off.*the file server answered 403/.test(collector.log),
  );
  assert.equal((await rowsOf(id))[0]!.state, "pending");
  await faults({ kind: "reset" });
  const [row] = await settled(id, 1);
  assert.equal(row!.state, "stored");
});

test("the bot posts the stored copy when Discord's address is dead", async () => {
  await faults({ kind: "expire_cdn", lifetime_seconds: 3 });
  const id = await write([{ filename: "kept.png", bytes: PNG }]);
  assert.equal((await settled(id, 1))[0]!.state, "stored");
  const [last] = (
    await discord.control<{ id: string; attachments: { url: string }[] }[]>(
      "GET",
      `/channels/${SOURCE}/messages`,
    )
  ).filter((message) => message.id === id);
  const address = last!.attachments[0]!.url;
  await until(
    "the address to die",
    async () => (await fetch(address)).status === 403,
  );
  await faults({ kind: "reset" });
  const bot = new Daemon("bot", {
    ...env,
    STATE_DIRECTORY: tempDir(),
    DISCORD_TOKEN: "bot-token",
  });
  const posted = async () =>
    (
      await discord.control<
        { attachments: { filename: string; url: string }[]; content: string }[]
      >("GET", `/channels/${MIRROR}/messages`)
    ).find(({ attachments }) => attachments[0]?.filename === "kept.png");
  await until(
    `the post; ${bot.log}`,
    async () => (await posted()) !== undefined,
  );
  const { attachments } = (await posted())!;
  const copy = await fetch(attachments[0]!.url);
  assert.ok(Buffer.from(await copy.arrayBuffer()).equals(PNG));
  await bot.stop();
});

test("an edit that drops a file, and a delete, reach the storage", async () => {
  const before = await stored();
  const id = await write([
    { filename: "one.png", bytes: PNG },
    { filename: "two.png", bytes: PNG },
  ]);
  await settled(id, 2);
  assert.equal((await stored()).length, before.length + 2);
  await discord.control("DELETE", `/channels/${SOURCE}/messages/${id}`);
  await until(
    "the files to be deleted",
    async () => (await stored()).length === before.length,
  );
  assert.deepEqual(await stored(), before);
  assert.deepEqual(await rowsOf(id), []);
});

test("a collector killed between upload and report leaves one copy of each file once the sweep came by", async () => {
  // Everything that goes through the live connection takes its time, uploads do not: on a
  // machine on which a report was faster than the kill, the more.
  for (let delayMs = 600, orphans = 0; orphans === 0; delayMs *= 3) {
    await collector.stop();
    const before = await stored();
    await backend.control("/faults", {
      faults: [{ path: "/api/sync", delayMs }],
    });
    start();
    const ids = await Promise.all(
      ["a", "b", "c"].map((name) =>
        write([{ filename: `${name}.png`, bytes: PNG }]),
      ),
    );
    await until(
      "an upload",
      async () => (await stored()).length > before.length,
    );
    await collector.stop("SIGKILL");
    await backend.control("/faults", { faults: [] });
    start();
    for (const id of ids)
      assert.equal((await settled(id, 1))[0]!.state, "stored");
    orphans = (await stored()).length - before.length - ids.length;
  }
  await collector.stop();
  await backend.control("/clock", { advance: 2 * 3600 * 1000 });
  await internal("attachments:sweep", {});
  const named = (await table<Row>("attachments"))
    .map(({ storageId }) => storageId)
    .filter((id) => id !== undefined)
    .sort();
  assert.deepEqual(await stored(), named);
});
