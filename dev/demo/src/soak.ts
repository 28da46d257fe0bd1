// ./run soak discord: messages with edits and deletes while Discord misbehaves in every way the
// fake knows and processes are killed at random moments; then an outage of ten minutes by
// Discord's clock. At the end each message of the source has its post, as it should be, and each
// post is a message's. The same seed plans the same faults and kills: the table has a digest.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Options } from "./options";
import { Check, compareUnordered, settleUnordered } from "./check";
import { Discord, type Message } from "./discord";
import { playLoad, random } from "./load";
import { CHANNELS, type Stack } from "./stack";

const VICTIMS = ["bot", "collector", "backend", "bot", "collector"];
const SETTLE_MS = 600_000;
const PLANNED = 1000; // things of a kind, of which the plan says what is struck
const CREATE = "POST /channels/:channel/messages";

// Of each thing that can be hit, this share is.
const STRUCK: Record<string, object> = {
  "429 of a route": { kind: "rest_429", rate: 0.01, retry_after: 0.3 },
  "429 in HTML": { kind: "rest_429", rate: 0.002, retry_after: 1, html: true },
  "429, global": {
    kind: "rest_429",
    rate: 0.002,
    retry_after: 1,
    global: true,
  },
  502: { kind: "rest_502", rate: 0.02 },
  "502 after the commit": {
    kind: "rest_502_after_commit",
    rate: 0.03,
    route: CREATE,
  },
  "cut after the commit": { kind: "rest_drop_after_commit", rate: 0.01 },
  "silence after the commit": {
    kind: "rest_hang_after_commit",
    rate: 0.003,
    route: CREATE,
  },
  "cut before": { kind: "rest_drop", rate: 0.01 },
  "torn answer": { kind: "torn_body", rate: 0.01 },
  "slow answer": { kind: "slow_body", rate: 0.01, ms: 300 },
  "late answer": { kind: "delay_rest", rate: 0.05, ms: 100 },
  "stale read": { kind: "stale_get", rate: 0.05, ms: 500 },
  "event twice": { kind: "duplicate_dispatch", rate: 0.03 },
  "event lost": { kind: "drop_dispatch", rate: 0.01 },
  "events swapped": { kind: "reorder_dispatch", rate: 0.03 },
  "event late": { kind: "delay_dispatch", rate: 0.03, ms: 300 },
  "partial update": { kind: "partial_update", rate: 0.2 },
  "preview of a link": { kind: "unfurl", rate: 0.03, ms: 200 },
  "no acknowledgement": { kind: "mute_acks", rate: 0.02 },
  "identify refused": { kind: "refuse_identify", rate: 0.05 },
  "resume refused": { kind: "refuse_resume", rate: 0.1 },
};
// Each after so many events.
const RECURRING: Record<string, object> = {
  "connection cut": { kind: "drop_gateway", every: 211 },
  "asked to reconnect": { kind: "reconnect", every: 307 },
  "session lost": { kind: "invalidate_sessions", every: 503 },
  "session invalid, resumable": {
    kind: "invalidate_sessions",
    resumable: true,
    every: 401,
  },
  "half open": { kind: "half_open", every: 997 },
};

