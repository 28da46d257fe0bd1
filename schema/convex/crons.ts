// crons.ts - what is counted, forgotten and made up for, and when. Every batch is bounded and asks for the next.

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

crons.interval("count what is new", { minutes: 1 }, internal.stats.tick, {
  lagMs: 10_000, // far longer than a transaction takes
});

crons.daily(
  "forget old statistics",
  { hourUTC: 3, minuteUTC: 37 },
  internal.retention.stats,
);

crons.hourly(
  "delete uploads that nobody reported",
  { minuteUTC: 23 },
  internal.attachments.sweep,
);

// Runs at once when it is deployed, and is done for good when it comes to the end.
crons.interval(
  "index what older signals trade",
  { hours: 24 },
  internal.signals.sweepSymbols,
);

export default crons;
