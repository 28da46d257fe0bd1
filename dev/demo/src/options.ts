// Command line of the demo. One table: flags, help and errors cannot disagree.

export interface Options {
  mode: "play" | "check" | "bench" | "soak";
  reset: boolean;
  backend: string | null; // URL of another Convex deployment; its admin key comes from the environment
  speed: number;
  portBase: number | null;
  keep: boolean;
  rate: number;
  messages: number;
  kills: number;
  seed: number;
}

interface Flag {
  name: string;
  value?: string; // placeholder; absent: a switch
  help: string;
  set(options: Options, value: string): void;
}

class UsageError extends Error {}

function number(name: string, text: string, low: number, high: number): number {
  const n = Number(text);
  if (!Number.isFinite(n) || n < low || n > high)
    throw new UsageError(
      `${name}: '${text}' is not a number from ${low} to ${high}`,
    );
  return n;
}

const flags: Flag[] = [
  {
    name: "--check",
    help: "run without a person: play the feed, kill processes, compare both ends, exit 0 or 1",
    set: (o) => (o.mode = "check"),
  },
  {
    name: "--bench",
    help: "measure the pipeline at 1, 20 and 50 messages a second",
    set: (o) => (o.mode = "bench"),
  },
  {
    name: "--soak",
    help: "long fault run: random kills under load, ends compared",
    set: (o) => (o.mode = "soak"),
  },
  {
    name: "--reset",
    help: "forget the data of earlier runs first",
    set: (o) => (o.reset = true),
  },
  {
    name: "--backend",
    value: "URL",
    help: "use this Convex deployment instead of the development backend; needs CONVEX_SELF_HOSTED_ADMIN_KEY, and CONVEX_SITE_URL when its site origin is another host or port",
    set: (o, v) => {
      if (!/^https?:\/\/[^/]+/.test(v))
        throw new UsageError(`--backend: '${v}' is not an http(s) URL`);
      o.backend = v.replace(/\/+$/, "");
    },
  },
  {
    name: "--speed",
    value: "N",
    help: "play the sample feed N times as fast (default 1)",
    set: (o, v) => (o.speed = number("--speed", v, 0.1, 100)),
  },
  {
    name: "--port-base",
    value: "N",
    help: "use the ports N to N+4 (default 3210 3211 3900 8787 5180; --check takes free ones)",
    set: (o, v) => (o.portBase = number("--port-base", v, 1024, 65531)),
  },
  {
    name: "--keep",
    help: "--check, --bench and --soak: keep the data folder and the logs",
    set: (o) => (o.keep = true),
  },
  {
    name: "--messages",
    value: "N",
    help: "--check and --soak: messages in the measured run (default 500, soak 2000)",
    set: (o, v) => (o.messages = number("--messages", v, 10, 100000)),
  },
  {
    name: "--rate",
    value: "N",
    help: "--check and --soak: messages a second in that run (default 20)",
    set: (o, v) => (o.rate = number("--rate", v, 0.1, 1000)),
  },
  {
    name: "--kills",
    value: "N",
    help: "--soak: kill -9 this often (default 20)",
    set: (o, v) => (o.kills = number("--kills", v, 0, 10000)),
  },
  {
    name: "--seed",
    value: "N",
    help: "--soak: the same seed gives the same faults (default 1)",
    set: (o, v) => (o.seed = number("--seed", v, 0, 2 ** 31)),
  },
];

export function help(): string {
  const lines = flags.map(
    (f) =>
      `    ${(f.name + (f.value ? " " + f.value : "")).padEnd(16)}${f.help}`,
  );
  return `NAME
    run demo - the whole signal service on this machine, on sample data

USAGE
    ./run demo [OPTION]...

OPTIONS
${lines.join("\n")}

FILES
    .demo/    data, keys and logs of the demo (--check and the like use a temporary folder)

SIGNALS
    SIGINT, SIGTERM  end everything cleanly; a second one at once

EXIT STATUS
    0 done, 1 something failed or a check did not hold, 2 wrong usage

EXAMPLE
    ./run demo --reset --speed 4
`;
}

/** Exits 0 for --help and 2 for wrong usage. */
export function parseOptions(argv: string[]): Options {
  const options: Options = {
    mode: "play",
    reset: false,
    backend: null,
    speed: 1,
    portBase: null,
    keep: false,
    rate: 20,
    messages: 0,
    kills: 20,
    seed: 1,
  };
  try {
    for (let i = 0; i < argv.length; i++) {
      const [name, inline] = argv[i]!.split(/=(.*)/s, 2) as [
        string,
        string | undefined,
      ];
      if (name === "--help" || name === "-h") {
        process.stdout.write(help());
        process.exit(0);
      }
      const flag = flags.find((f) => f.name === name);
      if (!flag) throw new UsageError(`unknown option '${name}'`);
      if (!flag.value && inline !== undefined)
        throw new UsageError(`${name} takes no value`);
      const value = flag.value ? (inline ?? argv[++i]) : "";
      if (value === undefined)
        throw new UsageError(`${name} needs a value: ${flag.value}`);
      flag.set(options, value);
    }
    if (options.backend && !process.env.CONVEX_SELF_HOSTED_ADMIN_KEY)
      throw new UsageError(
        "--backend needs CONVEX_SELF_HOSTED_ADMIN_KEY in the environment",
      );
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`run demo: ${error.message}. See ./run demo --help\n`);
    process.exit(2);
  }
  if (options.messages === 0)
    options.messages = options.mode === "soak" ? 2000 : 500;
  return options;
}
