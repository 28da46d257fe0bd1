// http.test.ts - what is taken, what is refused, and with which answer.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { Proxy, oldSecret, order, post, raw, secret, sign } from "./harness.js";

describe("one proxy", () => {
  let proxy: Proxy;
  before(async () => {
    proxy = await Proxy.start();
  });
  after(async () => {
    await proxy.stop();
  });

  async function storedBy(action: () => Promise<unknown>): Promise<number> {
    const before = (await proxy.events()).length;
    await action();
    return (await proxy.events()).length - before;
  }

  test("a signed event is answered 200 with an empty body and is in the spool", async () => {
    const stored = await storedBy(async () => {
      const answer = await post(proxy.port, order());
      assert.equal(answer.status, 200);
      assert.equal(answer.body, "");
    });
    assert.equal(stored, 1);
  });

  test("the signature is of the exact bytes, however oddly they are spaced", async () => {
    const body =
      ' { "event":"order.paid" ,\n\t"data":{ "id" : 1.0, "name":"caf\\u00e9", "updated_at":"x"} } ';
    assert.equal((await post(proxy.port, body)).status, 200);
    assert.equal(
      (
        await post(proxy.port, JSON.stringify(JSON.parse(body)), {
          headers: { signature: sign(body) },
        })
      ).status,
      401,
    );
  });

  test("a signature of any other shape is refused", async () => {
    const body = order();
    const good = sign(body);
    const shapes: [string, number][] = [
      [good.toUpperCase(), 200],
      [good.slice(1), 401],
      [`${good}0`, 401],
      [good.slice(2), 401],
      [`${good.slice(0, 63)}g`, 401],
      [`sha256=${good}`, 401],
      [` ${good.slice(1)}`, 401],
      ["", 401],
      ["0".repeat(64), 401],
      [`${good},${good}`, 401],
      [sign(body, "another secret"), 401],
      [sign(body, ""), 401],
    ];
    for (const [signature, status] of shapes)
      assert.equal(
        (await post(proxy.port, body, { headers: { signature } })).status,
        status,
        JSON.stringify(signature),
      );
  });

  test("without a signature header nothing is stored", async () => {
    const stored = await storedBy(async () => {
      assert.equal(
        (await post(proxy.port, order(), { headers: {} })).status,
        401,
      );
    });
    assert.equal(stored, 0);
  });

  test("a repeated signature header is refused, ten thousand of them quickly", async () => {
    const body = order();
    const line = `Signature: ${sign(body)}\r\n`;
    const head = `POST /v1/demo/sellapp HTTP/1.1\r\nHost: h\r\nContent-Length: ${String(body.length)}\r\n`;
    assert.match(
      await raw(proxy.port, `${head}${line}${line}\r\n${body}`),
      /^HTTP\/1.1 400 /,
    );
    const flood = await raw(
      proxy.port,
      `${head}${line.repeat(10000)}\r\n${body}`,
    );
    assert.match(flood, /^(HTTP\/1.1 431 |$)/);
  });

  test("both secrets of an overlap pass and one past its end does not", async () => {
    const status = async (key: string): Promise<number> => {
      const body = order();
      return (
        await post(proxy.port, body, {
          headers: { signature: sign(body, key) },
        })
      ).status;
    };
    assert.equal(await status(secret), 200);
    assert.equal(await status(oldSecret), 200);
    assert.equal(await status("an-expired-secret-of-the-test"), 401);
  });

  test("header, prefix and encoding are the source's", async () => {
    const body = order();
    const mac = createHmac("sha256", secret).update(body).digest("base64");
    const path = "/v1/demo/prefixed";
    const status = async (headers: Record<string, string>): Promise<number> =>
      (await post(proxy.port, body, { path, headers })).status;
    assert.equal(await status({ "X-Sellapp-Signature": `sha256=${mac}` }), 200);
    assert.equal(await status({ "X-Sellapp-Signature": mac }), 401);
    assert.equal(await status({ signature: sign(body) }), 401);
  });

  test("one hundred deliveries of one event at once are one row, and all are answered 200", async () => {
    const body = order();
    const stored = await storedBy(async () => {
      const answers = await Promise.all(
        Array.from({ length: 100 }, () => post(proxy.port, body)),
      );
      assert.ok(answers.every((answer) => answer.status === 200));
    });
    assert.equal(stored, 1);
  });

  test("the same event with another body is kept as well", async () => {
    const one = order({ id: 900001, note: "a" });
    const other = order({ id: 900001, note: "b" });
    const stored = await storedBy(async () => {
      await post(proxy.port, one);
      await post(proxy.port, other);
    });
    assert.equal(stored, 2);
    const keys = (await proxy.events()).slice(-2).map(({ key }) => key);
    assert.equal(keys[0]?.split("#")[0], keys[1]?.split("#")[0]);
  });

  test("ids beyond 2^53 that differ in the last digit are two events", async () => {
    const body = (id: string): string =>
      `{"event":"order.paid","data":{"id":${id},"updated_at":"2026-01-01T00:00:00Z"},"store":1}`;
    await post(proxy.port, body("90071992547409931"));
    await post(proxy.port, body("90071992547409932"));
    const keys = (await proxy.events())
      .slice(-2)
      .map(({ key }) => key.split("#")[0]);
    assert.notEqual(keys[0], keys[1]);
  });

  test("an unknown event and an unknown version are stored", async () => {
    const stored = await storedBy(async () => {
      const body = '{"event":"moon.landed","version":99,"data":{},"store":1}';
      assert.equal((await post(proxy.port, body)).status, 200);
    });
    assert.equal(stored, 1);
  });

  test("what is signed and cannot be read is stored all the same", async () => {
    const bodies: (string | Buffer)[] = [
      '{"event":"a","event":"b","data":{}}',
      "[".repeat(10000),
      `{"event":"x","data":${'{"a":'.repeat(10000)}1${"}".repeat(10000)}}`,
      Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d]),
      "not json",
      "",
      "\0\0\0",
    ];
    const stored = await storedBy(async () => {
      for (const body of bodies)
        assert.equal((await post(proxy.port, body)).status, 200);
    });
    assert.equal(stored, bodies.length);
  });

  test("unknown places, methods and encodings have their own answers and repeat nothing", async () => {
    const body = order();
    const cases: [number, Parameters<typeof post>[2]][] = [
      [404, { path: "/v1/demo/none-such-marker" }],
      [404, { path: "/v1/demo" }],
      [404, { path: "/v1/demo/sellapp/marker" }],
      [404, { path: "/v1/demo/sell%61pp" }],
      [404, { path: "/marker" }],
      [404, { path: "/healthz" }],
      [405, { method: "GET" }],
      [405, { method: "DELETE" }],
      [405, { method: "MARKER" }],
      [415, { headers: { signature: sign(body), "content-encoding": "gzip" } }],
    ];
    for (const [status, options] of cases) {
      const answer = await post(proxy.port, body, options).catch(() => null);
      if (options?.method === "MARKER" && answer === null) continue; // node refuses to send it
      assert.equal(answer?.status, status, JSON.stringify(options));
      assert.doesNotMatch(JSON.stringify(answer), /marker/i);
      if (status === 405) assert.equal(answer?.headers.allow, "POST");
    }
  });

  test("health and readiness are answered", async () => {
    const get = async (path: string): Promise<number> =>
      (await post(proxy.port, "", { path, method: "GET", headers: {} })).status;
    assert.equal(await get("/healthz"), 200);
    assert.equal(await get("/readyz"), 200);
  });

  test("a body over the limit is refused before it is sent, and counted when it is chunked", async () => {
    const early = await raw(
      proxy.port,
      `POST /v1/demo/sellapp HTTP/1.1\r\nHost: h\r\nSignature: ${"0".repeat(64)}\r\nContent-Length: 1048577\r\n\r\n`,
    );
    assert.match(early, /^HTTP\/1.1 413 /);
    const chunk = `${(65536).toString(16)}\r\n${"x".repeat(65536)}\r\n`;
    const chunked = await raw(
      proxy.port,
      `POST /v1/demo/sellapp HTTP/1.1\r\nHost: h\r\nSignature: ${"0".repeat(64)}\r\nTransfer-Encoding: chunked\r\n\r\n${chunk.repeat(20)}0\r\n\r\n`,
    );
    assert.match(chunked, /^HTTP\/1.1 413 /);
  });

  test("a chunked body of a good size is taken", async () => {
    const body = order();
    const answer = await post(proxy.port, body, {
      headers: {
        signature: sign(body),
        "transfer-encoding": "chunked",
      },
    });
    assert.equal(answer.status, 200);
  });

  test("whatever could be read as two lengths is refused and the connection is closed", async () => {
    const body = order();
    const head = `POST /v1/demo/sellapp HTTP/1.1\r\nHost: h\r\nSignature: ${sign(body)}\r\n`;
    const length = `Content-Length: ${String(body.length)}\r\n`;
    const next = "GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n";
    const heads = [
      `${length}Transfer-Encoding: chunked\r\n`,
      `Transfer-Encoding: chunked\r\n${length}`,
      `${length}Content-Length: 0\r\n`,
      `${length}${length}`,
      `Content-Length: +${String(body.length)}\r\n`,
      `Content-Length: ${String(body.length)}x\r\n`,
      "Content-Length: -1\r\n",
      "Content-Length: 99999999999999999999999999\r\n",
      "Content-Length:\r\n",
      "Transfer-Encoding: gzip, chunked\r\n",
      "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
      "Transfer-Encoding: xchunked\r\n",
    ];
    const stored = await storedBy(async () => {
      for (const lines of heads) {
        const text = await raw(proxy.port, `${head}${lines}\r\n${body}${next}`);
        assert.match(text, /^(HTTP\/1.[01] 4\d\d |$)/, lines);
        assert.doesNotMatch(text, /HTTP\/1.1 200/, lines);
      }
    });
    assert.equal(stored, 0);
  });

  test("a chunk whose size overflows is refused", async () => {
    const head = `POST /v1/demo/sellapp HTTP/1.1\r\nHost: h\r\nSignature: ${"0".repeat(64)}\r\nTransfer-Encoding: chunked\r\n\r\n`;
    for (const chunk of [
      "FFFFFFFFFFFFFFFFFF\r\nx",
      "-1\r\nx",
      "zz\r\nx",
      "10000000000000001\r\nx",
    ])
      assert.match(
        await raw(proxy.port, head + chunk),
        /^(HTTP\/1.[01] 4\d\d |$)/,
      );
  });

  test("a POST without a length is told so", async () => {
    assert.match(
      await raw(
        proxy.port,
        `POST /v1/demo/sellapp HTTP/1.1\r\nHost: h\r\nSignature: ${"0".repeat(64)}\r\n\r\n`,
      ),
      /^HTTP\/1.1 411 /,
    );
  });

  test("clients that take too long are closed while others are served", async () => {
    const proxy = await Proxy.start({ env: { REQUEST_TIME: "700ms" } });
    const head = "POST /v1/demo/sellapp HTTP/1.1\r\nHost: h\r\n";
    const signed = `${head}Signature: ${"0".repeat(64)}\r\n`;
    const drip = (text: string): { text: string; everyMs: number } => ({
      text,
      everyMs: 50,
    });
    const slow = [
      ...Array.from({ length: 20 }, () => raw(proxy.port, head, drip("X"))),
      raw(proxy.port, `${signed}Content-Length: 1000\r\n\r\n`, drip("x")),
      raw(
        proxy.port,
        `${signed}Transfer-Encoding: chunked\r\n\r\n`,
        drip("1\r\nx\r\n"),
      ),
      raw(proxy.port, ""),
    ];
    for (let served = 0; served < 20;) {
      const answer = await post(proxy.port, order()).catch(() => null);
      if (answer === null) continue; // this process stood still for so long, too
      assert.equal(answer.status, 200);
      served++;
    }
    for (const text of await Promise.all(slow))
      assert.doesNotMatch(text, /^HTTP\/1.1 2/);
    await proxy.stop();
  });

  test("two events on one connection, sent together, are answered in order", async () => {
    const request = (body: string, then: string): string =>
      `POST /v1/demo/sellapp HTTP/1.1\r\nHost: h\r\nConnection: ${then}\r\nSignature: ${sign(body)}\r\nContent-Length: ${String(Buffer.byteLength(body))}\r\n\r\n${body}`;
    const stored = await storedBy(async () => {
      const text = await raw(
        proxy.port,
        request(order(), "keep-alive") + request(order(), "close"),
      );
      assert.equal(text.match(/HTTP\/1.1 200 /g)?.length, 2);
    });
    assert.equal(stored, 2);
  });
});
