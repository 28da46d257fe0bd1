// The HTTP API around the engine: bodies, formats, credentials, errors,
// cross-origin headers, the site, sockets' handshakes.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { connect as tcpConnect, type AddressInfo } from "node:net";
import { after, before, describe, test } from "node:test";
import { brotliCompressSync } from "node:zlib";
import { WebSocket } from "ws";
import { Auth } from "../src/server/auth.js";
import { formatValue, parseFormat } from "../src/server/formats.js";
import { Functions } from "../src/server/functions.js";
import { openLog } from "../src/server/log.js";
import { startServer, type RunningServer } from "../src/server/server.js";
import { SyncServer } from "../src/server/syncServer.js";
import { encodeTimestamp } from "../src/server/timestamps.js";
import { DataError, FakeEngine } from "./fakeEngine.js";

const KEY = "dev|0123456789abcdef0123456789abcdef";
const JSON_TYPE = { "content-type": "application/json" };

let engine: FakeEngine;
let server: RunningServer;
let cloud: string;
let site: string;

before(async () => {
  engine = new FakeEngine();
  engine.define("query", "q:echo", (_, args) => args as never);
  engine.define("query", "q:five", () => 5);
  engine.define("query", "q:big", () => ({ $integer: "BQAAAAAAAAA=" }));
  engine.define("query", "q:fail", () => {
    throw new DataError({ why: 1 });
  });
  engine.define("query", "q:log", (ctx) => (ctx.log("'hi'"), null));
  engine.define("query", "dir/deep:default", () => "default");
  engine.define("query", "q:who", (ctx) => ctx.identity as never);
  engine.define(
    "mutation",
    "m:put",
    (ctx, args) => (ctx.set("k", args.v ?? null), null),
  );
  server = await startServer({
    host: "127.0.0.1",
    port: 0,
    sitePort: 0,
    instanceName: "dev",
    adminKey: KEY,
    cloudOrigin: null,
    siteOrigin: null,
    log: openLog("error", () => undefined),
    openEngine: async () => engine,
  });
  cloud = `http://127.0.0.1:${server.port}`;
  site = `http://127.0.0.1:${server.sitePort}`;
});

after(() => server.close());

