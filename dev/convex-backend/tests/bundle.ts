/* bundle.ts - bundles a fixture app as the Convex CLI does, into a push request. */

import { readdirSync } from "node:fs";
import { join, relative } from "node:path";
import { build } from "esbuild";
import type { ModuleSource, PushRequest } from "../src/engine/api.js";

async function bundle(
  folder: string,
  entries: string[],
  splitting: boolean,
): Promise<ModuleSource[]> {
  const out = join(folder, "out");
  const result = await build({
    entryPoints: entries.map((entry) => join(folder, entry)),
    bundle: true,
    platform: "browser",
    format: "esm",
    target: "esnext",
    jsx: "automatic",
    outdir: out,
    outbase: folder,
    conditions: ["convex", "module"],
    write: false,
    splitting,
    chunkNames: "_deps/[hash]",
    sourcemap: "external",
    minifyIdentifiers: true,
    keepNames: true,
    define: { "process.env.NODE_ENV": '"production"' },
    logLevel: "silent",
  });
  const maps = new Map<string, string>();
  const modules: ModuleSource[] = [];
  for (const file of result.outputFiles)
    if (file.path.endsWith(".map"))
      maps.set(relative(out, file.path).slice(0, -4), file.text);
  for (const file of result.outputFiles) {
    if (file.path.endsWith(".map")) continue;
    const path = relative(out, file.path);
    const sourceMap = maps.get(path);
    modules.push({
      path,
      source: file.text,
      environment: "isolate",
      ...(sourceMap === undefined ? {} : { sourceMap }),
    });
  }
  return modules;
}

/** The push request of the app in `folder`. */
export async function pushRequest(folder: string): Promise<PushRequest> {
  const files = readdirSync(folder).filter((name) => name.endsWith(".ts"));
  const special = new Set(["schema.ts", "auth.config.ts"]);
  const modules = await bundle(
    folder,
    files.filter((name) => !special.has(name)),
    true,
  );
  const auth = files.includes("auth.config.ts")
    ? await bundle(folder, ["auth.config.ts"], false)
    : [];
  const schema = files.includes("schema.ts")
    ? (await bundle(folder, ["schema.ts"], false))[0]!
    : null;
  return {
    dryRun: false,
    appDefinition: {
      definition: null,
      dependencies: [],
      schema,
      changedModules: [...modules, ...auth],
      unchangedModuleHashes: [],
      udfServerVersion: "1.48.0",
    },
    componentDefinitions: [],
  };
}
