// options.ts - the command line: one table gives name, default and help, so
// flags and the manual page cannot disagree.

export interface ServeOptions {
  command: "serve";
  port: number;
  sitePort: number;
  host: string;
  data: string;
  instanceName: string;
  cloudOrigin: string | null;
  siteOrigin: string | null;
  logLevel: LogLevel;
  /** For tests; null: none of it. */
  seed: string | null;
  /** ms since 1970. */
  clock: number | null;
  controlPort: number | null;
}

export interface AdminKeyOptions {
  command: "admin-key";
  data: string;
  instanceName: string;
}

export type Options = ServeOptions | AdminKeyOptions | { command: "help" };

export const LOG_LEVELS = ["error", "warn", "info", "debug"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** The user got the command line wrong: print the line, exit 2. */
export class UsageError extends Error {}

interface Flag {
  name: string;
  value: string;
  default: string | null;
  help: string;
}

const FLAGS: readonly Flag[] = [
  {
    name: "data",
    value: "DIR",
    default: null,
    help: "data folder, made when missing; one server at a time (required)",
  },
  {
    name: "port",
    value: "N",
    default: "3210",
    help: "port of the backend; 0 takes a free one",
  },
  {
    name: "site-port",
    value: "N",
    default: "3211",
    help: "port of the site (HTTP actions); 0 takes a free one",
  },
  {
    name: "host",
    value: "ADDRESS",
    default: "127.0.0.1",
    help: "address both listen on",
  },
  {
    name: "instance-name",
    value: "NAME",
    default: "convex-dev",
    help: "name of the deployment, first part of the admin key",
  },
  {
    name: "cloud-origin",
    value: "URL",
    default: null,
    help: "the backend's URL as its clients see it (default http://127.0.0.1:PORT)",
  },
  {
    name: "site-origin",
    value: "URL",
    default: null,
    help: "the site's URL as its clients see it (default http://127.0.0.1:SITE-PORT)",
  },
  {
    name: "log-level",
    value: "LEVEL",
    default: "info",
    help: LOG_LEVELS.join(", "),
  },
  {
    name: "seed",
    value: "TEXT",
    default: null,
    help: "for tests: ids and random numbers are the same in every run",
  },
  {
    name: "clock",
    value: "TIME",
    default: null,
    help: "for tests: starts at this time, ms since 1970 or a date",
  },
  {
    name: "control-port",
    value: "N",
    default: null,
    help: "for tests: serves clock, faults and restart (README); 0 takes a free one",
  },
];

export function helpText(): string {
  const rows = FLAGS.map((flag) => {
    const left = `  --${flag.name} ${flag.value}`.padEnd(27);
    const fallback = flag.default === null ? "" : ` (default ${flag.default})`;
    return `${left}${flag.help}${fallback}`;
  });
  return [
    "NAME",
    "  convex-backend - a Convex-compatible backend for laptops and tests",
    "",
    "  Development only, never for production.",
    "",
    "USAGE",
    "  node dist/main.js --data DIR [OPTIONS]     serve until SIGTERM",
    "  node dist/main.js admin-key --data DIR     print the admin key",
    "  node dist/main.js --help",
    "",
    "OPTIONS",
    ...rows,
    "",
    "FILES",
    "  DIR/admin-key    the admin key, made on first use, mode 0600",
    "  DIR/data.sqlite  documents and deployed code; DIR/files uploaded files",
    "  DIR/lock.sqlite  held while a server uses the folder",
    "",
    "SIGNALS",
    "  SIGTERM, SIGINT  stop taking requests, close the data, exit 0",
    "",
    "EXIT STATUS",
    "  0 done, 1 failed (port in use, data folder in use), 2 bad usage",
    "",
    "EXAMPLE",
    "  node dist/main.js --data ./data &",
    "  export CONVEX_SELF_HOSTED_URL=http://127.0.0.1:3210",
    '  export CONVEX_SELF_HOSTED_ADMIN_KEY="$(node dist/main.js admin-key --data ./data)"',
    "  npx convex deploy",
    "",
  ].join("\n");
}

/** Reads the arguments after the program's name; throws UsageError. */
export function parseOptions(argv: readonly string[]): Options {
  const args = [...argv];
  if (args.includes("--help") || args.includes("-h"))
    return { command: "help" };
  const isAdminKey = args[0] === "admin-key";
  if (isAdminKey) args.shift();
  const given = readFlags(args);
  const get = (name: string): string | null =>
    given.get(name) ??
    FLAGS.find((flag) => flag.name === name)?.default ??
    null;

  const data = get("data");
  if (data === null)
    throw new UsageError("--data DIR is required (see --help)");
  const instanceName = instance(get("instance-name") ?? "");
  if (isAdminKey) return { command: "admin-key", data, instanceName };
  return {
    command: "serve",
    data,
    instanceName,
    port: portNumber("port", get("port")),
    sitePort: portNumber("site-port", get("site-port")),
    host: get("host") ?? "127.0.0.1",
    cloudOrigin: origin("cloud-origin", get("cloud-origin")),
    siteOrigin: origin("site-origin", get("site-origin")),
    logLevel: logLevel(get("log-level")),
    seed: get("seed"),
    clock: time("clock", get("clock")),
    controlPort:
      get("control-port") === null
        ? null
        : portNumber("control-port", get("control-port")),
  };
}

function readFlags(args: readonly string[]): Map<string, string> {
  const given = new Map<string, string>();
  for (let i = 0; i < args.length; i++) {
    const [, name, inline] = /^--([^=]+)(?:=(.*))?$/s.exec(args[i] ?? "") ?? [];
    if (name === undefined) {
      throw new UsageError(`unexpected argument '${args[i]}' (see --help)`);
    }
    if (!FLAGS.some((flag) => flag.name === name)) {
      throw new UsageError(`unknown option '--${name}' (see --help)`);
    }
    const value = inline ?? args[++i];
    if (value === undefined) throw new UsageError(`--${name} needs a value`);
    given.set(name, value);
  }
  return given;
}

function portNumber(name: string, text: string | null): number {
  const port = /^\d{1,5}$/.test(text ?? "") ? Number(text) : NaN;
  if (!(port <= 65535)) {
    throw new UsageError(`--${name} must be a port number, not '${text}'`);
  }
  return port;
}

function time(name: string, text: string | null): number | null {
  if (text === null) return null;
  const ms = /^\d+$/.test(text) ? Number(text) : Date.parse(text);
  if (Number.isFinite(ms)) return ms;
  throw new UsageError(
    `--${name} must be ms since 1970 or a date such as 2026-01-31T12:00Z, not '${text}'`,
  );
}

function origin(name: string, text: string | null): string | null {
  if (text === null) return null;
  if (
    !/^https?:\/\/[^/\s]+(\/[^\s]*[^/\s])?$/.test(text) ||
    !URL.canParse(text)
  ) {
    throw new UsageError(
      `--${name} must be an http(s) URL without a trailing slash, not '${text}'`,
    );
  }
  return text;
}

function instance(name: string): string {
  if (!/^[a-z0-9][a-z0-9-]{0,63}$/i.test(name)) {
    throw new UsageError(
      `--instance-name must be letters, digits and dashes, not '${name}'`,
    );
  }
  return name;
}

function logLevel(text: string | null): LogLevel {
  const level = LOG_LEVELS.find((known) => known === text);
  if (level === undefined) {
    throw new UsageError(
      `--log-level must be one of ${LOG_LEVELS.join(", ")}, not '${text}'`,
    );
  }
  return level;
}
