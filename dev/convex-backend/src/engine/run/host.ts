/* host.ts - what every call of a thread shares, be it a transaction or an action. */

import type { Deployment } from "../functions.js";
import { FunctionTable } from "../functions.js";
import type { Catalog } from "../store/format.js";
import { Validators } from "./call.js";
import { CompiledCatalog } from "./catalog.js";
import { ErrorFormatter } from "./errors.js";
import { ModuleLoader, type Namespace } from "./modules.js";
import type { WorkerStart } from "./protocol.js";
import { Scripts } from "./scripts.js";

/** Loads the deployed modules. */
export interface Code {
  /** Modules for one call. */
  instance(): { load(path: string): Namespace | Promise<Namespace> };
  /** The global object is as calls are to find it. */
  rememberGlobals(): void;
  /** Takes away what has been added since. */
  forgetGlobals(): void;
}

export class Host {
  catalog: CompiledCatalog;
  validators: Validators;
  readonly functions: FunctionTable;
  readonly deployment: Deployment;
  readonly errors: ErrorFormatter;
  readonly code: Code;
  /** Modules are being evaluated: no call's clock, chance or database is theirs. */
  importing = false;

  constructor(
    { deployment, catalog }: WorkerStart,
    dynamicImport: boolean,
    /** Called before modules are evaluated. */
    private readonly onImport: () => void = () => undefined,
  ) {
    this.catalog = new CompiledCatalog(catalog);
    this.validators = new Validators(this.catalog);
    this.functions = new FunctionTable(deployment.analysis);
    this.deployment = deployment;
    const sources = new Map(deployment.scripts.map((m) => [m.path, m]));
    this.errors = new ErrorFormatter((path) => sources.get(path)?.sourceMap);
    this.code = this.load(dynamicImport);
  }

  private load(dynamicImport: boolean): Code {
    const { scripts } = this.deployment;
    if (scripts.every((module) => module.script !== undefined))
      return new Scripts(
        scripts.map(({ path, script }) => ({ path, ...script! })),
        dynamicImport,
        (work) => this.whileImporting(work),
      );
    const loader = new ModuleLoader(scripts, dynamicImport);
    return {
      instance: () => loader,
      rememberGlobals: () => undefined,
      forgetGlobals: () => undefined,
    };
  }

  private whileImporting<T>(work: () => T): T {
    this.onImport();
    this.importing = true;
    try {
      return work();
    } finally {
      this.importing = false;
    }
  }

  /** Compiles and evaluates every module, so that the first calls find it done. */
  async warm(): Promise<void> {
    const modules = this.code.instance();
    for (const path of Object.keys(this.deployment.analysis)) {
      try {
        await modules.load(path);
      } catch {
        // The call that needs it will tell.
      }
    }
    this.code.rememberGlobals();
  }

  setCatalog(catalog: Catalog): void {
    this.catalog = new CompiledCatalog(catalog);
    this.validators = new Validators(this.catalog);
  }
}
