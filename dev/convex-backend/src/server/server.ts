// server.ts - the whole backend around the engine: two HTTP ports, sockets,
// and their orderly end. Main thread only.

import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import type { AddressInfo, Server as NetServer } from "node:net";
import type { Duplex } from "node:stream";
import type { Engine } from "../engine/api.js";
import { Auth } from "./auth.js";
import { addDeployRoutes } from "./deploy.js";
import { notFound } from "./errors.js";
import type { Faults } from "./faults.js";
import { FunctionLog } from "./functionLog.js";
import { Functions } from "./functions.js";
import { Exchange, Router } from "./http.js";
import { serveSite } from "./httpActions.js";
import { addFunctionRoutes } from "./httpFunctions.js";
import { addStorageRoutes } from "./httpStorage.js";
import type { Log } from "./log.js";
import { refuseUpgrade, SyncServer } from "./syncServer.js";
import { VERSION } from "./version.js";

export interface Origins {
  cloudOrigin: string;
  siteOrigin: string;
}

export interface ServerOptions {
  host: string;
  port: number;
  sitePort: number;
  instanceName: string;
  adminKey: string;
  log: Log;
  /** As clients see us; null: from host and port. */
  cloudOrigin: string | null;
  siteOrigin: string | null;
  /** Stand between the clients and both ports; absent: nothing does. */
  faults?: Faults;
  /** Called when both ports are known, before any request is served. */
  openEngine(origins: Origins): Promise<Engine>;
}

export interface RunningServer extends Origins {
  engine: Engine;
  port: number;
  sitePort: number;
  /** Stops taking requests, ends connections, closes the engine. */
  close(): Promise<void>;
}

/** Longer than clients keep idle connections, so that they close first. */
const KEEP_ALIVE_MS = 120_000;

/** A port could not be had; the message names it. */
export class PortError extends Error {}

/** Listens, opens the engine, serves. Nothing is left open when it throws. */
export async function startServer(
  options: ServerOptions,
): Promise<RunningServer> {
  const cloud = createServer({ keepAliveTimeout: KEEP_ALIVE_MS });
  const site = createServer({ keepAliveTimeout: KEEP_ALIVE_MS });
  const attached = holdUntilAttached(cloud, site);
  const { faults } = options;
  const cloudFront = faults?.front("cloud", cloud) ?? cloud;
  const siteFront = faults?.front("site", site) ?? site;
  const closePorts = async () => {
    cloud.closeAllConnections();
    site.closeAllConnections();
    faults?.cut("cloud");
    faults?.cut("site");
    await Promise.all([closeServer(cloudFront), closeServer(siteFront)]);
  };
  try {
    const port = await listen(cloudFront, options.port, options.host);
    const sitePort = await listen(siteFront, options.sitePort, options.host);
    const origins = {
      cloudOrigin:
        options.cloudOrigin ?? `http://${urlHost(options.host)}:${port}`,
      siteOrigin:
        options.siteOrigin ?? `http://${urlHost(options.host)}:${sitePort}`,
    };
    const engine = await options.openEngine(origins);
    const handlers = makeHandlers(engine, options);
    attached(handlers);
    return {
      ...origins,
      engine,
      port,
      sitePort,
      close: async () => {
        handlers.close();
        await closePorts();
        await engine.close();
      },
    };
  } catch (error) {
    await closePorts();
    throw error;
  }
}

interface Handlers {
  cloud(request: IncomingMessage, response: ServerResponse): void;
  site(request: IncomingMessage, response: ServerResponse): void;
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  close(): void;
}

/** Who calls while the engine still opens waits for it instead of failing. */
function holdUntilAttached(
  cloud: Server,
  site: Server,
): (handlers: Handlers) => void {
  let attach: (handlers: Handlers) => void = () => undefined;
  const attached = new Promise<Handlers>((resolve) => (attach = resolve));
  cloud.on("request", (request, response) => {
    void attached.then((handlers) => handlers.cloud(request, response));
  });
  site.on("request", (request, response) => {
    void attached.then((handlers) => handlers.site(request, response));
  });
  cloud.on("upgrade", (request, socket, head) => {
    socket.on("error", () => socket.destroy());
    void attached.then((handlers) => handlers.upgrade(request, socket, head));
  });
  return attach;
}

