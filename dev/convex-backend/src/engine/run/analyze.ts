/* analyze.ts - a worker thread that loads pushed modules once and says what they contain. */

import hostProcess from "node:process";
import type {
  AnalyzedFunction,
  AnalyzedModule,
  AuthInfo,
  JSONObject,
  JSONValue,
  ModuleSource,
} from "../api.js";
import { ErrorFormatter } from "./errors.js";
import { freeze, installGlobals } from "./globals.js";
import { ModuleLoader } from "./modules.js";
import { Random } from "./random.js";

export type AnalyzerStart = {
  role: "analysis";
  modules: ModuleSource[];
  schema: ModuleSource | null;
  environment: Record<string, string>;
  importTime: number;
  importSeed: string;
  /** Evaluates auth.config.js alone. */
  authOnly: boolean;
};

export type Analysis =
  | {
      ok: true;
      functions: Record<string, AnalyzedModule>;
      schema: JSONObject | null;
      auth: AuthInfo[];
    }
  | { ok: false; code: string; message: string };

export const AUTH_CONFIG = "auth.config.js";

/** A push that cannot be; becomes an EngineError 400. */
class Refusal extends Error {
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

type Exports = Record<string, unknown>;

type Exported = {
  isQuery?: boolean;
  isMutation?: boolean;
  isAction?: boolean;
  isPublic?: boolean;
  isInternal?: boolean;
  exportArgs?: () => string;
  exportReturns?: () => string;
};

export class Analyzer {
  private readonly loader: ModuleLoader;
  private readonly errors: ErrorFormatter;
  private strictEnvironment = false;

  constructor(private readonly start: AnalyzerStart) {
    const all =
      start.schema === null ? start.modules : [...start.modules, start.schema];
    const maps = new Map(all.map((module) => [module.path, module.sourceMap]));
    this.errors = new ErrorFormatter((path) => maps.get(path));
    this.loader = new ModuleLoader(all, false);
    this.install();
  }

  private install(): void {
    const { start } = this;
    const random = new Random(start.importSeed);
    installGlobals({
      logs: () => null,
      environment: () => start.environment,
      onMissingVariable: (name) => {
        if (this.strictEnvironment)
          throw new Refusal(
            "AuthConfigMissingEnvironmentVariable",
            `Environment variable ${name} is used in auth config file but its value was not set.`,
          );
      },
    });
    freeze({
      now: () => Math.floor(start.importTime),
      random: () => random,
      track: (work) => work,
    });
    // Rejections that nobody waits for do not fail an import.
    hostProcess.on("unhandledRejection", () => undefined);
  }

  async analyze(): Promise<Analysis> {
    try {
      if (this.start.authOnly)
        return {
          ok: true,
          functions: {},
          schema: null,
          auth: await this.auth(),
        };
      const functions: Record<string, AnalyzedModule> = {};
      for (const { path } of this.start.modules) {
        if (path.startsWith("_deps/") || path === AUTH_CONFIG) continue;
        functions[path] = await this.module(path);
      }
      const auth = await this.auth();
      return { ok: true, functions, schema: await this.schema(), auth };
    } catch (error) {
      if (error instanceof Refusal)
        return { ok: false, code: error.code, message: error.message };
      throw error;
    }
  }

  private invalid(path: string, error: unknown): Refusal {
    if (error instanceof Refusal) return error;
    const { message } = this.errors.format(error);
    return new Refusal(
      "InvalidModules",
      `Loading the pushed modules encountered the following\n    error:\nFailed to analyze ${path}: ${message}`,
    );
  }

  private async load(path: string): Promise<Exports> {
    try {
      return await this.loader.load(path);
    } catch (error) {
      throw this.invalid(path, error);
    }
  }

  private async module(path: string): Promise<AnalyzedModule> {
    const exports = await this.load(path);
    try {
      return {
        functions: Object.entries(exports).flatMap(([name, value]) =>
          analyzeFunction(name, value),
        ),
        httpRoutes: path === "http.js" ? httpRoutes(exports) : null,
        cronSpecs: path === "crons.js" ? cronSpecs(exports) : null,
        sourceMapped: null,
      };
    } catch (error) {
      throw this.invalid(path, error);
    }
  }

