import assert from "node:assert/strict";
import { once } from "node:events";
import { join } from "node:path";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { Gate } from "../src/engine/store/gate.js";
import { bench, fixture } from "./harness.js";

test("threads that never stop reading can be ended, and the process lives on", async () => {
  const b = await bench("app");
  for (let round = 0; round < 8; round++) {
    const buffer = Gate.buffer();
    const worker = new Worker(fixture("reader.ts"), {
      workerData: { path: join(b.folder, "data.sqlite"), buffer },
      execArgv: ["--import", "tsx"],
    });
    await once(worker, "message");
    await new Gate(buffer).end(worker);
  }
  assert.equal(await b.mutate("messages:increment", { name: "alive" }), 1);
  await b.close();
});
