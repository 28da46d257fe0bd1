// deployment.ts - a fresh development backend with the schema deployed to it
// by the official CLI, and clients for everybody who may call it.

import { execFile, spawn, type ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { ConvexHttpClient } from "convex/browser";
import {
  makeFunctionReference,
  type FunctionArgs,
  type FunctionReference,
  type FunctionReturnType,
} from "convex/server";
import { importPKCS8, SignJWT } from "jose";
import { api, internal } from "../../convex/_generated/api";
import type { Id } from "../../convex/_generated/dataModel";

const run = promisify(execFile);
const SCHEMA = fileURLToPath(new URL("../..", import.meta.url));
const BACKEND = join(SCHEMA, "../dev/convex-backend/dist/main.js");
const ISSUER = "https://services.test.invalid";
const AUDIENCE = "signals-test";
const PASSWORD = "correct horse";

export type Role = "collector" | "bot" | "webhook-proxy";
export type Claims = {
  role?: string;
  iss?: string;
  aud?: string;
  expiresIn?: string;
};

type Internal = FunctionReference<"query" | "mutation" | "action", "internal">;

export class Deployment {
  /** The backend's lines so far. */
  readonly log: readonly string[];
  #process: ChildProcess;
  #directory: string;
  #adminKey: string;
  #servicePem: string;
  #member: Promise<ConvexHttpClient> | undefined;

  private constructor(
    readonly url: string,
    parts: {
      process: ChildProcess;
      log: string[];
      directory: string;
      adminKey: string;
      servicePem: string;
    },
  ) {
    this.#process = parts.process;
    this.log = parts.log;
    this.#directory = parts.directory;
    this.#adminKey = parts.adminKey;
    this.#servicePem = parts.servicePem;
  }

  /** Where its HTTP actions are. */
  get siteUrl(): string {
    return `${this.url}/http`;
  }

  /** Starts a backend on free ports and deploys. */
  static async start(): Promise<Deployment> {
    if (!existsSync(BACKEND))
      throw new Error(
        `${BACKEND} is missing: npm run build -w dev/convex-backend`,
      );
    const directory = mkdtempSync(join(tmpdir(), "schema-test-"));
    const data = join(directory, "data");
    const { stdout } = await run("node", [
      BACKEND,
      "admin-key",
      "--data",
      data,
    ]);
    const adminKey = stdout.trim();
    const process = spawn(
      "node",
      [BACKEND, "--data", data, "--port", "0", "--site-port", "0"],
      { stdio: ["ignore", "ignore", "pipe"] },
    );
    const log: string[] = [];
    const url = await listening(process, log);
    const keyFile = join(directory, "service-key.pem");
    const service = await run("node", [
      join(SCHEMA, "scripts/service-keys.mjs"),
      ...["--out", keyFile, "--issuer", ISSUER, "--audience", AUDIENCE],
    ]);
    const people = await run("node", [join(SCHEMA, "scripts/auth-keys.mjs")]);
    const deployment = new Deployment(url, {
      process,
      log,
      directory,
      adminKey,
      servicePem: readFileSync(keyFile, "utf8"),
    });
    try {
      await deployment.#deploy(`${service.stdout}${people.stdout}`);
    } catch (error) {
      await deployment.stop(); // or it would keep the tests from ending
      throw error;
    }
    return deployment;
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.#process.once("exit", resolve));
    this.#process.kill("SIGTERM");
    await ended;
    rmSync(this.#directory, { recursive: true, force: true });
  }

  /** Runs an internal function, as the command line does. */
  async run<F extends Internal>(
    reference: F,
    args: FunctionArgs<F>,
  ): Promise<FunctionReturnType<F>> {
    const client = this.anonymous() as unknown as {
      setAdminAuth(key: string): void;
      function(ref: F, path: undefined, args: unknown): Promise<never>;
    };
    client.setAdminAuth(this.#adminKey);
    return await client.function(reference, undefined, args);
  }

  /** The ids of the files in the backend's storage. */
  async storedFiles(): Promise<string[]> {
    const { page } = (await this.run(
      makeFunctionReference("_system/cli/tableData") as unknown as Internal,
      {
        table: "_storage",
        paginationOpts: { numItems: 1000, cursor: null },
      },
    )) as { page: { _id: string }[] };
    return page.map(({ _id }) => _id).sort();
  }

  /** What `npx convex function-spec` prints. */
  async functionSpec(): Promise<string> {
    return await this.#cli(["function-spec"]);
  }

  /** Writes convex/_generated. */
  async codegen(): Promise<void> {
    await this.#cli(["codegen"]);
  }

  anonymous(): ConvexHttpClient {
    return new ConvexHttpClient(this.url, { logger: false });
  }

  /** A daemon's client; `over` makes its token a wrong one. */
  async service(role: Role, over: Claims = {}): Promise<ConvexHttpClient> {
    return this.#with(await this.token(role, over));
  }

  async token(role: Role, over: Claims = {}): Promise<string> {
    const key = await importPKCS8(this.#servicePem, "ES256");
    return await new SignJWT({ role, ...pick(over) })
      .setProtectedHeader({ alg: "ES256", kid: "service-1", typ: "JWT" })
      .setIssuer(over.iss ?? ISSUER)
      .setAudience(over.aud ?? AUDIENCE)
      .setSubject(`${role}/test`)
      .setIssuedAt()
      .setExpirationTime(over.expiresIn ?? "2h")
      .sign(key);
  }

  /** A person's client, signed up or in. */
  async person(
    email: string,
    flow: "signUp" | "signIn" = "signUp",
  ): Promise<ConvexHttpClient> {
    return this.#with(await this.tokenOf(email, flow));
  }

  /** The same of somebody whose address was proved, as a mail's link would. */
  async provedPerson(email: string): Promise<ConvexHttpClient> {
    await this.run(internal.auth.store, {
      args: {
        type: "createAccountFromCredentials",
        provider: "password",
        account: { id: email, secret: PASSWORD },
        profile: { email, emailVerified: true },
      },
    });
    return await this.person(email, "signIn");
  }

  async tokenOf(
    email: string,
    flow: "signUp" | "signIn" = "signIn",
  ): Promise<string> {
    const params = { email, password: PASSWORD, flow };
    const { tokens } = await this.anonymous().action(api.auth.signIn, {
      provider: "password",
      params,
    });
    return tokens!.token;
  }

  /** A person who may read `slug`; the same one every time. */
  async member(slug: string): Promise<ConvexHttpClient> {
    const email = "member@test.example";
    this.#member ??= this.person(email);
    const client = await this.#member;
    await this.run(internal.access.grant, {
      community: slug,
      email,
      until: null,
      reason: "test",
    });
    return client;
  }

  /** A community of its own, so that tests cannot meet. */
  async community(
    slug: string,
    channels = 1,
    over: { memberRoleIds?: string[] } = {},
  ): Promise<Community> {
    const number = BigInt(1 + Community.count++);
    const guildId = String(1_100_000_000_000_000_000n + number);
    const customerGuildId = String(1_200_000_000_000_000_000n + number);
    await this.run(internal.communities.setUp, {
      slug,
      name: `The ${slug} community`,
      sourceGuildId: guildId,
      customerGuildId,
      ...over,
    });
    const made = new Community(slug, guildId, customerGuildId);
    for (let i = 0; i < channels; i++) {
      const place = number * 1000n + BigInt(i);
      const sourceChannelId = String(1_110_000_000_000_000_000n + place);
      const mirrorChannelId = String(1_210_000_000_000_000_000n + place);
      const id = await this.run(internal.channels.setUp, {
        community: slug,
        sourceChannelId,
        mirrorChannelId,
        name: `channel-${i}`,
        enabled: true,
      });
      made.channels.push({ id, sourceChannelId, mirrorChannelId });
    }
    return made;
  }

  #with(token: string): ConvexHttpClient {
    const client = this.anonymous();
    client.setAuth(token);
    return client;
  }

  async #deploy(keys: string): Promise<void> {
    await this.#cli(["env", "set"], `${keys}SITE_URL=http://127.0.0.1:5180\n`);
    await this.#cli([
      "deploy",
      ...["--typecheck", "disable", "--codegen", "disable"],
    ]);
  }

  async #cli(args: string[], input = ""): Promise<string> {
    const child = run("npx", ["convex", ...args], {
      cwd: SCHEMA,
      env: {
        ...process.env,
        CONVEX_SELF_HOSTED_URL: this.url,
        CONVEX_SELF_HOSTED_ADMIN_KEY: this.#adminKey,
      },
    });
    child.child.stdin!.end(input);
    return (await child).stdout;
  }
}

export class Community {
  static count = 0;
  readonly channels: {
    id: Id<"channels">;
    sourceChannelId: string;
    mirrorChannelId: string;
  }[] = [];
  constructor(
    readonly slug: string,
    readonly guildId: string,
    readonly customerGuildId: string,
  ) {}
}

function pick({ role }: Claims): { role?: string } {
  return role === undefined ? {} : { role };
}

// The log says where it listens, because nobody chose the ports.
async function listening(
  process: ChildProcess,
  lines: string[],
): Promise<string> {
  const reader = createInterface({ input: process.stderr! });
  return await new Promise((resolve, reject) => {
    reader.on("line", (line) => {
      lines.push(line);
      const [, url] = /\bcloud="?(http[^\s"]+)/.exec(line) ?? [];
      if (url) resolve(url);
    });
    process.once("exit", (code) =>
      reject(new Error(`backend left with ${code}: ${lines.join("\n")}`)),
    );
  });
}
