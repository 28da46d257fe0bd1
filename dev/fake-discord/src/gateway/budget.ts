// budget.ts - how often a bot may still identify. Persisted: a restart of the
// server is no way to get more. Owns the `identify/...` rows of `meta`.
import type { Clock } from "../clock.js";
import type { Database } from "../database.js";

const DAY_MS = 24 * 3600 * 1000;
const TOTAL = 1000;
const CONCURRENCY_WINDOW_MS = 5000;

interface Account {
  used: number;
  resetAt: number;
}

export class IdentifyBudget {
  readonly #db: Database;
  readonly #clock: Clock;
  #recent = new Map<string, number[]>();
  /** Identifies allowed in five seconds. */
  maxConcurrency: number;
  total = TOTAL;

  constructor(db: Database, clock: Clock, maxConcurrency: number) {
    this.#db = db;
    this.#clock = clock;
    this.maxConcurrency = maxConcurrency;
  }

  #account(botId: string): Account {
    const stored = this.#db.meta(`identify/${botId}`);
    const now = this.#clock.now();
    const account = stored && (JSON.parse(stored) as Account);
    if (account && account.resetAt > now) return account;
    return { used: 0, resetAt: now + DAY_MS };
  }

  limit(botId: string): Record<string, number> {
    const { used, resetAt } = this.#account(botId);
    return {
      total: this.total,
      remaining: Math.max(0, this.total - used),
      reset_after: resetAt - this.#clock.now(),
      max_concurrency: this.maxConcurrency,
    };
  }

  /** "later": too many at once. "spent": the day's are used up. */
  take(botId: string): "granted" | "later" | "spent" {
    const now = this.#clock.now();
    const recent = (this.#recent.get(botId) ?? []).filter(
      (at) => at > now - CONCURRENCY_WINDOW_MS,
    );
    if (recent.length >= this.maxConcurrency) return "later";
    this.#recent.set(botId, [...recent, now]);
    const account = this.#account(botId);
    if (account.used >= this.total) return "spent";
    account.used++;
    this.#db.setMeta(`identify/${botId}`, JSON.stringify(account));
    return "granted";
  }
}
