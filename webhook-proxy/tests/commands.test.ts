// commands.test.ts - what an operator sees and does from the command line, beside a running
// proxy and without one.

import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import {
  binary,
  environment,
  makeDirectory,
  order,
  post,
  Proxy,
  secret,
  sign,
} from "./harness";
import { Peer } from "./peer";

type Ran = { status: number; stdout: string; stderr: string };

async function command(
  env: Record<string, string>,
  ...args: string[]
): Promise<Ran> {
  try {
    const { stdout, stderr } = await promisify(execFile)(binary, args, { env });
    return { status: 0, stdout, stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as {
      code: number;
      stdout: string;
      stderr: string;
    };
    return { status: code, stdout, stderr };
  }
}

test("sources tells who may send and which secrets are valid now", async () => {
  const { directory, remove } = makeDirectory();
  const { stdout, status } = await command(environment(directory), "sources");
  assert.equal(status, 0);
  assert.deepEqual(stdout.trim().split("\n"), [
    "/v1/demo/sellapp provider=sellapp header=signature secrets=2026-a(valid),2025-a(valid),2020-a(expired)",
    "/v1/demo/prefixed provider=sellapp header=X-Sellapp-Signature secrets=a(valid)",
  ]);
  assert.ok(!stdout.includes(secret));
  remove();
});

test("show prints an event as it was received, but for secrets", async () => {
  const proxy = await Proxy.start();
  const body = order({ note: "exactly  this" });
  const headers = {
    signature: sign(body),
    authorization: "Bearer hidden",
    "x-more": "seen",
  };
  assert.equal((await post(proxy.port, body, { headers })).status, 200);
  const [event] = await proxy.events();
  const { stdout, status } = await command(proxy.env, "show", event!.id);
  assert.equal(status, 0);
  assert.ok(stdout.includes(`\n\n`) && stdout.endsWith(`\n${body}\n`));
  assert.match(stdout, /^type +order\.completed$/m);
  assert.match(stdout, /^secret +2026-a$/m);
  assert.match(stdout, /^peer +127\.0\.0\.1/m);
  assert.match(stdout, /^x-more: seen$/m);
  assert.match(stdout, /^authorization: \[redacted\]$/im);
  assert.ok(!stdout.includes("hidden"));
  const none = await command(proxy.env, "show", "999999");
  assert.equal(none.status, 1);
  assert.match(none.stderr, /no event 999999/);
  const wrong = await command(proxy.env, "show", "one");
  assert.equal(wrong.status, 2);
  await proxy.stop();
});

test("replay delivers dead letters again, beside a running proxy and without one", async () => {
  const peer = await Peer.listen();
  let refuse = true;
  peer.answer = () =>
    refuse
      ? { error: "ArgumentValidationError: poison" }
      : { value: { outcome: "stored" } };
  const proxy = await Proxy.start({ env: { CONVEX_URL: peer.url } });
  for (let i = 0; i < 2; i++)
    assert.equal((await post(proxy.port, order())).status, 200);
  const dead = async () => {
    for (;;) {
      const events = await proxy.events();
      if (events.length > 0 && events.every(({ state }) => state === "dead"))
        return events;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  const [first, second] = await dead();
  const control = statSync(join(proxy.env.STATE_DIRECTORY!, "control"));
  assert.equal(control.mode & 0o777, 0o600, "only our user may connect");
  const dry = await command(proxy.env, "replay", "--failed", "--dry-run");
  assert.equal(dry.stdout, `${first!.id}\n${second!.id}\n`);
  assert.match(dry.stderr, /2 events would be/);
  assert.equal(
    (await proxy.events()).filter(({ state }) => state === "dead").length,
    2,
  );
  const early = await command(proxy.env, "replay", "--since", "2100-01-01");
  assert.match(early.stderr, /^0 events/);

  refuse = false;
  const one = await command(proxy.env, "replay", first!.id);
  assert.equal(one.status, 0, one.stderr);
  while ((await proxy.events()).length !== 1)
    await new Promise((resolve) => setTimeout(resolve, 20));

  refuse = true;
  await proxy.kill();
  const alone = await command(proxy.env, "replay", "--failed");
  assert.equal(alone.status, 0, alone.stderr);
  const [left] = await proxy.events();
  assert.deepEqual(
    [left!.id, left!.state, left!.attempts],
    [second!.id, "waiting", 0],
  );
  const waiting = await command(proxy.env, "replay", second!.id);
  assert.equal(waiting.status, 1);
  assert.match(waiting.stderr, /no dead letter: it waits already/);
  await peer.close();
});

test("replay asks for one thing at a time", async () => {
  const { directory, remove } = makeDirectory();
  const env = environment(directory);
  for (const args of [
    [],
    ["1", "--failed"],
    ["--since", "2026-01-01", "--failed"],
  ]) {
    const { status, stderr } = await command(env, "replay", ...args);
    assert.equal(status, 2, args.join(" "));
    assert.match(stderr, /expected one of ID, --since TIME and --failed/);
  }
  const { status, stderr } = await command(
    env,
    "replay",
    "--since",
    "yesterday",
  );
  assert.equal(status, 2);
  assert.match(stderr, /--since: expected a time/);
  remove();
});

test("verify says which secret signed a captured request, or why none did", async () => {
  const { directory, remove } = makeDirectory();
  const env = environment(directory);
  const body = order();
  const file = join(directory, "captured");
  const capture = (path: string, signature: string, text = body) =>
    writeFileSync(
      file,
      `POST ${path} HTTP/1.1\r\nHost: x\r\nSignature: ${signature}\r\n\r\n${text}`,
    );
  capture("/v1/demo/sellapp", sign(body));
  const good = await command(env, "verify", file);
  assert.equal(good.status, 0, good.stderr);
  assert.match(good.stdout, /^secret +2026-a$/m);
  assert.match(good.stdout, /^type +order\.completed$/m);
  assert.match(good.stdout, /^subject +order:\d+$/m);
  const piped = execFileSync(binary, ["verify", "-"], {
    env,
    input: `POST /v1/demo/sellapp HTTP/1.1\nSignature: ${sign(body)}\n\n${body}`,
  });
  assert.match(String(piped), /^secret +2026-a$/m);

  const cases: [string, string, string, RegExp][] = [
    [
      "/v1/demo/sellapp",
      sign(body),
      `${body} `,
      /no secret that is valid now signed this body/,
    ],
    ["/v1/demo/sellapp", "zz", body, /no secret that is valid now/],
    ["/v1/demo/nobody", sign(body), body, /no source has the path/],
  ];
  for (const [path, signature, text, expected] of cases) {
    capture(path, signature, text);
    const { status, stderr } = await command(env, "verify", file);
    assert.equal(status, 1);
    assert.match(stderr, expected);
  }
  writeFileSync(file, "no request");
  assert.match(
    (await command(env, "verify", file)).stderr,
    /does not begin with "POST/,
  );
  assert.match(
    (await command(env, "verify", join(directory, "gone"))).stderr,
    /cannot read/,
  );
  remove();
});