  private async auth(): Promise<AuthInfo[]> {
    if (!this.start.modules.some(({ path }) => path === AUTH_CONFIG)) return [];
    this.strictEnvironment = true;
    let exports: Exports;
    try {
      exports = await this.loader.load(AUTH_CONFIG);
    } catch (error) {
      throw this.invalid(AUTH_CONFIG, error);
    } finally {
      this.strictEnvironment = false;
    }
    return authProviders(exports["default"]);
  }

  private async schema(): Promise<JSONObject | null> {
    if (this.start.schema === null) return null;
    const exports = await this.load(this.start.schema.path);
    const exported = exports["default"] as
      { export?: () => unknown } | undefined;
    if (exported === undefined)
      throw new Refusal(
        "MissingSchemaExportError",
        "The schema file must default export a schema made by defineSchema.",
      );
    if (typeof exported.export !== "function")
      throw new Refusal(
        "InvalidSchemaExport",
        "Default export from schema file isn't a Convex schema.",
      );
    try {
      const text = exported.export();
      return (typeof text === "string" ? JSON.parse(text) : text) as JSONObject;
    } catch (error) {
      throw new Refusal(
        "InvalidSchema",
        `Hit an error while evaluating your schema:\n${this.errors.format(error).message}`,
      );
    }
  }
}

function analyzeFunction(name: string, value: unknown): AnalyzedFunction[] {
  if (
    (typeof value !== "function" && typeof value !== "object") ||
    value === null
  )
    return [];
  const exported = value as Exported;
  const kinds = (
    [
      ["Query", exported.isQuery],
      ["Mutation", exported.isMutation],
      ["Action", exported.isAction],
    ] as const
  ).filter(([, is]) => is === true);
  if (kinds.length !== 1) return [];
  const isPublic = exported.isPublic === true;
  const isInternal = exported.isInternal === true;
  if (isPublic && isInternal) return [];
  return [
    {
      name,
      pos: null,
      udfType: kinds[0]![0],
      visibility: isPublic
        ? { kind: "public" }
        : isInternal
          ? { kind: "internal" }
          : null,
      args: exported.exportArgs?.() ?? null,
      returns: exported.exportReturns?.() ?? null,
    },
  ];
}

function httpRoutes(exports: Exports): AnalyzedModule["httpRoutes"] {
  const router = exports["default"] as
    { isRouter?: boolean; getRoutes?: () => [string, string][] } | undefined;
  if (router === undefined || router.isRouter !== true)
    throw new Refusal(
      "InvalidModules",
      "The default export of `convex/http.js` is not a Router. Did you forget `export default http;`?",
    );
  return router.getRoutes!().map(([path, method]) => ({
    route: { path, method },
    pos: null,
  }));
}

function cronSpecs(exports: Exports): AnalyzedModule["cronSpecs"] {
  const crons = exports["default"] as
    { isCrons?: boolean; export?: () => string } | undefined;
  if (crons === undefined || crons.isCrons !== true)
    throw new Refusal(
      "InvalidModules",
      "The default export of `convex/crons.js` is not a Crons object. Did you forget `export default crons;`?",
    );
  const specs = JSON.parse(crons.export!()) as { [name: string]: JSONValue };
  return Object.entries(specs).map(([identifier, spec]) => ({
    identifier,
    spec,
  }));
}

function authProviders(config: unknown): AuthInfo[] {
  if (config === undefined)
    throw new Refusal(
      "AuthConfigMissingExportError",
      "auth config file is missing default export",
    );
  const { providers } = config as { providers?: unknown };
  if (!Array.isArray(providers))
    throw new Refusal(
      "AuthConfigNotMatchingSchemaError",
      "auth config file must include a list of provider credentials: `providers`",
    );
  return providers.map((provider) => authInfo(provider as JSONObject));
}

function authInfo(provider: JSONObject): AuthInfo {
  const text = (name: string): string => {
    const value = provider[name];
    if (typeof value !== "string")
      throw new Refusal(
        "AuthConfigNotMatchingSchemaError",
        `auth config provider is missing \`${name}\`: ${JSON.stringify(Object.keys(provider))}`,
      );
    return value;
  };
  if (provider["type"] === "customJwt")
    return {
      type: "customJwt",
      applicationID: provider["applicationID"] ?? null,
      issuer: text("issuer"),
      jwks: text("jwks"),
      algorithm: text("algorithm"),
    };
  return { applicationID: text("applicationID"), domain: text("domain") };
}
