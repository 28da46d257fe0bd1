/* analysis.ts - evaluates pushed modules in a thread of their own, and ends it. */

import { Worker } from "node:worker_threads";
import type { Analysis, AnalyzerStart } from "../run/analyze.js";
import { workerFile } from "../workerfile.js";

/** Modules that take longer to load than this are refused, ms. */
const ANALYSIS_MS = 60_000;

export async function analyzeInThread(start: AnalyzerStart): Promise<Analysis> {
  const worker = new Worker(workerFile(), {
    workerData: start,
    execArgv: ["--experimental-vm-modules", "--no-warnings"],
  });
  try {
    return await new Promise<Analysis>((resolve, reject) => {
      const timer = setTimeout(
        () =>
          resolve({
            ok: false,
            code: "InvalidModules",
            message: "Loading the pushed modules did not come to an end",
          }),
        ANALYSIS_MS,
      );
      worker.once("message", (analysis: Analysis) => {
        clearTimeout(timer);
        resolve(analysis);
      });
      worker.once("error", (error) => {
        clearTimeout(timer);
        reject(error);
      });
    });
  } finally {
    await worker.terminate();
  }
}
