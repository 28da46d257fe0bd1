// harness.ts - one webhook-proxy process in a directory of its own, and how to talk to it.

import { type ChildProcess, execFile, spawn } from "node:child_process";
import { createHmac, generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import * as http from "node:http";
import * as net from "node:net";
import { tmpdir } from "node:os";
import { after } from "node:test";
import * as path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const here = path.dirname(fileURLToPath(import.meta.url));
export const binary =
  process.env.WEBHOOK_PROXY_BIN ??
  path.resolve(here, "../../build/release/bin/webhook-proxy");

export const secret = "a-secret-of-the-test-2026";
export const oldSecret = "an-older-secret-of-the-test";

export const sources = {
  sources: [
    {
      community: "demo",
      source: "sellapp",
      provider: "sellapp",
      secrets: [
        { id: "2026-a", secret_env: "SELLAPP_SECRET" },
        { id: "2025-a", secret_env: "OLD_SECRET", not_after: "2030-01-01" },
        { id: "2020-a", secret_env: "EXPIRED_SECRET", not_after: "2021-01-01" },
      ],
    },
    {
      community: "demo",
      source: "prefixed",
      provider: "sellapp",
      secrets: [{ id: "a", secret_env: "SELLAPP_SECRET" }],
      signature: {
        header: "X-Sellapp-Signature",
        prefix: "sha256=",
        encoding: "base64",
      },
    },
  ],
};

export type StoredEvent = {
  id: string;
  state: string;
  key: string;
  attempts: number;
  error: string | null;
};

export type Settings = {
  env?: Record<string, string>;
  directory?: string;
  /** Runs the program through this shell line, which ends in `exec "$@"`. */
  shell?: string;
};

/** A directory with a key and a sources file; removed by `remove`. */
export function makeDirectory(): { directory: string; remove: () => void } {
  const directory = mkdtempSync(path.join(tmpdir(), "webhook-proxy-"));
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  writeFileSync(
    path.join(directory, "key.pem"),
    privateKey.export({ type: "pkcs8", format: "pem" }),
    { mode: 0o600 },
  );
  writeFileSync(path.join(directory, "sources.json"), JSON.stringify(sources));
  return {
    directory,
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}

export function environment(
  directory: string,
  extra: Record<string, string> = {},
): Record<string, string> {
  return {
    PATH: process.env.PATH ?? "/usr/bin:/bin",
    CONVEX_URL: "http://127.0.0.1:1", // nobody listens there: events wait
    SERVICE_KEY_FILE: path.join(directory, "key.pem"),
    SOURCES_FILE: path.join(directory, "sources.json"),
    STATE_DIRECTORY: path.join(directory, "state"),
    LISTEN: "127.0.0.1:0",
    SELLAPP_SECRET: secret,
    OLD_SECRET: oldSecret,
    EXPIRED_SECRET: "an-expired-secret-of-the-test",
    ...extra,
  };
}

/** What a failed test leaves behind must not keep the others from ending. */
const running = new Set<ChildProcess>();
after(() => {
  for (const child of running) child.kill("SIGKILL");
});

export class Proxy {
  log = "";
  port = 0;
  readonly exited: Promise<number | null>;
  private waiters: (() => void)[] = [];

  private constructor(
    readonly process: ChildProcess,
    readonly directory: string,
    readonly env: Record<string, string>,
    private readonly remove: () => void,
  ) {
    running.add(process);
    process.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.log += text;
      this.check();
    });
    this.exited = once(process, "close").then(() => {
      running.delete(process);
      this.check();
      return process.exitCode;
    });
  }

  static async start(settings: Settings = {}): Promise<Proxy> {
    const made = settings.directory === undefined ? makeDirectory() : null;
    const directory = settings.directory ?? made?.directory ?? "";
    const env = environment(directory, settings.env);
    const child =
      settings.shell === undefined
        ? spawn(binary, [], {
            env,
            cwd: directory,
            stdio: ["ignore", "ignore", "pipe"],
          })
        : spawn("bash", ["-c", settings.shell, "bash", binary], {
            env,
            cwd: directory,
            stdio: ["ignore", "ignore", "pipe"],
          });
    const proxy = new Proxy(
      child,
      directory,
      env,
      made?.remove ?? (() => undefined),
    );
    const line = await proxy.seen(/address=\S+:(\d+)/);
    proxy.port = Number(line[1]);
    return proxy;
  }

  private check(): void {
    for (const waiter of this.waiters.splice(0)) waiter();
  }

  /** Resolves once the log matches; fails if the process ends first. */
  async seen(pattern: RegExp): Promise<RegExpMatchArray> {
    for (;;) {
      const match = this.log.match(pattern);
      if (match !== null) return match;
      if (this.process.exitCode !== null || this.process.signalCode !== null)
        throw new Error(`ended without ${String(pattern)}:\n${this.log}`);
      await new Promise<void>((resolve) => this.waiters.push(resolve));
    }
  }

  async events(): Promise<StoredEvent[]> {
    return await listEvents(this.env);
  }

  async kill(): Promise<void> {
    this.process.kill("SIGKILL");
    await this.exited;
  }

  /** Ends it in good order; fails unless it exits 0. */
  async stop(): Promise<void> {
    this.process.kill("SIGTERM");
    const status = await this.exited;
    this.remove();
    if (status !== 0)
      throw new Error(`exit status ${String(status)}:\n${this.log}`);
  }
}

