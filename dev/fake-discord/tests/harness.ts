// harness.ts - a fake Discord in this process, and clients to try it with.
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { WebSocket, type RawData } from "ws";
import type { LimitMode } from "../src/rest/limits.js";
import { startServer, type RunningServer } from "../src/server.js";

export type Json = Record<string, any>;

export const SOURCE = "1100000000000000001";
export const VIP = "1100000000000000101";
export const SCALPS = "1100000000000000102";
export const CUSTOMERS = "1200000000000000001";
export const MIRROR_VIP = "1200000000000000101";
export const PREMIUM = "1200000000000000201";
export const OWNER_ROLE = "1200000000000000202";
export const COLLECTOR = "1300000000000000001";
export const MIRROR = "1300000000000000002";
export const MARA = "1400000000000000001";
export const YUSUF = "1400000000000000003";
export const SIGNAL_BOT = "1400000000000000005";
export const OTTO = "1400000000000000011";
export const AGENT = "DiscordBot (https://example.com, 1.0)";
export const INTENTS = { collector: 33281, mirror: 515 };

export interface Bench {
  url: string;
  server: RunningServer;
  directory: string;
  /** Runs before the server is gone: for clients that would mourn it. */
  beforeEnd: (end: () => unknown) => void;
  control: (method: string, path: string, body?: unknown) => Promise<any>;
  say: (content: string, more?: Json, channel?: string) => Promise<Json>;
  fault: (kind: string, more?: Json) => Promise<any>;
}

/** A server for one test, gone when the test is over. */
export async function bench(
  t: TestContext,
  limits: LimitMode = "demo",
): Promise<Bench> {
  const directory = mkdtempSync(join(tmpdir(), "fake-discord-"));
  const server = await startServer({ port: 0, data: directory, limits });
  const endings: (() => unknown)[] = [];
  t.after(async () => {
    for (const end of endings) await end();
    await server.close();
    rmSync(directory, { recursive: true });
  });
  const beforeEnd = (end: () => unknown) => void endings.push(end);
  return { server, directory, beforeEnd, ...controls(server.url) };
}

export function controls(url: string) {
  const control = async (
    method: string,
    path: string,
    body?: unknown,
  ): Promise<any> => {
    const response = await fetch(`${url}/control${path}`, {
      method,
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const answer = text === "" ? undefined : JSON.parse(text);
    if (!response.ok)
      throw Object.assign(new Error(`${method} ${path}: ${text}`), {
        answer,
        status: response.status,
      });
    return answer;
  };
  return {
    url,
    control,
    say: (content: string, more: Json = {}, channel = VIP): Promise<Json> =>
      control("POST", `/channels/${channel}/messages`, {
        author_id: MARA,
        content,
        ...more,
      }),
    fault: (kind: string, more: Json = {}) =>
      control("POST", "/faults", { kind, ...more }),
  };
}

export interface Answer {
  status: number;
  headers: Headers;
  body: any;
}

/** A bot's plain REST calls. */
export function rest(
  url: string,
  token: string,
  headers: Record<string, string> = {},
) {
  return async (
    method: string,
    path: string,
    body?: unknown,
  ): Promise<Answer> => {
    const form = body instanceof FormData;
    const response = await fetch(`${url}/api/v10${path}`, {
      method,
      headers: {
        "user-agent": AGENT,
        authorization: `Bot ${token}`,
        ...(body !== undefined &&
          !form && { "content-type": "application/json" }),
        ...headers,
      },
      ...(body !== undefined && {
        body: form || typeof body === "string" ? body : JSON.stringify(body),
      }),
    });
    const text = await response.text();
    const json = response.headers
      .get("content-type")
      ?.startsWith("application/json");
    return {
      status: response.status,
      headers: response.headers,
      body: json ? JSON.parse(text) : text,
    };
  };
}

/** A gateway client that hides nothing: everything received, in order. */
export class RawGateway {
  readonly ws: WebSocket;
  readonly payloads: Json[] = [];
  readonly closed: Promise<number>;
  #waiting: (() => void)[] = [];

  constructor(
    url: string,
    decode: (data: RawData) => Json | undefined = plainly,
  ) {
    this.ws = new WebSocket(url);
    this.closed = once(this.ws, "close").then(([code]) => code as number);
    this.ws.on("message", (data) => {
      const payload = decode(data);
      if (!payload) return;
      this.payloads.push(payload);
      for (const wake of this.#waiting.splice(0)) wake();
    });
    this.ws.on("error", () => undefined); // seen as the close that follows
  }

  /** The first payload, past or to come, that is wanted. */
  async until(wanted: (payload: Json) => boolean): Promise<Json> {
    for (;;) {
      const found = this.payloads.find(wanted);
      if (found) return found;
      await new Promise<void>((resolve, reject) => {
        this.#waiting.push(resolve);
        void this.closed.then((code) =>
          reject(new Error(`closed with ${code}`)),
        );
      });
    }
  }

  event(t: string, check: (d: Json) => boolean = () => true): Promise<Json> {
    return this.until((p) => p["t"] === t && check(p["d"]));
  }

  send(op: number, d: unknown): void {
    this.ws.send(JSON.stringify({ op, d }));
  }

  events(t: string): Json[] {
    return this.payloads.filter((p) => p["t"] === t);
  }
}

function plainly(data: RawData): Json {
  return JSON.parse(data.toString()) as Json;
}

export function gatewayUrl(
  url: string,
  query = "v=10&encoding=json",
  path = "gateway",
): string {
  return `${url.replace("http", "ws")}/${path}?${query}`;
}

export const PROPERTIES = { os: "linux", browser: "test", device: "test" };

/** A raw client that has said Hello and identified. */
export async function identified(
  t: TestContext,
  url: string,
  token = "collector-token",
  intents = INTENTS.collector,
): Promise<RawGateway> {
  const gateway = new RawGateway(gatewayUrl(url));
  t.after(() => gateway.ws.terminate());
  await gateway.until((p) => p["op"] === 10);
  gateway.send(2, { token, intents, properties: PROPERTIES });
  await gateway.event("GUILD_CREATE");
  return gateway;
}

/** Resumes the session of `old` on a new socket. */
export async function resumed(
  t: TestContext,
  old: RawGateway,
  seq?: number,
): Promise<RawGateway> {
  const ready = old.payloads.find((p) => p["t"] === "READY")!["d"];
  const last = Math.max(...old.payloads.map((p) => p["s"] ?? 0));
  const gateway = new RawGateway(
    `${ready["resume_gateway_url"]}/?v=10&encoding=json`,
  );
  t.after(() => gateway.ws.terminate());
  await gateway.until((p) => p["op"] === 10);
  gateway.send(6, {
    token: "collector-token",
    session_id: ready["session_id"],
    seq: seq ?? last,
  });
  return gateway;
}
