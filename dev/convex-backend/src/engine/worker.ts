/* worker.ts - entry of the engine's threads: one role each, see run/. */

import { readlinkSync } from "node:fs";
import { basename } from "node:path";
import { parentPort, workerData } from "node:worker_threads";
import { ActionWorker } from "./run/actions.js";
import type { FromWorker, ToWorker, WorkerStart } from "./run/protocol.js";
import { TransactionWorker } from "./run/transactions.js";
import { checkpoint, openCheckpointer } from "./store/database.js";
import { Gate } from "./store/gate.js";
import { Analyzer, type AnalyzerStart } from "./run/analyze.js";

const port = parentPort!;

function send(message: FromWorker, transfer: ArrayBuffer[] = []): void {
  port.postMessage(message, transfer);
}

async function transactions(start: WorkerStart): Promise<void> {
  const worker = new TransactionWorker(start, send);
  await worker.host.warm();
  port.on("message", (message: ToWorker) => {
    if (message.type === "run") worker.run(message);
    else if (message.type === "catalog")
      worker.host.setCatalog(message.catalog);
  });
}

async function actions(start: WorkerStart): Promise<void> {
  const worker = new ActionWorker(start, send);
  await worker.host.warm();
  port.on("message", (message: ToWorker) => {
    if (message.type === "action") void worker.run(message);
    else if (message.type === "http") void worker.runHttp(message);
    else if (message.type === "reply") worker.reply(message);
    else if (message.type === "ping") send({ type: "pong" });
    else if (message.type === "catalog")
      worker.host.setCatalog(message.catalog);
  });
}

const CHECKPOINT_MS = 1000;

type CheckpointStart = {
  role: "checkpoints";
  databasePath: string;
  gate: SharedArrayBuffer;
};

function threadNumber(): string | null {
  try {
    return basename(readlinkSync("/proc/thread-self"));
  } catch {
    return null; // not Linux
  }
}

const start = workerData as WorkerStart | AnalyzerStart | CheckpointStart;
if (start.role === "checkpoints") {
  const gate = new Gate(start.gate);
  const connection = gate.run(() => openCheckpointer(start.databasePath));
  setInterval(() => gate.run(() => checkpoint(connection)), CHECKPOINT_MS);
} else if (start.role === "analysis") {
  port.postMessage(await new Analyzer(start).analyze());
} else {
  await (start.role === "transactions" ? transactions(start) : actions(start));
  send({ type: "ready", thread: threadNumber() });
}
