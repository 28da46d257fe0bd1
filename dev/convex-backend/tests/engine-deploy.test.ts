import assert from "node:assert/strict";
import { test } from "node:test";
import { pushRequest } from "./bundle.js";
import { bench, eventually, fixture, push } from "./harness.js";

test("the analysis names each function with kind, visibility and validators", async () => {
  const b = await bench("app");
  const { value } = b.engine.functionSpecs();
  const send = value.find(
    (spec) => "identifier" in spec && spec.identifier === "messages.js:send",
  );
  assert.deepEqual(send, {
    identifier: "messages.js:send",
    functionType: "Mutation",
    visibility: { kind: "public" },
    args: {
      type: "object",
      value: {
        channel: { fieldType: { type: "string" }, optional: false },
        body: { fieldType: { type: "string" }, optional: false },
        rank: { fieldType: { type: "number" }, optional: true },
      },
    },
    returns: { type: "id", tableName: "messages" },
  });
  assert.ok(
    value.some((s) => s.functionType === "HttpAction" && s.path === "/echo"),
  );
  await b.close();
});

test("a push swaps code and indexes and fills new ones from the data", async () => {
  const b = await bench("app");
  for (const body of ["x", "x", "y"])
    await b.mutate("messages:send", { channel: "c", body });
  const before = await b.engine.runQuery({
    path: "messages:list",
    args: { channel: "c" },
    identity: { kind: "none" },
    requestId: "r",
  });
  const watch = b.engine.watch(before.reads, before.ts);
  const finished = await push(b.engine, await pushRequest(fixture("changed")));
  assert.equal(watch.valid, false);
  assert.deepEqual(
    finished.component.indexDiff.added_indexes.map(({ name }) => name),
    ["messages.by_body"],
  );
  assert.equal(await b.query("messages:byBody", { body: "x" }), 2);
  assert.equal(await b.query("messages:list"), "new code");
  await b.reopen();
  assert.equal(await b.query("messages:byBody", { body: "y" }), 1);
  await b.close();
});

test("data that does not fit the new schema fails the check and changes nothing", async () => {
  const b = await bench("app");
  await b.mutate("messages:send", { channel: "c", body: "x" });
  const started = await b.engine.startPush(
    await pushRequest(fixture("broken")),
  );
  const check = await b.engine.checkSchema(started.pushId);
  assert.ok(check.type === "failed");
  assert.equal(check.tableName, "messages");
  assert.match(
    check.error,
    /^Document with ID "\w+" in table "messages" does not match the schema: /,
  );
  await assert.rejects(
    b.engine.finishPush(started.pushId, {
      dryRun: false,
      environmentVariables: {},
    }),
  );
  await b.mutate("messages:send", { channel: "c", body: "still works" });
  await b.close();
});

test("unchanged modules are taken from the store by their hash", async () => {
  const b = await bench("app");
  const request = await pushRequest(fixture("app"));
  const { appDefinition } = request;
  appDefinition.changedModules = [];
  appDefinition.unchangedModuleHashes = b.engine
    .moduleHashes()
    .map(({ path, hash, environment }) => ({
      path,
      environment,
      sha256: hash,
    }));
  await push(b.engine, request);
  assert.equal(await b.mutate("messages:increment", { name: "n" }), 1);
  appDefinition.unchangedModuleHashes[0]!.sha256 = "00";
  await assert.rejects(b.engine.startPush(request), {
    code: "ExistingModuleHashConflict",
  });
  await b.close();
});

test("a module that fails to load is refused with its name and place", async () => {
  const b = await bench("app");
  const request = await pushRequest(fixture("app"));
  request.appDefinition.changedModules.push({
    path: "bad.js",
    source: "throw new Error('at import');",
    environment: "isolate",
  });
  await assert.rejects(
    b.engine.startPush(request),
    (error: { code: string; message: string }) =>
      error.code === "InvalidModules" &&
      /Failed to analyze bad\.js: Uncaught Error: at import/.test(
        error.message,
      ),
  );
  await b.close();
});

test('"use node" and components are refused as not supported', async () => {
  const b = await bench("app");
  const request = await pushRequest(fixture("app"));
  request.appDefinition.changedModules.push({
    path: "node.js",
    source: "",
    environment: "node",
  });
  await assert.rejects(
    b.engine.startPush(request),
    /not supported by the development backend: "use node"/,
  );
  request.appDefinition.dependencies = ["child"];
  await assert.rejects(
    b.engine.startPush(request),
    /not supported by the development backend: components/,
  );
  await b.close();
});

test("variables that changed during a push are a race", async () => {
  const b = await bench("app");
  const started = await b.engine.startPush(await pushRequest(fixture("app")));
  await b.engine.setEnvironmentVariables([{ name: "NEW", value: "1" }]);
  await assert.rejects(
    b.engine.finishPush(started.pushId, {
      dryRun: false,
      environmentVariables: started.environmentVariables,
    }),
    { code: "RaceDetected" },
  );
  await b.close();
});

test("an interval cron runs at once and then after its interval", async () => {
  let now = Date.UTC(2030, 0, 1);
  const b = await bench("crons", { clock: () => now });
  const ticks = async () => (await b.query("ticks:count")) as number;
  await eventually(b.engine, async () => (await ticks()) === 1);
  now += 3_600_000;
  await b.reopen();
  await eventually(b.engine, async () => (await ticks()) === 2);
  await b.close();
});
