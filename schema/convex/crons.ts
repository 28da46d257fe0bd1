// crons.ts - what is forgotten, and when. Every batch is bounded and asks for the next.

import { cronJobs } from "convex/server";
import { internal } from "./_generated/api";

const crons = cronJobs();

crons.daily(
  "forget old webhook events",
  { hourUTC: 3, minuteUTC: 17 },
  internal.retention.webhookEvents,
);

export default crons;
