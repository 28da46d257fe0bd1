// spool.test.ts - what happens to accepted events when things end, fill up or fail.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import * as http from "node:http";
import * as path from "node:path";
import { test } from "node:test";
import {
  Proxy,
  binary,
  environment,
  listEvents,
  makeDirectory,
  oldSecret,
  order,
  post,
  secret,
  sign,
  sources,
} from "./harness.js";
import { Peer } from "./peer.js";

/** Posts new events over `connections` until the proxy is gone; returns the acknowledged ones. */
async function load(
  proxy: Proxy,
  connections: number,
  acknowledged: Set<string>,
  onAcknowledged: () => void,
): Promise<void> {
  const agent = new http.Agent({ keepAlive: true, maxSockets: connections });
  const worker = async (): Promise<void> => {
    for (;;) {
      const body = order();
      try {
        if ((await post(proxy.port, body, { agent })).status !== 200) return;
      } catch {
        return; // killed
      }
      acknowledged.add(fingerprint(body));
      onAcknowledged();
    }
  };
  await Promise.all(Array.from({ length: connections }, worker));
  agent.destroy();
}

/** The part of a spool key that tells one body from another. */
function fingerprint(body: string): string {
  return createHash("sha256").update(body).digest("hex").slice(0, 32);
}

test("kill -9 under load, again and again: every acknowledged event is in the spool exactly once", async () => {
  const { directory, remove } = makeDirectory();
  const acknowledged = new Set<string>();
  const rounds = Number(process.env.KILLS ?? 10);
  let wanted = 0;
  for (let round = 0; round < rounds; round++) {
    const proxy = await Proxy.start({ directory });
    let left = 20 + (round % 10) * 37;
    wanted += left;
    await load(proxy, 16, acknowledged, () => {
      if (--left === 0) proxy.process.kill("SIGKILL");
    });
    await proxy.exited;
  }
  const last = await Proxy.start({ directory });
  const counts = new Map<string, number>();
  for (const { key } of await last.events()) {
    const print = key.split("#")[1] ?? "";
    counts.set(print, (counts.get(print) ?? 0) + 1);
  }
  for (const print of acknowledged) assert.equal(counts.get(print), 1, print);
  for (const [print, count] of counts) assert.equal(count, 1, print);
  if (process.env.KILLS !== undefined)
    console.log(
      `kill -9 with no backend, ${rounds} times: ${acknowledged.size} acknowledged, all in the spool once; ${counts.size - acknowledged.size} more were stored and not answered`,
    );
  assert.ok(
    acknowledged.size >= wanted,
    `only ${acknowledged.size} of ${wanted} were acknowledged`,
  );
  await last.stop();
  remove();
});

test("SIGTERM under load: every acknowledged event is stored and the exit status is 0", async () => {
  const { directory, remove } = makeDirectory();
  const proxy = await Proxy.start({ directory });
  const acknowledged = new Set<string>();
  await load(proxy, 16, acknowledged, () => {
    if (acknowledged.size === 300) proxy.process.kill("SIGTERM");
  });
  assert.equal(await proxy.exited, 0, proxy.log);
  const stored = await listEvents(proxy.env);
  assert.ok(stored.length >= acknowledged.size);
  remove();
});

test("a full spool answers 503 with Retry-After and loses nothing", async () => {
  const proxy = await Proxy.start({ env: { SPOOL_ENTRIES: "2" } });
  assert.equal((await post(proxy.port, order())).status, 200);
  const second = order();
  assert.equal((await post(proxy.port, second)).status, 200);
  const refused = await post(proxy.port, order());
  assert.equal(refused.status, 503);
  assert.equal(refused.headers["retry-after"], "5");
  assert.equal((await proxy.events()).length, 2);
  await proxy.stop();
});

/** Lets no file of the process be written beyond so many bytes: what a full disk looks like. */
function limitFiles(proxy: Proxy, bytes: number | "unlimited"): void {
  const pid = String(proxy.process.pid);
  execFileSync("prlimit", ["--pid", pid, `--fsize=${bytes}:`]);
}

test("a disk that refuses writes is answered 503, and recovered from", async () => {
  const proxy = await Proxy.start({ shell: `trap '' XFSZ; exec "$@"` });
  const agent = new http.Agent({ keepAlive: true });
  const body = (): string => order({ padding: "x".repeat(8000) });
  const status = async () => (await post(proxy.port, body(), { agent })).status;
  for (let i = 0; i < 3; i++) assert.equal(await status(), 200);
  limitFiles(proxy, 4096);
  for (let i = 0; i < 3; i++) assert.equal(await status(), 503);
  limitFiles(proxy, "unlimited");
  assert.equal(await status(), 200);
  agent.destroy();
  assert.equal((await proxy.events()).length, 4);
  await proxy.seen(/events cannot be stored.*File too large/);
  await proxy.seen(/events can be stored again/);
  await proxy.stop();
});

