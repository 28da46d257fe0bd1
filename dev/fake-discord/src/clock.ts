// clock.ts - the fake's idea of now, and the ids made from it.
// Owns the last id handed out. Invariant: ids only ever grow, even when the
// machine's clock steps back or the process was restarted.

const EPOCH_MS = 1420070400000n; // first second of 2015
const WORKER_BITS = 22n;

export class Clock {
  #skewMs = 0;
  #last: bigint;

  /** `last` is the greatest id of an earlier life, so that new ids follow it. */
  constructor(last = 0n) {
    this.#last = last;
  }

  now(): number {
    return Date.now() + this.#skewMs;
  }

  /** Moves the fake's clock against the machine's, for tests of clock skew. */
  skew(ms: number): void {
    this.#skewMs = ms;
  }

  nextId(): string {
    const fresh = (BigInt(this.now()) - EPOCH_MS) << WORKER_BITS;
    this.#last = fresh > this.#last ? fresh : this.#last + 1n;
    return this.#last.toString();
  }
}

const SNOWFLAKE = /^\d{1,20}$/;
const GREATEST = (1n << 64n) - 1n;

export function isSnowflake(value: unknown): value is string {
  return (
    typeof value === "string" &&
    SNOWFLAKE.test(value) &&
    BigInt(value) <= GREATEST
  );
}

/** Ids that clients see have 17 digits at least; some tell routes apart by that. */
export function isRealId(value: unknown): value is string {
  return isSnowflake(value) && value.length >= 17;
}

export function snowflakeMs(id: string): number {
  return Number((BigInt(id) >> WORKER_BITS) + EPOCH_MS);
}

/** Twenty digits, so that the order of text is the order of ids. */
export function orderOf(id: string): string {
  return id.padStart(20, "0");
}

/** Discord's own spelling: microseconds and an explicit zone. */
export function timestamp(ms: number): string {
  return new Date(ms).toISOString().replace("Z", "000+00:00");
}
