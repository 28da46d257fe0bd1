// The control port on the built program: a seed, another time, trouble on the
// wire, a restart.

import assert from "node:assert/strict";
import { connect } from "node:net";
import { after, before, describe, test } from "node:test";
import { ConvexHttpClient } from "convex/browser";
import { App } from "./official/app.js";
import { Backend, buildProgram, controlUrl } from "./official/backend.js";
import { Watched } from "./official/clients.js";

const DAY = 86_400_000;

let app: App;
let url: string;

before(async () => {
  app = await App.start("scheduler", {}, ["--control-port", "0"]);
  url = controlUrl(app.backend);
});
after(async () => {
  await app?.close();
});

async function control<T = Record<string, never>>(
  path: string,
  body?: object,
): Promise<T> {
  const response = await fetch(url + path, {
    method: body === undefined ? "GET" : "POST",
    headers: {
      authorization: `Convex ${app.backend.adminKey}`,
      "content-type": "application/json",
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(text);
  return JSON.parse(text) as T;
}

const setFaults = (...faults: object[]) => control("/faults", { faults });

/** What comes back on one connection, and how it ended. */
async function raw(path: string): Promise<{ bytes: number; ended: string }> {
  const socket = connect(app.backend.port, "127.0.0.1");
  let bytes = 0;
  let ended = "closed";
  socket.on("data", (chunk) => (bytes += chunk.length));
  socket.on("error", (error) => {
    ended = (error as NodeJS.ErrnoException).code ?? "error";
  });
  socket.end(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
  await new Promise((resolve) => socket.on("close", resolve));
  return { bytes, ended };
}

describe("the control port", { timeout: 600_000 }, () => {
  test("wants the admin key, and says what it does not understand", async () => {
    assert.equal((await fetch(url)).status, 403);
    await assert.rejects(setFaults({ slow: 1 }), /no fault has a slow/);
    await assert.rejects(control("/clock", { set: "x" }), /BadControl/);
  });

  test("a clock that is moved brings what is due, and functions see it", async () => {
    const reminderId = await app.mutation("reminders:remind", {
      text: "tomorrow",
      afterMs: DAY,
    });
    const watched = new Watched<{ state: string }>(
      app.live(),
      "reminders:status",
      { reminderId },
    );
    await watched.until((now) => now.state === "waiting");
    const { now } = await control<{ now: number }>("/clock", {
      advance: DAY,
    });
    assert.ok(now > Date.now() + DAY / 2);
    await watched.until((now) => now.state === "sent");
    const monthly = new Watched<number[]>(app.live(), "reminders:ticks", {
      job: "monthly",
    });
    const before = await monthly.until(() => true);
    await control("/clock", { advance: 31 * DAY });
    const times = await monthly.until(({ length }) => length > before.length);
    assert.ok(times.at(-1)! > now + 30 * DAY);
    const { now: back } = await control<{ now: number }>("/clock", {
      set: "2030-01-01T00:00:00Z",
    });
    assert.equal(new Date(back).getUTCFullYear(), 2030);
  });

  test("a refused connection is reset, the next one is served", async () => {
    await setFaults({ target: "cloud", refuse: true, connections: 1 });
    assert.deepEqual(await raw("/version"), { bytes: 0, ended: "ECONNRESET" });
    assert.ok((await raw("/version")).bytes > 0);
  });

  test("a connection is cut after exactly so many bytes", async () => {
    const { bytes } = await raw("/version");
    for (const cutDownAt of [0, 1, 17, bytes - 1]) {
      await setFaults({ path: "/version", cutDownAt, connections: 1 });
      assert.equal((await raw("/version")).bytes, cutDownAt);
    }
    await setFaults({ path: "/other", refuse: true });
    assert.equal((await raw("/version")).bytes, bytes);
    await setFaults({ cutUpAt: 10 });
    assert.equal((await raw("/version")).bytes, 0);
    await setFaults();
  });

  test("a slow connection gives the same answer, a silent one none", async () => {
    const { bytes } = await raw("/version");
    await setFaults({ delayMs: 20 });
    assert.equal((await raw("/version")).bytes, bytes);
    await setFaults({ path: "/version", drop: true });
    const silent = raw("/version");
    // What was swallowed stays so, also without the fault, until the end.
    await cutOnce("/version");
    assert.deepEqual(await silent, { bytes: 0, ended: "ECONNRESET" });
    await setFaults();
  });

  test("live clients come back over cuts, delays and a restart, with nothing lost or doubled", async () => {
    const { now } = await control<{ now: number }>("/");
    const live = app.live();
    const count = new Watched<number>(live, "reminders:count");
    const before = await count.until(() => true);
    for (let round = 0; round < 5; round++) {
      await setFaults({
        path: "/api/",
        cutDownAt: 700 + round * 191,
        connections: 1,
      });
      const sent = live.mutation(
        "reminders:remindAt" as never,
        {
          text: `r${round}`,
          time: now + 365 * DAY,
        } as never,
      );
      sent.catch(() => undefined);
      if (round === 2) await control("/restart", { downMs: 50 });
      else await control("/cut", { path: "/api/" });
      await sent;
      await count.until((n) => n === before + round + 1);
    }
    await setFaults();
  });
});

test("the same seed, clock and calls give the same ids and random numbers", async () => {
  const program = await buildProgram();
  const flags = ["--seed", "s", "--clock", "2026-01-01T00:00:00Z"];
  const run = async () => {
    const backend = await Backend.start(program.main, flags);
    try {
      const admin = new ConvexHttpClient(backend.url, { logger: false });
      const { adminKey } = backend;
      (admin as unknown as { setAdminAuth(key: string): void }).setAdminAuth(
        adminKey,
      );
      const source =
        'import { query } from "convex:/_system/repl/wrappers.js"; export default query(async () => [Math.random(), crypto.randomUUID()]);';
      const response = await fetch(`${backend.url}/api/run_test_function`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({
          adminKey,
          args: {},
          bundle: { path: "testQuery.js", source },
          format: "convex_encoded_json",
        }),
      });
      const body = (await response.json()) as { value: unknown };
      return JSON.stringify(body.value);
    } finally {
      await backend.remove();
    }
  };
  try {
    const first = await run();
    assert.match(first, /^\[0\.\d+,"[0-9a-f-]{36}"\]$/);
    assert.equal(await run(), first);
  } finally {
    program.remove();
  }
});

/** Cuts as soon as the connection is there. */
async function cutOnce(path: string): Promise<void> {
  for (;;) {
    const { cut } = await control<{ cut: number }>("/cut", { path });
    if (cut > 0) return;
  }
}
