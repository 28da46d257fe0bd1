// apps/webhooks: signed webhooks, exactly once; routes by prefix, streams,
// bearer tokens, calls to other services.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, test } from "node:test";
import { App } from "./official/app.js";
import { Watched } from "./official/clients.js";

const SECRET = "whsec_1";

let app: App;
let other: Server;
let otherUrl: string;

before(async () => {
  app = await App.start("webhooks", { WEBHOOK_SECRET: SECRET });
  other = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk) => (body += String(chunk)));
    request.on("end", () => {
      response.writeHead(request.url === "/down" ? 503 : 200);
      response.end(request.url === "/down" ? "down" : `got ${body}`);
    });
  });
  await new Promise<void>((done) => other.listen(0, "127.0.0.1", done));
  otherUrl = `http://127.0.0.1:${(other.address() as AddressInfo).port}`;
});
after(async () => {
  other?.close();
  await app?.close();
});

const sign = (body: string, secret = SECRET) =>
  createHmac("sha256", secret).update(body).digest("hex");

function deliver(body: string, signature = sign(body)): Promise<Response> {
  return fetch(`${app.backend.siteUrl}/webhooks/payments`, {
    method: "POST",
    headers: { "X-Signature": signature },
    body,
  });
}

const payment = (id: string, order: string) =>
  JSON.stringify({ id, kind: "payment", payload: { order } });

const get = (path: string, headers = {}) =>
  fetch(app.backend.siteUrl + path, { headers });

describe("an app with webhooks", { timeout: 600_000 }, () => {
  test("a signed event is taken once however often it comes", async () => {
    await app.mutation("events:placeOrder", { number: "A 1", cents: 999n });
    const count = new Watched<number>(app.live(), "events:deliveries", {
      eventId: "e1",
    });
    await count.until((n) => n === 0);
    const replies = await Promise.all(
      Array.from({ length: 5 }, async () =>
        (await deliver(payment("e1", "A 1"))).json(),
      ),
    );
    assert.equal(
      replies.filter((reply) => (reply as { new: boolean }).new).length,
      1,
    );
    await count.until((n) => n === 5);
    const order = await get("/orders/A%201");
    assert.deepEqual(await order.json(), {
      number: "A 1",
      cents: 999,
      paid: true,
    });
    assert.equal(order.headers.get("cache-control"), "no-store");
  });

  test("an int64 argument refuses a number, and travels as one", async () => {
    await assert.rejects(
      app.mutation("events:placeOrder", { number: "B", cents: 1 }),
      /ArgumentValidationError[^]*v\.int64\(\)/,
    );
    const big = 2n ** 62n + 1n;
    await app.mutation("events:placeOrder", { number: "C", cents: big });
    const ran = await app.project.convex(
      "run",
      "events:order",
      '{"number":"C"}',
    );
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(big);
    assert.ok(ran.stdout.includes(bytes.toString("base64")), ran.stdout);
  });

  test("what is unsigned, wrongly signed or no JSON is refused", async () => {
    const body = payment("e2", "A 1");
    assert.equal((await deliver(body, "")).status, 401);
    assert.equal((await deliver(body, sign(body, "other"))).status, 401);
    assert.equal((await deliver("{", sign("{"))).status, 400);
    assert.equal(await app.query("events:deliveries", { eventId: "e2" }), 0);
  });

  test("a failure inside undoes the whole event", async () => {
    const response = await deliver(payment("e3", "no such order"));
    assert.equal(response.status, 500);
    assert.equal(await app.query("events:deliveries", { eventId: "e3" }), 0);
  });

  test("an exact path wins over a prefix, other methods have no route", async () => {
    assert.equal(
      await (await get("/orders/help")).text(),
      "GET /orders/NUMBER",
    );
    assert.equal((await get("/orders/none")).status, 404);
    assert.equal((await get("/webhooks/payments")).status, 404);
    const head = await fetch(`${app.backend.siteUrl}/orders/help`, {
      method: "HEAD",
    });
    assert.equal(head.status, 200);
    assert.equal(await head.text(), "");
  });

  test("a response is streamed while it is made", async () => {
    for (const id of ["s1", "s2", "s3", "s4", "s5"])
      await deliver(JSON.stringify({ id, kind: "note", payload: { id } }));
    const response = await get("/events.ndjson?kind=note");
    const lines = (await response.text()).trim().split("\n");
    assert.deepEqual(
      lines.map((line) => (JSON.parse(line) as { eventId: string }).eventId),
      ["s1", "s2", "s3", "s4", "s5"],
    );
  });

  test("who calls is known by token, nobody without, and a bad one fails", async () => {
    const nobody = await get("/whoami", { "User-Agent": "tests/1" });
    assert.deepEqual(await nobody.json(), { subject: null, agent: "tests/1" });
    const bad = await get("/whoami", { Authorization: "Bearer nonsense" });
    assert.equal(bad.status, 500);
  });

  test("an action calls another service and tells of its failures", async () => {
    const reply = await app.action("events:notify", {
      url: `${otherUrl}/ok`,
      text: "hi",
    });
    assert.deepEqual(reply, { status: 200, reply: 'got {"text":"hi"}' });
    await assert.rejects(
      app.action("events:notify", { url: `${otherUrl}/down`, text: "hi" }),
      /Uncaught Error: 503: down/,
    );
  });

  test("without its secret the endpoint says that it is not configured", async () => {
    const removed = await app.project.convex("env", "remove", "WEBHOOK_SECRET");
    assert.equal(removed.status, 0, removed.stderr);
    assert.equal((await deliver(payment("e9", "A 1"))).status, 503);
  });
});
