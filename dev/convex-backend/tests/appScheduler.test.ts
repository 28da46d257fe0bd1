// apps/scheduler: jobs after a delay and at a time, retries, cancelling, crons,
// and what a restart makes of them.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { App } from "./official/app.js";
import { Watched } from "./official/clients.js";

interface Status {
  state: string;
  attempts: number;
  job: {
    name: string;
    args: unknown[];
    scheduledTime: number;
    completedTime?: number;
    state: { kind: string; error?: string };
  } | null;
}

/** Far from where a calendar cron is due, whenever this runs. */
const START = Date.UTC(2026, 0, 7, 12);

let app: App;

before(async () => {
  app = await App.start("scheduler", {}, ["--clock", String(START)]);
});
after(async () => {
  await app?.close();
});

const remind = (text: string, afterMs: number) =>
  app.mutation<string>("reminders:remind", { text, afterMs });
const status = (reminderId: string) =>
  app.query<Status>("reminders:status", { reminderId });

function watch(reminderId: string): Watched<Status> {
  return new Watched<Status>(app.live(), "reminders:status", { reminderId });
}

describe("an app with scheduled functions", { timeout: 600_000 }, () => {
  test("a job runs after its delay, and its record tells", async () => {
    const reminderId = await remind("tea", 50);
    const { job } = await watch(reminderId).until(
      (now) => now.job?.state.kind === "success",
    );
    assert.equal(job?.name, "reminders.js:deliver");
    assert.deepEqual(job?.args, [{ reminderId }]);
    assert.ok(job!.completedTime! >= job!.scheduledTime);
    assert.equal((await status(reminderId)).state, "sent");
  });

  test("a job at a time that has passed runs at once", async () => {
    const reminderId = await app.mutation<string>("reminders:remindAt", {
      text: "late",
      time: START - 60_000,
    });
    await watch(reminderId).until((now) => now.state === "sent");
  });

  test("a flaky job is tried again until it works, a broken one gives up", async () => {
    const flaky = await remind("flaky", 0);
    const broken = await remind("broken", 0);
    const sent = await watch(flaky).until((now) => now.state === "sent");
    assert.equal(sent.attempts, 3);
    const failed = await watch(broken).until((now) => now.state === "failed");
    assert.equal(failed.attempts, 3);
  });

  test("a cancelled job never runs, and is gone from what is pending", async () => {
    const reminderId = await remind("cancelled", 3_600_000);
    const pending = new Watched<string[]>(app.live(), "reminders:pending");
    await pending.until((names) => names.includes("reminders.js:deliver"));
    await app.mutation("reminders:cancel", { reminderId });
    await pending.until((names) => !names.includes("reminders.js:deliver"));
    const { job, state } = await status(reminderId);
    assert.equal(job?.state.kind, "canceled");
    assert.equal(state, "waiting");
  });

  test("what a failed mutation scheduled does not happen", async () => {
    await assert.rejects(app.mutation("reminders:changeOfMind"), /changed my/);
    const later = await remind("after it", 0);
    await watch(later).until((now) => now.state === "sent");
    assert.deepEqual(await app.query("reminders:ticks", { job: "never" }), []);
  });

  test("an interval cron ticks again and again; calendar crons wait", async () => {
    const ticks = new Watched<number[]>(app.live(), "reminders:ticks", {
      job: "beat",
    });
    const times = await ticks.until((at) => at.length >= 3);
    assert.equal(new Set(times).size, times.length);
    assert.deepEqual(await app.query("reminders:ticks", { job: "weekly" }), []);
  });

  test("jobs that schedule the next go on to the end", async () => {
    const count = new Watched<number>(app.live(), "reminders:count");
    const before = await count.until(() => true);
    assert.ok(before > 3);
    const ran = await app.project.convex("run", "reminders:sweep");
    assert.equal(ran.status, 0, ran.stderr);
    // What failed or still waits stays: one of each.
    await count.until((left) => left === 2);
  });

  test("a job that was waiting when the backend was killed runs after it is back", async () => {
    const reminderId = await remind("survivor", 1500);
    await app.backend.stop("SIGKILL");
    app.backend.moreFlags = []; // today: a clock that began anew would be behind
    await app.backend.start();
    await watch(reminderId).until((now) => now.state === "sent");
  });
});
