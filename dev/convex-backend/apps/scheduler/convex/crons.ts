import { cronJobs } from "convex/server";
import { internal } from "./_generated/api";

const crons = cronJobs();

crons.interval("beat", { seconds: 1 }, internal.reminders.tick, {
  job: "beat",
});
crons.daily("sweep", { hourUTC: 3, minuteUTC: 30 }, internal.reminders.sweep);
crons.weekly(
  "weekly",
  { dayOfWeek: "monday", hourUTC: 9, minuteUTC: 0 },
  internal.reminders.tick,
  { job: "weekly" },
);
crons.cron("first of the month", "0 0 1 * *", internal.reminders.tick, {
  job: "monthly",
});

export default crons;
