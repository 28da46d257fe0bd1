// Over HTTP against the backend: reads of one state, and files up and down.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import {
  existsSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createServer, request, type Server } from "node:http";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { ConvexHttpClient } from "convex/browser";
import { makeFunctionReference } from "convex/server";
import { Backend, binary, ROOT, tempDir, until } from "./harness";

const set = makeFunctionReference<"mutation">("items:set");
let backend: Backend;
let dir: string;

before(async () => {
  backend = await Backend.start();
  dir = tempDir();
  await backend.convex(join(ROOT, "tests/app"), ["deploy", "--yes"]);
});
after(async () => {
  await backend.close();
  rmSync(dir, { recursive: true, force: true });
});

function convexc(
  args: string[],
  input?: Buffer,
): Promise<{ code: number | null; out: Buffer; err: string }> {
  return new Promise((resolve) => {
    const child = spawn(binary("convexc"), args, {
      cwd: dir,
      env: { PATH: process.env.PATH, CONVEX_URL: backend.url },
    });
    const out: Buffer[] = [];
    let err = "";
    child.stdout.on("data", (data: Buffer) => out.push(data));
    child.stderr.on("data", (data: Buffer) => (err += data.toString()));
    child.stdin.on("error", () => undefined);
    child.stdin.end(input);
    child.once("close", (code) =>
      resolve({ code, out: Buffer.concat(out), err }),
    );
  });
}

interface Uploaded {
  storageId: string;
  size: number;
  sha256: string;
}

async function upload(args: string[], input?: Buffer): Promise<Uploaded> {
  const { code, out, err } = await convexc(
    ["upload", "files:uploadUrl", ...args],
    input,
  );
  assert.equal(code, 0, err);
  return JSON.parse(out.toString()) as Uploaded;
}

const idOf = ({ storageId }: Uploaded) => JSON.stringify({ id: storageId });

async function metadata(file: Uploaded): Promise<unknown> {
  const { out } = await convexc(["query", "files:metadata", idOf(file)]);
  return JSON.parse(out.toString());
}

const sha256 = (data: Buffer, form: "hex" | "base64") =>
  createHash("sha256").update(data).digest(form);

test("a file comes back as it was sent, by every way in and out", async () => {
  for (const data of [
    Buffer.alloc(0),
    Buffer.from("a\0b"),
    randomBytes(1_500_001),
  ]) {
    writeFileSync(join(dir, "in"), data);
    for (const file of [
      await upload(["in", "--type", "image/png"]),
      await upload(["-", "--type", "image/png"], data),
    ]) {
      assert.equal(file.size, data.length);
      assert.equal(file.sha256, sha256(data, "hex"));
      assert.deepEqual(await metadata(file), {
        size: data.length,
        sha256: sha256(data, "base64"),
        contentType: "image/png",
      });
      const piped = await convexc(["download", "files:url", idOf(file)]);
      assert.equal(piped.code, 0, piped.err);
      assert.ok(piped.out.equals(data));
      assert.equal(piped.err, ""); // its checksum was checked
      const kept = await convexc([
        "download",
        "files:url",
        idOf(file),
        "-o",
        "out",
      ]);
      assert.equal(kept.code, 0, kept.err);
      assert.ok(readFileSync(join(dir, "out")).equals(data));
    }
  }
});

test("a part that is there already is not read again", async () => {
  const data = randomBytes(100_000);
  writeFileSync(join(dir, "in"), data);
  const file = await upload(["in"]);
  for (const length of [0, 1, 60_000, 100_000]) {
    // what is there is not looked at: other bytes show that it was not read again
    const there = Buffer.alloc(length, "x");
    writeFileSync(join(dir, "part"), there);
    const { code, err } = await convexc([
      "download",
      "files:url",
      idOf(file),
      "-o",
      "part",
      "--resume",
    ]);
    assert.equal(code, 0, err);
    const expected = Buffer.concat([there, data.subarray(length)]);
    assert.ok(readFileSync(join(dir, "part")).equals(expected));
  }
});

/** Passes requests on to the backend, and cuts the first `cuts` answers after `after` bytes. */
function cutting(cuts: number, after: number): Server {
  return createServer((req, res) => {
    const onward = request(
      `${backend.url}${req.url}`,
      { method: req.method, headers: req.headers },
      (answer) => {
        res.writeHead(answer.statusCode!, answer.headers);
        let sent = 0;
        const cut = cuts-- > 0;
        answer.on("data", (data: Buffer) => {
          if (cut && sent + data.length > after) {
            res.write(data.subarray(0, after - sent), () => res.destroy());
            answer.destroy();
            return;
          }
          sent += data.length;
          res.write(data);
        });
        answer.on("end", () => res.end());
        answer.on("error", () => undefined);
      },
    );
    req.pipe(onward);
  });
}

