// The whole system as processes: in which order they start, what each is told.
import { createHash } from "node:crypto";
import { execFile } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createServer, type Server } from "node:http";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { ConvexHttpClient } from "convex/browser";
import { makeFunctionReference } from "convex/server";
import { serveStatic } from "./static";
import { Child, endLeftovers, isRunning, type Spec } from "./supervisor";

const run = promisify(execFile);

export const ROOT = join(
  dirname(fileURLToPath(import.meta.url)),
  "..",
  "..",
  "..",
);
export const COMMUNITY = "demo";
export const LOGIN = { email: "demo@example.com", password: "demo-signals" };
export const SELLAPP_SECRET = "demo-sellapp-signing-secret-0123456789";
export const CHANNELS = ["vip-signals", "scalps", "market-talk"].map(
  (name, i) => ({
    name,
    source: `11000000000000001${String(i + 1).padStart(2, "0")}`,
    mirror: `12000000000000001${String(i + 1).padStart(2, "0")}`,
  }),
);
export const STRIPE_SECRET = "whsec_demo_stripe_signing_secret_0123456789";
export const PRODUCT = "prod_demo";
export const MEMBER_ROLE = "1200000000000000201"; // Premium, of the fake's own scenario
export const GUILDS = {
  source: "1100000000000000001",
  customer: "1200000000000000001",
};

export interface Ports {
  backend: number;
  site: number;
  discord: number;
  webhooks: number;
  web: number;
}

export const DEFAULT_PORTS: Ports = {
  backend: 3210,
  site: 3211,
  discord: 3900,
  webhooks: 8787,
  web: 5180,
};

export function portsFrom(base: number): Ports {
  return {
    backend: base,
    site: base + 1,
    discord: base + 2,
    webhooks: base + 3,
    web: base + 4,
  };
}

/** Ports that nobody uses right now. */
export async function freePorts(): Promise<Ports> {
  const servers: Server[] = [];
  const one = () =>
    new Promise<number>((resolve, reject) => {
      const server = createServer();
      servers.push(server);
      server.once("error", reject);
      server.listen(0, "127.0.0.1", () =>
        resolve((server.address() as { port: number }).port),
      );
    });
  const ports = {
    backend: await one(),
    site: await one(),
    discord: await one(),
    webhooks: await one(),
    web: await one(),
  };
  await Promise.all(
    servers.map((server) => new Promise((resolve) => server.close(resolve))),
  );
  return ports;
}

/** More for the environment of a daemon, by its name. */
export type More = Record<string, Record<string, string>>;

export interface StackOptions {
  more?: More;
  dir: string; // data, keys, logs
  ports: Ports;
  backend: string | null;
  onStep: (what: string) => void;
  onChange: (child: Child) => void;
}

interface Saved {
  deployed?: string; // digest of what was deployed, and where to
  variables?: string;
}

export class Stack {
  readonly children = new Map<string, Child>();
  private readonly dir: string;
  private readonly logs: string;
  private adminKey = "";
  private web: Server | null = null;
  private owner = false; // of the folder

  constructor(private readonly options: StackOptions) {
    this.dir = options.dir;
    this.logs = join(this.dir, "log");
    mkdirSync(this.logs, { recursive: true });
  }

  get backendUrl(): string {
    return (
      this.options.backend ?? `http://127.0.0.1:${this.options.ports.backend}`
    );
  }
  get discordUrl(): string {
    return `http://127.0.0.1:${this.options.ports.discord}`;
  }
  get webhookUrl(): string {
    return `http://127.0.0.1:${this.options.ports.webhooks}`;
  }
  get webUrl(): string {
    return `http://127.0.0.1:${this.options.ports.web}/`;
  }

  child(name: string): Child {
    const child = this.children.get(name);
    if (!child) throw new Error(`no process '${name}'`);
    return child;
  }

  /** A client with the admin key, for set-up and assertions. */
  admin(): ConvexHttpClient {
    const client = new ConvexHttpClient(this.backendUrl, { logger: false });
    (client as unknown as { setAdminAuth(key: string): void }).setAdminAuth(
      this.adminKey,
    );
    return client;
  }

