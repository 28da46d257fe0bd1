/* functions.ts - the deployed functions: finding one by name, and who may call it. */

import type { AnalyzedModule, Identity, ModuleSource } from "./api.js";
import type { ValidatorJson } from "./values/validator.js";

export type UdfType = "Query" | "Mutation" | "Action";

export type FunctionInfo = {
  /** "dir/module:name" */
  path: string;
  /** "dir/module.js" */
  module: string;
  name: string;
  udfType: UdfType;
  isPublic: boolean;
  args: ValidatorJson | null;
  returns: ValidatorJson | null;
};

/** A module as the body of a function of `exports`, `require` and `module`. */
export type Script = {
  code: string;
  /** Every call gets its own; otherwise one serves all. */
  isFresh: boolean;
  /** It may leave something on the global object. */
  usesGlobal: boolean;
};

/** With a script, `sourceMap` is that of the script. */
export type DeployedModule = ModuleSource & { script?: Script };

/** Code and settings that a worker runs with. */
export type Deployment = {
  /** Changes with every push. */
  id: string;
  modules: ModuleSource[];
  /** What the threads load, made from `modules`. */
  scripts: DeployedModule[];
  analysis: Record<string, AnalyzedModule>;
  environment: Record<string, string>;
  cloudOrigin: string;
  siteOrigin: string;
  /** Signs upload tokens and names files. */
  secret: string;
  /** Clock (ms) and seed of module loading. */
  importTime: number;
  importSeed: string;
};

/** "dir/module.js:f", "dir/module" and so on as "dir/module:f". */
export function canonicalPath(path: string): string {
  const colon = path.lastIndexOf(":");
  const file = colon < 0 ? path : path.slice(0, colon);
  const name = colon < 0 ? "default" : path.slice(colon + 1);
  return `${file.endsWith(".js") ? file.slice(0, -3) : file}:${name}`;
}

/** "dir/module.js:f", as in `_scheduled_functions`. */
export function storedPath(path: string): string {
  const [file, name] = canonicalPath(path).split(":");
  return `${file}.js:${name}`;
}

export class FunctionTable {
  private readonly functions = new Map<string, FunctionInfo>();

  constructor(analysis: Record<string, AnalyzedModule>) {
    for (const [module, analyzed] of Object.entries(analysis)) {
      for (const found of analyzed.functions) {
        if (found.udfType === "HttpAction") continue;
        const path = canonicalPath(`${module}:${found.name}`);
        this.functions.set(path, {
          path,
          module,
          name: found.name,
          udfType: found.udfType,
          isPublic: found.visibility?.kind === "public",
          args: parseValidator(found.args),
          returns: parseValidator(found.returns),
        });
      }
    }
  }

  get(path: string): FunctionInfo | undefined {
    return this.functions.get(canonicalPath(path));
  }

  values(): IterableIterator<FunctionInfo> {
    return this.functions.values();
  }
}

function parseValidator(text: string | null): ValidatorJson | null {
  return text === null ? null : (JSON.parse(text) as ValidatorJson | null);
}

export function mayCallInternal(identity: Identity): boolean {
  return identity.kind === "admin" || identity.kind === "system";
}

export function notFoundMessage(path: string): string {
  return `Could not find public function for '${displayPath(path)}'. Did you forget to run \`npx convex dev\` or \`npx convex deploy\`?`;
}

/** For the admin's own calls; the CLI looks for this beginning. */
export function notFoundForAdminMessage(path: string): string {
  return `Could not find function for '${displayPath(path)}'. Did you forget to run \`npx convex dev\` or \`npx convex deploy\`?`;
}

function displayPath(path: string): string {
  const canonical = canonicalPath(path);
  return canonical.endsWith(":default") ? canonical.slice(0, -8) : canonical;
}

export function wrongTypeMessage(info: FunctionInfo, wanted: UdfType): string {
  return `Trying to execute ${storedPath(info.path)} as ${wanted}, but it is defined as ${info.udfType}.`;
}