function makeHandlers(engine: Engine, options: ServerOptions): Handlers {
  const { log, instanceName } = options;
  const auth = new Auth(engine, options.adminKey);
  const functions = new Functions(engine);
  const functionLog = new FunctionLog(engine, log);
  const sync = new SyncServer({ engine, functions, auth, log });

  const cloud = new Router();
  addTextRoutes(cloud, instanceName);
  addFunctionRoutes(cloud, { engine, functions, auth });
  addStorageRoutes(cloud, engine);
  addDeployRoutes(cloud, { engine, auth, functions, functionLog });
  const onHttp = (exchange: Exchange) =>
    serveSite(engine, auth, exchange, "/http");
  cloud.under("/http/", { "*": onHttp }, false).on("*", "/http", onHttp, false);

  const site = new Router();
  site.on("GET", "/version", (exchange) => exchange.text(VERSION), false);
  site.under(
    "/",
    { "*": (exchange) => serveSite(engine, auth, exchange, "") },
    false,
  );

  return {
    cloud: serving(cloud, log),
    site: serving(site, log),
    upgrade: (request, socket, head) => upgrade(sync, request, socket, head),
    close: () => {
      sync.close();
      functionLog.close();
    },
  };
}

function addTextRoutes(router: Router, instanceName: string): void {
  router
    .on("GET", "/", (exchange) =>
      exchange.text(
        "This is a Convex development backend. See https://docs.convex.dev/.",
      ),
    )
    .on("GET", "/version", (exchange) => exchange.text(VERSION), false)
    .on("GET", "/instance_name", (exchange) => exchange.text(instanceName))
    .on("GET", "/instance_version", (exchange) => exchange.text(VERSION))
    .on("POST", "/echo", (exchange) => {
      exchange.response.writeHead(200, {
        "content-type": "application/octet-stream",
      });
      exchange.request.pipe(exchange.response);
    });
}

function serving(router: Router, log: Log) {
  return (request: IncomingMessage, response: ServerResponse): void => {
    const exchange = new Exchange(request, response);
    void router.serve(exchange, (error) =>
      log.error("request-failed", {
        method: exchange.method,
        path: exchange.path,
        error:
          error instanceof Error
            ? (error.stack ?? error.message)
            : String(error),
      }),
    );
  };
}

function upgrade(
  sync: SyncServer,
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): void {
  const path = (request.url ?? "").replace(/^\/+/, "/").split("?")[0] ?? "";
  const match = /^\/api\/(?:([^/]+)\/)?sync$/.exec(path);
  if (match === null) {
    refuseUpgrade(socket, notFound("NotFound", `no WebSocket at ${path}`));
    return;
  }
  sync.upgrade(request, socket, head, match[1] ?? null);
}

// ---------------------------------------------------------------- listening

function listen(
  server: NetServer,
  port: number,
  host: string,
): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const why =
        error.code === "EADDRINUSE"
          ? "is already in use"
          : error.code === "EACCES"
            ? "needs more rights"
            : `cannot be used: ${error.message}`;
      reject(new PortError(`port ${port} on ${host} ${why}`));
    });
    server.listen(port, host, () =>
      resolve((server.address() as AddressInfo).port),
    );
  });
}

function closeServer(server: NetServer): Promise<void> {
  return new Promise((resolve) => {
    if (!server.listening) return resolve();
    server.close(() => resolve());
  });
}

function urlHost(host: string): string {
  if (host === "0.0.0.0" || host === "::") return "127.0.0.1";
  return host.includes(":") ? `[${host}]` : host;
}
