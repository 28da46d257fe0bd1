// reading.ts - what every provider's reader returns, and how it reads foreign JSON.

import type { FactKind } from "./facts";

/** One event, as far as access is concerned. */
export type Reading =
  | { type: "ignored"; why: string } // fine, but it changes nobody's access
  | {
      type: "facts";
      subject: string; // "subscription:sub_1", "order:12"
      aliases: string[]; // other subjects that mean the same purchase
      renews: boolean;
      email: string | null; // as the provider wrote it
      products: string[]; // the provider's ids of what was bought
      test: boolean; // no real money
      facts: {
        kind: FactKind;
        at: number; // ms
        paidFrom?: number;
        paidUntil?: number;
      }[];
    };

/** What the proxy already found out about the event. */
export type Envelope = {
  type: string;
  subject?: string;
  occurredAt?: number; // ms
  receivedAt: number; // ms
};

export type Reader = (envelope: Envelope, body: Json) => Reading;

/** A value of foreign JSON: every step of the way may be missing. */
export class Json {
  constructor(readonly value: unknown) {}

  static parse(text: string): Json | null {
    try {
      return new Json(JSON.parse(text));
    } catch {
      return null;
    }
  }

  get(...path: (string | number)[]): Json {
    let value = this.value;
    for (const step of path)
      value =
        typeof value === "object" &&
        value !== null &&
        Object.hasOwn(value, step)
          ? (value as Record<string | number, unknown>)[step]
          : undefined;
    return new Json(value);
  }

  text(): string | null {
    return typeof this.value === "string" && this.value !== ""
      ? this.value
      : null;
  }

  /** An id, whether written as text or as a number. A number that JavaScript cannot hold is none. */
  id(): string | null {
    return Number.isSafeInteger(this.value) ? String(this.value) : this.text();
  }

  is(value: unknown): boolean {
    return this.value === value;
  }

  number(): number | null {
    return typeof this.value === "number" && Number.isFinite(this.value)
      ? this.value
      : null;
  }

  items(): Json[] {
    return Array.isArray(this.value) ? this.value.map((v) => new Json(v)) : [];
  }

  /** ISO 8601 text, or seconds since 1970, in ms. */
  time(): number | null {
    const number = this.number();
    if (number !== null) return Math.round(number * 1000);
    const ms = Date.parse(this.text() ?? "");
    return Number.isNaN(ms) ? null : ms;
  }
}

/** The first that is there. */
export function first<T>(...found: (T | null)[]): T | null {
  return found.find((value) => value !== null) ?? null;
}
