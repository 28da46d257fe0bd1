// server.ts - one port for REST, gateway, CDN and control.
import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { WebSocketServer } from "ws";
import { AUTHORIZE, serveAuthorize } from "./authorize.js";
import { serveFile } from "./cdn.js";
import { changeSettings, takeFault, wireFaults } from "./control-knobs.js";
import { Control } from "./control.js";
import { Fake, type FakeOptions } from "./fake.js";
import { GatewaySocket } from "./gateway/socket.js";
import { Api } from "./rest/api.js";
import type { Json } from "./validate.js";

export interface ServerOptions extends FakeOptions {
  port: number; // 0: any free one
  seed?: number;
  settings?: Json[];
  faults?: Json[]; // as the control API takes them
}

export interface RunningServer {
  url: string; // http://127.0.0.1:PORT
  fake: Fake;
  close(): Promise<void>;
}

const GATEWAY = /^\/(gateway|gateway-resume)\/?$/;
const KEEP_ALIVE_MS = 75_000;

/** Resolves when it listens; rejects when it cannot. */
export async function startServer(
  options: ServerOptions,
): Promise<RunningServer> {
  const fake = new Fake(options);
  const server = createServer(handler(fake));
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  const gateway = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
  });
  server.on("upgrade", (request, socket, head) =>
    upgrade(fake, gateway, request, socket, head),
  );
  try {
    wireFaults(fake);
    if (options.seed !== undefined) fake.faults.seed = options.seed;
    for (const some of options.settings ?? []) changeSettings(fake, some);
    for (const fault of options.faults ?? []) takeFault(fake, fault);
    await listen(server, options.port);
  } catch (error) {
    fake.close();
    throw error;
  }
  const { port } = server.address() as AddressInfo;
  fake.files.origin = `http://127.0.0.1:${port}`;
  return {
    url: fake.files.origin,
    fake,
    close: () => stop(fake, server, gateway),
  };
}

function handler(fake: Fake) {
  const api = new Api(fake);
  const control = new Control(fake);
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const path = request.url ?? "/";
    if (path.startsWith("/control/")) return control.handle(request, response);
    if (path.startsWith("/cdn/"))
      return serveFile(fake.files, request, response);
    if (AUTHORIZE.test(path.split("?")[0]!))
      return serveAuthorize(fake, request, response);
    return api.handle(request, response);
  };
  return (request: IncomingMessage, response: ServerResponse) => {
    answer(request, response).catch((error: unknown) => {
      // A client that left mid-request is no fault of ours.
      if (request.destroyed && !request.complete) return;
      console.error(`${request.method} ${request.url}:`, error);
      if (!response.headersSent)
        response.writeHead(500, { "content-type": "application/json" });
      response.end(
        JSON.stringify({ message: "500: Internal Server Error", code: 0 }),
      );
    });
  };
}

function upgrade(
  fake: Fake,
  gateway: WebSocketServer,
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): void {
  const { pathname, searchParams } = new URL(request.url ?? "/", "http://fake");
  if (!GATEWAY.test(pathname)) {
    socket.end(
      "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
    );
    return;
  }
  gateway.handleUpgrade(request, socket, head, (ws) => {
    const connection = new GatewaySocket(fake, ws, pathname, searchParams);
    fake.sockets.add(connection);
    connection.start();
  });
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () => {
      server.off("error", reject);
      resolve();
    });
  });
}

/** Sockets are cut, not closed: sessions stay resumable, as after a crash. */
async function stop(
  fake: Fake,
  server: Server,
  gateway: WebSocketServer,
): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  const cut = [...fake.sockets].map((socket) => socket.cut());
  gateway.close();
  server.closeAllConnections();
  await closed;
  await Promise.all(cut);
  fake.close();
}
