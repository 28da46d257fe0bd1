// The command itself: its flags, and what survives kill -9.
import assert from "node:assert/strict";
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import test, { type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import {
  controls,
  identified,
  MIRROR_VIP,
  rest,
  resumed,
  VIP,
} from "./harness.js";

const MAIN = fileURLToPath(new URL("../src/main.ts", import.meta.url));
const COMMAND = ["--import", "tsx", MAIN];

function directory(t: TestContext): string {
  const made = mkdtempSync(join(tmpdir(), "fake-discord-"));
  t.after(() => rmSync(made, { recursive: true }));
  return made;
}

async function started(
  t: TestContext,
  ...flags: string[]
): Promise<{ url: string; child: ChildProcess }> {
  const child = spawn(process.execPath, [...COMMAND, ...flags], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.after(() => child.kill("SIGKILL"));
  const [line] = (await once(createInterface(child.stdout!), "line")) as [
    string,
  ];
  const url = /^listening on (http:\/\/127\.0\.0\.1:\d+)$/.exec(line)?.[1];
  assert.ok(url, line);
  return { url, child };
}

async function killed(
  child: ChildProcess,
  signal: NodeJS.Signals,
): Promise<number | null> {
  const exit = once(child, "exit");
  child.kill(signal);
  return ((await exit) as [number | null])[0];
}

function run(...flags: string[]) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [...COMMAND, ...flags],
    { encoding: "utf8" },
  );
  return { status, stdout, stderr };
}

test("kill -9 loses no message, no nonce and no session", async (t) => {
  const data = directory(t);
  const first = await started(t, "--data", data);
  const before = controls(first.url);
  const gateway = await identified(t, first.url);
  const said = await before.say("before the crash");
  await gateway.event("MESSAGE_CREATE");
  await before.fault("drop_gateway");
  await gateway.closed;
  const missed = await before.say("missed by the client");
  const note = { content: "once", nonce: "n", enforce_nonce: true };
  const posted = await rest(first.url, "bot-token")(
    "POST",
    `/channels/${MIRROR_VIP}/messages`,
    note,
  );
  await killed(first.child, "SIGKILL");

  const port = new URL(first.url).port;
  const second = await started(t, "--data", data, "--port", port);
  const after = controls(second.url);
  const live = await after.control("GET", `/channels/${VIP}/messages`);
  assert.deepEqual(
    live.map((m: any) => m.id),
    [said["id"], missed["id"]],
  );
  const again = await rest(second.url, "bot-token")(
    "POST",
    `/channels/${MIRROR_VIP}/messages`,
    note,
  );
  assert.equal(again.body.id, posted.body.id);

  const back = await resumed(t, gateway);
  await back.event("RESUMED");
  assert.deepEqual(
    back.events("MESSAGE_CREATE").map((p) => p["d"].content),
    ["missed by the client"],
  );
  const fresh = await after.say("after the crash");
  assert.ok(BigInt(fresh["id"]) > BigInt(posted.body.id));
  await back.event("MESSAGE_CREATE", (d) => d["id"] === fresh["id"]);
});

test("a client connected when the server dies resumes with the next one", async (t) => {
  const data = directory(t);
  const first = await started(t, "--data", data);
  const gateway = await identified(t, first.url);
  await killed(first.child, "SIGKILL");
  await gateway.closed;
  await started(t, "--data", data, "--port", new URL(first.url).port);
  await (await resumed(t, gateway)).event("RESUMED");
});

test("SIGTERM ends it with status 0 and leaves sessions to be resumed", async (t) => {
  const data = directory(t);
  const first = await started(t, "--data", data);
  const gateway = await identified(t, first.url);
  assert.equal(await killed(first.child, "SIGTERM"), 0);
  await started(t, "--data", data, "--port", new URL(first.url).port);
  await (await resumed(t, gateway)).event("RESUMED");
});

