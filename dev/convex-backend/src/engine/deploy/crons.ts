/* crons.ts - the jobs of crons.ts: checked at push, compared and stored in its commit. */

import {
  EngineError,
  type JSONObject,
  type JSONValue,
  type PushFinished,
} from "../api.js";
import type { Core } from "../core.js";
import { cronFault, type CronSchedule, firstRun } from "../cron.js";
import { canonicalPath, type Deployment, FunctionTable } from "../functions.js";
import type { CronJob } from "../scheduler.js";
import type { DocumentWrite } from "../store/format.js";

type Analyzed = { analysis: Deployment["analysis"] };

/** Throws EngineError 400 InvalidCron. */
export function checkCrons(functions: Deployment["analysis"]): void {
  const table = new FunctionTable(functions);
  for (const { identifier, spec } of functions["crons.js"]?.cronSpecs ?? []) {
    const { name, schedule } = spec as unknown as {
      name: string;
      schedule: CronSchedule;
    };
    const fault = cronFault(schedule);
    if (fault !== null)
      throw new EngineError(
        400,
        "InvalidCron",
        `Cron job "${identifier}": ${fault}`,
      );
    if (table.get(name) === undefined)
      throw new EngineError(
        400,
        "InvalidCron",
        `Cron job "${identifier}" schedules a function that does not exist: ${name}`,
      );
  }
}

function presentCrons(core: Core): CronJob[] {
  return core
    .scan("_cron_jobs", "by_name", [], 1000)
    .map((row) => JSON.parse(row.json) as CronJob);
}

function wantedCrons(core: Core, record: Analyzed): Omit<CronJob, "_id">[] {
  return (record.analysis["crons.js"]?.cronSpecs ?? []).map(
    ({ identifier, spec }) => {
      const { name, args, schedule } = spec as unknown as {
        name: string;
        args: JSONValue[];
        schedule: CronSchedule;
      };
      return {
        name: identifier,
        path: canonicalPath(name),
        args,
        schedule,
        nextTime: firstRun(schedule, core.clock()),
      };
    },
  );
}

export function cronDiff(
  core: Core,
  record: Analyzed,
): PushFinished["component"]["cronDiff"] {
  const present = presentCrons(core);
  const wanted = wantedCrons(core, record);
  return {
    added: wanted
      .filter((w) => !present.some((p) => p.name === w.name))
      .map((w) => w.name),
    updated: wanted
      .filter((w) => present.some((p) => p.name === w.name && !sameCron(p, w)))
      .map((w) => w.name),
    deleted: present
      .filter((p) => !wanted.some((w) => w.name === p.name))
      .map((p) => p.name),
  };
}

/** Ready for the commit of the push. */
export function cronWrites(core: Core, record: Analyzed): DocumentWrite[] {
  const present = presentCrons(core);
  const wanted = wantedCrons(core, record);
  return core.plan((transaction) => {
    const table = core.table("_cron_jobs")!;
    for (const job of present) {
      const next = wanted.find((w) => w.name === job.name);
      if (next === undefined) transaction.remove(job._id, table);
      else if (!sameCron(job, next))
        transaction.merge(job._id, next as unknown as JSONObject, table);
    }
    for (const job of wanted)
      if (!present.some((p) => p.name === job.name))
        transaction.insert("_cron_jobs", job as unknown as JSONObject);
  });
}

function sameCron(a: Omit<CronJob, "_id">, b: Omit<CronJob, "_id">): boolean {
  const key = (job: Omit<CronJob, "_id">) =>
    JSON.stringify([job.path, job.args, sorted(job.schedule)]);
  return key(a) === key(b);
}

function sorted(schedule: CronSchedule): [string, unknown][] {
  return Object.entries(schedule).sort(([a], [b]) => (a < b ? -1 : 1));
}
