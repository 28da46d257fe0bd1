// faults.ts - what shall go wrong next. Armed by the control API or the command line,
// used up by the part it hits. In memory only: a restarted server is a healthy one.
// Invariant: whether a fault with a rate strikes the nth thing it fits depends on the
// seed, the fault and n alone, never on a clock or on other faults.
import { createHash } from "node:crypto";

export interface Fault {
  kind: string;
  count: number; // how many more times; it is disarmed at 0
  route?: string; // "POST /channels/:channel/messages", or a method alone
  event?: string; // "MESSAGE_CREATE"
  bot?: string; // a user id
  after?: number; // passes over that many things it fits first
  rate?: number; // strikes that share of the things it fits; else all of them
  every?: number; // of those that act at once: after each so many events
  [parameter: string]: unknown;
}

/** What a fault may hit. */
export interface Target {
  route?: string; // "METHOD /template"
  event?: string;
  bot?: string;
}

/** Faults that wait for something to hit. Those that act at once are in control-knobs.ts. */
export const ARMED: Record<string, string> = {
  rest_502: "answer 502 without doing anything",
  rest_502_after_commit: "do it, then answer 502",
  rest_hang: "never answer, nor do anything",
  rest_hang_after_commit: "do it, then never answer",
  rest_drop: "cut the connection without doing anything",
  rest_drop_after_commit: "do it, then cut the connection",
  rest_error: "answer {status, code, message} without doing anything",
  rest_429:
    "answer 429 with {retry_after} seconds; global, scope, headers:false, html:true, retry_after_header",
  delay_rest: "answer {ms} later",
  slow_body: "send half of the answer, the rest {ms} later",
  torn_body: "send half of the answer, then cut the connection",
  stale_get: "answer the next GET of messages as of {ms} ago",
  duplicate_dispatch: "send the next event twice, under two sequence numbers",
  drop_dispatch: "lose the next event",
  reorder_dispatch: "send the next event after the one that follows it",
  delay_dispatch: "send the next event {ms} later",
  partial_update: "send only id, channel_id and what changed",
  unfurl: "add a generated embed {ms} after the next create",
  mute_acks: "do not acknowledge the next heartbeat",
  refuse_identify: "answer the next identify with op 9 false",
  refuse_resume: "answer the next resume with op 9 false",
  reconnect_first: "send op 7 before Hello to the next connection",
};

interface Armed extends Fault {
  number: number; // tells faults of one kind apart, for their dice
  seen: number; // things it fitted so far
}

export class Faults {
  #armed: Armed[] = [];
  #next = 1;
  /** The same seed gives the same faults. */
  seed = 1;

  arm(fault: Fault): void {
    this.#armed.push({ ...fault, number: this.#next++, seen: 0 });
  }

  reset(): void {
    this.#armed = [];
    this.#next = 1;
  }

  list(): readonly Fault[] {
    return this.#armed.map(({ number, ...fault }) => ({
      ...fault,
      count: Number.isFinite(fault.count) ? fault.count : -1,
    }));
  }

  /** Which of the first `of` things that it fits each will strike, counted from 0. */
  plan(of: number): { kind: string; strikes: number[] }[] {
    const all = Array.from({ length: of }, (_, n) => n);
    return this.#armed.map((fault) => {
      const strikes = all.filter((n) => this.#isDue(fault, n));
      return { kind: fault.kind, strikes: strikes.slice(0, fault.count) };
    });
  }

  /** Uses up one of `kind`, if one is armed for `target` and its dice say so. */
  take(kind: string, target: Target = {}): Fault | undefined {
    for (const fault of this.#armed)
      if (fault.kind === kind && hits(fault, target) && this.#strikes(fault))
        return fault;
    return undefined;
  }

  /** One event goes out: those that act after each so many of them. */
  tick(event: string): Fault[] {
    return this.#armed.filter(
      (fault) =>
        fault.every !== undefined &&
        hits(fault, { event }) &&
        this.#isDue(fault, fault.seen++) &&
        this.#use(fault),
    );
  }

  #strikes(fault: Armed): boolean {
    return this.#isDue(fault, fault.seen++) && this.#use(fault);
  }

  #isDue(fault: Armed, n: number): boolean {
    if (fault.every !== undefined) return (n + 1) % fault.every === 0;
    if (n < (fault.after ?? 0)) return false;
    return fault.rate === undefined || this.#dice(fault, n) < fault.rate;
  }

  #use(fault: Armed): boolean {
    fault.count--;
    this.#armed = this.#armed.filter((f) => f.count > 0);
    return true;
  }

  /** From 0 up to 1. */
  #dice({ kind, number }: Armed, n: number): number {
    const text = `${this.seed}/${kind}/${number}/${n}`;
    const bytes = createHash("sha256").update(text).digest();
    return bytes.readUInt32BE(0) / 2 ** 32;
  }
}

function hits(fault: Fault, { route, event, bot }: Target): boolean {
  if (fault.bot !== undefined && bot !== undefined && fault.bot !== bot)
    return false;
  if (fault.event !== undefined && fault.event !== event) return false;
  if (fault.route === undefined || route === undefined) return true;
  return fault.route === route || fault.route === route.split(" ")[0];
}

export function numberOf(fault: Fault, key: string, otherwise: number): number {
  const value = fault[key];
  return typeof value === "number" && Number.isFinite(value)
    ? value
    : otherwise;
}
