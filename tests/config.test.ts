// Bad input: each mistake of an operator gets one clear line that names the setting, and
// the exit status that keeps a service manager from trying for ever.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { join } from "node:path";
import {
  Backend,
  binary,
  Daemon,
  deploySchema,
  FakeDiscord,
  ROOT,
  tempDir,
  until,
} from "./harness";

const DAEMONS = ["collector", "bot", "webhook-proxy"];

let backend: Backend;
let discord: FakeDiscord;
let key: string;

before(async () => {
  backend = await Backend.start();
  discord = await FakeDiscord.start();
  key = await deploySchema(backend);
});
after(async () => {
  await discord.close();
  await backend.close();
});

function settings(name: string): Record<string, string> {
  const dir = tempDir();
  const sources = join(dir, "sources.json");
  writeFileSync(
    sources,
    JSON.stringify({
      sources: [
        {
          community: "demo",
          source: "sellapp",
          provider: "sellapp",
          secrets: [{ id: "a", secret_env: "SELLAPP_SECRET" }],
        },
      ],
    }),
  );
  return {
    CONVEX_URL: backend.url,
    SERVICE_KEY_FILE: key,
    ...(name === "bot" ? {} : { STATE_DIRECTORY: join(dir, "state") }), // it keeps nothing
    INSTANCE: "test",
    ...(name === "webhook-proxy"
      ? {
          LISTEN: "127.0.0.1:0",
          SOURCES_FILE: sources,
          SELLAPP_SECRET: "a-secret-of-some-length",
        }
      : {
          DISCORD_API_URL: `${discord.url}/api/v10`,
          DISCORD_TOKEN: `${name}-token`,
        }),
  };
}

function runOnce(name: string, env: Record<string, string>, args: string[]) {
  const result = spawnSync(binary(name), args, {
    env: { PATH: process.env.PATH ?? "", ...env },
    cwd: tempDir(),
    encoding: "utf8",
    timeout: 120_000,
  });
  return {
    code: result.status,
    out: result.stdout,
    lines: result.stderr.trimEnd().split("\n"),
  };
}

for (const name of DAEMONS) {
  test(`${name}: an unknown flag is named, exit 2`, () => {
    const { code, lines } = runOnce(name, settings(name), ["--colour", "red"]);
    assert.equal(code, 2);
    assert.match(lines.join("\n"), /--colour/);
    assert.equal(lines.length, 1);
  });

  test(`${name}: each missing setting is named, exit 6`, () => {
    const all = settings(name);
    for (const missing of Object.keys(all)) {
      if (["INSTANCE", "LISTEN", "DISCORD_API_URL"].includes(missing)) continue;
      const { [missing]: _, ...rest } = all;
      const { code, lines } = runOnce(name, rest, []);
      assert.equal(code, 6, `${missing}: ${lines.join("\n")}`);
      assert.match(lines.at(-1)!, new RegExp(missing), lines.join("\n"));
    }
  });

  test(`${name}: a value that makes no sense is refused with what is expected, exit 6`, () => {
    const bad: Record<string, string> = {
      CONVEX_URL: "not a url",
      SERVICE_KEY_FILE: "/no/such/key.pem",
      LOG_LEVEL: "loud",
    };
    for (const [setting, value] of Object.entries(bad)) {
      const { code, lines } = runOnce(
        name,
        { ...settings(name), [setting]: value },
        [],
      );
      assert.equal(code, 6, `${setting}: ${lines.join("\n")}`);
      assert.match(lines.at(-1)!, new RegExp(setting), lines.join("\n"));
    }
  });

  test(`${name}: --help is a manual page and --version a version, exit 0`, () => {
    const help = runOnce(name, {}, ["--help"]);
    assert.equal(help.code, 0);
    assert.deepEqual(help.out.match(/^[A-Z][A-Z ]+$/gm), [
      "NAME",
      "USAGE",
      "OPTIONS",
      "ENVIRONMENT",
      "FILES",
      "SIGNALS",
      "EXIT STATUS",
      "EXAMPLE",
    ]);
    const version = runOnce(name, {}, ["--version"]);
    assert.equal(version.code, 0);
    assert.match(version.out, /\d+\.\d+\.\d+/);
  });

  test(`${name}: an identity that the backend refuses is said as such, exit 6`, async () => {
    const daemon = new Daemon(name, {
      ...settings(name),
      SERVICE_ISSUER: "https://somebody-else.invalid",
    });
    assert.equal(await daemon.ended(), 6, daemon.log);
    assert.match(daemon.log, /SERVICE_ISSUER/);
  });
}

