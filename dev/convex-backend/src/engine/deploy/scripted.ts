/* scripted.ts - turns pushed ES modules into the form that calls load, see run/scripts.ts. */

import { Buffer } from "node:buffer";
import { posix } from "node:path";
import { stop, transform } from "esbuild";
import type { ModuleSource } from "../api.js";
import type { DeployedModule, Script } from "../functions.js";
import { type StateReport, stateOf } from "./state.js";

const REQUIRE = /\brequire\("([^"]+)"\)/g;

let underWay = 0;

/**
 * Adds to each module its script. All or none: modules that wait at their top level cannot be
 * functions, and then all are loaded as ES modules, once per thread.
 */
export async function scripted(
  modules: ModuleSource[],
): Promise<DeployedModule[]> {
  underWay++;
  const isolate = modules.filter((m) => m.environment === "isolate");
  try {
    const made = await Promise.all(isolate.map(transformed));
    markFresh(made, isolate.map(stateOf));
    return made;
  } catch (error) {
    if (!/top-level await/i.test(String(error))) throw error;
    return isolate;
  } finally {
    // The last one out ends the compiler's process.
    if (--underWay === 0) await stop();
  }
}

/** For the log: a module that remembers something makes every call dearer. */
export function summaryOf(modules: DeployedModule[]): string {
  const fresh = modules.filter(({ script }) => script?.isFresh);
  return `push of ${modules.length} modules, ${fresh.length} of them evaluated anew for each call`;
}

type Made = DeployedModule & { script: Script };

async function transformed(module: ModuleSource): Promise<Made> {
  const { code, map } = await transform(withMap(module), {
    format: "cjs",
    target: "esnext",
    // import() becomes a late require().
    supported: { "dynamic-import": false },
    sourcefile: module.path,
    sourcemap: "external",
    sourcesContent: false,
    logLevel: "silent",
  });
  const script = { code, isFresh: false, usesGlobal: false };
  return { ...module, sourceMap: map, script };
}

function withMap({ source, sourceMap }: ModuleSource): string {
  if (sourceMap === undefined) return source;
  const data = Buffer.from(sourceMap).toString("base64");
  return `${source}\n//# sourceMappingURL=data:application/json;base64,${data}`;
}

/** What needs a module that is evaluated for each call is itself evaluated for each. */
function markFresh(modules: Made[], reports: StateReport[]): void {
  const changesOthers = reports.some((report) => report.changesOthers);
  modules.forEach(({ script }, i) => {
    script.isFresh = changesOthers || reports[i]!.hasState;
    script.usesGlobal = reports[i]!.usesGlobal;
  });
  const byPath = new Map(modules.map((module) => [module.path, module]));
  for (let changed = true; changed;) {
    changed = false;
    for (const { path, script } of modules) {
      if (script.isFresh) continue;
      for (const [, specifier] of script.code.matchAll(REQUIRE)) {
        const needed = posix.join(posix.dirname(path), specifier!);
        if (byPath.get(needed)?.script.isFresh === false) continue;
        script.isFresh = true;
        changed = true;
      }
    }
  }
}
