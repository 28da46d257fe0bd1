// faults.ts - trouble on the wire, on demand, for tests of clients: connections
// that are refused, slow, silent, or cut at a byte. In front of the HTTP
// servers, which see nothing but a connection that behaves badly.

import type { Server } from "node:http";
import { createServer, type Server as NetServer, type Socket } from "node:net";
import { Duplex } from "node:stream";

export type Target = "cloud" | "site";

export interface Fault {
  target: Target;
  /** Only connections whose first request has a path that begins so. */
  path?: string;
  /** How many connections it meets; absent: all. */
  connections?: number;
  /** Reset at once. */
  refuse?: boolean;
  /** Everything passes that much later, both ways. */
  delayMs?: number;
  /** Nothing passes, and nothing ends. */
  drop?: boolean;
  /** Reset in place of the byte after so many to the client, or from it. */
  cutDownAt?: number;
  cutUpAt?: number;
}

/** The faults in force and the connections that are open. */
export class Faults {
  #rules: Fault[] = [];
  readonly #open = new Map<Socket, { target: Target; path: string | null }>();

  /** Replaces all; for connections that are opened from now on. */
  set(rules: readonly Fault[]): void {
    this.#rules = rules.map((rule) => ({ ...rule }));
  }

  list(): Fault[] {
    return this.#rules.map((rule) => ({ ...rule }));
  }

  count(target: Target): number {
    return [...this.#open.values()].filter((c) => c.target === target).length;
  }

  /** Resets the open connections of a target, and of a path; their number. */
  cut(target: Target, path = ""): number {
    let count = 0;
    for (const [socket, open] of this.#open) {
      if (open.target !== target || !(open.path ?? "").startsWith(path))
        continue;
      socket.resetAndDestroy();
      count++;
    }
    return count;
  }

  /** A server to listen with in place of `server`. */
  front(target: Target, server: Server): NetServer {
    return createServer({ allowHalfOpen: true }, (socket) => {
      const open = { target, path: null as string | null };
      this.#open.set(socket, open);
      socket.on("close", () => this.#open.delete(socket));
      socket.on("error", () => socket.destroy());
      const early = this.#take(target, null);
      if (early !== null) return pass(socket, server, early);
      socket.once("data", (first: Buffer) => {
        open.path = pathOf(first);
        socket.pause();
        socket.unshift(first);
        pass(socket, server, this.#take(target, open.path));
      });
    });
  }

  /** The rule for a connection; one with a path needs to know it. */
  #take(target: Target, path: string | null): Fault | null {
    const rule = this.#rules.find(
      (fault) =>
        fault.target === target &&
        (fault.path === undefined) === (path === null) &&
        (path ?? "").startsWith(fault.path ?? ""),
    );
    if (rule === undefined) return null;
    if (rule.connections !== undefined && --rule.connections <= 0)
      this.#rules = this.#rules.filter((other) => other !== rule);
    return rule;
  }
}

function pathOf(first: Buffer): string {
  return /^[A-Z]+ (\S+)/.exec(first.toString("latin1"))?.[1] ?? "";
}

function pass(socket: Socket, server: Server, fault: Fault | null): void {
  if (fault?.refuse === true) {
    socket.resetAndDestroy();
    return;
  }
  server.emit(
    "connection",
    fault === null ? socket : new Troubled(socket, fault),
  );
  // It was paused to be looked at.
  socket.resume();
}

/** A connection with a fault, as the server sees it. */
class Troubled extends Duplex {
  readonly #socket: Socket;
  readonly #fault: Fault;
  #down = 0;
  #up = 0;

  constructor(socket: Socket, fault: Fault) {
    super();
    this.#socket = socket;
    this.#fault = fault;
    socket.on("data", (chunk: Buffer) => this.#received(chunk));
    socket.on("end", () => this.#later(() => this.push(null)));
    socket.on("close", () => this.destroy());
  }

  get remoteAddress(): string | undefined {
    return this.#socket.remoteAddress;
  }
  setNoDelay(on?: boolean): this {
    this.#socket.setNoDelay(on);
    return this;
  }
  setKeepAlive(): this {
    return this;
  }
  setTimeout(): this {
    return this;
  }

  #later(work: () => void): void {
    if (this.#fault.delayMs === undefined) work();
    else setTimeout(work, this.#fault.delayMs);
  }

  #received(chunk: Buffer): void {
    if (this.#fault.drop === true) return;
    const rest = (this.#fault.cutUpAt ?? Infinity) - this.#up;
    this.#up += chunk.length;
    this.#later(() => {
      if (this.destroyed) return;
      if (rest > 0) this.push(chunk.subarray(0, rest));
      if (chunk.length > rest) this.#socket.resetAndDestroy();
    });
  }

  override _read(): void {
    // What arrives is pushed when it does.
  }

  override _write(chunk: Buffer, _: string, done: () => void): void {
    done();
    if (this.#fault.drop === true) return;
    const rest = (this.#fault.cutDownAt ?? Infinity) - this.#down;
    this.#down += chunk.length;
    this.#later(() => {
      if (chunk.length <= rest) {
        this.#socket.write(chunk);
        return;
      }
      // The bytes before the cut have to leave before the reset.
      this.#socket.write(chunk.subarray(0, Math.max(0, rest)), () =>
        this.#socket.destroySoon(),
      );
    });
  }

  override _final(done: () => void): void {
    this.#later(() => {
      if (this.#fault.drop !== true) this.#socket.end();
    });
    done();
  }

  override _destroy(_: Error | null, done: () => void): void {
    this.#later(() => {
      if (this.#fault.drop !== true) this.#socket.destroySoon();
    });
    done();
  }
}
