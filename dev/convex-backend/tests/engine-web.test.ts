/* The Web APIs that functions have, and those of the server package. */

import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import type { JSONObject } from "../src/engine/index.js";
import { type Bench, bench, nobody, valueOf } from "./harness.js";

let b: Bench;
let site: Server;
let url: string;

before(async () => {
  b = await bench("web");
  // The deployment's own HTTP actions are what its actions fetch.
  site = createServer((request, response) => {
    void (async () => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const answer = await b.engine.httpAction(
        {
          method: request.method!,
          url: url + request.url!,
          headers: Object.entries(request.headers) as [string, string][],
          body: request.method === "GET" ? undefined : Buffer.concat(chunks),
        },
        nobody,
        "site",
      );
      response.writeHead(answer.status, answer.headers.flat());
      answer.body.pipe(response);
    })();
  });
  await new Promise<void>((resolve) => site.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(site.address() as AddressInfo).port}`;
});
after(async () => {
  site.closeAllConnections();
  site.close();
  await b.close();
});

async function act(path: string, args: JSONObject = {}) {
  const call = { path, args, identity: nobody, requestId: "a" };
  return valueOf((await b.engine.runAction(call)).outcome);
}

test("queries have the Web APIs of the real backend", async () => {
  assert.deepEqual(await b.query("web:inQuery"), []);
});

test("actions have them, timers and keys too", async () => {
  assert.deepEqual(await act("web:inAction"), []);
});

test("actions fetch: methods, bodies, forms, streams, failures", async () => {
  assert.deepEqual(await act("web:fetching", { url }), []);
});

test("HTTP actions: prefixes, cookies, redirects", async () => {
  const found = await fetch(`${url}/files/a%20b/c?q=1`);
  assert.deepEqual(await found.json(), { pathname: "/files/a%20b/c", q: "1" });
  const cookies = await fetch(`${url}/cookies`, {
    redirect: "manual",
    headers: { cookie: "x=y" },
  });
  assert.equal(cookies.status, 303);
  assert.equal(cookies.headers.get("location"), "/echo");
  assert.deepEqual(cookies.headers.getSetCookie(), ["a=1; Path=/", "b=x=y"]);
});

test("an HTTP action that throws is a 500 with its trace, no route a 404", async () => {
  const thrown = await fetch(`${url}/throws`);
  assert.equal(thrown.status, 500);
  const { code, trace } = (await thrown.json()) as Record<string, string>;
  assert.match(
    code!,
    /^\[Request ID: site\] Server Error: Uncaught Error: on purpose$/,
  );
  assert.match(trace!, /^Uncaught Error: on purpose\n {4}at .*http\.ts/);
  assert.equal((await fetch(`${url}/number`)).status, 500);
  const missing = await fetch(`${url}/nowhere`);
  assert.equal(missing.status, 404);
  assert.equal(await missing.text(), "No matching routes found");
});
