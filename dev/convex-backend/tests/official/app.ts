// app.ts - one of the apps in apps/, type-checked and deployed by the official
// command line to a backend of its own.

import assert from "node:assert/strict";
import { cpSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { ConvexHttpClient } from "convex/browser";
import type { ConvexClient } from "convex/browser";
import { exportJWK, exportPKCS8, generateKeyPair } from "jose";
import { Backend, buildProgram, Project } from "./backend.js";
import { action, liveClient, mutation, query } from "./clients.js";

type Args = Record<string, unknown>;

export class App {
  readonly #live: ConvexClient[] = [];

  private constructor(
    readonly backend: Backend,
    readonly project: Project,
    readonly http: ConvexHttpClient,
    private readonly program: { remove(): void },
  ) {}

  /** `flags` are those of the backend; `variables` are set before the deploy. */
  static async start(
    name: string,
    variables: Record<string, string> = {},
    flags: string[] = [],
  ): Promise<App> {
    const program = await buildProgram();
    const backend = await Backend.start(program.main, flags);
    const project = new Project(backend);
    const app = fileURLToPath(new URL(`../../apps/${name}`, import.meta.url));
    cpSync(app, project.folder, { recursive: true });
    const http = new ConvexHttpClient(backend.url, { logger: false });
    const self = new App(backend, project, http, program);
    try {
      await self.#deploy(variables);
    } catch (error) {
      await self.close();
      throw error;
    }
    return self;
  }

  async #deploy(variables: Record<string, string>): Promise<void> {
    const lines = Object.entries(variables).map(([k, v]) => `${k}='${v}'`);
    if (lines.length > 0) {
      this.project.write("variables", lines.join("\n"));
      done(await this.project.convex("env", "set", "--from-file", "variables"));
    }
    // Writes convex/tsconfig.json, as `npx convex dev` does in a new project.
    done(await this.project.convex("codegen", "--init", "--typecheck=disable"));
    done(await this.project.convex("deploy", "--typecheck=enable", "-y"));
  }

  query<T = unknown>(name: string, args: Args = {}): Promise<T> {
    return this.http.query(query(name), args as never) as Promise<T>;
  }
  mutation<T = unknown>(name: string, args: Args = {}): Promise<T> {
    return this.http.mutation(mutation(name), args as never) as Promise<T>;
  }
  action<T = unknown>(name: string, args: Args = {}): Promise<T> {
    return this.http.action(action(name), args as never) as Promise<T>;
  }

  /** A client over the socket, closed with the app. */
  live(): ConvexClient {
    const client = liveClient(this.backend.url);
    this.#live.push(client);
    return client;
  }

  async close(): Promise<void> {
    await Promise.all(this.#live.map((client) => client.close()));
    this.project.remove();
    await this.backend.remove();
    this.program.remove();
  }
}

function done(result: {
  status: number | null;
  stdout: string;
  stderr: string;
}) {
  assert.equal(result.status, 0, `${result.stdout}\n${result.stderr}`);
}

/** What Convex Auth is set up with. */
export async function authVariables(): Promise<Record<string, string>> {
  const pair = await generateKeyPair("RS256", { extractable: true });
  const pem = (await exportPKCS8(pair.privateKey)).trimEnd();
  const jwk = { use: "sig", ...(await exportJWK(pair.publicKey)) };
  return {
    JWT_PRIVATE_KEY: pem.replaceAll("\n", " "),
    JWKS: JSON.stringify({ keys: [jwk] }),
    SITE_URL: "http://127.0.0.1:5180",
  };
}
