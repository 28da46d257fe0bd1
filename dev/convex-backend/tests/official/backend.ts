// backend.ts - the built program as a process of its own, and a Convex
// project beside it, for tests that let the official software judge.

import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const HERE = dirname(fileURLToPath(import.meta.url));
const PART = join(HERE, "..", "..");
const MODULES = join(PART, "..", "..", "node_modules");

export interface Finished {
  status: number | null;
  stdout: string;
  stderr: string;
}

function run(
  command: string,
  args: readonly string[],
  options: { cwd: string; env?: NodeJS.ProcessEnv; timeout?: number },
): Promise<Finished> {
  return new Promise((resolve) => {
    execFile(
      command,
      args,
      { timeout: 600_000, maxBuffer: 1 << 24, ...options },
      (error, stdout, stderr) => {
        const status =
          error === null
            ? 0
            : typeof error.code === "number"
              ? error.code
              : null;
        resolve({ status, stdout, stderr });
      },
    );
  });
}

/** Builds the program with its own build script into a folder of this process. */
export async function buildProgram(): Promise<{
  main: string;
  remove(): void;
}> {
  const { scripts } = JSON.parse(
    readFileSync(join(PART, "package.json"), "utf8"),
  ) as {
    scripts: { build: string };
  };
  const out = join("dist", `test-${process.pid}`);
  const args = scripts.build
    .split(" ")
    .slice(1)
    .map((arg) => (arg.startsWith("--outdir=") ? `--outdir=${out}` : arg));
  const built = await run(join(MODULES, ".bin", "esbuild"), args, {
    cwd: PART,
  });
  if (built.status !== 0) throw new Error(`the build failed:\n${built.stderr}`);
  return {
    main: join(PART, out, "main.js"),
    remove: () => rmSync(join(PART, out), { recursive: true, force: true }),
  };
}

async function freePorts(): Promise<[number, number]> {
  const servers = [createServer(), createServer()];
  await Promise.all(
    servers.map(async (server) => {
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
    }),
  );
  const [a, b] = servers.map(
    (server) => (server.address() as AddressInfo).port,
  );
  await Promise.all(
    servers.map((server) => new Promise((resolve) => server.close(resolve))),
  );
  return [a as number, b as number];
}

/** One backend with one data folder; may be killed and started again. */
export class Backend {
  readonly folder = mkdtempSync(join(tmpdir(), "backend-"));
  readonly data = join(this.folder, "data");
  stderr = "";
  #process: ChildProcess | null = null;

  private constructor(
    readonly main: string,
    readonly port: number,
    readonly sitePort: number,
    public moreFlags: readonly string[], // from the next start on
  ) {}

  static async start(main: string, flags: string[] = []): Promise<Backend> {
    const [port, sitePort] = await freePorts();
    const backend = new Backend(main, port, sitePort, flags);
    await backend.start();
    return backend;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get siteUrl(): string {
    return `http://127.0.0.1:${this.sitePort}`;
  }

  get adminKey(): string {
    return readFileSync(join(this.data, "admin-key"), "utf8").trim();
  }

  get flags(): string[] {
    return [
      "--port",
      `${this.port}`,
      "--site-port",
      `${this.sitePort}`,
      "--data",
      this.data,
      ...this.moreFlags,
    ];
  }

  /** Resolves when the program says "ready"; a port that another process has now is waited for. */
  async start(): Promise<void> {
    const said = this.stderr.length;
    for (;;) {
      try {
        return await this.#start();
      } catch (error) {
        if (!/already in use\n$/.test(this.stderr.slice(said))) throw error;
        await setTimeout(100);
      }
    }
  }

  async #start(): Promise<void> {
    const child = spawn(process.execPath, [this.main, ...this.flags], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#process = child;
    child.stderr.on("data", (chunk) => (this.stderr += String(chunk)));
    await new Promise<void>((resolve, reject) => {
      let said = "";
      child.stdout.on("data", (chunk) => {
        said += String(chunk);
        if (said.includes("ready\n")) resolve();
      });
      child.once("exit", (status) =>
        reject(new Error(`the backend left with ${status}:\n${this.stderr}`)),
      );
    });
  }

  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<number | null> {
    const child = this.#process;
    if (child === null || child.exitCode !== null || child.signalCode !== null)
      return null;
    const gone = once(child, "exit") as Promise<[number | null]>;
    child.kill(signal);
    const [status] = await gone;
    this.#process = null;
    return status;
  }

  async remove(): Promise<void> {
    await this.stop("SIGKILL");
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Runs the program itself with other arguments. */
  program(...args: string[]): Promise<Finished> {
    return run(process.execPath, [this.main, ...args], { cwd: this.folder });
  }
}

/** A Convex project in a temporary folder, deployed to one backend. */
export class Project {
  readonly folder = mkdtempSync(join(tmpdir(), "project-"));

  constructor(readonly backend: Backend) {
    symlinkSync(MODULES, join(this.folder, "node_modules"));
    this.write(
      "package.json",
      JSON.stringify({
        name: "project",
        private: true,
        type: "module",
        dependencies: { convex: "*" },
      }),
    );
  }

  write(path: string, text: string): void {
    const file = join(this.folder, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  get env(): NodeJS.ProcessEnv {
    const { PATH, HOME } = process.env;
    return {
      PATH,
      HOME,
      CI: "1",
      CONVEX_SELF_HOSTED_URL: this.backend.url,
      CONVEX_SELF_HOSTED_ADMIN_KEY: this.backend.adminKey,
    };
  }

  /** `npx convex ...args`, unmodified. */
  convex(...args: string[]): Promise<Finished> {
    return run(
      process.execPath,
      [join(MODULES, "convex", "bin", "main.js"), ...args],
      {
        cwd: this.folder,
        env: this.env,
      },
    );
  }

  /** A command that runs until it is stopped. */
  convexRunning(...args: string[]): ChildProcess {
    return spawn(
      process.execPath,
      [join(MODULES, "convex", "bin", "main.js"), ...args],
      {
        cwd: this.folder,
        env: this.env,
        stdio: ["ignore", "pipe", "pipe"],
      },
    );
  }

  deploy(...more: string[]): Promise<Finished> {
    return this.convex("deploy", "--typecheck=disable", "-y", ...more);
  }
}

/** Where a backend with `--control-port` said that its control port is. */
export function controlUrl(backend: Backend): string {
  const url = / control url=(\S+)/.exec(backend.stderr)?.[1];
  if (url === undefined) throw new Error("no control port in the log");
  return url;
}
