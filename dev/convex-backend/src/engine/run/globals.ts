/* globals.ts - turns a worker thread's globals into those that Convex functions see.
 *
 * Done once per thread, before any deployed module is loaded. Functions of one realm share it
 * with this program's own code, which therefore keeps what it needs by `import`.
 */

import { AsyncLocalStorage, AsyncResource } from "node:async_hooks";
import * as timers from "node:timers";
import { makeConsole, type LogLines } from "./console.js";
import { MODULE_SCHEME } from "./errors.js";
import { installFetch } from "./fetch.js";
import type { Random } from "./random.js";

export type Ambient = {
  /** The lines of the running call, or null. */
  logs: () => LogLines | null;
  /** process.env of the functions. */
  environment: () => Record<string, string>;
  /** Called for an unset variable that is read. */
  onMissingVariable?: (name: string) => void;
};

/** What makes queries and mutations repeatable. */
export type Frozen = {
  /** ms; the call's start. */
  now: () => number;
  random: () => Random;
  /** Brackets work that another thread does for the call (crypto). */
  track: <T>(work: Promise<T>) => Promise<T>;
};

/*
 * Not there for functions. Node's own fetch, Request and Response use some of these as globals
 * whenever they run, so they stay, and only code of functions is told that there are none.
 */
const HIDDEN = [
  "global",
  "Buffer",
  "setImmediate",
  "clearImmediate",
  "require",
  "module",
  "exports",
  "navigator",
  "WebSocket",
  "BroadcastChannel",
  "MessageChannel",
  "MessagePort",
  "gc",
];

function define(name: string, value: unknown): void {
  Object.defineProperty(globalThis, name, {
    value,
    writable: true,
    configurable: true,
    enumerable: false,
  });
}

export function installGlobals(ambient: Ambient): void {
  define("self", globalThis);
  define("AsyncLocalStorage", AsyncLocalStorage);
  define("AsyncResource", AsyncResource);
  define("console", makeConsole(ambient.logs));
  define("process", { env: environmentProxy(ambient) });
  installFetch();
  for (const name of HIDDEN) hide(name);
}

function hide(name: string): void {
  if (name in globalThis) defineForFunctions(name, undefined);
}

/** For deployed code only: Node's own goes on with what it knows. */
function defineForFunctions(name: string, shown: unknown): void {
  const real = (globalThis as Record<string, unknown>)[name];
  let theirs = shown;
  Object.defineProperty(globalThis, name, {
    get: () => (isAskedByFunction() ? theirs : real),
    set: (value: unknown) => (theirs = value),
    configurable: true,
    enumerable: false,
  });
}

/** Whether the code that reads a global is a deployed function's. */
function isAskedByFunction(): boolean {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 3; // this function, the getter, the reader
  const { stack } = new Error();
  Error.stackTraceLimit = limit;
  return stack?.includes(MODULE_SCHEME) ?? false;
}

function environmentProxy(ambient: Ambient): object {
  const read = (name: string | symbol): string | undefined => {
    if (typeof name !== "string") return undefined;
    const values = ambient.environment();
    if (Object.hasOwn(values, name)) return values[name];
    ambient.onMissingVariable?.(name);
    return undefined;
  };
  return new Proxy(
    {},
    {
      get: (_, name) => read(name),
      has: (_, name) =>
        typeof name === "string" && Object.hasOwn(ambient.environment(), name),
      ownKeys: () => Object.keys(ambient.environment()),
      getOwnPropertyDescriptor: (_, name) => {
        const values = ambient.environment();
        if (typeof name !== "string" || !Object.hasOwn(values, name))
          return undefined;
        return { value: values[name], enumerable: true, configurable: true };
      },
      set: () => {
        throw new Error("process.env is read-only");
      },
    },
  );
}

/** For actions: the real time, moved as the backend's clock was. */
export function moveDate(offset: () => number): void {
  const { now } = Date;
  define(
    "Date",
    dateOf(() => now() + offset()),
  );
}

/** setTimeout and its kin for actions: ids are numbers, and all end with their action. */
export class Timers {
  private readonly running = new Map<number, NodeJS.Timeout>();
  private nextId = 1;

