// syncServer.ts - the WebSockets of the sync protocol: upgrades, pings,
// deadlines. Owns every open socket. Main thread only.

import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { WebSocket, WebSocketServer } from "ws";
import {
  isAtLeast,
  socketClient,
  type ClientVersion,
} from "./clientVersion.js";
import { toApiError, type ApiError } from "./errors.js";
import { PING } from "./syncMessages.js";
import { SyncSession, type Link, type SessionServices } from "./syncSession.js";

const MAX_MESSAGE_BYTES = 64 << 20;
const SOCKET_PING_MS = 5_000;
const SILENT_CLIENT_MS = 120_000;
/** A client that hears nothing for 60 s reconnects. */
const QUIET_SERVER_MS = 15_000;
/** Smaller frames (in UTF-16 units) are not worth a trip through zlib. */
const COMPRESS_FROM = 64 << 10;

/** For the close frame to get out when the server stops. */
const CLOSE_GRACE_MS = 200;

const CHUNKS_SINCE = [1, 28, 0] as const;

export class SyncServer {
  readonly #services: SessionServices;
  readonly #quietMs: number;
  readonly #sockets: WebSocketServer;
  readonly #open = new Map<WebSocket, SyncSocket>();
  readonly #pinger: NodeJS.Timeout;

  /** `quietMs`: after so long without a word of the server it says Ping. */
  constructor(services: SessionServices, quietMs = QUIET_SERVER_MS) {
    this.#services = services;
    this.#quietMs = quietMs;
    this.#sockets = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      maxPayload: MAX_MESSAGE_BYTES,
      perMessageDeflate: { zlibDeflateOptions: { level: 1 } },
    });
    this.#pinger = setInterval(() => this.#pingAll(), SOCKET_PING_MS);
    this.#pinger.unref();
  }

  /** Takes over an upgrade request whose path is one of ours. */
  upgrade(
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    pathVersion: string | null,
  ): void {
    let client: ClientVersion | null;
    try {
      client = socketClient(header(request, "convex-client"), pathVersion);
    } catch (error) {
      refuseUpgrade(socket, toApiError(error));
      return;
    }
    this.#sockets.handleUpgrade(request, socket, head, (ws) =>
      this.#accept(ws, request, client),
    );
  }

  #accept(
    ws: WebSocket,
    request: IncomingMessage,
    client: ClientVersion | null,
  ): void {
    const chunks =
      client !== null &&
      client.name === "npm" &&
      isAtLeast(client.semver, CHUNKS_SINCE);
    const socket = new SyncSocket(ws, this.#services, this.#quietMs, {
      chunks,
      client: client?.text,
      ip: request.socket.remoteAddress,
      userAgent: header(request, "user-agent"),
    });
    this.#open.set(ws, socket);
    ws.on("close", () => this.#open.delete(ws));
  }

  #pingAll(): void {
    const now = performance.now();
    for (const socket of this.#open.values()) socket.ping(now);
  }

  /** Closes every connection; clients come back when the server does. */
  close(): void {
    clearInterval(this.#pinger);
    for (const socket of this.#open.values()) socket.close();
    this.#sockets.close();
  }
}

class SyncSocket implements Link {
  readonly #ws: WebSocket;
  readonly #session: SyncSession;
  readonly #quiet: NodeJS.Timeout;
  #lastHeard = performance.now();
  #isEnding = false;

  constructor(
    ws: WebSocket,
    services: SessionServices,
    quietMs: number,
    options: ConstructorParameters<typeof SyncSession>[2],
  ) {
    this.#ws = ws;
    this.#session = new SyncSession(services, this, options);
    this.#quiet = setTimeout(() => this.send(PING), quietMs);
    ws.on("message", (data, isBinary) =>
      this.#message(data as Buffer, isBinary),
    );
    ws.on("pong", () => (this.#lastHeard = performance.now()));
    ws.on("ping", () => (this.#lastHeard = performance.now()));
    ws.on("error", (error) =>
      services.log.debug("sync-socket", { error: error.message }),
    );
    ws.on("close", () => this.#closed());
  }

  send(frame: string, onSent?: () => void): void {
    this.#quiet.refresh();
    if (this.#ws.readyState !== WebSocket.OPEN) {
      onSent?.();
      return;
    }
    const compress = frame.length >= COMPRESS_FROM;
    this.#ws.send(frame, { compress }, () => onSent?.());
  }

  end({
    frame,
    code,
    reason,
  }: {
    frame?: string;
    code?: number;
    reason?: string;
  }): void {
    this.#isEnding = true;
    clearTimeout(this.#quiet);
    if (frame !== undefined) this.#ws.send(frame, () => undefined);
    this.#ws.close(code, reason);
  }

  ping(now: number): void {
    if (now - this.#lastHeard > SILENT_CLIENT_MS && !this.#isEnding) {
      this.#session.close();
      this.end({ code: 1000, reason: "ClientDisconnect" });
      return;
    }
    if (this.#ws.readyState === WebSocket.OPEN) this.#ws.ping();
  }

  close(): void {
    this.#session.close();
    this.end({});
    setTimeout(() => this.#ws.terminate(), CLOSE_GRACE_MS).unref();
  }

  #message(data: Buffer, isBinary: boolean): void {
    this.#lastHeard = performance.now();
    if (isBinary) this.#session.fail(new Error("a binary frame"));
    else this.#session.receive(data.toString("utf8"));
  }

  #closed(): void {
    clearTimeout(this.#quiet);
    this.#session.close();
  }
}

function header(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value[0] : value;
}

/** Answers an upgrade request with a plain HTTP error. */
export function refuseUpgrade(socket: Duplex, error: ApiError): void {
  const body = JSON.stringify({ code: error.code, message: error.message });
  const lines = [
    `HTTP/1.1 ${error.status} Refused`,
    "Content-Type: application/json",
    `Content-Length: ${Buffer.byteLength(body)}`,
    "Connection: close",
  ];
  if (error.code === "ClientVersionUnsupported") {
    lines.push("x-convex-deprecation-state: Deprecated");
    lines.push(`x-convex-deprecation-message: ${error.message}`);
  }
  socket.end(`${lines.join("\r\n")}\r\n\r\n${body}`);
}
