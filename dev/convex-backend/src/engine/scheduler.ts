/* scheduler.ts - runs scheduled functions when their time has come, and crons.
 *
 * Owns the timers; what is due is in `_scheduled_functions` and `_cron_jobs`, so it survives
 * restarts. A mutation's success is recorded in its own commit: it takes effect exactly once.
 * An action found in progress at start had been cut off and counts as failed.
 */

import { randomBytes } from "node:crypto";
import type { JSONObject, JSONValue, Outcome } from "./api.js";
import type { ActionRunner } from "./actionrunner.js";
import type { Core } from "./core.js";
import { innerMessage, type Runner } from "./runner.js";
import { type CronSchedule, nextRun } from "./cron.js";

const CONCURRENT = 16;
const KEPT_MS = 7 * 86_400_000;
const FAR_MS = 60_000;

type Job = {
  _id: string;
  name: string;
  args: JSONValue[];
  scheduledTime: number;
  completedTime?: number;
};

export type CronJob = {
  _id: string;
  name: string;
  path: string;
  args: JSONValue[];
  schedule: CronSchedule;
  nextTime: number;
};

export class Scheduler {
  private timer: NodeJS.Timeout | null = null;
  private readonly running = new Set<string>();
  private closed = false;
  private readonly off: () => void;

  constructor(
    private readonly core: Core,
    private readonly runner: Runner,
    private readonly actions: ActionRunner,
  ) {
    this.failInterrupted();
    const indexes = ["_scheduled_functions", "_cron_jobs"].map(
      (name) => core.store.table(name)!.byId.id,
    );
    this.off = core.store.onCommit((_ts, writes) => {
      if (indexes.some((index) => writes.keys.has(index))) this.wake();
    });
    this.wake();
  }

  private jobs(kind: string, limit: number): Job[] {
    return this.core
      .scan("_scheduled_functions", "by_state_and_time", [kind], limit)
      .map((row) => JSON.parse(row.json) as Job);
  }

  private failInterrupted(): void {
    for (const job of this.jobs("inProgress", 10_000))
      this.finish(job._id, "The action was interrupted by a restart");
  }

  /** Looks again what is due. */
  wake(): void {
    if (this.closed) return;
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = setTimeout(() => this.look(), 0);
  }

  private look(): void {
    this.timer = null;
    if (this.closed) return;
    const now = this.core.clock();
    let next = now + FAR_MS;
    for (const job of this.jobs("pending", CONCURRENT + this.running.size)) {
      if (this.running.has(job._id)) continue;
      if (job.scheduledTime > now) {
        next = Math.min(next, job.scheduledTime);
        break;
      }
      if (this.running.size >= CONCURRENT) break;
      this.begin(job);
    }
    for (const cron of this.crons()) {
      if (this.running.has(cron._id)) continue;
      if (cron.nextTime <= now) this.beginCron(cron, now);
      else next = Math.min(next, cron.nextTime);
    }
    this.timer = setTimeout(() => this.look(), Math.max(1, next - now));
  }

  private begin(job: Job): void {
    this.running.add(job._id);
    this.run(job)
      .catch((error: Error) => {
        this.core.log("error", `Scheduled ${job.name}: ${error.message}`);
        this.finish(job._id, error.message);
      })
      .finally(() => {
        this.running.delete(job._id);
        this.wake();
      });
  }

  private call(job: Job) {
    return {
      path: job.name,
      args: job.args,
      identity: { kind: "system" } as const,
      requestId: randomBytes(8).toString("hex"),
      internal: true,
      source: "scheduler" as const,
    };
  }

  private async run(job: Job): Promise<void> {
    const info = this.core.functions.get(job.name);
    if (info?.udfType === "Action") {
      if (!this.markInProgress(job._id)) return;
      const { outcome } = await this.actions.action(this.call(job));
      this.finish(job._id, problemOf(outcome));
      return;
    }
    const { outcome } = await this.runner.mutation({
      ...this.call(job),
      job: job._id,
    });
    if (!outcome.success) this.finish(job._id, problemOf(outcome));
  }

  private markInProgress(id: string): boolean {
    return this.update(id, ["pending"], { state: { kind: "inProgress" } });
  }

  private finish(id: string, error: string | null): void {
    const state: JSONObject =
      error === null ? { kind: "success" } : { kind: "failed", error };
    this.update(id, ["pending", "inProgress"], {
      state,
      completedTime: this.core.clock(),
    });
  }

  /** False when the job is no longer in one of the states `from`. */
  private update(id: string, from: string[], fields: JSONObject): boolean {
    const table = this.core.table("_scheduled_functions")!;
    return this.core.transact((transaction) => {
      const text = transaction.get(table, id);
      if (text === null) return false;
      const { state } = JSON.parse(text) as { state: { kind: string } };
      if (!from.includes(state.kind)) return false;
      transaction.merge(id, fields, table);
      return true;
    }).result;
  }

  // ------------------------------------------------------------ crons

  private crons(): CronJob[] {
    return this.core
      .scan("_cron_jobs", "by_name", [], 1000)
      .map((row) => JSON.parse(row.json) as CronJob);
  }

  private beginCron(cron: CronJob, now: number): void {
    this.running.add(cron._id);
    // The next time is recorded first: a run that crashes the process is not repeated for ever.
    this.core.transact((transaction) => {
      const table = this.core.table("_cron_jobs")!;
      if (transaction.get(table, cron._id) === null) return;
      transaction.merge(
        cron._id,
        { nextTime: nextRun(cron.schedule, cron.nextTime, now) },
        table,
      );
    });
    this.runCron(cron)
      .catch((error: Error) =>
        this.core.log("error", `Cron ${cron.name}: ${error.message}`),
      )
      .finally(() => {
        this.running.delete(cron._id);
        this.wake();
      });
  }

  private async runCron(cron: CronJob): Promise<void> {
    const call = {
      path: cron.path,
      args: cron.args,
      identity: { kind: "system" } as const,
      requestId: randomBytes(8).toString("hex"),
      internal: true,
      source: "cron" as const,
    };
    const info = this.core.functions.get(cron.path);
    if (info?.udfType === "Action") await this.actions.action(call);
    else await this.runner.mutation(call);
  }

  /** Drops records of long ago. */
  clean(): void {
    const table = this.core.table("_scheduled_functions")!;
    const limit = this.core.clock() - KEPT_MS;
    const old = ["success", "failed", "canceled"]
      .flatMap((kind) => this.jobs(kind, 200))
      .filter((job) => (job.completedTime ?? 0) < limit);
    if (old.length === 0) return;
    this.core.transact((transaction) => {
      for (const job of old) transaction.remove(job._id, table);
    });
  }

  close(): void {
    this.closed = true;
    this.off();
    if (this.timer !== null) clearTimeout(this.timer);
  }
}

function problemOf(outcome: Outcome): string | null {
  return outcome.success ? null : innerMessage(outcome.errorMessage).trimEnd();
}