test("a disk that fails again and again under load: what was answered 200 is stored once, also if it came twice at once", async () => {
  const proxy = await Proxy.start({ shell: `trap '' XFSZ; exec "$@"` });
  const agent = new http.Agent({ keepAlive: true, maxSockets: 64 });
  const acknowledged = new Set<string>();
  let going = true;
  let refused = 0;
  const send = async (body: string): Promise<void> => {
    const { status } = await post(proxy.port, body, { agent });
    if (status === 200) acknowledged.add(fingerprint(body));
    else if (status === 503) refused++;
    else assert.fail(`answered ${String(status)}`);
  };
  const worker = async (): Promise<void> => {
    while (going) {
      const body = order();
      await Promise.all([send(body), send(body)]);
    }
  };
  const workers = Array.from({ length: 24 }, worker);
  for (let round = 0; round < 5; round++) {
    const stored = acknowledged.size;
    while (acknowledged.size < stored + 50)
      await new Promise((resolve) => setTimeout(resolve, 5));
    const before = refused;
    limitFiles(proxy, 4096);
    while (refused < before + 50)
      await new Promise((resolve) => setTimeout(resolve, 5));
    limitFiles(proxy, "unlimited");
  }
  going = false;
  await Promise.all(workers);
  agent.destroy();
  const counts = new Map<string, number>();
  for (const { key } of await proxy.events()) {
    const print = key.split("#")[1] ?? "";
    counts.set(print, (counts.get(print) ?? 0) + 1);
  }
  for (const print of acknowledged) assert.equal(counts.get(print), 1, print);
  await proxy.stop();
});

test("while only the database cannot be written, events are taken and delivered; a refused one waits for it", async () => {
  const peer = await Peer.listen();
  peer.answer = ({ args }) =>
    String(args.body).includes("poison")
      ? { error: "ArgumentValidationError: poison" }
      : { value: { outcome: "stored" } };
  const proxy = await Proxy.start({
    shell: `trap '' XFSZ; exec "$@"`,
    env: { CONVEX_URL: peer.url },
  });
  const agent = new http.Agent({ keepAlive: true });
  const send = async (body: string): Promise<void> => {
    assert.equal((await post(proxy.port, body, { agent })).status, 200);
  };
  await send(order()); // the journal's file is there, in its whole size
  await peer.until((calls) => calls.length > 1);
  limitFiles(proxy, 8192);
  await send(order({ note: "poison" }));
  await proxy.seen(/spool cannot store/);
  const before = peer.ingested().length;
  for (let i = 0; i < 3; i++) await send(order());
  await peer.until(() => peer.ingested().length >= before + 3);
  limitFiles(proxy, "unlimited");
  await proxy.seen(/spool recovered/);
  await proxy.seen(/event moved to the dead letters/);
  agent.destroy();
  for (;;) {
    const events = await proxy.events();
    if (events.length === 1 && events[0]!.state === "dead") break;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await proxy.stop();
  await peer.close();
});

test("a damaged event is told and not delivered, those behind it are", async () => {
  const { directory, remove } = makeDirectory();
  const first = await Proxy.start({ directory });
  const bodies = [order(), order({ note: "damaged" }), order()];
  for (const body of bodies)
    assert.equal((await post(first.port, body)).status, 200);
  await first.stop();
  const state = path.join(directory, "state");
  const name = readdirSync(state).find((file) => /^journal-\d+$/.test(file));
  const file = path.join(state, name!);
  const bytes = readFileSync(file);
  const at = bytes.indexOf("damaged");
  bytes[at] = bytes[at]! ^ 4;
  writeFileSync(file, bytes);
  const env = environment(directory);
  const said = spawnSync(binary, ["events"], { env, encoding: "utf8" });
  assert.equal(said.stdout.trim().split("\n").length, 2);
  assert.match(said.stderr, /cannot be read in 1 place \(\d+ bytes\)/);

  const peer = await Peer.listen();
  const proxy = await Proxy.start({
    directory,
    env: { CONVEX_URL: peer.url, STATUS_LISTEN: "127.0.0.1:0" },
  });
  await proxy.seen(/level=error .*a part of the journal cannot be read/);
  await peer.until(() => peer.ingested().length === 2);
  assert.deepEqual(
    peer.ingested().map((event) => event.body),
    [bodies[0], bodies[2]],
  );
  const [, status] = await proxy.seen(/status=(\S+)/);
  const told = async (): Promise<boolean> =>
    /^webhook_journal_damaged_parts 1$/m.test(
      await (await fetch(`http://${status}/metrics`)).text(),
    );
  while (!(await told()))
    await new Promise((resolve) => setTimeout(resolve, 20));
  await proxy.stop();
  await peer.close();
  remove();
});

test("a second proxy on the same state says who has it and exits 1", async () => {
  const proxy = await Proxy.start();
  const second = spawnSync(binary, [], { env: proxy.env, encoding: "utf8" });
  assert.equal(second.status, 1);
  assert.match(
    second.stderr,
    new RegExp(`spool is in use by process ${String(proxy.process.pid)}`),
  );
  await proxy.stop();
});

test("no secret is in the log or in the state", async () => {
  const proxy = await Proxy.start({ env: { LOG_LEVEL: "debug" } });
  const body = order();
  await post(proxy.port, body, {
    headers: {
      signature: sign(body),
      authorization: "Bearer an-authorization-secret",
      cookie: "session=a-cookie-secret",
      "x-odd": secret.slice(0, 4),
    },
  });
  await post(proxy.port, order(), { headers: { signature: secret } });
  const directory = path.join(proxy.directory, "state");
  const files = readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name }) => readFileSync(path.join(directory, name), "latin1"));
  for (const text of [...files, proxy.log])
    for (const word of [
      secret,
      oldSecret,
      "an-authorization-secret",
      "a-cookie-secret",
    ])
      assert.ok(!text.includes(word), word);
  assert.match(files.join(""), /\[redacted\]/);
  await proxy.stop();
});