test("a download whose connection is cut goes on, and is checked whole", async () => {
  const data = randomBytes(500_000);
  writeFileSync(join(dir, "in"), data);
  const file = await upload(["in"]);
  const { out } = await convexc(["query", "files:url", idOf(file)]);
  const server = cutting(3, 100_000);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  const url = (JSON.parse(out.toString()) as string).replace(
    String(backend.port),
    String(port),
  );
  const got = await convexc(["download", url]);
  server.closeAllConnections();
  server.close();
  assert.equal(got.code, 0, got.err);
  assert.ok(got.out.equals(data));
  assert.equal(got.err, "");
});

test("an interrupted download keeps what it has, and is resumed later", async () => {
  const data = randomBytes(50_000);
  let requests = 0;
  const server = createServer((req, res) => {
    const from = Number(
      /^bytes=(\d+)-$/.exec(req.headers.range ?? "")?.[1] ?? 0,
    );
    res.writeHead(from ? 206 : 200, { "content-length": data.length - from });
    if (requests++ === 0)
      res.write(data.subarray(0, 20_000)); // and no more
    else res.end(data.subarray(from));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  const args = ["download", `http://127.0.0.1:${port}/x`, "-o", "held"];
  const file = join(dir, "held");
  const child = spawn(binary("convexc"), args, {
    cwd: dir,
    env: { PATH: process.env.PATH, CONVEX_URL: backend.url },
  });
  const ended = new Promise((resolve) => child.once("close", resolve));
  await until(
    "a part to arrive",
    () => existsSync(file) && statSync(file).size > 0,
  );
  child.kill("SIGINT");
  assert.equal(await ended, 130);
  const { code, err } = await convexc([...args, "--resume"]);
  server.closeAllConnections();
  server.close();
  assert.equal(code, 0, err);
  assert.ok(readFileSync(file).equals(data));
});

test("a file that is not there, and a URL that is none of ours, are named", async () => {
  writeFileSync(join(dir, "in"), "x");
  const file = await upload(["in"]);
  const { out } = await convexc(["query", "files:url", idOf(file)]);
  const url = JSON.parse(out.toString()) as string;
  await convexc(["mutation", "files:remove", idOf(file)]);
  const gone = await convexc(["download", url]);
  assert.equal(gone.code, 5);
  assert.match(gone.err, /FileNotFound/);
  const none = await convexc(["download", "files:url", idOf(file)]);
  assert.equal(none.code, 1);
  // Trap 9: a storage id is not the name of the file in its URL.
  const byId = await convexc([
    "download",
    `${backend.url}/api/storage/${file.storageId}`,
  ]);
  assert.equal(byId.code, 5);
  assert.match(byId.err, /InvalidStoragePath/);
});

test("an upload with a token that the backend did not give is refused", async () => {
  writeFileSync(join(dir, "in"), "x");
  const url = `${backend.url}/api/storage/upload`;
  const forged = await convexc(["upload", `${url}?token=forged`, "in"]);
  assert.equal(forged.code, 4);
  assert.doesNotMatch(forged.err, /forged/);
  const missing = await convexc(["upload", url, "in"]);
  assert.equal(missing.code, 5);
  assert.match(missing.err, /BadQueryArgs/);
});

/** convex-c/examples/snapshot_http.c: a line for each query. */
function snapshot(args: string[]): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const child = spawn(binary("convex-example-snapshot_http"), [
      backend.url,
      ...args,
    ]);
    let out = "";
    child.stdout.on("data", (data: Buffer) => (out += data.toString()));
    child.once("close", (code) =>
      code === 0
        ? resolve(out.trimEnd().split("\n"))
        : reject(new Error(`snapshot_http: ${code}`)),
    );
  });
}

test("queries that are asked together see one state, however it changes", async () => {
  const count = ["items:list", '{"prefix":"state/"}'];
  const official = new ConvexHttpClient(backend.url, { logger: false });
  let writing = true;
  const writer = (async () => {
    for (let value = 0; writing; value++)
      await official.mutation(set, { key: "state/n", value });
  })();
  const seen = new Set<string>();
  for (let i = 0; i < 12; i++)
    for (const way of [[], ["--one-by-one"]]) {
      const lines = await snapshot([...way, ...count, ...count, ...count]);
      assert.equal(lines.length, 3);
      assert.equal(new Set(lines).size, 1, lines.join("\n"));
      seen.add(lines[0]!);
    }
  writing = false;
  await writer;
  assert.ok(seen.size > 2); // it did change meanwhile
});

test("a query of a batch that throws is one of its results", async () => {
  const lines = await snapshot([
    ...["calls:echo", '{"value":{"$integer":"AQAAAAAAAAA="}}'],
    ...["calls:fail", '{"data":null}'],
    ...["calls:whoAmI", "{}"],
  ]);
  assert.deepEqual(lines, [
    '{"$integer":"AQAAAAAAAAA="}',
    '{"error":true}',
    "null",
  ]);
});
