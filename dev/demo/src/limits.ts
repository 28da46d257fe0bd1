// What Discord's limits alone make posts wait: the least that any bot can reach.

/** So many in a window, which begins with the first in it. */
export interface Limit {
  count: number;
  ms: number;
}
export const IN_A_CHANNEL: Limit = { count: 5, ms: 5000 };
export const IN_ALL: Limit = { count: 50, ms: 1000 };

class Window {
  private used = 0;
  private endsAt = -Infinity;

  constructor(private readonly limit: Limit) {}

  /** When one that wants to at `at` may. */
  opens(at: number): number {
    return at < this.endsAt && this.used >= this.limit.count ? this.endsAt : at;
  }

  take(at: number): void {
    if (at >= this.endsAt) {
      this.used = 0;
      this.endsAt = at + this.limit.ms;
    }
    this.used++;
  }
}

class Lane {
  readonly waiting: { at: number; index: number }[] = [];
  readonly window = new Window(IN_A_CHANNEL);
  private last = -Infinity; // when its latest was posted

  /** When its next may be posted, as far as its channel goes; Infinity: there is none. */
  ready(): number {
    const next = this.waiting[0];
    if (next === undefined) return Infinity;
    return this.window.opens(Math.max(next.at, this.last));
  }

  take(at: number) {
    this.window.take(at);
    this.last = at;
    return this.waiting.shift()!;
  }
}

/** How long each post waits, ms, if it can be made at `at`, takes no time, and keeps its channel's order. */
export function leastWaits(
  posts: readonly { channel: string; at: number }[],
): number[] {
  const lanes = new Map<string, Lane>();
  const order = posts.map((_, index) => index);
  order.sort((a, b) => posts[a]!.at - posts[b]!.at);
  for (const index of order) {
    const { channel, at } = posts[index]!;
    const lane = lanes.get(channel) ?? new Lane();
    lanes.set(channel, lane);
    lane.waiting.push({ at, index });
  }
  const all = new Window(IN_ALL);
  const waits: number[] = [];
  let now = -Infinity;
  for (let left = posts.length; left > 0; left--) {
    const [first] = [...lanes.values()].sort((a, b) => a.ready() - b.ready());
    now = all.opens(Math.max(now, first!.ready()));
    all.take(now);
    const { at, index } = first!.take(now);
    waits[index] = now - at;
  }
  return waits;
}