async function control(
  stack: Stack,
  path: string,
  body: object,
): Promise<void> {
  const response = await fetch(`${stack.discordUrl}/control${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  if (!response.ok)
    throw new Error(`fake Discord: ${path}: ${await response.text()}`);
}

interface Planned {
  kind: string;
  strikes: number[]; // which of the things that it fits, counted from 0
}

/** Arms all; returns what they are going to strike. */
async function misbehave(stack: Stack, seed: number): Promise<Planned[]> {
  await control(stack, "/settings", { seed, heartbeat_interval_ms: 5000 });
  for (const fault of [...Object.values(STRUCK), ...Object.values(RECURRING)])
    await control(stack, "/faults", fault);
  const path = `/control/faults/plan?of=${PLANNED}`;
  const response = await fetch(`${stack.discordUrl}${path}`);
  return ((await response.json()) as { plan: Planned[] }).plan;
}

function planWords(faults: Planned[], kills: Kill[]): string {
  const strikes = faults.reduce((sum, f) => sum + f.strikes.length, 0);
  const text = JSON.stringify({ faults, kills });
  const digest = createHash("sha256").update(text).digest("hex").slice(0, 16);
  return `${strikes} strikes in the first ${PLANNED} of each kind, ${kills.length} kills; digest ${digest}`;
}

interface Kill {
  after: number; // messages
  victim: string;
}

/** When, and whom, the seed says. */
function planKills(
  stack: Stack,
  { kills, messages }: Options,
  rand: () => number,
): Kill[] {
  const victims = VICTIMS.filter((name) => stack.children.has(name));
  return Array.from({ length: kills }, () => Math.floor(rand() * messages))
    .sort((a, b) => a - b)
    .map((after, n) => ({ after, victim: victims[n % victims.length]! }));
}

/** Carries the plan out; counts. */
class Reaper {
  readonly kills = new Map<string, number>();
  private next = 0;

  constructor(
    private readonly stack: Stack,
    private readonly plan: readonly Kill[],
  ) {}

  at(written: number): void {
    for (; this.next < this.plan.length; this.next++) {
      const { after, victim } = this.plan[this.next]!;
      if (written <= after) return;
      this.kills.set(victim, (this.kills.get(victim) ?? 0) + 1);
      void this.stack.child(victim).kill9();
    }
  }
}

const OUTAGE_MS = 10 * 60_000;
const OUTAGE_STEPS = 60;
const ANALYST = "1400000000000000001";

/**
 * The collector is away for ten minutes of Discord's clock and its session is forgotten;
 * meanwhile messages are written, edited and deleted, also older ones.
 */
async function outage(
  stack: Stack,
  discord: Discord,
  before: Message[],
  rand: () => number,
): Promise<string> {
  const collector = stack.child("collector");
  const counts = { created: 0, edited: 0, deleted: 0 };
  await collector.stop();
  await control(stack, "/faults", { kind: "invalidate_sessions" });
  const known = [...before];
  for (let step = 1; step <= OUTAGE_STEPS; step++) {
    const ms = Math.round((OUTAGE_MS * step) / OUTAGE_STEPS);
    await control(stack, "/faults", { kind: "clock_skew", ms });
    const { source } = CHANNELS[step % CHANNELS.length]!;
    known.push(await discord.write(source, ANALYST, `in the outage, ${step}`));
    counts.created++;
    const victim = known[Math.floor(rand() * known.length)]!;
    const gone = step % 3 === 0;
    const change = gone
      ? discord.remove(victim.channel_id, victim.id)
      : discord.edit(victim.channel_id, victim.id, {
          content: `${victim.content}\n(outage ${step})`,
        });
    const done = await change.then(
      () => true,
      (error: Error) => {
        if (!/: 404 /.test(error.message)) throw error; // deleted before
        return false;
      },
    );
    if (done) counts[gone ? "deleted" : "edited"]++;
  }
  collector.start();
  await collector.ready();
  return `${counts.created} created, ${counts.edited} edited, ${counts.deleted} deleted`;
}

/** Resident memory of a process, and the most it ever had, in MB. */
function memoryOf(pid: number | null): string {
  if (pid === null) return "not running";
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const field = (name: string) =>
    Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)?.[1] ?? 0) / 1024;
  return `${field("VmRSS").toFixed(1)} MB, at most ${field("VmHWM").toFixed(1)} MB`;
}

function table(rows: [string, string | number][]): string {
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows
    .map(([name, value]) => `${name.padEnd(width + 2)}${value}\n`)
    .join("");
}

export async function runSoak(
  stack: Stack,
  options: Options,
): Promise<boolean> {
  const check = new Check();
  const discord = new Discord(stack.discordUrl);
  const rand = random(options.seed + 7919);
  const kills = planKills(stack, options, rand);
  const reaper = new Reaper(stack, kills);
  const faults = await misbehave(stack, options.seed);
  const written = await playLoad(discord, {
    count: options.messages,
    perSecond: options.rate,
    seed: options.seed,
    edits: 0.15,
    deletes: 0.08,
    onProgress: (count) => {
      reaper.at(count);
      if (count % 100 === 0)
        process.stderr.write(`  … ${count} of ${options.messages} messages\n`);
    },
  });
  await control(stack, "/faults", { kind: "reset" });
  const began = Date.now();
  await stack.children.get("backend")?.ready(); // the last kill may have been its
  const problems = await settleUnordered(stack, discord, SETTLE_MS);
  const settledMs = Date.now() - began;
  const count = (kind: string) =>
    problems.filter((p) => p.includes(kind)).length;
  const source = (
    await Promise.all(CHANNELS.map((c) => discord.messages(c.source)))
  ).flat();
  const repaired = await outage(stack, discord, source, rand);
  const after = await settleUnordered(stack, discord, SETTLE_MS);
  process.stdout.write(
    `\n${table([
      ["messages", `${written.length}, seed ${options.seed}`],
      [
        "faults",
        `${Object.keys(STRUCK).length + Object.keys(RECURRING).length} kinds`,
      ],
      ["planned", planWords(faults, kills)],
      [
        "kill -9",
        [...reaper.kills].map(([name, n]) => `${name} ${n}`).join(", ") ||
          "none",
      ],
      ["lost", count("missing")],
      ["doubled", count("too much")],
      ["different", problems.length - count("missing") - count("too much")],
      ["equal after", `${(settledMs / 1000).toFixed(1)} s without faults`],
      ["outage of 10 min", `${repaired}; ${after.length} differences`],
      ...["collector", "bot", "webhook-proxy"].map((name): [string, string] => [
        `RSS, ${name}`,
        memoryOf(stack.child(name).pid),
      ]),
    ])}\n`,
  );
  check.claim("both ends are equal to the source", problems);
  check.claim("the outage is repaired", after);
  check.claim("and so it stays", await compareUnordered(stack, discord));
  return check.summary();
}
