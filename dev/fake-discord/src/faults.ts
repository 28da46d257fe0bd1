// faults.ts - what shall go wrong next. Armed by the control API, used up by
// the part it hits. In memory only: a restarted server is a healthy one.

export interface Fault {
  kind: string;
  count: number; // how many more times; it is disarmed at 0
  route?: string; // "POST /channels/:channel/messages", or a method alone
  [parameter: string]: unknown;
}

/** Faults that wait for something to hit. Those that act at once are in control.ts. */
export const ARMED: Record<string, string> = {
  rest_502: "answer 502 without doing anything",
  rest_502_after_commit: "do it, then answer 502",
  rest_hang_after_commit: "do it, then never answer",
  rest_drop_after_commit: "do it, then cut the connection",
  rest_error: "answer {status, code, message} without doing anything",
  rest_429:
    "answer 429 with {retry_after} seconds; global, scope, headers:false, html:true",
  delay_rest: "answer {ms} later",
  slow_body: "send half of the answer, the rest {ms} later",
  torn_body: "send half of the answer, then cut the connection",
  duplicate_dispatch: "send the next event twice, under two sequence numbers",
  drop_dispatch: "lose the next event",
  reorder_dispatch: "send the next event after the one that follows it",
  delay_dispatch: "send the next event {ms} later",
  partial_update: "send only id, channel_id and what changed",
  unfurl: "add a generated embed {ms} after the next create",
  mute_acks: "do not acknowledge the next heartbeat",
  refuse_identify: "answer the next identify with op 9 false",
};

export class Faults {
  #armed: Fault[] = [];

  arm(fault: Fault): void {
    this.#armed.push(fault);
  }

  reset(): void {
    this.#armed = [];
  }

  list(): readonly Fault[] {
    return this.#armed;
  }

  /** Uses up one of `kind`, if one is armed for `route` ("METHOD /template"). */
  take(kind: string, route?: string): Fault | undefined {
    const found = this.#armed.find(
      (f) => f.kind === kind && f.count > 0 && hits(f, route),
    );
    if (!found) return undefined;
    found.count--;
    this.#armed = this.#armed.filter((f) => f.count > 0);
    return found;
  }
}

function hits(fault: Fault, route: string | undefined): boolean {
  if (fault.route === undefined || route === undefined) return true;
  return fault.route === route || fault.route === route.split(" ")[0];
}

export function numberOf(fault: Fault, key: string, otherwise: number): number {
  const value = fault[key];
  return typeof value === "number" && Number.isFinite(value)
    ? value
    : otherwise;
}
