// options.ts - the command line.
import { parseArgs } from "node:util";
import { LIMIT_MODES, type LimitMode } from "./rest/limits.js";

export interface Options {
  port: number;
  data: string;
  scenario?: string;
  limits: LimitMode;
}

export class UsageError extends Error {}

export const HELP = `NAME
    fake-discord - a Discord for development: REST, gateway and CDN on one port

USAGE
    node dist/main.js --data DIR [--port N] [--scenario FILE] [--limits MODE]

OPTIONS
    --data DIR        where everything is kept (made when missing)
    --port N          port on 127.0.0.1; 0, the default, takes any free one
    --scenario FILE   guilds, channels, roles, bots and people (JSON) for a new DIR;
                      without it: a source guild and a customer guild
    --limits MODE     demo     generous rate limits (default)
                      discord  limits like Discord's own
                      none     no limits, and no headers about them
    --help            this text

FILES
    DIR/discord.sqlite   guilds, members, messages, files, gateway sessions

SIGNALS
    SIGTERM, SIGINT   end; connected gateway sessions can be resumed after a restart

EXIT STATUS
    0  ended by a signal      1  cannot start (port in use, unreadable DIR)
    2  wrong usage

EXAMPLE
    node dist/main.js --port 3900 --data /tmp/discord
    curl http://127.0.0.1:3900/control/state
`;

/** Throws a UsageError with one clear line. "help" asks for the text. */
export function readOptions(argv: string[]): Options | "help" {
  const values = parse(argv);
  if (values.help) return "help";
  const port = values.port ?? "0";
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65535)
    throw new UsageError(`--port: "${port}" is not a port`);
  const limits = LIMIT_MODES.find((mode) => mode === (values.limits ?? "demo"));
  if (!limits)
    throw new UsageError(
      `--limits: "${values.limits}" is none of ${LIMIT_MODES.join(", ")}`,
    );
  if (!values.data) throw new UsageError("--data DIR is missing (try --help)");
  return {
    port: Number(port),
    data: values.data,
    limits,
    ...(values.scenario !== undefined && { scenario: values.scenario }),
  };
}

function parse(argv: string[]) {
  const text = { type: "string" } as const;
  try {
    return parseArgs({
      args: argv,
      options: {
        port: text,
        data: text,
        scenario: text,
        limits: text,
        help: { type: "boolean" },
      },
    }).values;
  } catch (error) {
    throw new UsageError(
      (error as Error).message.split("\n")[0]!.split(". ")[0]!,
    );
  }
}
