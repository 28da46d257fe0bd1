// clients.ts - the official clients, in the form the tests want them.

import { ConvexClient } from "convex/browser";
import { makeFunctionReference } from "convex/server";
import { WebSocket } from "ws";

export const query = (name: string) => makeFunctionReference<"query">(name);
export const mutation = (name: string) =>
  makeFunctionReference<"mutation">(name);
export const action = (name: string) => makeFunctionReference<"action">(name);

export function liveClient(url: string): ConvexClient {
  return new ConvexClient(url, {
    webSocketConstructor: WebSocket as never,
    logger: false,
    unsavedChangesWarning: false,
  });
}

/** A subscription whose results can be waited for. */
export class Watched<T> {
  readonly seen: T[] = [];
  readonly errors: Error[] = [];
  readonly #waiting: {
    want: (value: T) => boolean;
    done: (value: T) => void;
  }[] = [];

  constructor(
    from: ConvexClient,
    name: string,
    args: Record<string, unknown> = {},
  ) {
    from.onUpdate(
      query(name),
      args as never,
      (value) => this.#add(value as T),
      (error) => this.errors.push(error),
    );
  }

  /** The latest result seen, or the next, that is wanted. */
  until(want: (value: T) => boolean): Promise<T> {
    const found = this.seen.findLast(want);
    if (found !== undefined) return Promise.resolve(found);
    return new Promise((done) => this.#waiting.push({ want, done }));
  }

  #add(value: T): void {
    this.seen.push(value);
    for (const waiter of this.#waiting.splice(0)) {
      if (waiter.want(value)) waiter.done(value);
      else this.#waiting.push(waiter);
    }
  }
}
