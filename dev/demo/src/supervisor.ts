// Child processes: each in its own process group (so that Ctrl-C reaches only us
// and the order of the end is ours), output in a log file, restarted when it dies.
import { type ChildProcess, spawn } from "node:child_process";
import {
  createWriteStream,
  existsSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";

export type State =
  "starting" | "running" | "restarting" | "stopped" | "failed";

export interface Spec {
  name: string;
  about: string; // what it does, for the screen
  command: string;
  args: string[];
  env?: Record<string, string>;
  cwd?: string;
  /** Resolves once it serves. Throws, or never resolves, when it does not. */
  ready?: () => Promise<boolean>;
}

// A daemon that says "wrong usage" or "not configured" will say so again.
const FINAL_EXITS = new Set([2, 6]);

// In the environment of each child: whose it is, for endLeftovers().
const MARK = "CONVEX_C_DEMO";

export class Child {
  state: State = "starting";
  restarts = 0;
  lastLine = "";
  exitText = "";
  private child: ChildProcess | null = null;
  private wanted = true;
  since = 0; // ms since 1970: start of the present life
  private exited: Promise<void> = Promise.resolve();

  constructor(
    readonly spec: Spec,
    private readonly dir: string,
    private readonly onChange: (child: Child) => void,
  ) {}

  get pid(): number | null {
    return this.child?.pid ?? null;
  }

  /** Time of the processor that its present life has used; null where the system does not tell. */
  cpuMs(): number | null {
    try {
      const stat = readFileSync(`/proc/${this.pid}/stat`, "utf8");
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      return (Number(fields[11]) + Number(fields[12])) * 10; // in hundredths of a second
    } catch {
      return null;
    }
  }

  get logFile(): string {
    return join(this.dir, `${this.spec.name}.log`);
  }

  private get pidFile(): string {
    return join(this.dir, `${this.spec.name}.pid`);
  }

  start(): void {
    this.wanted = true;
    this.since = Date.now();
    const log = createWriteStream(this.logFile, { flags: "a" });
    const child = spawn(this.spec.command, this.spec.args, {
      cwd: this.spec.cwd,
      env: { ...process.env, ...this.spec.env, [MARK]: this.dir },
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.child = child;
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.pipe(log, { end: false });
      stream.on("data", (data: Buffer) => {
        const lines = data.toString("utf8").trimEnd().split("\n");
        this.lastLine = lines[lines.length - 1] ?? "";
      });
    }
    if (child.pid) writeFileSync(this.pidFile, String(child.pid));
    this.exited = new Promise((resolve) => {
      const ended = (text: string, code: number | null) => {
        log.end();
        this.child = null;
        rmSync(this.pidFile, { force: true });
        this.exitText = text;
        resolve();
        this.afterExit(code);
      };
      child.once("error", (error) => ended(error.message, null));
      child.once("exit", (code, signal) =>
        ended(signal ? `ended by ${signal}` : `exit ${code}`, code),
      );
    });
    this.change("running");
  }

  private afterExit(code: number | null): void {
    if (!this.wanted) return this.change("stopped");
    if (code !== null && FINAL_EXITS.has(code)) return this.change("failed");
    this.restarts++;
    this.change("restarting");
    // at once after a long life, slower and slower for one that dies young
    const young = Date.now() - this.since < 2000;
    setTimeout(
      () => this.wanted && this.start(),
      young ? Math.min(5000, 200 * this.restarts) : 50,
    );
  }

  private change(state: State): void {
    this.state = state;
    this.onChange(this);
  }

  /** Waits until it serves; throws with the end of its log when it gives up. */
  async ready(timeoutMs = 300_000): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    while (Date.now() < deadline) {
      if (this.state === "failed") break;
      if (
        this.state === "running" &&
        (!this.spec.ready || (await this.spec.ready().catch(() => false)))
      )
        return;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    throw new Error(
      `${this.spec.name} did not become ready (${this.exitText || "no answer"}).\n${this.tail()}`,
    );
  }

  tail(lines = 15): string {
    if (!existsSync(this.logFile)) return "";
    return readFileSync(this.logFile, "utf8")
      .trimEnd()
      .split("\n")
      .slice(-lines)
      .join("\n");
  }

  /** kill -9; the supervisor starts it again. */
  async kill9(): Promise<void> {
    const { child, exited } = this;
    if (!child?.pid) return;
    process.kill(-child.pid, "SIGKILL");
    await exited;
  }

  async stop(graceMs = 8000): Promise<void> {
    this.wanted = false;
    const { child, exited } = this;
    if (!child?.pid) return;
    const timer = setTimeout(() => this.signal("SIGKILL"), graceMs);
    this.signal("SIGTERM");
    await exited;
    clearTimeout(timer);
  }

  signal(signal: NodeJS.Signals): void {
    if (!this.child?.pid) return;
    try {
      process.kill(-this.child.pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }
}

/** Ends what a demo that was itself killed has left behind in `dir`. */
export async function endLeftovers(
  dir: string,
  names: string[],
): Promise<void> {
  for (const name of names) {
    const file = join(dir, `${name}.pid`);
    if (!existsSync(file)) continue;
    const pid = Number(readFileSync(file, "utf8"));
    try {
      const environment = readFileSync(`/proc/${pid}/environ`, "utf8").split(
        "\0",
      );
      if (pid > 1 && environment.includes(`${MARK}=${dir}`)) {
        process.kill(-pid, "SIGKILL");
        while (isRunning(pid))
          await new Promise((resolve) => setTimeout(resolve, 10));
      }
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code !== "ENOENT" && code !== "ESRCH") throw error;
    }
    rmSync(file, { force: true });
  }
}

/** Whether the process is there, is no zombie, and (if given) was called like this. */
export function isRunning(pid: number, command = ""): boolean {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    const line = readFileSync(`/proc/${pid}/cmdline`, "utf8");
    return !/^State:\s+Z/m.test(status) && line.includes(command);
  } catch {
    return false; // it is gone
  }
}
