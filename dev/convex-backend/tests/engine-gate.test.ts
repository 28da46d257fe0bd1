import assert from "node:assert/strict";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { build } from "esbuild";
import { Gate } from "../src/engine/store/gate.js";
import { bench, fixture } from "./harness.js";

test("threads that never stop reading can be ended, and the process lives on", async () => {
  const b = await bench("app");
  // Near the packages, which are not bundled.
  const outfile = fileURLToPath(
    new URL(`../dist/tests/reader-${process.pid}.js`, import.meta.url),
  );
  try {
    await build({
      entryPoints: [fixture("reader.ts")],
      bundle: true,
      platform: "node",
      format: "esm",
      packages: "external",
      outfile,
    });
    for (let round = 0; round < 10; round++) {
      const buffer = Gate.buffer();
      const worker = new Worker(outfile, {
        workerData: { path: join(b.folder, "data.sqlite"), buffer },
      });
      await once(worker, "message");
      await new Gate(buffer).end(worker);
    }
    assert.equal(await b.mutate("messages:increment", { name: "alive" }), 1);
  } finally {
    await b.close();
    rmSync(outfile, { force: true });
  }
});
