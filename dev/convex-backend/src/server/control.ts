// control.ts - what tests of other parts ask of a running backend: another
// time, trouble on the wire, a restart. A port of its own, so that it answers
// whatever happens to the others; with the admin key, on 127.0.0.1 only.

import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { sameKey } from "./adminKey.js";
import { ApiError, badRequest, forbidden } from "./errors.js";
import type { Fault, Faults, Target } from "./faults.js";
import { Exchange, Router } from "./http.js";
import type { MovableClock } from "./movableClock.js";

export interface Controlled {
  adminKey: string;
  clock: MovableClock;
  faults: Faults;
  /** The clock was moved. */
  clockMoved(): void;
  /** Ends and starts everything but this port; resolves when it serves again. */
  restart(downMs: number): Promise<void>;
}

export interface Control {
  port: number;
  close(): void;
}

const MAX_BODY = 1 << 20;

type Body = Record<string, unknown>;

/** Serves the control port; 0 takes a free one. */
export async function startControl(
  port: number,
  controlled: Controlled,
): Promise<Control> {
  const router = routes(controlled);
  const server: Server = createServer((request, response) => {
    void router.serve(new Exchange(request, response), () => undefined);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

function routes(controlled: Controlled): Router {
  const { clock, faults } = controlled;
  const router = new Router();
  const post = (path: string, answer: (body: Body) => unknown) =>
    router.on(
      "POST",
      path,
      async (exchange) => {
        requireKey(exchange, controlled.adminKey);
        exchange.json(await answer(await exchange.jsonBody(MAX_BODY)));
      },
      false,
    );
  const state = () => ({
    now: clock.now(),
    faults: faults.list(),
    connections: { cloud: faults.count("cloud"), site: faults.count("site") },
  });
  router.on(
    "GET",
    "/",
    (exchange) => {
      requireKey(exchange, controlled.adminKey);
      exchange.json(state());
    },
    false,
  );
  post("/clock", (body) => {
    if (body.set !== undefined) clock.set(timeOf(body.set));
    if (body.advance !== undefined) clock.advance(numberOf(body, "advance"));
    controlled.clockMoved();
    return { now: clock.now() };
  });
  post("/faults", (body) => {
    faults.set(faultsOf(body.faults));
    return state();
  });
  post("/cut", (body) => {
    const path = typeof body.path === "string" ? body.path : "";
    return { cut: faults.cut(targetOf(body.target), path) };
  });
  post("/restart", async (body) => {
    await controlled.restart(numberOf(body, "downMs", 0));
    return state();
  });
  return router;
}

function requireKey(exchange: Exchange, adminKey: string): void {
  const credential = exchange.credential();
  if (credential.kind === "admin" && sameKey(credential.key, adminKey)) return;
  throw forbidden("BadDeployKey", "the control port wants the admin key");
}

// ---------------------------------------------------------------- what was sent

function wrong(what: string): ApiError {
  return badRequest("BadControl", what);
}

function numberOf(body: Body, name: string, fallback?: number): number {
  const value = body[name] ?? fallback;
  if (typeof value === "number" && Number.isFinite(value)) return value;
  throw wrong(`${name} must be a number`);
}

/** ms since 1970, or a date. */
export function timeOf(value: unknown): number {
  const ms = typeof value === "string" ? Date.parse(value) : Number(value);
  if (Number.isFinite(ms)) return ms;
  throw wrong(
    "a time is in ms since 1970, or a date such as 2026-01-31T12:00Z",
  );
}

function targetOf(value: unknown): Target {
  if (value === undefined || value === "cloud") return "cloud";
  if (value === "site") return "site";
  throw wrong('target is "cloud" or "site"');
}

const NUMBERS = ["connections", "delayMs", "cutDownAt", "cutUpAt"] as const;
const FLAGS = ["refuse", "drop"] as const;
const KNOWN = new Set<string>(["target", "path", ...NUMBERS, ...FLAGS]);

function faultsOf(value: unknown): Fault[] {
  if (!Array.isArray(value)) throw wrong("faults must be a list");
  return (value as Body[]).map((body) => {
    for (const name of Object.keys(body))
      if (!KNOWN.has(name)) throw wrong(`no fault has a ${name}`);
    const fault: Fault = { target: targetOf(body.target) };
    if (typeof body.path === "string") fault.path = body.path;
    for (const name of NUMBERS)
      if (body[name] !== undefined) fault[name] = numberOf(body, name);
    for (const name of FLAGS) if (body[name] === true) fault[name] = true;
    return fault;
  });
}