test("SIGHUP reads the sources again; a broken file leaves the old ones", async () => {
  const { directory, remove } = makeDirectory();
  const file = path.join(directory, "sources.json");
  const proxy = await Proxy.start({ directory });
  const demo = sources.sources[0];
  writeFileSync(
    file,
    JSON.stringify({ sources: [{ ...demo, source: "renamed" }] }),
  );
  proxy.process.kill("SIGHUP");
  await proxy.seen(/sources reloaded/);
  assert.equal((await post(proxy.port, order())).status, 404);
  assert.equal(
    (await post(proxy.port, order(), { path: "/v1/demo/renamed" })).status,
    200,
  );
  writeFileSync(file, '{"sources": [');
  proxy.process.kill("SIGHUP");
  await proxy.seen(/not reloaded.*is not JSON/);
  assert.equal(
    (await post(proxy.port, order(), { path: "/v1/demo/renamed" })).status,
    200,
  );
  await proxy.stop();
  remove();
});

test("a wrong sources file is named with the path inside it, and the exit status is 6", () => {
  const { directory, remove } = makeDirectory();
  const file = path.join(directory, "sources.json");
  const demo = sources.sources[0];
  const other = { ...demo, secrets: [{ id: "a", secret_env: "NOT_SET" }] };
  const cases: [unknown, string][] = [
    [{}, "$.sources: expected a list of at least one source"],
    [{ sources: [], extra: 1 }, '$: unknown member "extra"'],
    [
      { sources: [demo, demo] },
      '$.sources[1].source: community "demo" has a source "sellapp" already',
    ],
    [
      { sources: [{ ...demo, provider: "none" }] },
      "$.sources[0].provider: expected one of: sellapp, stripe, standard, hmac",
    ],
    [
      { sources: [{ ...demo, community: "Big" }] },
      "$.sources[0].community: expected 1 to 64 of a-z, 0-9, '-' and '_'",
    ],
    [
      { sources: [{ ...demo, secrets: [] }] },
      "$.sources[0].secrets: expected a list of at least one secret",
    ],
    [
      { sources: [other] },
      "$.sources[0].secrets[0].secret_env: the variable NOT_SET is not set, or empty",
    ],
    [
      { sources: [{ ...demo, secrets: [{ id: "a" }] }] },
      "$.sources[0].secrets[0]: expected either secret_env or secret_file",
    ],
    [
      {
        sources: [
          {
            ...demo,
            secrets: [{ id: "a", secret_env: "OLD_SECRET", not_after: "soon" }],
          },
        ],
      },
      '$.sources[0].secrets[0].not_after: expected a date such as "2026-01-31" or "2026-01-31T12:00:00Z"',
    ],
    [
      { sources: [{ ...demo, signature: { encoding: "rot13" } }] },
      '$.sources[0].signature.encoding: expected one of "hex", "base64", "base64url"',
    ],
    [
      { sources: [{ ...demo, signature: { headr: "x" } }] },
      '$.sources[0].signature: unknown member "headr"',
    ],
  ];
  for (const [content, message] of cases) {
    writeFileSync(file, JSON.stringify(content));
    const run = spawnSync(binary, ["--check-config"], {
      env: environment(directory),
      encoding: "utf8",
    });
    assert.equal(
      run.stderr,
      `webhook-proxy: SOURCES_FILE (environment): ${message}\n`,
    );
    assert.equal(run.status, 6);
  }
  writeFileSync(file, JSON.stringify(sources));
  const good = spawnSync(binary, ["--check-config"], {
    env: environment(directory),
    encoding: "utf8",
  });
  assert.equal(good.status, 0, good.stderr);
  const address = spawnSync(binary, ["--listen", "nowhere"], {
    env: environment(directory),
    encoding: "utf8",
  });
  assert.equal(address.status, 6, address.stderr);
  assert.match(
    address.stderr,
    /LISTEN \(flag --listen\): is "nowhere": expected ADDRESS:PORT/,
  );
  remove();
});
