// limits.ts - who may ask how often. Fixed windows, as Discord's are.
// Owns the windows; they are forgotten at restart. Time is a parameter.
import { createHash } from "node:crypto";

export type LimitMode = "demo" | "discord" | "none";
export const LIMIT_MODES: readonly LimitMode[] = ["demo", "discord", "none"];

/** Routes that share a limit share a name, and so a bucket hash. */
export type LimitName =
  | "message-create"
  | "message-edit"
  | "message-edit-old"
  | "message-delete"
  | "message-delete-fresh"
  | "message-delete-old"
  | "bulk-delete"
  | "message-list"
  | "message-get"
  | "crosspost"
  | "typing"
  | "member-role"
  | "member"
  | "guild"
  | "channel"
  | "gateway"
  | "user"
  | "oauth"
  | "own-member"
  | "webhook"
  | "webhook-execute"
  | "webhook-message"
  | "webhook-channel";

interface Rate {
  limit: number;
  windowMs: number;
}
const per = (limit: number, seconds: number): Rate => ({
  limit,
  windowMs: seconds * 1000,
});

// What Discord was seen to do; it publishes no figures and changes them.
const DISCORD: Record<LimitName, Rate> = {
  "message-create": per(5, 5),
  "message-edit": per(5, 5),
  "message-edit-old": per(5, 60),
  "message-delete": per(5, 1),
  "message-delete-fresh": per(3, 1),
  "message-delete-old": per(30, 120),
  "bulk-delete": per(1, 3),
  "message-list": per(5, 1),
  "message-get": per(5, 1),
  crosspost: per(10, 3600),
  typing: per(5, 5),
  "member-role": per(10, 10),
  member: per(5, 1),
  guild: per(10, 10),
  channel: per(10, 10),
  gateway: per(2, 5),
  user: per(5, 1),
  oauth: per(10, 10),
  "own-member": per(5, 300),
  webhook: per(5, 5),
  "webhook-execute": per(5, 2),
  "webhook-message": per(5, 2),
  "webhook-channel": per(30, 60), // of all webhooks of a channel together
};
const GENEROUS = per(50, 1);

const GLOBAL: Record<LimitMode, number> = {
  demo: 500,
  discord: 50,
  none: Infinity,
};
const BAN_WINDOW_MS = 600_000;

interface Window {
  used: number;
  endsAt: number;
}

export interface Verdict {
  headers: Record<string, string>;
  /** Set when the request is refused. */
  wait?: { seconds: number; scope: "user" | "global" | "shared" };
}

export class Limits {
  mode: LimitMode;
  readonly #overrides = new Map<LimitName, Rate>();
  readonly #windows = new Map<string, Window>();
  #globalPerSecond: number | undefined;
  /** Refused requests in ten minutes after which an address is shut out. */
  banAfter = 10_000;

  constructor(mode: LimitMode) {
    this.mode = mode;
  }

  override(name: LimitName, limit: number, seconds: number): void {
    this.#overrides.set(name, per(limit, seconds));
  }

  overrideGlobal(perSecond: number): void {
    this.#globalPerSecond = perSecond;
  }

  reset(): void {
    this.#overrides.clear();
    this.#windows.clear();
    this.#globalPerSecond = undefined;
  }

  /** Counts one request of `bot` against bucket `name` of `major`. */
  take(bot: string, name: LimitName, major: string, now: number): Verdict {
    const global = this.#globalPerSecond ?? GLOBAL[this.mode];
    const all = this.#window(`global/${bot}`, 1000, now);
    if (all.used >= global) {
      const seconds = (all.endsAt - now) / 1000;
      return {
        headers: { "x-ratelimit-global": "true" },
        wait: { seconds, scope: "global" },
      };
    }
    const rate = this.#rate(name);
    if (!rate) return { headers: {} };
    const bucket = createHash("md5").update(name).digest("hex");
    const window = this.#window(
      `${bot}/${bucket}/${major}`,
      rate.windowMs,
      now,
    );
    const refused = window.used >= rate.limit;
    if (!refused) {
      window.used++;
      all.used++;
    }
    const seconds = (window.endsAt - now) / 1000;
    const headers = {
      "x-ratelimit-limit": String(rate.limit),
      "x-ratelimit-remaining": String(rate.limit - window.used),
      "x-ratelimit-reset": (window.endsAt / 1000).toFixed(3),
      "x-ratelimit-reset-after": seconds.toFixed(3),
      "x-ratelimit-bucket": bucket,
    };
    return refused
      ? { headers, wait: { seconds, scope: "user" } }
      : { headers };
  }

  /** Counts against what all clients share: no headers tell of it in advance. */
  takeShared(name: LimitName, major: string, now: number): Verdict {
    const rate = this.#rate(name);
    if (!rate) return { headers: {} };
    const window = this.#window(`shared/${name}/${major}`, rate.windowMs, now);
    if (window.used++ < rate.limit) return { headers: {} };
    const seconds = (window.endsAt - now) / 1000;
    return { headers: {}, wait: { seconds, scope: "shared" } };
  }

  /** Counts an answer of 401, 403 or 429 against the address that got it. */
  countInvalid(address: string, now: number): void {
    this.#window(`invalid/${address}`, BAN_WINDOW_MS, now).used++;
  }

  banned(address: string, now: number): boolean {
    if (this.mode !== "discord") return false;
    return (
      this.#window(`invalid/${address}`, BAN_WINDOW_MS, now).used >=
      this.banAfter
    );
  }

  #rate(name: LimitName): Rate | undefined {
    const override = this.#overrides.get(name);
    if (override || this.mode === "none") return override;
    return this.mode === "discord" ? DISCORD[name] : GENEROUS;
  }

  #window(key: string, ms: number, now: number): Window {
    const open = this.#windows.get(key);
    if (open && open.endsAt > now) return open;
    const fresh = { used: 0, endsAt: now + ms };
    this.#windows.set(key, fresh);
    return fresh;
  }
}
