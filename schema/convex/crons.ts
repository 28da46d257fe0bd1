// crons.ts - what is forgotten, and when. Every batch is bounded and asks for the next.

import { cronJobs } from "convex/server";
import { internal } from "./_generated/api";

const crons = cronJobs();

crons.daily(
  "forget old webhook events",
  { hourUTC: 3, minuteUTC: 17 },
  internal.retention.webhookEvents,
);

crons.daily(
  "forget changes of messages that cannot be fetched",
  { hourUTC: 3, minuteUTC: 27 },
  internal.retention.heldUpdates,
);

export default crons;
