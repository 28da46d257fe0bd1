// discord-c alone against the fake Discord: what its gateway does when connections, sessions
// and the program end. The program is the example discord-listen, which prints each event and
// keeps the session's place in a file.
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { Daemon, FakeDiscord, tempDir, until } from "./harness";

const CHANNEL = "1100000000000000101";
const ANALYST = "1400000000000000001";

interface Entry {
  event: string;
  query?: string;
  seq?: number;
  code?: number;
  by?: string;
}

let discord: FakeDiscord;
const directory = tempDir();
let listener: Daemon;
let files = 0;

before(async () => (discord = await FakeDiscord.start()));
after(async () => {
  await discord.close();
  rmSync(directory, { recursive: true, force: true });
});
afterEach(async () => {
  await listener.stop("SIGKILL");
  await discord.control("POST", "/faults", { kind: "reset" });
  await discord.control("POST", "/settings", {
    heartbeat_interval_ms: 41_250,
    first_seq: 0,
    identify_total: 1000,
  });
});

function listen(state: string, token = "collector-token"): Daemon {
  listener = new Daemon(
    "discord-listen",
    {
      DISCORD_TOKEN: token,
      DISCORD_API_URL: `${discord.url}/api/v10`,
      DISCORD_MESSAGE_CONTENT: "1",
    },
    ["--state", state],
  );
  return listener;
}

const stateFile = () => join(directory, `state-${files++}`);
const settings = (body: object) => discord.control("POST", "/settings", body);
const fault = (body: object) => discord.control("POST", "/faults", body);
const say = (content: string) =>
  discord.control("POST", `/channels/${CHANNEL}/messages`, {
    author_id: ANALYST,
    content,
  });

/** What the gateway saw since. */
async function since(n: number): Promise<Entry[]> {
  const page = await discord.control<{ entries: Entry[] }>(
    "GET",
    `/gateway?since=${n}`,
  );
  return page.entries;
}
const last = async () =>
  (await discord.control<{ last: number }>("GET", "/gateway?since=0")).last;
const count = (entries: Entry[], event: string) =>
  entries.filter((entry) => entry.event === event).length;
const seen = (log: string, text: string) => log.includes(` ${text}\n`);
const ready = (daemon: Daemon) =>
  until("the session", () => daemon.log.includes("GUILD_CREATE"));

test("killed ten times, it resumes ten times: one identify, and no message is missed", async () => {
  const from = await last();
  const state = stateFile();
  let log = "";
  await ready(listen(state));
  for (let kill = 0; kill < 10; kill++) {
    await say(`before kill ${kill}`);
    if (kill % 2 === 0)
      await until("the message", () =>
        seen(listener.log, `before kill ${kill}`),
      );
    await listener.stop("SIGKILL");
    log += listener.log;
    await say(`while away ${kill}`);
    listen(state);
    await until("the session to go on", () => listener.log.includes("RESUMED"));
  }
  log += listener.log;
  for (let kill = 0; kill < 10; kill++) {
    assert.ok(seen(log, `before kill ${kill}`), `before kill ${kill}`);
    assert.ok(seen(log, `while away ${kill}`), `while away ${kill}`);
  }
  const entries = await since(from);
  assert.deepEqual(
    [count(entries, "identify"), count(entries, "resumed")],
    [1, 10],
  );
});

test("a payload in many messages of many frames is one, and inflates cleanly after each reconnect", async () => {
  const from = await last();
  await settings({ message_bytes: 40, fragment_bytes: 16 });
  await ready(listen(stateFile()));
  for (let i = 0; i < 3; i++) {
    await say(`compressed ${i} ${"x".repeat(500)}`);
    await until("the message", () => listener.log.includes(`compressed ${i}`));
    await fault({ kind: "drop_gateway" });
    await until("the resume", async () => {
      return count(await since(from), "resumed") === i + 1;
    });
  }
  const entries = await since(from);
  assert.ok(
    entries
      .filter((entry) => entry.event === "open")
      .every((entry) => entry.query!.includes("compress=zlib-stream")),
  );
  assert.equal(count(entries, "identify"), 1);
});

test("a sequence beyond 32 bits is kept whole, over a kill", async () => {
  const first = 2 ** 31 + 5;
  await settings({ first_seq: first });
  const state = stateFile();
  const from = await last();
  await ready(listen(state));
  await say("big");
  await until("the message", () => seen(listener.log, "big"));
  await listener.stop("SIGKILL");
  listen(state);
  await until("the resume", () => listener.log.includes("RESUMED"));
  const resume = (await since(from)).find((entry) => entry.event === "resume");
  assert.equal(resume!.seq, first + 3); // READY, GUILD_CREATE, the message
});

test("a heartbeat that Discord asks for comes at once", async () => {
  await settings({ heartbeat_interval_ms: 36_000_000 }); // none by the clock
  await ready(listen(stateFile()));
  const from = await last();
  await fault({ kind: "request_heartbeat" });
  await until(
    "the heartbeat",
    async () => count(await since(from), "heartbeat") > 0,
  );
});

test("heartbeats without answer end in a resume, and so does a connection gone deaf", async () => {
  await settings({ heartbeat_interval_ms: 500 });
  await ready(listen(stateFile()));
  for (const kind of ["mute_acks", "half_open"]) {
    const from = await last();
    await fault({ kind, ...(kind === "mute_acks" && { count: 2 }) });
    await until(
      `a resume after ${kind}`,
      async () => count(await since(from), "resumed") > 0,
    );
    const closes = (await since(from)).filter((e) => e.event === "close");
    assert.ok(closes.every((e) => e.code !== 1000 && e.code !== 1001));
    assert.equal(count(await since(from), "identify"), 0);
  }
});

test("an intent that is not allowed is tried once, and said", async () => {
  const from = await last();
  listen(stateFile(), "bot-token"); // has no MESSAGE_CONTENT
  await listener.ended();
  assert.match(
    listener.log,
    /disallowed intents: switch the privileged intents/,
  );
  const entries = await since(from);
  assert.equal(count(entries, "open"), 1);
  assert.equal(entries.find((e) => e.event === "close")!.code, 4014);
});

test("with no identifies left it waits, and sends none", async () => {
  await settings({ identify_total: 0 });
  const from = await last();
  listen(stateFile());
  await until("the wait", () =>
    listener.log.includes("the identify budget is low: 0 of 0 left"),
  );
  assert.equal(count(await since(from), "open"), 0);
});

test("under a storm of faults every message arrives", async () => {
  await ready(listen(stateFile()));
  await settings({ seed: 7, message_bytes: 100 });
  const event = "MESSAGE_CREATE";
  await fault({ kind: "duplicate_dispatch", rate: 0.2, event });
  await fault({ kind: "reorder_dispatch", rate: 0.2, event });
  await fault({ kind: "delay_dispatch", rate: 0.1, event, ms: 20 });
  await fault({ kind: "reconnect_first", rate: 0.3 });
  await fault({ kind: "drop_gateway", every: 17, event });
  await fault({ kind: "drop_gateway", every: 29, event, code: 4000 });
  await fault({ kind: "reconnect", every: 41, event });
  const from = await last();
  for (let i = 0; i < 120; i++) await say(`storm ${i}.`);
  await fault({ kind: "reset" });
  const missing = () =>
    Array.from({ length: 120 }, (_, i) => `storm ${i}.`).filter(
      (text) => !seen(listener.log, text),
    );
  await until("all of them", () => missing().length === 0);
  assert.ok(count(await since(from), "resumed") > 0);
  assert.equal(count(await since(from), "identify"), 0);
});
