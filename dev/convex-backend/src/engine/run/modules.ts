/* modules.ts - loads the deployed modules into this thread.
 *
 * The modules live in the thread's own realm, not in a `vm` context: globals are fast and
 * `instanceof` works as in one realm. The thread is thrown away with the push. Modules are
 * evaluated once here: that is what an analysis wants. Calls use scripts.ts, unless a module
 * waits at its top level; then its variables do outlive a call.
 */

import { posix } from "node:path";
import vm from "node:vm";
import { MODULE_SCHEME } from "./errors.js";
import { DYNAMIC_IMPORT } from "./scripts.js";

export type Source = { path: string; source: string };

export type Namespace = Record<string, unknown>;

export class ModuleLoader {
  private readonly sources = new Map<string, string>();
  private readonly modules = new Map<string, vm.Module>();
  private readonly evaluated = new Map<string, Promise<Namespace>>();

  constructor(
    sources: Source[],
    /** Whether `import()` works. */
    private readonly dynamicImport: boolean,
  ) {
    for (const { path, source } of sources) this.sources.set(path, source);
  }

  /** A module made of this program's own values. */
  provide(path: string, values: Namespace): void {
    const module = new vm.SyntheticModule(
      Object.keys(values),
      () => {
        for (const [name, value] of Object.entries(values))
          module.setExport(name, value);
      },
      { identifier: MODULE_SCHEME + path },
    );
    this.modules.set(path, module);
  }

  /** The module's exports; the same promise for every caller. */
  load(path: string): Promise<Namespace> {
    let promise = this.evaluated.get(path);
    if (promise === undefined) {
      promise = this.evaluate(path);
      promise.catch(() => undefined);
      this.evaluated.set(path, promise);
    }
    return promise;
  }

  private async evaluate(path: string): Promise<Namespace> {
    const module = this.module(path);
    if (module.status === "unlinked")
      await module.link((specifier, referrer) =>
        this.module(this.resolve(specifier, referrer.identifier)),
      );
    await module.evaluate();
    return module.namespace as Namespace;
  }

  private resolve(specifier: string, referrer: string): string {
    const from = referrer.slice(MODULE_SCHEME.length);
    if (specifier.startsWith(MODULE_SCHEME))
      return specifier.slice(MODULE_SCHEME.length);
    if (!specifier.startsWith("."))
      throw new Error(
        `Relative import path "${specifier}" not prefixed with / or ./ or ../ (imported by ${from})`,
      );
    return posix.join(posix.dirname(from), specifier);
  }

  private module(path: string): vm.Module {
    const known = this.modules.get(path);
    if (known !== undefined) return known;
    const name = this.sources.has(path) ? path : `${path}.js`;
    const source = this.sources.get(name);
    if (source === undefined)
      throw new Error(
        `Couldn't find JavaScript module '${path}'. Did you forget to run \`npx convex dev\`?`,
      );
    const module = new vm.SourceTextModule(source, {
      identifier: MODULE_SCHEME + name,
      importModuleDynamically: (specifier) => this.imported(specifier, name),
    });
    this.modules.set(path, module);
    return module;
  }

  private async imported(specifier: string, from: string): Promise<vm.Module> {
    if (!this.dynamicImport) throw new TypeError(DYNAMIC_IMPORT);
    const path = this.resolve(specifier, MODULE_SCHEME + from);
    await this.load(path);
    return this.module(path);
  }
}
