// http.ts - one HTTP exchange: reading what the client sent within limits,
// answering it, cross-origin headers, errors. No state between exchanges.

import type {
  IncomingMessage,
  OutgoingHttpHeaders,
  ServerResponse,
} from "node:http";
import { promisify } from "node:util";
import { brotliDecompress } from "node:zlib";
import type { Caller } from "../engine/api.js";
import { credentialFrom, type Credential } from "./auth.js";
import { parseClientHeader, type ClientVersion } from "./clientVersion.js";
import { ApiError, badRequest, toApiError } from "./errors.js";
import { newRequestId } from "./requestIds.js";

const inflate = promisify(brotliDecompress);

/** A body is larger than its endpoint takes. */
export class BodyTooLarge extends Error {}

export type Handler = (exchange: Exchange) => Promise<void> | void;

export class Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Path as sent, percent-encoded, without extra leading slashes. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** The path and query as sent. */
  readonly target: string;

  constructor(request: IncomingMessage, response: ServerResponse) {
    this.request = request;
    this.response = response;
    this.target = (request.url ?? "/").replace(/^\/+/, "/");
    const mark = this.target.indexOf("?");
    this.path = mark < 0 ? this.target : this.target.slice(0, mark);
    this.query = new URLSearchParams(
      mark < 0 ? "" : this.target.slice(mark + 1),
    );
  }

  get method(): string {
    return this.request.method ?? "GET";
  }

  header(name: string): string | undefined {
    const value = this.request.headers[name];
    return Array.isArray(value) ? value[0] : value;
  }

  /** Throws ApiError 400 for a header that is none of ours. */
  credential(): Credential {
    return credentialFrom(
      this.header("authorization"),
      this.query.get("adminKey"),
    );
  }

  client(): ClientVersion | null {
    const header = this.header("convex-client");
    return header === undefined ? null : parseClientHeader(header);
  }

  caller(): Caller {
    const ip = this.request.socket.remoteAddress;
    const userAgent = this.header("user-agent");
    const client = this.header("convex-client");
    return {
      ...(ip === undefined ? {} : { ip }),
      ...(userAgent === undefined ? {} : { userAgent }),
      ...(client === undefined ? {} : { client }),
    };
  }

  requestId(): string {
    return this.header("convex-request-id") ?? newRequestId();
  }

  /** The whole body; rejects with BodyTooLarge, and then lets the rest go by. */
  body(limit: number): Promise<Buffer> {
    const { request } = this;
    const chunks: Buffer[] = [];
    let size = 0;
    return new Promise((resolve, reject) => {
      request.on("data", (chunk: Buffer) => {
        size += chunk.length;
        if (size <= limit) chunks.push(chunk);
        else reject(new BodyTooLarge());
      });
      request.on("end", () =>
        resolve(
          chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks),
        ),
      );
      request.on("error", reject);
    });
  }

  /** A JSON object of the public API, with its checks of type and size. */
  async jsonBody(limit: number): Promise<Record<string, unknown>> {
    const type =
      (this.header("content-type") ?? "").split(";")[0]?.trim() ?? "";
    if (!/^application\/([\w.-]+\+)?json$/i.test(type)) {
      throw badRequest(
        "BadJsonBody",
        "Expected request with `Content-Type: application/json`",
      );
    }
    const body = await this.body(limit).catch((error: unknown) => {
      if (!(error instanceof BodyTooLarge)) throw error;
      throw badRequest(
        "BadJsonBody",
        "Failed to buffer the request body: length limit exceeded",
      );
    });
    return parseJsonObject(body);
  }

  /** A JSON object from the CLI, compressed or not. */
  async pushBody(limit: number): Promise<Record<string, unknown>> {
    const raw = await this.body(limit).catch((error: unknown) => {
      if (!(error instanceof BodyTooLarge)) throw error;
      throw badRequest("BadJsonBody", "the push is too large");
    });
    if (this.header("content-encoding") !== "br") return parseJsonObject(raw);
    const body = await inflate(raw, { maxOutputLength: limit }).catch(() => {
      throw badRequest(
        "BadJsonBody",
        "the brotli-compressed body cannot be read",
      );
    });
    return parseJsonObject(body);
  }

  json(value: unknown, status = 200): void {
    this.send(status, "application/json", JSON.stringify(value));
  }

  /** `body` is JSON text already. */
  jsonText(body: string, status = 200): void {
    this.send(status, "application/json", body);
  }

  text(body: string, status = 200): void {
    this.send(status, "text/plain; charset=utf-8", body);
  }

  empty(status: number, headers: OutgoingHttpHeaders = {}): void {
    this.response.writeHead(status, { "content-length": 0, ...headers });
    this.response.end();
  }

  send(status: number, contentType: string, body: string | Buffer): void {
    const bytes = typeof body === "string" ? Buffer.from(body) : body;
    this.response.writeHead(status, {
      "content-type": contentType,
      "content-length": bytes.length,
    });
    this.response.end(this.method === "HEAD" ? undefined : bytes);
  }

  error(error: ApiError): void {
    if (error.code === "ClientVersionUnsupported") {
      this.response.setHeader("x-convex-deprecation-state", "Deprecated");
      this.response.setHeader("x-convex-deprecation-message", error.message);
    }
    this.json({ code: error.code, message: error.message }, error.status);
  }

  /** Mirrors what the browser asks for; call before answering. */
  allowCrossOrigin(): void {
    const origin = this.header("origin");
    if (origin === undefined) return;
    this.response.setHeader("access-control-allow-origin", origin);
    this.response.setHeader("access-control-allow-credentials", "true");
    this.response.setHeader("vary", "Origin");
  }

  preflight(): void {
    this.empty(200, {
      "access-control-allow-methods": "GET,POST,OPTIONS,PATCH,DELETE,PUT",
      "access-control-allow-headers":
        this.header("access-control-request-headers") ?? "",
      "access-control-max-age": "86400",
    });
  }
}

