/* scripts.ts - the deployed modules as functions, so that no call sees another's variables.
 *
 * Officially no variable of a module outlives a call. Evaluating ES modules anew costs a
 * millisecond and loses what the compiler learned; a function can be called again. So a push
 * turns each module into the body of a function (deploy/scripted.ts), compiled once per thread.
 * Of those, modules that have nothing to remember (deploy/state.ts) are evaluated once, too.
 */

import { posix } from "node:path";
import vm from "node:vm";
import { MODULE_SCHEME } from "./errors.js";
import type { Script } from "../functions.js";
import type { Namespace } from "./modules.js";

export type NamedScript = Script & { path: string };

type Factory = (
  exports: Namespace,
  require: (specifier: string) => Namespace,
  module: { exports: Namespace },
) => void;

export const DYNAMIC_IMPORT = "dynamic module import unsupported";

export class Scripts {
  private readonly scripts = new Map<string, NamedScript>();
  private readonly factories = new Map<string, Factory>();
  private readonly shared = new Map<string, Loaded>();
  private readonly usesGlobal: boolean;
  private names: Set<string> | null = null;

  constructor(
    scripts: NamedScript[],
    /** Whether `import()` works. */
    readonly dynamicImport: boolean,
    /** Brackets the evaluation of modules. */
    readonly whileImporting: <T>(work: () => T) => T,
  ) {
    for (const script of scripts) this.scripts.set(script.path, script);
    this.usesGlobal = scripts.some((script) => script.usesGlobal);
  }

  /** What one call loads. */
  instance(): Instance {
    return new Instance(this);
  }

  rememberGlobals(): void {
    if (this.usesGlobal)
      this.names = new Set(Object.getOwnPropertyNames(globalThis));
  }

  forgetGlobals(): void {
    if (this.names === null) return;
    for (const name of Object.getOwnPropertyNames(globalThis))
      if (!this.names.has(name)) Reflect.deleteProperty(globalThis, name);
  }

  find(path: string): {
    script: NamedScript;
    known: Map<string, Loaded> | null;
  } {
    const script = this.scripts.get(path) ?? this.scripts.get(`${path}.js`);
    if (script === undefined)
      throw new Error(
        `Couldn't find JavaScript module '${path}'. Did you forget to run \`npx convex dev\`?`,
      );
    return { script, known: script.isFresh ? null : this.shared };
  }

  factory(script: NamedScript): Factory {
    let factory = this.factories.get(script.path);
    if (factory === undefined) {
      factory = vm.compileFunction(
        script.code,
        ["exports", "require", "module"],
        { filename: MODULE_SCHEME + script.path },
      ) as Factory;
      this.factories.set(script.path, factory);
    }
    return factory;
  }
}

type Loaded = { exports: Namespace; isReady: boolean };

export class Instance {
  private readonly loaded = new Map<string, Loaded>();

  constructor(private readonly scripts: Scripts) {}

  load(path: string): Namespace {
    return this.scripts.whileImporting(() => this.evaluate(path)).exports;
  }

  private evaluate(path: string): Loaded {
    const { script, known } = this.scripts.find(path);
    const where = known ?? this.loaded;
    const present = where.get(script.path);
    if (present !== undefined) return present;
    const module: Loaded = { exports: {}, isReady: false };
    where.set(script.path, module);
    try {
      this.scripts.factory(script)(
        module.exports,
        (specifier) => this.required(specifier, script.path, module),
        module,
      );
    } catch (error) {
      where.delete(script.path);
      throw error;
    }
    module.isReady = true;
    return module;
  }

  private required(specifier: string, from: string, module: Loaded): Namespace {
    // Once a module is evaluated, only its `import()` calls come here.
    if (module.isReady && !this.scripts.dynamicImport)
      throw new TypeError(DYNAMIC_IMPORT);
    if (!specifier.startsWith("."))
      throw new Error(
        `Relative import path "${specifier}" not prefixed with / or ./ or ../ (imported by ${from})`,
      );
    const path = posix.join(posix.dirname(from), specifier);
    return module.isReady ? this.load(path) : this.evaluate(path).exports;
  }
}