test("--help is a short man page", () => {
  const { status, stdout } = run("--help");
  assert.equal(status, 0);
  for (const part of [
    "NAME",
    "USAGE",
    "OPTIONS",
    "FAULTS that act at once.*",
    "FILES",
    "SIGNALS",
    "EXIT STATUS",
    "EXAMPLE",
  ])
    assert.match(stdout, new RegExp(`^${part}$`, "m"));
});

const MISUSE: [string, string[], RegExp][] = [
  ["an unknown flag", ["--data", "x", "--colour"], /'--colour'/],
  ["no directory", [], /--data DIR is missing/],
  [
    "a port that is none",
    ["--data", "x", "--port", "70000"],
    /--port: "70000" is not a port/,
  ],
  [
    "unknown limits",
    ["--data", "x", "--limits", "none-at-all"],
    /none of demo, discord, none/,
  ],
  [
    "a fault that is none",
    ["--data", "x", "--fault", "meteor"],
    /--fault: unknown "meteor"/,
  ],
  [
    "a setting without a value",
    ["--data", "x", "--set", "heartbeat_interval_ms"],
    /--set: "heartbeat_interval_ms" is not NAME=VALUE/,
  ],
  ["a stray word", ["--data", "x", "word"], /word/],
];
for (const [what, flags, words] of MISUSE)
  test(`${what} is one clear line and status 2`, () => {
    const { status, stderr } = run(...flags);
    assert.equal(status, 2);
    assert.match(stderr, words);
    assert.equal(stderr.trim().split("\n").length, 1);
  });

test("faults and settings of the command line are those of the control API", async (t) => {
  const { url } = await started(
    t,
    "--data",
    directory(t),
    "--seed",
    "7",
    "--set",
    "heartbeat_interval_ms=500,old_edit_ms=5",
    "--fault",
    "rest_502:route=GET,count=2",
    "--fault",
    "drop_gateway:every=100,bot=1300000000000000001",
  );
  const { armed } = await controls(url).control("GET", "/faults");
  assert.deepEqual(
    armed.map(({ kind, count, bot }: any) => [kind, count, bot]),
    [
      ["rest_502", 2, undefined],
      ["drop_gateway", -1, "1300000000000000001"],
    ],
  );
  const me = await rest(url, "bot-token")("GET", "/users/@me");
  assert.equal(me.status, 502);
  const wrong = run("--data", directory(t), "--fault", "rest_502:rate=2");
  assert.equal(wrong.status, 2);
  assert.match(wrong.stderr, /rate/);
});

test("a port in use is one clear line and status 1", async (t) => {
  const { url } = await started(t, "--data", directory(t));
  const { status, stderr } = run(
    "--data",
    directory(t),
    "--port",
    new URL(url).port,
  );
  assert.equal(status, 1);
  assert.match(stderr, /^fake-discord: port in use: 127\.0\.0\.1:\d+\n$/);
});

test("a scenario of one's own fills a new directory; a broken one is refused", async (t) => {
  const data = directory(t);
  const file = join(data, "scenario.json");
  const guild = {
    id: "1700000000000000001",
    name: "Mine",
    owner_id: "1700000000000000002",
    channels: [{ id: "1700000000000000003", name: "general" }],
    members: [{ id: "1700000000000000004" }],
  };
  const scenario = {
    users: [{ id: "1700000000000000002", username: "me" }],
    bots: [{ id: "1700000000000000004", username: "b", token: "t" }],
    guilds: [guild],
  };
  writeFileSync(file, JSON.stringify(scenario));
  const { url } = await started(
    t,
    "--data",
    join(data, "d"),
    "--scenario",
    file,
  );
  const { body } = await rest(url, "t")(
    "GET",
    "/guilds/1700000000000000001/channels",
  );
  assert.equal(body[0].name, "general");
  writeFileSync(file, JSON.stringify({ ...scenario, bots: [{}] }));
  const broken = run("--data", join(data, "e"), "--scenario", file);
  assert.equal(broken.status, 1);
  assert.match(
    broken.stderr,
    /an entry of "bots" has no "id" of 17 to 20 digits/,
  );
});