export async function listEvents(
  env: Record<string, string>,
): Promise<StoredEvent[]> {
  const { stdout } = await promisify(execFile)(binary, ["events"], {
    env,
    maxBuffer: 1 << 28,
  });
  return stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const [, id = "", state = "", key = "", attempts = "", , error] =
        line.match(
          /^(\d+) (\w+) (\S+) attempts=(\d+) size=(\d+)(?: error=(.*))?$/,
        ) ?? [];
      return {
        id,
        state,
        key,
        attempts: Number(attempts),
        error: error ?? null,
      };
    });
}

export function sign(body: string | Buffer, key = secret): string {
  return createHmac("sha256", key).update(body).digest("hex");
}

export type Answer = {
  status: number;
  headers: http.IncomingHttpHeaders;
  body: string;
};

export type PostOptions = {
  path?: string;
  method?: string;
  headers?: http.OutgoingHttpHeaders;
  agent?: http.Agent;
};

/** Sends a body with a right signature unless headers say otherwise. */
export async function post(
  port: number,
  body: string | Buffer,
  options: PostOptions = {},
): Promise<Answer> {
  return await new Promise((resolve, reject) => {
    const request = http.request(
      {
        host: "127.0.0.1",
        port,
        method: options.method ?? "POST",
        path: options.path ?? "/v1/demo/sellapp",
        agent: options.agent ?? false,
        headers: {
          ...(options.headers?.["transfer-encoding"] === undefined && {
            "content-length": Buffer.byteLength(body),
          }),
          ...(options.headers ?? { signature: sign(body) }),
        },
      },
      (response) => {
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (chunk: string) => (text += chunk));
        response.on("error", reject);
        response.on("end", () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: text,
          }),
        );
      },
    );
    request.on("error", reject);
    request.end(body);
  });
}

/** Sends bytes as they are; resolves with everything received once the other side closes. */
export async function raw(
  port: number,
  bytes: string | Buffer,
  drip?: { text: string; everyMs: number },
): Promise<string> {
  return await new Promise((resolve) => {
    let text = "";
    const socket = net.connect(port, "127.0.0.1", () => socket.write(bytes));
    const timer =
      drip === undefined
        ? undefined
        : setInterval(() => socket.write(drip.text), drip.everyMs);
    socket.setEncoding("latin1");
    socket.on("data", (chunk) => (text += String(chunk)));
    socket.on("error", () => undefined); // a reset is a close
    socket.on("close", () => {
      clearInterval(timer);
      resolve(text);
    });
  });
}

let orders = 0;

/** A body as Sell.app sends it; each call is another order. */
export function order(fields: Record<string, unknown> = {}): string {
  orders++;
  return JSON.stringify({
    event: "order.completed",
    data: {
      id: 700000 + orders,
      status: { status: { status: "COMPLETED" } },
      updated_at: "2026-01-31T12:00:00.000000Z",
      ...fields,
    },
    store: 42,
  });
}