test("collector: --help has each setting of comparisons, files and the plugin, and where its state lies", () => {
  const { out } = runOnce("collector", {}, ["--help"]);
  for (const [flag, said] of [
    ["repair-interval SECONDS", "(default: 900)"],
    ["repair-window HOURS", "(default: 24)"],
    ["plugin-listen ADDRESS:PORT", "off unless set"],
    ["plugin-token-file FILE", "needed with plugin-listen"],
    ["files-max-bytes N", "(default: 20000000)"],
  ])
    assert.ok(
      new RegExp(`^  --${flag}\n      (.*)$`, "m")
        .exec(out)?.[1]!
        .includes(said!),
      flag,
    );
  for (const name of [
    "REPAIR_INTERVAL",
    "REPAIR_WINDOW",
    "PLUGIN_LISTEN",
    "PLUGIN_TOKEN, or PLUGIN_TOKEN_FILE naming a file",
    "FILES_MAX_BYTES",
    "STATE_DIRECTORY/outbox.db, outbox.db-wal, outbox.db-shm, outbox.db.lock",
  ])
    assert.match(out, new RegExp(`^  ${name}$`, "m"));
});

for (const name of ["collector", "bot"])
  test(`${name}: STATUS_LISTEN answers /healthz, /readyz and /metrics`, async () => {
    const daemon = new Daemon(name, {
      ...settings(name),
      STATUS_LISTEN: "127.0.0.1:0",
    });
    await until("its address", () => /status=\S+/.test(daemon.log));
    const at = `http://${/status=(\S+)/.exec(daemon.log)![1]}`;
    assert.equal(await (await fetch(`${at}/healthz`)).text(), "ok\n");
    await until(
      `it to be ready; it says:\n${daemon.log}`,
      async () => (await fetch(`${at}/readyz`)).ok,
    );
    assert.match(
      await (await fetch(`${at}/metrics`)).text(),
      name === "bot" ? /^posts_total \d+$/m : /^outbox_waiting \d+$/m,
    );
    assert.equal((await fetch(`${at}/other`)).status, 404);
    await daemon.stop();
  });

test("collector: a bot without the grant of message content is told to get it, one with it is not", async () => {
  const hide = (bits: number) =>
    discord.control("POST", "/settings", { hidden_application_flags: bits });
  for (const hidden of [0, (1 << 18) | (1 << 19)]) {
    await hide(hidden);
    const daemon = new Daemon("collector", settings("collector"));
    await until("its session", () => /gateway ready/.test(daemon.log));
    if (hidden)
      await until("the word", () => /MESSAGE CONTENT/.test(daemon.log));
    await daemon.stop();
    const errors = daemon.log.match(/level=error .*MESSAGE CONTENT INTENT/g);
    assert.equal(errors?.length ?? 0, hidden ? 1 : 0, daemon.log);
  }
  await hide(0);
});

for (const name of ["collector", "bot"])
  test(`${name}: a token that Discord refuses is said as such, not tried again, exit 6`, async () => {
    const daemon = new Daemon(name, {
      ...settings(name),
      DISCORD_TOKEN: "a-wrong-token-of-mine",
    });
    assert.equal(await daemon.ended(), 6, daemon.log);
    assert.doesNotMatch(daemon.log, /a-wrong-token-of-mine/);
    assert.match(daemon.log, /token/i);
    const errors = daemon.log
      .split("\n")
      .filter((line) => line.includes("level=error"));
    assert.ok(
      errors.length >= 1 && errors.length <= 2,
      `one clear line, not ${errors.length}:\n${daemon.log}`,
    );
  });

test("run: a command or flag that does not exist is named, exit 2", () => {
  const run = (args: string[]) =>
    spawnSync(join(ROOT, "run"), args, { encoding: "utf8" });
  const command = run(["dmeo"]);
  assert.equal(command.status, 2);
  assert.match(command.stderr, /dmeo/);
  const demo = spawnSync(
    process.execPath,
    [join(ROOT, "dev/demo/dist/main.js"), "--sped", "3"],
    { encoding: "utf8" },
  );
  assert.equal(demo.status, 2);
  assert.match(demo.stderr, /--sped/);
});
