// What the cross-component tests share: a backend with an app deployed by the official
// command line, our example client as a process, and a little waiting.
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);

export const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..");
/** BIN_DIR: the binaries of another build, such as one with sanitizers. */
export const binary = (name: string): string =>
  join(resolve(ROOT, process.env.BIN_DIR ?? "build/release/bin"), name);

const tempDirs: string[] = [];
process.once("exit", () => {
  for (const dir of tempDirs) rmSync(dir, { recursive: true, force: true });
});

/** A new folder; it is gone when the tests of this file have ended. */
export function tempDir(): string {
  const dir = mkdtempSync(join(tmpdir(), "convex-c-test-"));
  tempDirs.push(dir);
  return dir;
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Waits for a condition; throws, saying for what, when it does not come. */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  patienceMs = 300_000,
): Promise<void> {
  const end = Date.now() + patienceMs;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`waited in vain for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

export class Backend {
  readonly dir = tempDir();
  port = 0;
  adminKey = "";
  private sitePort = 0;
  private controlPort: number | null = null;
  private more: string[] = []; // of its command line
  private child: ChildProcess | null = null;
  private output = "";

  /** `control`: with a control port, for control(). `clock`: the time that it starts at, ms. */
  static async start({
    control = false,
    clock,
  }: { control?: boolean; clock?: number } = {}): Promise<Backend> {
    const self = new Backend();
    if (clock !== undefined) self.more = ["--clock", String(clock)];
    do {
      self.port = await freePort();
      self.sitePort = await freePort();
      if (control) self.controlPort = await freePort();
    } while (!(await self.answers()));
    const { stdout } = await run(process.execPath, [
      self.main,
      "admin-key",
      "--data",
      self.dir,
    ]);
    self.adminKey = stdout.trim();
    return self;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  private get main(): string {
    return join(ROOT, "dev/convex-backend/dist/main.js");
  }

  /** Again with the ports that it had. */
  async open(): Promise<void> {
    await until("its ports to be free", () => this.answers());
  }

  /** Starts it; false when somebody else has one of its ports. */
  private async answers(): Promise<boolean> {
    const said = this.output.length;
    const child = spawn(
      process.execPath,
      [
        this.main,
        "--port",
        String(this.port),
        "--site-port",
        String(this.sitePort),
        "--data",
        this.dir,
        ...(this.controlPort === null
          ? []
          : ["--control-port", String(this.controlPort)]),
        ...this.more,
      ],
      { stdio: ["ignore", "pipe", "pipe"] },
    );
    this.child = child;
    for (const stream of [child.stdout!, child.stderr!])
      stream.on("data", (data: Buffer) => (this.output += data.toString()));
    const closed = new Promise((resolve) => child.once("close", resolve));
    await until("the backend to answer", async () => {
      if (child.exitCode === null)
        return /^ready$/m.test(this.output.slice(said));
      await closed;
      return true;
    });
    if (child.exitCode === null) return true;
    if (/already in use/.test(this.output.slice(said))) return false;
    throw new Error(`the backend ended:\n${this.output}`);
  }

  /**
   * Moves its clock, makes trouble on its wire, restarts it: the paths and bodies are in
   * dev/convex-backend/README.md.
   */
  async control(path: string, body: object): Promise<unknown> {
    const response = await fetch(
      `http://127.0.0.1:${this.controlPort}${path}`,
      {
        method: "POST",
        headers: {
          authorization: `Convex ${this.adminKey}`,
          "content-type": "application/json",
        },
        body: JSON.stringify(body),
      },
    );
    if (!response.ok) throw new Error(await response.text());
    return await response.json();
  }

  /** kill -9, then the same data again. */
  async killAndReopen(): Promise<void> {
    await this.end("SIGKILL");
    await this.open();
  }

  async end(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    const child = this.child;
    if (!child || child.exitCode !== null) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill(signal);
    await ended;
  }

  async close(): Promise<void> {
    await this.end();
    rmSync(this.dir, { recursive: true, force: true });
  }

  /** Runs the official command line in `dir`; `input` goes to its standard input. */
  convex(dir: string, args: string[], input = ""): Promise<string> {
    return new Promise((resolve, reject) => {
      const child = execFile(
        process.execPath,
        [join(ROOT, "node_modules/convex/bin/main.js"), ...args],
        {
          cwd: dir,
          env: {
            ...process.env,
            PATH: `${dirname(process.execPath)}${delimiter}${process.env.PATH ?? ""}`,
            CI: "1",
            CONVEX_SELF_HOSTED_URL: this.url,
            CONVEX_SELF_HOSTED_ADMIN_KEY: this.adminKey,
          },
        },
        (error, stdout, stderr) =>
          error
            ? reject(new Error(`convex ${args.join(" ")}:\n${stdout}${stderr}`))
            : resolve(stdout + stderr),
      );
      child.stdin!.end(input);
    });
  }
}

