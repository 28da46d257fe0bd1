// forward.test.ts - from the spool to webhooks:ingest, against a scripted deployment.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { rmSync } from "node:fs";
import { test } from "node:test";
import { Proxy, makeDirectory, order, post, sign } from "./harness.js";
import { Peer } from "./peer.js";

/** Awaits a state of the spool; the spool has no event to wait for from outside. */
async function settled(
  proxy: Proxy,
  good: (events: Awaited<ReturnType<Proxy["events"]>>) => boolean,
): Promise<void> {
  while (!good(await proxy.events()))
    await new Promise((resolve) => setTimeout(resolve, 20));
}

test("an accepted event arrives with its exact body and all that is known of it", async () => {
  const peer = await Peer.listen();
  const proxy = await Proxy.start({ env: { CONVEX_URL: peer.url } });
  const body =
    '{ "event":"order.completed","data":{"id":12345678901234567890,"updated_at":"2026-01-31T12:00:00Z","name":"caf\\u00e9 \u{1f680}"},"store":1}';
  await post(proxy.port, body, {
    headers: {
      signature: sign(body),
      authorization: "Bearer x",
      "x-caf": "caf\u00e9",
    },
  });
  await peer.until(() => peer.ingested().length === 1);
  const [event] = peer.ingested();
  assert.ok(event);
  const { headers, receivedAt, key, ...rest } = event as {
    headers: { name: string; value: string }[];
    receivedAt: number;
    key: string;
  };
  assert.deepEqual(rest, {
    community: "demo",
    source: "sellapp",
    provider: "sellapp",
    type: "order.completed",
    occurredAt: Date.parse("2026-01-31T12:00:00Z"),
    subject: "order:12345678901234567890",
    body,
    bodySha256: createHash("sha256").update(body).digest("hex"),
    verdict: "verified",
  });
  assert.ok(Math.abs(receivedAt - Date.now()) < 60000);
  assert.match(key, /^fields:[0-9a-f]{64}$/);
  const value = (name: string): string | undefined =>
    headers.find((header) => header.name.toLowerCase() === name)?.value;
  assert.equal(value("signature"), sign(body));
  assert.equal(value("authorization"), "[redacted]");
  await settled(proxy, (events) => events.length === 0);
  await proxy.seen(/msg=ready/);
  await proxy.stop();
  await peer.close();
});

test("a body that is no text arrives as base64, marked unparsable", async () => {
  const peer = await Peer.listen();
  const proxy = await Proxy.start({ env: { CONVEX_URL: peer.url } });
  const body = Buffer.from([0x7b, 0xff, 0x00, 0x7d]);
  await post(proxy.port, body);
  await peer.until(() => peer.ingested().length === 1);
  const [event] = peer.ingested();
  assert.equal(event?.body, `base64:${body.toString("base64")}`);
  assert.equal(event.verdict, "unparsable");
  assert.equal(event.type, "");
  await settled(proxy, (events) => events.length === 0);
  await proxy.stop();
  await peer.close();
});

test("while the deployment is away events wait, then arrive in order", async () => {
  const peer = await Peer.listen();
  peer.away = true;
  const proxy = await Proxy.start({ env: { CONVEX_URL: peer.url } });
  const bodies = Array.from({ length: 60 }, () => order());
  for (const body of bodies)
    assert.equal((await post(proxy.port, body)).status, 200);
  await proxy.seen(/backend connection lost/);
  assert.equal((await proxy.events()).length, 60);
  peer.away = false;
  await peer.until(() => peer.ingested().length >= 60);
  assert.deepEqual(
    peer.ingested().map((event) => event.body),
    bodies,
  );
  await settled(proxy, (events) => events.length === 0);
  await proxy.stop();
  await peer.close();
});

test("an answer lost in transit: the same key is sent again, and the spool forgets it once", async () => {
  const peer = await Peer.listen();
  peer.answer = () => "silence";
  const proxy = await Proxy.start({ env: { CONVEX_URL: peer.url } });
  await post(proxy.port, order());
  await peer.until(() => peer.ingested().length === 1);
  peer.answer = () => ({ value: { outcome: "duplicate" } });
  peer.drop();
  await peer.until(() => peer.ingested().length === 2);
  const [one, two] = peer.ingested();
  assert.equal(one?.key, two?.key);
  await settled(proxy, (events) => events.length === 0);
  await proxy.stop();
  await peer.close();
});