function post(
  path: string,
  body: unknown,
  headers: Record<string, string> = {},
) {
  return fetch(`${cloud}${path}`, {
    method: "POST",
    headers: { ...JSON_TYPE, ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
}

const codeOf = async (response: Response) =>
  [
    response.status,
    ((await response.json()) as { code: string }).code,
  ] as const;

describe("calls over HTTP", () => {
  test("a query answers with its value and leaves empty logLines out", async () => {
    const response = await post("/api/query", { path: "q:five", args: {} });
    assert.equal(await response.text(), '{"status":"success","value":5.0}');
  });

  test("a failed function is a 200 with errorMessage and errorData", async () => {
    const response = await post("/api/query", {
      path: "q:fail",
      args: [{}],
      format: "convex_encoded_json",
    });
    assert.equal(response.status, 200);
    const body = (await response.json()) as Record<string, unknown>;
    assert.equal(body.status, "error");
    assert.deepEqual(body.errorData, { why: 1 });
  });

  test("log lines come with the answer", async () => {
    const body = await (
      await post("/api/query", { path: "q:log", args: {} })
    ).json();
    assert.deepEqual((body as { logLines: string[] }).logLines, ["[LOG] 'hi'"]);
  });

  test("a path without a colon means default, and .js is tolerated", async () => {
    for (const path of ["dir/deep", "dir/deep.js:default"]) {
      const body = await (await post("/api/query", { path, args: {} })).json();
      assert.deepEqual(body, { status: "success", value: "default" });
    }
  });

  test("the request id of the caller is in the error text", async () => {
    const response = await post(
      "/api/query",
      { path: "q:fail", args: {} },
      { "convex-request-id": "abc123" },
    );
    assert.match(
      ((await response.json()) as { errorMessage: string }).errorMessage,
      /^\[Request ID: abc123\]/,
    );
  });

  test("an unknown format is refused after the mutation has run", async () => {
    const response = await post("/api/mutation", {
      path: "m:put",
      args: { v: "kept" },
      format: "yaml",
    });
    assert.deepEqual(await codeOf(response), [400, "BadFormat"]);
    assert.equal(engine.data.get("k"), "kept");
  });

  test("query_ts and query_at_ts read one snapshot", async () => {
    const { ts } = (await (await post("/api/query_ts", "")).json()) as {
      ts: string;
    };
    assert.equal(ts, encodeTimestamp(engine.latestTs()));
    const good = await post("/api/query_at_ts", {
      path: "q:five",
      args: {},
      ts,
    });
    assert.equal(good.status, 200);
    const future = await post("/api/query_at_ts", {
      path: "q:five",
      args: {},
      ts: "/////////38=",
    });
    assert.deepEqual(await codeOf(future), [500, "InternalServerError"]);
  });

  test("query_batch answers in order", async () => {
    const response = await post("/api/query_batch", {
      queries: [
        { path: "q:five", args: {} },
        { path: "nope:x", args: {} },
      ],
    });
    const { results } = (await response.json()) as {
      results: { status: string }[];
    };
    assert.deepEqual(
      results.map((r) => r.status),
      ["success", "error"],
    );
  });

  test("/api/run takes the function from the path", async () => {
    const response = await post("/api/run/dir/deep/default", { args: {} });
    assert.deepEqual(await response.json(), {
      status: "success",
      value: "default",
    });
    assert.deepEqual(await codeOf(await post("/api/run/alone", { args: {} })), [
      400,
      "MissingIdentifier",
    ]);
  });

  test("/api/function is for admins", async () => {
    const body = { path: "q:five", args: {} };
    assert.deepEqual(await codeOf(await post("/api/function", body)), [
      403,
      "BadDeployKey",
    ]);
    const headers = { authorization: `Convex ${KEY}` };
    assert.equal((await post("/api/function", body, headers)).status, 200);
  });

  test("a doubled slash before /api is accepted", async () => {
    assert.equal(
      (await post("//api/query", { path: "q:five", args: {} })).status,
      200,
    );
  });
});

describe("requests that are refused", () => {
  const cases: [string, () => Promise<Response>, number, string][] = [
    [
      "a body of another type",
      () => post("/api/query", "{}", { "content-type": "text/plain" }),
      400,
      "BadJsonBody",
    ],
    [
      "a body that is not JSON",
      () => post("/api/query", "{nope"),
      400,
      "BadJsonBody",
    ],
    [
      "a byte order mark",
      () => post("/api/query", '\ufeff{"path":"q:five","args":{}}'),
      400,
      "BadJsonBody",
    ],
    [
      "missing args",
      () => post("/api/query", { path: "q:five" }),
      400,
      "BadJsonBody",
    ],
    [
      "a malformed path",
      () => post("/api/query", { path: "../x:y", args: {} }),
      400,
      "BadConvexFunctionIdentifier",
    ],
    [
      "more than 16 MiB",
      () =>
        post("/api/query", {
          path: "q:echo",
          args: { a: "x".repeat(17 << 20) },
        }),
      400,
      "BadJsonBody",
    ],
    [
      "GET /api/query",
      () => fetch(`${cloud}/api/query?path=q:five&args={}`),
      400,
      "BadQueryArgs",
    ],
    [
      "a client header without a version",
      () =>
        post(
          "/api/query",
          { path: "q:five", args: {} },
          { "convex-client": "npm" },
        ),
      400,
      "InvalidClientVersion",
    ],
    [
      "a client that is too old",
      () =>
        post(
          "/api/query",
          { path: "q:five", args: {} },
          { "convex-client": "npm-0.18.0" },
        ),
      400,
      "ClientVersionUnsupported",
    ],
    [
      "another authorization scheme",
      () =>
        post(
          "/api/query",
          { path: "q:five", args: {} },
          { authorization: "Basic abcdef" },
        ),
      400,
      "InvalidAdminKey",
    ],
    [
      "a short authorization header",
      () =>
        post(
          "/api/query",
          { path: "q:five", args: {} },
          { authorization: "x" },
        ),
      400,
      "InvalidHeaderFailure",
    ],
    [
      "a wrong admin key",
      () =>
        post(
          "/api/query",
          { path: "q:five", args: {} },
          { authorization: "Convex dev|no" },
        ),
      401,
      "BadAdminKey",
    ],
    [
      "a bearer that is no JWT",
      () =>
        post(
          "/api/query",
          { path: "q:five", args: {} },
          { authorization: "Bearer abc" },
        ),
      401,
      "InvalidAuthHeader",
    ],
    [
      "an upload without token",
      () => post("/api/storage/upload", "x"),
      400,
      "BadQueryArgs",
    ],
    [
      "an upload with a bad token",
      () => post("/api/storage/upload?token=no", "x"),
      401,
      "StorageTokenInvalid",
    ],
    [
      "a storage id in place of a uuid",
      () => fetch(`${cloud}/api/storage/kg2abc`),
      400,
      "InvalidStoragePath",
    ],
    [
      "an unknown file",
      () => fetch(`${cloud}/api/storage/7f3c0d9a-5f5e-4c1b-9a57-0e2d6b8c1a44`),
      404,
      "FileNotFound",
    ],
    [
      "a push without the key",
      () => post("/api/deploy2/start_push", {}),
      403,
      "BadDeployKey",
    ],
    [
      "a push with a wrong key",
      () => post("/api/deploy2/start_push", { adminKey: "dev|no" }),
      403,
      "BadDeployKey",
    ],
    [
      "an import",
      () => post("/api/import/start_upload", {}),
      400,
      "NotSupported",
    ],
  ];
  for (const [what, request, status, code] of cases) {
    test(`${what}: ${status} ${code}`, async () => {
      assert.deepEqual(await codeOf(await request()), [status, code]);
    });
  }

  test("an unknown route is an empty 404, a wrong method an empty 405", async () => {
    const missing = await fetch(`${cloud}/api/nothing`);
    assert.deepEqual([missing.status, await missing.text()], [404, ""]);
    const method = await fetch(`${cloud}/api/mutation`);
    assert.deepEqual([method.status, await method.text()], [405, ""]);
  });
});

describe("identities over HTTP", () => {
  const who = async (headers: Record<string, string>) => {
    const response = await post(
      "/api/query",
      { path: "q:who", args: {} },
      headers,
    );
    return ((await response.json()) as { value: unknown }).value;
  };

  test("no header is nobody", async () => {
    assert.deepEqual(await who({}), { kind: "none" });
  });

  test("an admin key may carry a prefix", async () => {
    assert.deepEqual(await who({ authorization: `Convex prod:${KEY}` }), {
      kind: "admin",
    });
  });

  test("an admin may act as a user", async () => {
    const user = Buffer.from(
      JSON.stringify({ issuer: "i", subject: "s", name: "N" }),
    ).toString("base64");
    assert.deepEqual(await who({ authorization: `convex ${KEY}:${user}` }), {
      kind: "admin",
      actingAs: {
        tokenIdentifier: "i|s",
        issuer: "i",
        subject: "s",
        name: "N",
      },
    });
  });

  test("?adminKey= counts only without a header", async () => {
    const response = await post(
      `/api/query?adminKey=${encodeURIComponent(KEY)}`,
      { path: "q:who", args: {} },
    );
    assert.deepEqual(((await response.json()) as { value: unknown }).value, {
      kind: "admin",
    });
  });
});

describe("formats", () => {
  const values: [string, string, string][] = [
    ["5", "5.0", "5.0"],
    ["1.5", "1.5", "1.5"],
    ['{"$integer":"BQAAAAAAAAA="}', '"5"', "5"],
    ['{"$float":"AAAAAAAAAIA="}', "-0.0", "-0.0"],
    ['{"$float":"AAAAAAAA+H8="}', '"NaN"', '{"$float":"AAAAAAAA+H8="}'],
    ['{"$float":"AAAAAAAA8P8="}', '"-Infinity"', '{"$float":"AAAAAAAA8P8="}'],
    ['{"$bytes":"AQ=="}', '"AQ=="', '{"$bytes":"AQ=="}'],
    ['{"a":[null,true,"x"]}', '{"a":[null,true,"x"]}', '{"a":[null,true,"x"]}'],
  ];
  for (const [encoded, clean, exported] of values) {
    test(`${encoded} is ${clean} in json and ${exported} in export_json`, () => {
      assert.equal(formatValue(encoded, "clean"), clean);
      assert.equal(formatValue(encoded, "export"), exported);
      assert.equal(formatValue(encoded, "encoded"), encoded);
    });
  }

  test("the aliases mean the same, and names of objects mean nothing", () => {
    assert.equal(parseFormat("convex_json"), "encoded");
    assert.equal(parseFormat("convex_clean_json"), "clean");
    assert.equal(parseFormat(undefined), "clean");
    assert.throws(() => parseFormat("constructor"));
  });
});

describe("browsers", () => {
  test("the origin is mirrored on /api and not on /version or /http", async () => {
    const headers = { origin: "http://page.test" };
    const api = await fetch(`${cloud}/api/nothing-here`, { headers });
    assert.equal(api.headers.get("access-control-allow-origin"), null);
    const name = await fetch(`${cloud}/instance_name`, { headers });
    assert.equal(
      name.headers.get("access-control-allow-origin"),
      "http://page.test",
    );
    assert.equal(await name.text(), "dev");
    for (const path of ["/version", "/http/x"]) {
      const response = await fetch(`${cloud}${path}`, { headers });
      assert.equal(response.headers.get("access-control-allow-origin"), null);
    }
  });

  test("a preflight names what is allowed", async () => {
    const response = await fetch(`${cloud}/api/query`, {
      method: "OPTIONS",
      headers: {
        origin: "http://page.test",
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type,convex-client",
      },
    });
    assert.equal(response.status, 200);
    assert.equal(
      response.headers.get("access-control-allow-headers"),
      "content-type,convex-client",
    );
    assert.equal(response.headers.get("access-control-max-age"), "86400");
    assert.equal(
      response.headers.get("access-control-allow-credentials"),
      "true",
    );
  });
});

describe("the site", () => {
  test("the function sees the client's URL, without /http, on both ports", async () => {
    const seen: string[] = [];
    engine.site = (request) => {
      seen.push(`${request.method} ${request.url}`);
      return {
        status: 201,
        headers: [["x-made-by", "function"]],
        body: "made",
      };
    };
    const direct = await fetch(`${site}/hook?x=1`, {
      method: "POST",
      body: "b",
    });
    assert.deepEqual([direct.status, await direct.text()], [201, "made"]);
    assert.equal(direct.headers.get("x-made-by"), "function");
    await fetch(`${cloud}/http/hook`, {
      headers: { "x-forwarded-proto": "https" },
    });
    assert.deepEqual(seen, [
      `POST ${site}/hook?x=1`,
      `GET https://127.0.0.1:${server.port}/hook`,
    ]);
  });
});

describe("the command line's endpoints", () => {
  const admin = { authorization: `Convex ${KEY}` };

  test("a brotli body is understood", async () => {
    const response = await fetch(`${cloud}/api/get_config_hashes`, {
      method: "POST",
      headers: { ...JSON_TYPE, "content-encoding": "br" },
      body: brotliCompressSync(
        JSON.stringify({ version: "1.48.0", adminKey: KEY }),
      ),
    });
    assert.deepEqual(await response.json(), {
      config: { functions: "convex/" },
      moduleHashes: [],
      udfServerVersion: null,
    });
  });

  test("the canonical URLs are the origins", async () => {
    const response = await fetch(`${cloud}/api/v1/get_canonical_urls`, {
      headers: admin,
    });
    assert.deepEqual(await response.json(), {
      convexCloudUrl: engine.cloudOrigin,
      convexSiteUrl: engine.siteOrigin,
    });
  });

  test("the log answers cursor 0 at once and holds the next until a call", async () => {
    const first = (await (
      await fetch(`${cloud}/api/stream_function_logs?cursor=0`, {
        headers: admin,
      })
    ).json()) as {
      newCursor: number;
    };
    assert.ok(first.newCursor > 0);
    const held = fetch(
      `${cloud}/api/stream_function_logs?cursor=${first.newCursor}`,
      { headers: admin },
    );
    // The held request is known to have arrived once another one was answered.
    await fetch(`${cloud}/version`);
    engine.logged({ identifier: "q:logged", logLines: ["[WARN] 'careful'"] });
    const { entries } = (await (await held).json()) as {
      entries: Record<string, any>[];
    };
    assert.equal(entries[0]?.identifier, "q:logged");
    assert.equal(entries[0]?.kind, "Completion");
    assert.equal(entries[0]?.timestamp, 1_700_000_000.5);
    assert.deepEqual(entries[0]?.logLines[0].level, "WARN");
    assert.deepEqual(entries[0]?.logLines[0].messages, ["'careful'"]);
  });

  test("a system query answers admins and is unknown to others", async () => {
    const body = {
      path: "_system/cli/queryEnvironmentVariables:get",
      args: { name: "A" },
    };
    const good = (await (await post("/api/query", body, admin)).json()) as {
      value: unknown;
    };
    assert.deepEqual(good.value, { name: "A", value: "1" });
    const bad = (await (await post("/api/query", body)).json()) as {
      errorMessage: string;
    };
    assert.match(bad.errorMessage, /Could not find public function/);
  });

  test("echo gives back what it gets", async () => {
    const bytes = Buffer.alloc(1 << 20, 7);
    const response = await fetch(`${cloud}/echo`, {
      method: "POST",
      body: bytes,
    });
    assert.deepEqual(Buffer.from(await response.arrayBuffer()), bytes);
  });
});

describe("sockets", () => {
  const open = (path: string, headers: Record<string, string> = {}) =>
    new Promise<WebSocket>((resolve, reject) => {
      const ws = new WebSocket(`ws://127.0.0.1:${server.port}${path}`, {
        headers,
      });
      ws.on("open", () => resolve(ws));
      ws.on("error", reject);
    });

  for (const path of ["/api/1.48.0/sync", "/api/sync", "//api/1.48.0/sync"]) {
    test(`${path} speaks the sync protocol, and negotiates bare deflate`, async () => {
      const ws = await open(path);
      assert.equal(ws.extensions, "permessage-deflate");
      const answer = new Promise<string>((resolve) =>
        ws.once("message", (data) => resolve(String(data))),
      );
      ws.send(
        JSON.stringify({
          type: "ModifyQuerySet",
          baseVersion: 0,
          newVersion: 1,
          modifications: [],
        }),
      );
      assert.equal(
        (JSON.parse(await answer) as { type: string }).type,
        "Transition",
      );
      ws.close();
    });
  }

  test("a quiet server says Ping again and again, which WebSocket pings do not replace", async () => {
    const log = openLog("error", () => undefined);
    const functions = new Functions(engine);
    const sync = new SyncServer(
      { engine, functions, auth: new Auth(engine, KEY), log },
      5,
    );
    const http = createServer();
    http.on("upgrade", (request, socket, head) =>
      sync.upgrade(request, socket, head, null),
    );
    await new Promise<void>((done) => http.listen(0, "127.0.0.1", done));
    const { port } = http.address() as AddressInfo;
    const ws = new WebSocket(`ws://127.0.0.1:${port}/api/sync`);
    const heard: string[] = [];
    await new Promise<void>((done) =>
      ws.on("message", (data) => {
        if (heard.push(String(data)) === 3) done();
      }),
    );
    assert.deepEqual(new Set(heard), new Set(['{"type":"Ping"}']));
    ws.close();
    sync.close();
    http.close();
  });

  test("a binary frame closes 1011 InternalServerError", async () => {
    const ws = await open("/api/sync");
    const closed = new Promise((resolve) =>
      ws.on("close", (code, reason) => resolve([code, String(reason)])),
    );
    ws.send(Buffer.from("{}"));
    assert.deepEqual(await closed, [1011, "InternalServerError"]);
  });

  test("a fatal error closes without a code", async () => {
    const ws = await open("/api/sync");
    const closed = new Promise((resolve) =>
      ws.on("close", (code) => resolve(code)),
    );
    ws.send("{nope");
    assert.equal(await closed, 1005);
  });

  test("a client that is too old is refused with its own code", async () => {
    const status = await new Promise<[number, string]>((resolve) => {
      const ws = new WebSocket(`ws://127.0.0.1:${server.port}/api/0.19.1/sync`);
      ws.on("error", () => undefined);
      ws.on("unexpected-response", (_, response) => {
        let body = "";
        response.on("data", (chunk) => (body += String(chunk)));
        response.on("end", () =>
          resolve([
            response.statusCode ?? 0,
            (JSON.parse(body) as { code: string }).code,
          ]),
        );
      });
    });
    assert.deepEqual(status, [400, "ClientVersionUnsupported"]);
  });

  test("a socket elsewhere is refused", async () => {
    const reply = await new Promise<string>((resolve) => {
      const socket = tcpConnect(server.port, "127.0.0.1", () =>
        socket.write(
          "GET /other HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        ),
      );
      socket.once("data", (data) => resolve(String(data)));
      socket.on("end", () => socket.destroy());
    });
    assert.match(reply, /^HTTP\/1.1 404 /);
  });
});
