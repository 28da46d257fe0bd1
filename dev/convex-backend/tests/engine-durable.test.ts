import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { test } from "node:test";
import type { JSONObject } from "../src/engine/index.js";
import { bench, fixture, nobody, openAt, valueOf } from "./harness.js";

test("a repeated session request gets the stored result, also after a restart", async () => {
  const b = await bench("app");
  const call = () =>
    b.engine.runMutation({
      path: "messages:increment",
      args: { name: "once" },
      identity: nobody,
      requestId: "r",
      session: { sessionId: "s", requestId: 7 },
    });
  const first = await call();
  assert.equal(first.replayed, false);
  const again = await call();
  assert.deepEqual(again, { ...first, replayed: true });
  await b.reopen();
  assert.deepEqual(await call(), { ...first, replayed: true });
  assert.equal(await b.query("messages:counter", { name: "once" }), 1);
  await b.close();
});

test("equal session requests at the same time run once", async () => {
  const b = await bench("app");
  const results = await Promise.all(
    Array.from({ length: 10 }, () =>
      b.engine.runMutation({
        path: "messages:increment",
        args: { name: "once" },
        identity: nobody,
        requestId: "r",
        session: { sessionId: "s", requestId: 1 },
      }),
    ),
  );
  assert.deepEqual(new Set(results.map(({ ts }) => ts)).size, 1);
  assert.equal(await b.query("messages:counter", { name: "once" }), 1);
  await b.close();
});

test("a failed session request is run again", async () => {
  const b = await bench("app");
  const call = (args: JSONObject) =>
    b.engine.runMutation({
      path: "messages:increment",
      args,
      identity: nobody,
      requestId: "r",
      session: { sessionId: "s", requestId: 1 },
    });
  assert.equal((await call({})).outcome.success, false);
  assert.equal(valueOf((await call({ name: "x" })).outcome), 1);
  await b.close();
});

test("a restart serves the same code, data, variables and time order", async () => {
  const b = await bench("app");
  await b.engine.setEnvironmentVariables([{ name: "GREETING", value: "hi" }]);
  await b.mutate("messages:send", { channel: "kept", body: "x" });
  const hashes = b.engine.moduleHashes();
  const ts = b.engine.latestTs();
  const engine = await b.reopen();
  assert.ok(engine.latestTs() >= ts);
  assert.deepEqual(engine.moduleHashes(), hashes);
  const list = (await b.query("messages:list", {
    channel: "kept",
  })) as JSONObject[];
  assert.equal(list[0]!["body"], "x");
  assert.equal(((await b.query("messages:clock")) as unknown[])[3], "hi");
  await b.mutate("messages:send", { channel: "kept", body: "y" });
  assert.ok(engine.latestTs() > ts);
  await b.close();
});

test("a clock that went back does not take commit times back", async () => {
  let now = 2_000_000_000_000;
  const b = await bench("app", { clock: () => now });
  await b.mutate("messages:increment", { name: "t" });
  const ts = b.engine.latestTs();
  now -= 60_000;
  await b.reopen();
  await b.mutate("messages:increment", { name: "t" });
  assert.ok(b.engine.latestTs() > ts);
  await b.close();
});

test("a second engine on the same folder is refused", async () => {
  const b = await bench("app");
  await assert.rejects(openAt(b.folder), { code: "DataFolderInUse" });
  await b.close();
});

test("kill -9 in the middle of writes loses nothing acknowledged and doubles nothing", async () => {
  const b = await bench("app");
  await b.engine.close();
  const acknowledged: string[] = [];
  const rounds = Number(process.env.KILLS ?? 10);
  for (let round = 0; round < rounds; round++) {
    const child = spawn(
      process.execPath,
      ["--import", "tsx", fixture("writer.ts"), b.folder, `life ${round}`],
      { stdio: ["ignore", "pipe", "inherit"] },
    );
    // Somewhere amid the writes: after some acknowledgements and a moment.
    const target = acknowledged.length + Math.ceil(Math.random() * 200);
    for await (const line of createInterface({ input: child.stdout })) {
      if (line.endsWith(" ok")) acknowledged.push(line.slice(0, -3));
      if (acknowledged.length === target)
        setTimeout(() => child.kill("SIGKILL"), Math.random() * 3);
    }
    if (child.signalCode === null) await once(child, "exit");
  }
  b.engine = await openAt(b.folder);
  const stored: string[] = [];
  for (let round = 0; round < rounds; round++) {
    const channel = `life ${round}`; // each its own, as a result has at most 8192 items
    const documents = await b.query("messages:list", { channel });
    for (const { body } of documents as JSONObject[])
      stored.push(body as string);
  }
  const present = new Set(stored);
  assert.equal(present.size, stored.length);
  const missing = acknowledged.filter((body) => !present.has(body));
  assert.deepEqual(missing, []);
  await b.close();
});