  async callInternal(
    path: string,
    args: Record<string, unknown>,
  ): Promise<unknown> {
    const client = this.admin() as unknown as {
      function(
        ref: unknown,
        component: undefined,
        args: unknown,
      ): Promise<unknown>;
    };
    return await client.function(makeFunctionReference(path), undefined, args);
  }

  /** One demo a folder: a second one would end the processes of the first. */
  private takeFolder(): void {
    const file = join(this.dir, "demo.pid");
    const other = existsSync(file) ? Number(readFileSync(file, "utf8")) : 0;
    if (
      other > 1 &&
      other !== process.pid &&
      isRunning(other, "dev/demo/dist/main.js")
    )
      throw new Error(
        `a demo is running on ${this.dir} already (process ${other}). End it first.`,
      );
    writeFileSync(file, String(process.pid));
    this.owner = true;
  }

  async start(): Promise<void> {
    this.takeFolder();
    await endLeftovers(this.logs, [
      "backend",
      "discord",
      "collector",
      "bot",
      "webhook-proxy",
    ]);
    await this.checkPorts();
    if (!this.options.backend) await this.startBackend();
    else this.adminKey = process.env.CONVEX_SELF_HOSTED_ADMIN_KEY!;
    await this.startDiscord();
    await this.setVariables();
    await this.deploy();
    await this.setUpCommunity();
    await this.makeAccount();
    await this.startDaemons();
    await this.startWeb();
  }

  /** In the order in which nothing is lost: sources first, the backend last. */
  async stop(): Promise<void> {
    await Promise.all(
      ["collector", "webhook-proxy"].map((name) =>
        this.children.get(name)?.stop(),
      ),
    );
    await this.children.get("bot")?.stop();
    await this.children.get("discord")?.stop();
    await this.children.get("backend")?.stop();
    await this.stopWeb();
    if (this.owner) rmSync(join(this.dir, "demo.pid"), { force: true });
  }

  killAll(): void {
    for (const child of this.children.values()) child.signal("SIGKILL");
  }

  // ---- steps ----

  private async checkPorts(): Promise<void> {
    for (const [name, port] of Object.entries(this.options.ports)) {
      if (this.options.backend && (name === "backend" || name === "site"))
        continue;
      const server = createServer();
      await new Promise<void>((resolve, reject) => {
        server.once("error", (error: NodeJS.ErrnoException) =>
          reject(
            error.code === "EADDRINUSE"
              ? new Error(
                  `port ${port} (for ${name}) is in use. End what uses it, or give other ports: ./run demo --port-base 4000`,
                )
              : error,
          ),
        );
        server.listen(port, "127.0.0.1", () => server.close(() => resolve()));
      });
    }
  }

  private spawn(spec: Spec): Child {
    const child = new Child(spec, this.logs, this.options.onChange);
    this.children.set(spec.name, child);
    child.start();
    return child;
  }

  private async startBackend(): Promise<void> {
    this.options.onStep("starting the development backend");
    const { backend, site } = this.options.ports;
    const data = join(this.dir, "backend");
    const main = join(ROOT, "dev/convex-backend/dist/main.js");
    const child = this.spawn({
      name: "backend",
      about: "Convex development backend",
      command: process.execPath,
      args: [
        main,
        "--port",
        String(backend),
        "--site-port",
        String(site),
        "--data",
        data,
      ],
      ready: async () => (await fetch(`${this.backendUrl}/version`)).ok,
    });
    await child.ready();
    const { stdout } = await run(process.execPath, [
      main,
      "admin-key",
      "--data",
      data,
    ]);
    this.adminKey = stdout.trim();
  }

  private async startDiscord(): Promise<void> {
    this.options.onStep("starting the fake Discord");
    await this.spawn({
      name: "discord",
      about: "fake Discord: a source and a customer guild",
      command: process.execPath,
      args: [
        join(ROOT, "dev/fake-discord/dist/main.js"),
        "--port",
        String(this.options.ports.discord),
        "--data",
        join(this.dir, "discord"),
      ],
      ready: async () => (await fetch(`${this.discordUrl}/control/health`)).ok,
    }).ready();
  }

  private get saved(): Saved {
    const file = join(this.dir, "saved.json");
    return existsSync(file)
      ? (JSON.parse(readFileSync(file, "utf8")) as Saved)
      : {};
  }

