// The program's flags, its admin key, and how it says what is wrong.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { loadAdminKey, sameKey } from "../src/server/adminKey.js";
import {
  isAtLeast,
  parseClientHeader,
  socketClient,
} from "../src/server/clientVersion.js";
import { openLog } from "../src/server/log.js";
import { helpText, parseOptions, UsageError } from "../src/server/options.js";
import { parseFunctionPath } from "../src/server/paths.js";

describe("flags", () => {
  test("have defaults for everything but the data folder", () => {
    assert.deepEqual(parseOptions(["--data", "d"]), {
      command: "serve",
      data: "d",
      instanceName: "convex-dev",
      port: 3210,
      sitePort: 3211,
      host: "127.0.0.1",
      cloudOrigin: null,
      siteOrigin: null,
      logLevel: "info",
      seed: null,
      clock: null,
      controlPort: null,
    });
  });

  test("a clock is ms since 1970 or a date", () => {
    const clock = (text: string) => {
      const options = parseOptions(["--data", "d", "--clock", text]);
      return options.command === "serve" ? options.clock : null;
    };
    assert.equal(clock("1700000000000"), 1_700_000_000_000);
    assert.equal(clock("2026-01-01T00:00Z"), Date.UTC(2026, 0, 1));
    assert.throws(() => clock("tomorrow"), /--clock must be/);
  });

  test("may be written with = too", () => {
    const options = parseOptions([
      "--data=d",
      "--port=0",
      "--site-origin=https://s.test",
    ]);
    assert.equal(options.command === "serve" && options.port, 0);
    assert.equal(
      options.command === "serve" && options.siteOrigin,
      "https://s.test",
    );
  });

  const wrong: [string[], RegExp][] = [
    [[], /^--data DIR is required/],
    [["--data"], /^--data needs a value/],
    [["--data", "d", "--prot", "1"], /^unknown option '--prot'/],
    [["--data", "d", "extra"], /^unexpected argument 'extra'/],
    [["--data", "d", "--port", "x"], /^--port must be a port number, not 'x'/],
    [
      ["--data", "d", "--site-port", "70000"],
      /^--site-port must be a port number/,
    ],
    [["--data", "d", "--log-level", "loud"], /^--log-level must be one of/],
    [
      ["--data", "d", "--cloud-origin", "localhost"],
      /^--cloud-origin must be an http/,
    ],
    [["--data", "d", "--site-origin", "http://x/"], /without a trailing slash/],
    [["--data", "d", "--instance-name", "a b"], /^--instance-name must be/],
  ];
  for (const [argv, words] of wrong) {
    test(`'${argv.join(" ")}' is answered with one clear line`, () => {
      assert.throws(
        () => parseOptions(argv),
        (error) =>
          error instanceof UsageError &&
          words.test(error.message) &&
          !error.message.includes("\n"),
      );
    });
  }

  test("--help wins and says that it is for development only", () => {
    assert.deepEqual(parseOptions(["--port", "x", "--help"]), {
      command: "help",
    });
    assert.match(helpText(), /Development only, never for production/);
  });
});

describe("the admin key", () => {
  test("is made once, kept for its owner only, and stays the same", () => {
    const data = mkdtempSync(join(tmpdir(), "backend-key-"));
    try {
      const key = loadAdminKey(data, "convex-dev");
      assert.match(key, /^convex-dev\|[0-9a-f]+$/);
      assert.equal(loadAdminKey(data, "convex-dev"), key);
      assert.equal(statSync(join(data, "admin-key")).mode & 0o777, 0o600);
      writeFileSync(join(data, "admin-key"), "nonsense");
      assert.throws(
        () => loadAdminKey(data, "convex-dev"),
        /does not hold an admin key/,
      );
    } finally {
      rmSync(data, { recursive: true });
    }
  });

  test("is compared whole, without a prefix of its kind", () => {
    assert.ok(sameKey("prod:n|1", "n|1"));
    assert.ok(!sameKey("n|12", "n|1"));
    assert.ok(!sameKey("", "n|1"));
  });
});

describe("names and versions", () => {
  test("function paths are canonical", () => {
    assert.deepEqual(parseFunctionPath("dir/m.js:f"), { path: "dir/m:f" });
    assert.deepEqual(parseFunctionPath("m"), { path: "m:default" });
    for (const bad of [
      "../m:f",
      "/m:f",
      "m.ts:f",
      "m:1f",
      ":f",
      "a//b:f",
      "m:f g",
    ]) {
      assert.ok("problem" in parseFunctionPath(bad), bad);
    }
  });

  test("clients are known by name and version", () => {
    assert.deepEqual(parseClientHeader("npm-cli-1.48.0").name, "npm-cli");
    assert.deepEqual(parseClientHeader("npm-1.48.0").semver, [1, 48, 0]);
    assert.equal(parseClientHeader("mylib-c-0.1.0").name, "mylib-c");
    assert.throws(() => parseClientHeader("rust-dev"));
    assert.throws(() => parseClientHeader("nodash"));
    assert.equal(socketClient("rust-0.10.4", "1.48.0")?.name, "rust");
    assert.equal(socketClient(undefined, "1.28.0-alpha.1")?.name, "npm");
    assert.ok(isAtLeast([1, 28, 0], [1, 28, 0]));
    assert.ok(!isAtLeast([1, 27, 9], [1, 28, 0]));
  });

  test("log lines are one event each, quoted where needed", () => {
    const lines: string[] = [];
    const log = openLog("info", (line) => lines.push(line));
    log.debug("hidden");
    log.info("query", { function: "q:a", note: "two words" });
    assert.equal(lines.length, 1);
    assert.match(
      lines[0] ?? "",
      /^\S+ info query function=q:a note="two words"\n$/,
    );
  });
});