function parseJsonObject(body: Buffer): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(body.toString("utf8"));
  } catch (error) {
    throw badRequest(
      "BadJsonBody",
      `Failed to parse the request body as JSON: ${(error as Error).message}`,
    );
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw badRequest(
      "BadJsonBody",
      "Failed to deserialize the JSON body: expected an object",
    );
  }
  return value as Record<string, unknown>;
}

/** A required string field of a request body. */
export function stringField(
  body: Record<string, unknown>,
  name: string,
): string {
  const value = body[name];
  if (typeof value === "string") return value;
  throw badRequest(
    "BadJsonBody",
    `Failed to deserialize the JSON body into the target type: missing field \`${name}\``,
  );
}

// ---------------------------------------------------------------- routes

interface Route {
  methods: Readonly<Record<string, Handler>>;
  crossOrigin: boolean;
}

/** Exact paths and prefixes; the longest prefix wins. */
export class Router {
  readonly #exact = new Map<string, Route>();
  readonly #prefixes: [string, Route][] = [];

  on(method: string, path: string, handler: Handler, crossOrigin = true): this {
    const known = this.#exact.get(path)?.methods ?? {};
    this.#exact.set(path, {
      methods: { ...known, [method]: handler },
      crossOrigin,
    });
    return this;
  }

  /** Every method, unless `methods` names them. */
  under(
    prefix: string,
    methods: Readonly<Record<string, Handler>>,
    crossOrigin = true,
  ): this {
    this.#prefixes.push([prefix, { methods, crossOrigin }]);
    this.#prefixes.sort(([a], [b]) => b.length - a.length);
    return this;
  }

  /** Answers one exchange, whatever happens. `onError` gets internal failures. */
  async serve(
    exchange: Exchange,
    onError: (error: unknown) => void,
  ): Promise<void> {
    try {
      await this.#dispatch(exchange);
    } catch (error) {
      const known = toApiError(error);
      if (known.status >= 500) onError(error);
      if (exchange.response.headersSent) exchange.response.destroy();
      else exchange.error(known);
    }
  }

  async #dispatch(exchange: Exchange): Promise<void> {
    const route = this.#find(exchange.path);
    if (route === undefined) return exchange.empty(404);
    if (route.crossOrigin) {
      exchange.allowCrossOrigin();
      if (exchange.method === "OPTIONS") return exchange.preflight();
    }
    const method = exchange.method === "HEAD" ? "GET" : exchange.method;
    const handler =
      route.methods[exchange.method] ??
      route.methods[method] ??
      route.methods["*"];
    if (handler === undefined) return exchange.empty(405);
    await handler(exchange);
  }

  #find(path: string): Route | undefined {
    return (
      this.#exact.get(path) ??
      this.#prefixes.find(([prefix]) => path.startsWith(prefix))?.[1]
    );
  }
}