  install(): void {
    defineForFunctions("setTimeout", (...call: TimerCall) => this.once(call));
    defineForFunctions("setInterval", (...call: TimerCall) => this.often(call));
    for (const name of ["clearTimeout", "clearInterval"])
      defineForFunctions(name, (id: number) => this.end(id));
  }

  private once([run, ms, ...args]: TimerCall): number {
    const id = this.nextId++;
    const fire = () => {
      this.running.delete(id);
      run(...args);
    };
    this.running.set(id, timers.setTimeout(fire, ms));
    return id;
  }

  private often([run, ms, ...args]: TimerCall): number {
    const id = this.nextId++;
    this.running.set(id, timers.setInterval(run, ms, ...args));
    return id;
  }

  private end(id: number): void {
    timers.clearTimeout(this.running.get(id));
    this.running.delete(id);
  }

  clear(): void {
    for (const id of [...this.running.keys()]) this.end(id);
  }
}

type TimerCall = [
  run: (...args: unknown[]) => void,
  ms?: number,
  ...args: unknown[],
];

function forbidden(what: string): (...args: unknown[]) => never {
  return () => {
    throw new Error(
      `Can't use ${what} in queries and mutations. Please consider using an action. See https://docs.convex.dev/functions/actions for more details.`,
    );
  };
}

/** Makes this thread fit for queries and mutations: frozen time, seeded chance, no I/O. */
export function freeze(frozen: Frozen): void {
  for (const name of ["setTimeout", "setInterval"])
    define(name, forbidden(name));
  for (const name of ["clearTimeout", "clearInterval"])
    define(name, () => undefined);
  define("fetch", forbidden("fetch()"));
  define("Date", dateOf(frozen.now));
  define("performance", {
    now: () => 0,
    get timeOrigin() {
      return frozen.now();
    },
  });
  Math.random = () => frozen.random().float();
  define("crypto", frozenCrypto(frozen));
}

/** A Date whose present is `now()`. */
function dateOf(now: () => number): unknown {
  const Real = Date;
  function Shown(this: unknown, ...args: unknown[]) {
    if (new.target === undefined) return new Real(now()).toString();
    return Reflect.construct(
      Real,
      args.length === 0 ? [now()] : args,
      new.target,
    ) as unknown;
  }
  Shown.prototype = Real.prototype;
  Object.defineProperty(Shown, "length", { value: 7 });
  Object.defineProperty(Shown, "name", { value: "Date" });
  Shown.now = () => now();
  Shown.parse = Real.parse.bind(Real);
  Shown.UTC = Real.UTC.bind(Real);
  Object.defineProperty(Real.prototype, "constructor", {
    value: Shown,
    writable: true,
    configurable: true,
  });
  return Shown;
}

/** What asks for chance that is not seeded: keys, and what these algorithms make of them. */
const RANDOMISED: Record<string, RegExp> = {
  generateKey: /^/,
  wrapKey: /^/,
  encrypt: /^RSA-OAEP$/i,
  sign: /^(ECDSA|RSA-PSS)$/i,
};

function algorithmName(algorithm: unknown): string {
  if (typeof algorithm === "string") return algorithm;
  return String((algorithm as { name?: unknown } | null)?.name);
}

function frozenCrypto(frozen: Frozen): object {
  const real = globalThis.crypto;
  const subtle = new Proxy(real.subtle, {
    get(target, name) {
      const value = Reflect.get(target, name, target) as unknown;
      if (typeof value !== "function") return value;
      return (...args: unknown[]) => {
        if (RANDOMISED[String(name)]?.test(algorithmName(args[0])))
          forbidden(`crypto.subtle.${String(name)}()`)();
        return frozen.track(
          (value as (...args: unknown[]) => Promise<unknown>).apply(
            target,
            args,
          ),
        );
      };
    },
  });
  const fake = Object.create(Object.getPrototypeOf(real) as object) as object;
  return Object.defineProperties(fake, {
    subtle: { value: subtle },
    getRandomValues: {
      value: <T extends ArrayBufferView>(view: T): T => {
        frozen
          .random()
          .fill(new Uint8Array(view.buffer, view.byteOffset, view.byteLength));
        return view;
      },
    },
    randomUUID: { value: () => frozen.random().uuid() },
  });
}
