/* cron.ts - when a cron job runs next. All times are UTC. */

export type CronSchedule =
  | { type: "interval"; seconds?: number; minutes?: number; hours?: number }
  | { type: "hourly"; minuteUTC?: number }
  | { type: "daily"; hourUTC: number; minuteUTC?: number }
  | { type: "weekly"; dayOfWeek: string; hourUTC: number; minuteUTC?: number }
  | { type: "monthly"; day: number; hourUTC: number; minuteUTC?: number }
  | { type: "cron"; cron: string };

const DAYS = [
  "sunday",
  "monday",
  "tuesday",
  "wednesday",
  "thursday",
  "friday",
  "saturday",
];
const MONTHS = [
  "jan",
  "feb",
  "mar",
  "apr",
  "may",
  "jun",
  "jul",
  "aug",
  "sep",
  "oct",
  "nov",
  "dec",
];
const MINUTE_MS = 60_000;
const HORIZON_MINUTES = 5 * 366 * 24 * 60;

type Field = { low: number; high: number; names: string[] };

const FIELDS: Field[] = [
  { low: 0, high: 59, names: [] },
  { low: 0, high: 23, names: [] },
  { low: 1, high: 31, names: [] },
  { low: 1, high: 12, names: MONTHS },
  { low: 0, high: 7, names: DAYS.map((day) => day.slice(0, 3)) },
];

function asCron(schedule: Exclude<CronSchedule, { type: "interval" }>): string {
  const minute = "minuteUTC" in schedule ? (schedule.minuteUTC ?? 0) : 0;
  switch (schedule.type) {
    case "hourly":
      return `${minute} * * * *`;
    case "daily":
      return `${minute} ${schedule.hourUTC} * * *`;
    case "weekly":
      return `${minute} ${schedule.hourUTC} * * ${DAYS.indexOf(schedule.dayOfWeek)}`;
    case "monthly":
      return `${minute} ${schedule.hourUTC} ${schedule.day} * *`;
    case "cron":
      return schedule.cron;
  }
}

function numberIn(text: string, field: Field): number {
  const named = field.names.indexOf(text.toLowerCase());
  const value = named >= 0 ? named + field.low : Number(text);
  if (!Number.isInteger(value) || value < field.low || value > field.high)
    throw new Error(`"${text}" is not between ${field.low} and ${field.high}`);
  return value;
}

function parseField(text: string, field: Field): Set<number> {
  const out = new Set<number>();
  for (const part of text.split(",")) {
    const [range, stepText] = part.split("/") as [string, string | undefined];
    const step = stepText === undefined ? 1 : Number(stepText);
    if (!Number.isInteger(step) || step < 1)
      throw new Error(`"${part}" has a bad step`);
    let [low, high] = [field.low, field.high];
    if (range !== "*") {
      const ends = range.split("-");
      low = numberIn(ends[0]!, field);
      high =
        ends.length > 1
          ? numberIn(ends[1]!, field)
          : stepText === undefined
            ? low
            : field.high;
    }
    for (let value = low; value <= high; value += step) out.add(value);
  }
  return out;
}

/** Throws when the text is not a cron expression of five fields. */
function parseCron(text: string): Set<number>[] {
  const parts = text.trim().split(/\s+/);
  if (parts.length !== 5)
    throw new Error(`Cron expression "${text}" does not have 5 fields`);
  return parts.map((part, i) => parseField(part, FIELDS[i]!));
}

/** The reason why a schedule is refused, or null. */
export function cronFault(schedule: CronSchedule): string | null {
  try {
    if (schedule.type === "interval")
      return intervalMs(schedule) > 0 ? null : "Interval must be positive";
    parseCron(asCron(schedule));
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

function intervalMs(schedule: CronSchedule & { type: "interval" }): number {
  return (
    ((schedule.hours ?? 0) * 3600 +
      (schedule.minutes ?? 0) * 60 +
      (schedule.seconds ?? 0)) *
    1000
  );
}

function matches(fields: Set<number>[], at: Date, text: string): boolean {
  const [minutes, hours, days, months, weekdays] = fields as [
    Set<number>,
    Set<number>,
    Set<number>,
    Set<number>,
    Set<number>,
  ];
  if (!minutes.has(at.getUTCMinutes()) || !hours.has(at.getUTCHours()))
    return false;
  if (!months.has(at.getUTCMonth() + 1)) return false;
  const day = days.has(at.getUTCDate());
  const weekday =
    weekdays.has(at.getUTCDay()) || (at.getUTCDay() === 0 && weekdays.has(7));
  // As cron has it: when both are restricted, either will do.
  const [, , dayText, , weekdayText] = text.trim().split(/\s+/);
  return dayText !== "*" && weekdayText !== "*"
    ? day || weekday
    : day && weekday;
}

/** First run of a new job: intervals start at once. */
export function firstRun(schedule: CronSchedule, now: number): number {
  return schedule.type === "interval" ? now : nextRun(schedule, now, now);
}

/** The run after the one due at `previous`; missed ones are skipped. */
export function nextRun(
  schedule: CronSchedule,
  previous: number,
  now: number,
): number {
  if (schedule.type === "interval") {
    const step = intervalMs(schedule);
    const missed = Math.max(0, Math.floor((now - previous) / step));
    return previous + (missed + 1) * step;
  }
  const text = asCron(schedule);
  const fields = parseCron(text);
  let at = Math.floor(Math.max(previous, now) / MINUTE_MS + 1) * MINUTE_MS;
  for (let i = 0; i < HORIZON_MINUTES; i++, at += MINUTE_MS)
    if (matches(fields, new Date(at), text)) return at;
  return at;
}
