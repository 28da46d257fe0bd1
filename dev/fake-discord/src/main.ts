// main.ts - the command: reads the options, serves until told to stop.
import { ApiError } from "./errors.js";
import { HELP, readOptions, UsageError } from "./options.js";
import { readScenario } from "./scenario.js";
import { startServer, type RunningServer } from "./server.js";

function fail(message: string, status: number): never {
  process.stderr.write(`fake-discord: ${message}\n`);
  process.exit(status);
}

async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2));
  if (options === "help") {
    process.stdout.write(HELP);
    return;
  }
  const { scenario, ...rest } = options;
  const chosen =
    scenario === undefined ? {} : { scenario: readScenario(scenario) };
  const server = await startServer({ ...rest, ...chosen });
  process.stdout.write(`listening on ${server.url}\n`);
  for (const signal of ["SIGTERM", "SIGINT"] as const)
    process.once(signal, () => void end(server));
}

async function end(server: RunningServer): Promise<void> {
  await server.close();
  process.exit(0);
}

/** A setting or fault of the command line that the control API would refuse. */
function complaint(error: ApiError): string {
  return `--set or --fault: ${JSON.stringify(error.extra["errors"] ?? error.message)}`;
}

main().catch((error: NodeJS.ErrnoException) => {
  if (error instanceof ApiError) fail(complaint(error), 2);
  if (error instanceof UsageError) fail(error.message, 2);
  if (error.code === "EADDRINUSE")
    fail(`port in use: ${error.message.split(" ").pop()}`, 1);
  fail(error.message, 1);
});