/** convex-c/examples/watch.c as a process: one line of JSON for each distinct result. */
export class Watch {
  readonly lines: unknown[] = [];
  readonly raw: string[] = [];
  stderr = "";
  private readonly child: ChildProcess;

  constructor(
    url: string,
    path: string,
    args: unknown,
    more: string[] = [],
    env: Record<string, string> = {},
  ) {
    this.child = spawn(
      binary("convex-example-watch"),
      [url, path, JSON.stringify(args), ...more],
      {
        stdio: ["ignore", "pipe", "pipe"],
        env: { ...process.env, ...env },
      },
    );
    this.child.stderr!.on(
      "data",
      (data: Buffer) => (this.stderr += data.toString()),
    );
    createInterface({ input: this.child.stdout! }).on("line", (line) => {
      this.raw.push(line);
      this.lines.push(JSON.parse(line));
    });
  }

  async close(): Promise<void> {
    if (this.child.exitCode !== null) return;
    const ended = new Promise((resolve) => this.child.once("exit", resolve));
    this.child.kill("SIGTERM");
    await ended;
  }
}

/** The fake Discord as a process. */
export class FakeDiscord {
  readonly dir = tempDir();
  port = 0;
  private child: ChildProcess | null = null;

  static async start(): Promise<FakeDiscord> {
    const self = new FakeDiscord();
    do self.port = await freePort();
    while (!(await self.answers()));
    return self;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Again with the port that it had. */
  async open(): Promise<void> {
    await until("its port to be free", () => this.answers());
  }

  /** Starts it; false when somebody else has its port. */
  private async answers(): Promise<boolean> {
    const child = spawn(
      process.execPath,
      [
        join(ROOT, "dev/fake-discord/dist/main.js"),
        "--port",
        String(this.port),
        "--data",
        this.dir,
      ],
      { stdio: ["ignore", "pipe", "pipe"] },
    );
    this.child = child;
    let said = "";
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (data: Buffer) => (said += data.toString()));
    const closed = new Promise((resolve) => child.once("close", resolve));
    await until("the fake Discord to answer", async () => {
      if (child.exitCode === null) return /^listening on /m.test(said);
      await closed;
      return true;
    });
    if (child.exitCode === null) return true;
    if (/port in use/.test(said)) return false;
    throw new Error(`the fake Discord ended:\n${said}`);
  }

  async control<T>(method: string, path: string, body?: unknown): Promise<T> {
    const response = await fetch(`${this.url}/control${path}`, {
      method,
      headers: { "content-type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok)
      throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return (text ? JSON.parse(text) : null) as T;
  }

  async end(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    const child = this.child!;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill(signal);
    await ended;
  }

  async close(): Promise<void> {
    await this.end();
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** Deploys schema/ with keys of its own; returns the service key's file. */
export async function deploySchema(backend: Backend): Promise<string> {
  const key = join(backend.dir, "service-key.pem");
  const schema = join(ROOT, "schema");
  const script = async (name: string, args: string[]) =>
    (
      await run(process.execPath, [
        join(schema, "scripts", `${name}.mjs`),
        ...args,
      ])
    ).stdout;
  const variables =
    (await script("service-keys", ["--out", key])) +
    (await script("auth-keys", [])) +
    "SITE_URL=http://127.0.0.1:5180\n";
  await backend.convex(schema, ["env", "set"], variables);
  await backend.convex(schema, ["deploy", "--yes"]);
  return key;
}

/** One of the daemons as a process. */
export class Daemon {
  log = "";
  exit: { code: number | null; signal: NodeJS.Signals | null } | null = null;
  private readonly child: ChildProcess;
  private readonly exited: Promise<void>;

  constructor(
    name: string,
    env: Record<string, string>,
    args: string[] = [],
    cwd = tempDir(),
  ) {
    // of our own environment only what a program needs to run at all
    const clean = { PATH: process.env.PATH ?? "", HOME: cwd };
    this.child = spawn(binary(name), args, {
      cwd,
      env: { ...clean, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [this.child.stdout!, this.child.stderr!])
      stream.on("data", (data: Buffer) => (this.log += data.toString()));
    this.exited = new Promise((resolve) =>
      this.child.once("close", (code, signal) => {
        this.exit = { code, signal };
        resolve();
      }),
    );
  }

  /** Throws what a sanitizer of BIN_DIR's build found. */
  private judge(): void {
    const at = this.log.search(/(Thread|Address|Leak)Sanitizer|runtime error:/);
    if (at >= 0) throw new Error(this.log.slice(Math.max(0, at - 200)));
  }

  get pid(): number {
    return this.child.pid!;
  }

  /** Its exit status, once it ends by itself. */
  async ended(patienceMs?: number): Promise<number | null> {
    await until(
      `the daemon to end; it says:\n${this.log}`,
      () => this.exit !== null,
      patienceMs,
    );
    this.judge();
    return this.exit!.code;
  }

  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    if (this.exit === null) this.child.kill(signal);
    await this.exited;
    this.judge();
  }
}
