// What Discord is asked for when somebody links their account: a network that loses answers.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { identify } from "../convex/model/discordOAuth";

const WANTED = { code: "code", verifier: "verifier", guildId: null };

async function atDiscord<T>(
  answer: RequestListener,
  work: (api: string) => Promise<T>,
): Promise<T> {
  const server = createServer(answer).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  try {
    return await work(`http://127.0.0.1:${port}`);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

const answers: Record<string, object> = {
  "/oauth2/token": { access_token: "token", scope: "identify" },
  "/users/@me": { id: "1400000000000000001", username: "ana" },
  "/oauth2/token/revoke": {},
};

test("a connection that is closed under a request costs nobody their attempt", async () => {
  const asked: string[] = [];
  const person = await atDiscord(
    (request, response) => {
      const path = request.url!;
      asked.push(path);
      const isFirst = asked.filter((one) => one === path).length === 1;
      if (isFirst) request.socket.destroy();
      else response.end(JSON.stringify(answers[path]));
    },
    (api) =>
      identify({ clientId: "client", clientSecret: "secret", api }, WANTED),
  );
  assert.deepEqual(person, { id: "1400000000000000001", name: "ana" });
  assert.equal(asked.length, 6); // each twice
});

test("who gets no answer is told so, and one that is no JSON is none of Discord's", async () => {
  let asked = 0;
  const refused = await atDiscord(
    (request) => {
      asked++;
      request.socket.destroy();
    },
    (api) =>
      identify({ clientId: "client", clientSecret: "secret", api }, WANTED),
  );
  assert.equal(refused, "unavailable");
  assert.equal(asked, 2);
  const html = await atDiscord(
    (_request, response) => response.writeHead(502).end("<html>"),
    (api) =>
      identify({ clientId: "client", clientSecret: "secret", api }, WANTED),
  );
  assert.equal(html, "unavailable");
});
