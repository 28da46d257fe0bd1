// main.ts - the program: command line in, a running backend or one clear
// line and an exit status out.

import { setTimeout } from "node:timers/promises";
import { openEngine, wallClock } from "./engine/index.js";
import { loadAdminKey } from "./server/adminKey.js";
import { startControl } from "./server/control.js";
import { Faults } from "./server/faults.js";
import { openLog } from "./server/log.js";
import { MovableClock } from "./server/movableClock.js";
import {
  helpText,
  parseOptions,
  UsageError,
  type Options,
  type ServeOptions,
} from "./server/options.js";
import { startServer } from "./server/server.js";

const USAGE = 2;
const FAILED = 1;

async function main(): Promise<void> {
  let options: Options;
  try {
    options = parseOptions(process.argv.slice(2));
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    leave(USAGE, error.message);
  }
  if (options.command === "help") {
    process.stdout.write(helpText());
  } else if (options.command === "admin-key") {
    process.stdout.write(
      `${loadAdminKey(options.data, options.instanceName)}\n`,
    );
  } else {
    await serve(options);
  }
}

async function serve(options: ServeOptions): Promise<void> {
  const log = openLog(options.logLevel);
  const adminKey = loadAdminKey(options.data, options.instanceName);
  const clock = new MovableClock(wallClock());
  if (options.clock !== null) clock.set(options.clock);
  const { seed } = options;
  const faults = new Faults();
  const start = (port: number, sitePort: number) =>
    startServer({
      ...options,
      port,
      sitePort,
      log,
      adminKey,
      ...(options.controlPort === null ? {} : { faults }),
      openEngine: (origins) =>
        openEngine({
          ...origins,
          dataDir: options.data,
          clock: clock.now,
          ...(seed === null ? {} : { seed }),
          log: (level, message) => log[level]("engine", { message }),
        }),
    });
  let server = await start(options.port, options.sitePort);
  if (options.controlPort !== null) {
    const control = await startControl(options.controlPort, {
      adminKey,
      clock,
      faults,
      clockMoved: () => server.engine.clockMoved(),
      restart: async (downMs) => {
        const { port, sitePort } = server;
        await server.close();
        await setTimeout(downMs);
        server = await start(port, sitePort);
      },
    });
    log.info("control", { url: `http://127.0.0.1:${control.port}` });
  }
  let stopping = false;
  const stop = (): void => {
    if (stopping) process.exit(FAILED); // asked twice
    stopping = true;
    log.info("stopping");
    server.close().then(
      () => process.exit(0),
      (error: unknown) => leave(FAILED, String((error as Error).message)),
    );
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
  log.info("listening", { cloud: server.cloudOrigin, site: server.siteOrigin });
  process.stdout.write("ready\n");
}

function leave(status: number, message: string): never {
  process.stderr.write(`convex-backend: ${message}\n`);
  process.exit(status);
}

main().catch((error: unknown) => leave(FAILED, (error as Error).message));