  private save(change: Saved): void {
    writeFileSync(
      join(this.dir, "saved.json"),
      JSON.stringify({ ...this.saved, ...change }),
    );
  }

  private cli(args: string[], input?: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const child = execFile(
        process.execPath,
        [join(ROOT, "node_modules/convex/bin/main.js"), ...args],
        {
          cwd: join(ROOT, "schema"),
          env: {
            ...process.env,
            PATH: `${dirname(process.execPath)}${delimiter}${process.env.PATH ?? ""}`,
            CI: "1",
            CONVEX_SELF_HOSTED_URL: this.backendUrl,
            CONVEX_SELF_HOSTED_ADMIN_KEY: this.adminKey,
          },
        },
        (error, stdout, stderr) =>
          error
            ? reject(
                new Error(
                  `convex ${args.join(" ")} failed:\n${stderr || error.message}`,
                ),
              )
            : resolve(stdout + stderr),
      );
      child.stdin!.end(input ?? "");
    });
  }

  private async script(name: string, args: string[]): Promise<string> {
    const { stdout } = await run(process.execPath, [
      join(ROOT, "schema/scripts", name),
      ...args,
    ]);
    return stdout;
  }

  get serviceKey(): string {
    return join(this.dir, "service-key.pem");
  }

  private async setVariables(): Promise<void> {
    const key = ["--from", this.serviceKey];
    if (!existsSync(this.serviceKey)) key[0] = "--out";
    const service = await this.script("service-keys.mjs", key);
    const variables = `${service.trimEnd()}\nSITE_URL=${this.webUrl.replace(/\/$/, "")}\n`;
    const mark = digest(variables + this.backendUrl);
    if (this.saved.variables === mark) return;
    this.options.onStep(
      "setting the deployment's variables (npx convex env set)",
    );
    // new sign-in keys only once: they would sign everybody out
    const signIn = this.saved.variables
      ? ""
      : await this.script("auth-keys.mjs", []);
    await this.cli(["env", "set"], variables + signIn);
    this.save({ variables: mark });
  }

  private async deploy(): Promise<void> {
    const mark = digest(
      this.backendUrl + treeDigest(join(ROOT, "schema/convex")),
    );
    if (this.saved.deployed === mark) return;
    this.options.onStep("deploying the schema (npx convex deploy)");
    await this.cli(["deploy", "--yes"]);
    this.save({ deployed: mark });
  }

  private async setUpCommunity(): Promise<void> {
    this.options.onStep("setting up the community");
    await this.callInternal("communities:setUp", {
      slug: COMMUNITY,
      name: "Demo Signals",
      sourceGuildId: GUILDS.source,
      customerGuildId: GUILDS.customer,
      memberRoleIds: [MEMBER_ROLE],
    });
    await this.callInternal("plans:map", {
      community: COMMUNITY,
      source: "stripe",
      product: PRODUCT,
      name: "Demo plan",
      days: 30,
    });
    for (const channel of CHANNELS)
      await this.callInternal("channels:setUp", {
        community: COMMUNITY,
        sourceChannelId: channel.source,
        mirrorChannelId: channel.mirror,
        name: channel.name,
        enabled: true,
      });
  }

  private async makeAccount(): Promise<void> {
    this.options.onStep("making the customer's account");
    const signIn = (flow: string) =>
      new ConvexHttpClient(this.backendUrl, { logger: false }).action(
        makeFunctionReference<"action">("auth:signIn"),
        {
          provider: "password",
          params: { ...LOGIN, flow },
        },
      );
    try {
      await signIn("signIn");
    } catch {
      await signIn("signUp"); // a new deployment: says what is wrong if it is something else
    }
    await this.callInternal("access:grant", {
      community: COMMUNITY,
      email: LOGIN.email,
      until: null,
      reason: "demo",
    });
    await this.callInternal("access:makeOperator", { email: LOGIN.email });
  }

  /** Tokens of a signed-in customer. */
  async signIn(): Promise<string> {
    const result = (await new ConvexHttpClient(this.backendUrl, {
      logger: false,
    }).action(makeFunctionReference<"action">("auth:signIn"), {
      provider: "password",
      params: { ...LOGIN, flow: "signIn" },
    })) as { tokens: { token: string } };
    return result.tokens.token;
  }

  daemonEnv(name: string): Record<string, string> {
    return {
      CONVEX_URL: this.backendUrl,
      SERVICE_KEY_FILE: this.serviceKey,
      STATE_DIRECTORY: join(this.dir, name),
      INSTANCE: "demo",
      DISCORD_API_URL: `${this.discordUrl}/api/v10`,
      ...(name === "collector" ? { DISCORD_TOKEN: "collector-token" } : {}),
      ...(name === "bot" ? { DISCORD_TOKEN: "bot-token" } : {}),
      ...this.options.more?.[name],
    };
  }

  private async startDaemons(): Promise<void> {
    this.options.onStep("starting collector, bot and webhook-proxy");
    const sources = join(this.dir, "sources.json");
    writeFileSync(
      sources,
      JSON.stringify({
        sources: [
          {
            community: COMMUNITY,
            source: "sellapp",
            provider: "sellapp",
            secrets: [{ id: "demo", secret_env: "SELLAPP_SECRET" }],
          },
          {
            community: COMMUNITY,
            source: "stripe",
            provider: "stripe",
            secrets: [{ id: "demo", secret_env: "STRIPE_SECRET" }],
          },
        ],
      }),
    );
    const binary = (name: string) => join(ROOT, "build/release/bin", name);
    const daemons: Spec[] = [
      {
        name: "collector",
        about: "source guild to backend",
        command: binary("collector"),
        args: [],
        env: this.daemonEnv("collector"),
        cwd: this.dir,
        ready: () => this.isReady("collector"),
      },
      {
        name: "bot",
        about: "backend to customer guild",
        command: binary("bot"),
        args: [],
        env: this.daemonEnv("bot"),
        cwd: this.dir,
        ready: () => this.isReady("bot"),
      },
      {
        name: "webhook-proxy",
        about: "payment webhooks to backend",
        command: binary("webhook-proxy"),
        args: [],
        env: {
          ...this.daemonEnv("webhook-proxy"),
          LISTEN: `127.0.0.1:${this.options.ports.webhooks}`,
          SOURCES_FILE: sources,
          SELLAPP_SECRET,
          STRIPE_SECRET,
        },
        cwd: this.dir,
        ready: async () => (await fetch(`${this.webhookUrl}/healthz`)).ok,
      },
    ];
    await Promise.all(daemons.map((spec) => this.spawn(spec).ready()));
  }

  /** A daemon says in the services table that both its sides are connected. */
  private async isReady(service: string): Promise<boolean> {
    const child = this.child(service);
    const rows = (await this.table("services")) as {
      service: string;
      state: string;
      seenAt: number;
    }[];
    return rows.some(
      (row) =>
        row.service === service &&
        row.state === "ready" &&
        row.seenAt >= child.since,
    );
  }

  /** All documents of a table, as the command line's `data` reads them. */
  async table(name: string): Promise<unknown[]> {
    const rows: unknown[] = [];
    let cursor: string | null = null;
    for (;;) {
      const page = (await this.admin().query(
        makeFunctionReference<"query">("_system/cli/tableData"),
        {
          table: name,
          order: "asc",
          paginationOpts: { numItems: 500, cursor },
        },
      )) as { page: unknown[]; isDone: boolean; continueCursor: string };
      rows.push(...page.page);
      if (page.isDone) return rows;
      cursor = page.continueCursor;
    }
  }

  async stopWeb(): Promise<void> {
    const web = this.web;
    this.web = null;
    if (web === null) return;
    web.closeAllConnections();
    await new Promise((resolve) => web.close(resolve));
  }

  async startWeb(): Promise<void> {
    const config = { convexUrl: this.backendUrl, community: COMMUNITY };
    this.web = await serveStatic(
      join(ROOT, "web/dist"),
      config,
      this.options.ports.web,
    );
  }
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

function treeDigest(dir: string): string {
  const hash = createHash("sha256");
  const walk = (folder: string) => {
    for (const name of readdirSync(folder).sort()) {
      const path = join(folder, name);
      if (statSync(path).isDirectory()) walk(path);
      else hash.update(path).update(readFileSync(path));
    }
  };
  walk(dir);
  return hash.digest("hex");
}

export function removeData(dir: string): void {
  rmSync(dir, { recursive: true, force: true });
}
