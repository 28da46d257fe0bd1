/* harness.ts - engines for tests: the compiled worker, temporary folders, short call forms. */

import {
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import {
  type Engine,
  type EngineOptions,
  type Identity,
  type JSONValue,
  openEngine,
  type Outcome,
  type PushFinished,
  type PushRequest,
} from "../src/engine/index.js";
import { pushRequest } from "./bundle.js";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "..");

export const fixture = (name: string): string => join(here, "fixtures", name);

/** Compiles the worker as the package's build does; safe when test files do it together. */
async function buildWorker(): Promise<void> {
  const target = join(root, "dist/engine/worker.js");
  const result = await build({
    entryPoints: [join(root, "src/engine/worker.ts")],
    bundle: true,
    platform: "node",
    target: "node20",
    format: "esm",
    packages: "external",
    write: false,
    outfile: target,
  });
  mkdirSync(dirname(target), { recursive: true });
  const temporary = `${target}.${process.pid}`;
  writeFileSync(temporary, result.outputFiles[0]!.contents);
  renameSync(temporary, target);
}

const built = buildWorker();

export const SITE = "http://127.0.0.1:3211";
export const CLOUD = "http://127.0.0.1:3210";

export async function openAt(
  dataDir: string,
  options: Partial<EngineOptions> = {},
): Promise<Engine> {
  await built;
  return await openEngine({
    dataDir,
    cloudOrigin: CLOUD,
    siteOrigin: SITE,
    ...options,
  });
}

export async function push(
  engine: Engine,
  request: PushRequest,
): Promise<PushFinished> {
  const started = await engine.startPush(request);
  const check = await engine.checkSchema(started.pushId);
  if (check.type !== "complete") throw new Error(JSON.stringify(check));
  return await engine.finishPush(started.pushId, {
    dryRun: false,
    environmentVariables: started.environmentVariables,
  });
}

export type Bench = {
  engine: Engine;
  folder: string;
  /** Value of a query, or its error thrown. */
  query: (
    path: string,
    args?: JSONValue,
    identity?: Identity,
  ) => Promise<JSONValue>;
  mutate: (path: string, args?: JSONValue) => Promise<JSONValue>;
  /** The error text of a call that has to fail. */
  failure: (path: string, args?: JSONValue) => Promise<string>;
  reopen: () => Promise<Engine>;
  close: () => Promise<void>;
};

export const nobody: Identity = { kind: "none" };

export function valueOf(outcome: Outcome): JSONValue {
  if (outcome.success) return outcome.value;
  throw new Error(outcome.errorMessage);
}

let requests = 0;

/** An engine in a fresh folder with the fixture app `name` deployed. */
export async function bench(
  name: string,
  options: Partial<EngineOptions> = {},
): Promise<Bench> {
  const folder = mkdtempSync(join(tmpdir(), "engine-"));
  const self: Bench = {
    engine: await openAt(folder, options),
    folder,
    query: async (path, args = {}, identity = nobody) =>
      valueOf(
        (
          await self.engine.runQuery({
            path,
            args,
            identity,
            requestId: `q${requests++}`,
          })
        ).outcome,
      ),
    mutate: async (path, args = {}) =>
      valueOf(
        (
          await self.engine.runMutation({
            path,
            args,
            identity: nobody,
            requestId: `m${requests++}`,
          })
        ).outcome,
      ),
    failure: async (path, args = {}) => {
      const { outcome } = await self.engine.runAny({
        path,
        args,
        identity: nobody,
        requestId: "x",
      });
      if (outcome.success) throw new Error(`${path} did not fail`);
      return outcome.errorMessage;
    },
    reopen: async () => {
      await self.engine.close();
      self.engine = await openAt(folder, options);
      return self.engine;
    },
    close: async () => {
      await self.engine.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  await push(self.engine, await pushRequest(fixture(name)));
  return self;
}

/** Resolves when `condition` holds; asks again after every commit. */
export async function eventually(
  engine: Engine,
  condition: () => Promise<boolean>,
): Promise<void> {
  for (;;) {
    const changed = new Promise<void>((resolve) => {
      const off = engine.onCommit(() => {
        off();
        resolve();
      });
    });
    if (await condition()) return;
    await changed;
  }
}
