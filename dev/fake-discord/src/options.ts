// options.ts - the command line.
import { parseArgs } from "node:util";
import { ACTING_WORDS } from "./control-knobs.js";
import { ARMED } from "./faults.js";
import { LIMIT_MODES, type LimitMode } from "./rest/limits.js";
import type { Json } from "./validate.js";

export interface Options {
  port: number;
  data: string;
  scenario?: string;
  limits: LimitMode;
  seed?: number;
  settings: Json[];
  faults: Json[];
}

export class UsageError extends Error {}

function faultLines(faults: Record<string, string>): string {
  return Object.entries(faults)
    .map(([kind, words]) => `    ${kind.padEnd(23)} ${words}`)
    .join("\n");
}

export const HELP = `NAME
    fake-discord - a Discord for development: REST, gateway and CDN on one port

USAGE
    node dist/main.js --data DIR [--port N] [--scenario FILE] [--limits MODE]
                      [--seed N] [--set NAME=VALUE]... [--fault KIND[:KEY=VALUE,...]]...

OPTIONS
    --data DIR        where everything is kept (made when missing)
    --port N          port on 127.0.0.1; 0, the default, takes any free one
    --scenario FILE   guilds, channels, roles, bots and people (JSON) for a new DIR;
                      without it: a source guild and a customer guild
    --limits MODE     demo     generous rate limits (default)
                      discord  limits like Discord's own
                      none     no limits, and no headers about them
    --seed N          of the dice of faults with a rate: the same seed, the same faults
    --set NAME=VALUE  a setting, as POST /control/settings takes it
    --fault FAULT     a fault, as POST /control/faults takes it: its kind, then what
                      narrows it down: count, after (passes over so many), rate (a share
                      of all), event, route, bot, and what its line below names
    --help            this text

FAULTS that wait for something they fit
${faultLines(ARMED)}

FAULTS that act at once, or with every=N after each N events
${faultLines(ACTING_WORDS)}

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
    node dist/main.js --data /tmp/discord --limits discord --seed 7 \\
      --fault rest_502_after_commit:rate=0.05 --fault drop_gateway:every=200 \\
      --fault duplicate_dispatch:rate=0.1,event=MESSAGE_CREATE
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
  const { seed } = values;
  if (seed !== undefined && !/^\d{1,15}$/.test(seed))
    throw new UsageError(`--seed: "${seed}" is not a number`);
  return {
    port: Number(port),
    data: values.data,
    limits,
    settings: (values.set ?? []).map((text) => pairs("--set", text)),
    faults: (values.fault ?? []).map(readFault),
    ...(seed !== undefined && { seed: Number(seed) }),
    ...(values.scenario !== undefined && { scenario: values.scenario }),
  };
}

/** KIND:KEY=VALUE,KEY=VALUE. A value is a number, true, false or text. */
function readFault(text: string): Json {
  const colon = text.indexOf(":");
  const kind = colon < 0 ? text : text.slice(0, colon);
  const known = Object.hasOwn(ARMED, kind) || Object.hasOwn(ACTING_WORDS, kind);
  if (!known) throw new UsageError(`--fault: unknown "${kind}" (try --help)`);
  return { kind, ...(colon >= 0 && pairs("--fault", text.slice(colon + 1))) };
}

function pairs(flag: string, text: string): Json {
  const entries = text.split(",").map((pair) => {
    const [, key, value] = /^(\w+)=(.*)$/.exec(pair) ?? [];
    if (key === undefined || value === undefined)
      throw new UsageError(`${flag}: "${pair}" is not NAME=VALUE`);
    return [key, valueOf(value)];
  });
  return Object.fromEntries(entries) as Json;
}

function valueOf(text: string): unknown {
  if (text === "true" || text === "false") return text === "true";
  // Ids are numbers too long to be one.
  return /^-?\d{1,15}(\.\d+)?$/.test(text) ? Number(text) : text;
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
        seed: text,
        set: { type: "string", multiple: true },
        fault: { type: "string", multiple: true },
        help: { type: "boolean" },
      },
    }).values;
  } catch (error) {
    throw new UsageError(
      (error as Error).message.split("\n")[0]!.split(". ")[0]!,
    );
  }
}