test("after kill -9 with an unanswered event the next start sends it again", async () => {
  const { directory, remove } = makeDirectory();
  const peer = await Peer.listen();
  peer.answer = () => "silence";
  const env = { CONVEX_URL: peer.url };
  const doomed = await Proxy.start({ directory, env });
  await post(doomed.port, order());
  await peer.until(() => peer.ingested().length === 1);
  await doomed.kill();
  peer.answer = () => ({ value: { outcome: "duplicate" } });
  const proxy = await Proxy.start({ directory, env });
  await peer.until(() => peer.ingested().length === 2);
  await settled(proxy, (events) => events.length === 0);
  await proxy.stop();
  await peer.close();
  remove();
});

test("an event that is refused three times becomes a dead letter with the reason, others go on", async () => {
  const peer = await Peer.listen();
  const poison = order({ note: "poison" });
  peer.answer = ({ args }) =>
    args.body === poison
      ? { error: "ArgumentValidationError: no such thing" }
      : { value: { outcome: "stored" } };
  const proxy = await Proxy.start({ env: { CONVEX_URL: peer.url } });
  await post(proxy.port, poison);
  for (let i = 0; i < 20; i++) await post(proxy.port, order());
  await proxy.seen(/moved to the dead letters.*no such thing/);
  await settled(
    proxy,
    (events) => events.length === 1 && events[0]?.state === "dead",
  );
  const [letter] = await proxy.events();
  assert.match(letter?.error ?? "", /no such thing/);
  assert.equal(letter?.attempts, 3);
  assert.equal(
    peer.ingested().filter((event) => event.body === poison).length,
    3,
  );
  assert.equal(peer.ingested().length, 23);
  assert.equal((await post(proxy.port, poison)).status, 200);
  assert.equal((await proxy.events()).length, 1);
  await proxy.stop();
  await peer.close();
});

test("what is not the event's fault is never counted against it", async () => {
  const peer = await Peer.listen();
  const outages = [
    { error: "Could not find public function for 'webhooks:ingest'." },
    {
      error: "Uncaught ConvexError",
      data: { code: "forbidden", message: "no" },
    },
  ];
  let refusals = 0;
  peer.answer = () =>
    refusals++ < 4 // once more than an event may be refused
      ? outages[refusals % 2]!
      : { value: { outcome: "stored" } };
  const proxy = await Proxy.start({ env: { CONVEX_URL: peer.url } });
  await post(proxy.port, order());
  await peer.until(() => peer.ingested().length === 5);
  await settled(proxy, (events) => events.length === 0);
  assert.match(proxy.log, /the backend does not take events, they wait/);
  assert.doesNotMatch(proxy.log, /dead letters/);
  await proxy.stop();
  await peer.close();
});

test("a refused identity names the settings, ends with 6 and loses nothing", async () => {
  const { directory, remove } = makeDirectory();
  const peer = await Peer.listen();
  const before = await Proxy.start({ directory });
  await post(before.port, order());
  await before.stop();
  peer.refuseIdentity = true;
  peer.answer = () => ({
    error: "Uncaught ConvexError",
    data: { code: "unauthenticated", message: "sign in" },
  });
  const proxy = await Proxy.start({ directory, env: { CONVEX_URL: peer.url } });
  assert.equal(await proxy.exited, 6);
  assert.match(
    proxy.log,
    /refused the service identity: check SERVICE_KEY_FILE.*SERVICE_ISSUER.*No auth provider found/,
  );
  assert.equal((await proxy.events()).length, 1);
  await peer.close();
  remove();
});

test("heartbeats say starting or ready, and stopping at the end", async () => {
  const peer = await Peer.listen();
  const proxy = await Proxy.start({
    env: { CONVEX_URL: peer.url, INSTANCE: "test-1" },
  });
  const beats = (): Record<string, unknown>[] =>
    peer.calls
      .filter(({ path }) => path === "services:heartbeat")
      .map(({ args }) => args);
  await peer.until(() => beats().some(({ state }) => state === "ready"));
  const over = proxy.stop();
  await peer.until(() => beats().some(({ state }) => state === "stopping"));
  await over;
  const last = beats().at(-1);
  assert.equal(last?.state, "stopping");
  assert.equal(last.service, "webhook-proxy");
  assert.equal(last.instance, "test-1");
  assert.equal(typeof last.version, "string");
  assert.ok(Array.isArray(last.counters));
  await peer.close();
});

test("a key file that is none is named, with exit status 6", async () => {
  const { directory, remove } = makeDirectory();
  rmSync(`${directory}/key.pem`);
  await assert.rejects(
    Proxy.start({ directory }),
    /SERVICE_KEY_FILE \(environment\): .*key\.pem/,
  );
  remove();
});
