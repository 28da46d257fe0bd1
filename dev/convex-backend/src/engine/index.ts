/* index.ts - opens the engine: puts its parts together, and takes them apart again.
 *
 * Everything runs on the main thread but the functions themselves (run/, in workers).
 */

import { randomBytes } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import Database from "libsql";
import { ActionRunner } from "./actionrunner.js";
import { ActionThreads } from "./actionthreads.js";
import {
  type ActionResult,
  type AuthInfo,
  type Engine,
  EngineError,
  type EngineOptions,
  type JSONValue,
  type LogEntry,
  type MutationCall,
  type PushRequest,
  type QueryCall,
  type ReadSet,
  type Ts,
  type Watch,
  type WriteSet,
} from "./api.js";
import { Core, wallClock } from "./core.js";
import { type DeploymentRecord, Pushes } from "./deploy/push.js";
import { scripted } from "./deploy/scripted.js";
import { Files } from "./files.js";
import type { Deployment } from "./functions.js";
import { Pool, type Prepared } from "./pool.js";
import { argumentList, failed, resolveFunction } from "./run/call.js";
import { unsupported } from "./run/failure.js";
import { type InternalCall, Runner } from "./runner.js";
import { Scheduler } from "./scheduler.js";
import { type Connection, openReader, openWriter } from "./store/database.js";
import { Gate } from "./store/gate.js";
import type { Reads } from "./store/readset.js";
import { folderInUse, Store } from "./store/store.js";
import { checkVariables, SystemReads, writeVariables } from "./system.js";
import { workerFile } from "./workerfile.js";

export * from "./api.js";
export { wallClock };

const DEFAULT_WORKERS = 2;
const HOUSEKEEPING_MS = 1000;
const ACTION_SILENCE_MS = 30_000;

type Parts = {
  core: Core;
  /** Starts threads for a deployment. */
  prepare: (deployment: Deployment) => Promise<Prepared>;
  runner: Runner;
  actions: ActionRunner;
  threads: ActionThreads;
  pool: Pool;
  pushes: Pushes;
  files: Files;
  scheduler: Scheduler;
  system: SystemReads;
  checkpointer: { end: () => Promise<void> };
  lock: Connection;
};

/** Holds the folder until its process ends, however it ends. */
function lockFolder(folder: string): Connection {
  const lock = new Database(join(folder, "lock.sqlite"));
  try {
    lock.exec(
      "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; CREATE TABLE IF NOT EXISTS held(x)",
    );
  } catch {
    lock.close();
    throw folderInUse(folder);
  }
  return lock;
}

function loadRecord(store: Store, options: EngineOptions): DeploymentRecord {
  return (
    store.readMeta<DeploymentRecord>("deployment") ?? {
      id: "empty",
      analysis: {},
      auth: [],
      schema: null,
      udfServerVersion: null,
      importTime: (options.clock ?? Date.now)(),
      importSeed: options.seed ?? randomBytes(32).toString("hex"),
    }
  );
}

function loadSecret(store: Store, seed: string | undefined): string {
  const known = store.readMeta<string>("secret");
  if (known !== null) return known;
  const secret = seed ?? randomBytes(32).toString("hex");
  store.writeMeta("secret", secret);
  return secret;
}

function loadModules(connection: Connection): Deployment["modules"] {
  const rows = connection
    .prepare(
      "SELECT path, environment, source, source_map AS sourceMap FROM modules",
    )
    .all([]) as {
    path: string;
    environment: "isolate" | "node";
    source: string;
    sourceMap: string | null;
  }[];
  return rows.map(({ path, environment, source, sourceMap }) => ({
    path,
    environment,
    source,
    sourceMap: sourceMap ?? undefined,
  }));
}

function startCheckpointer(databasePath: string): { end: () => Promise<void> } {
  const gate = Gate.buffer();
  const worker = new Worker(workerFile(), {
    workerData: { role: "checkpoints", databasePath, gate },
  });
  return { end: () => new Gate(gate).end(worker) };
}

function builtIns(options: EngineOptions): Record<string, string> {
  return {
    CONVEX_CLOUD_URL: options.cloudOrigin,
    CONVEX_SITE_URL: options.siteOrigin,
  };
}

/** Opens the data folder. EngineError 409 DataFolderInUse when another engine has it. */
export async function openEngine(options: EngineOptions): Promise<Engine> {
  mkdirSync(options.dataDir, { recursive: true });
  const lock = lockFolder(options.dataDir);
  try {
    return new OpenEngine(options, await openParts(options, lock));
  } catch (error) {
    lock.close();
    throw error;
  }
}

async function openParts(
  options: EngineOptions,
  lock: Connection,
): Promise<Parts> {
  const databasePath = join(options.dataDir, "data.sqlite");
  const clock = options.clock ?? wallClock();
  const store = new Store(
    openWriter(databasePath),
    openReader(databasePath),
    clock,
  );
  const record = loadRecord(store, options);
  const modules = loadModules(store.connection);
  const core = new Core(options, store, clock, {
    id: record.id,
    modules,
    scripts: await scripted(modules),
    analysis: record.analysis,
    environment: builtIns(options),
    cloudOrigin: options.cloudOrigin,
    siteOrigin: options.siteOrigin,
    secret: loadSecret(store, options.seed),
    importTime: record.importTime,
    importSeed: record.importSeed,
  });
  const start = () => ({
    databasePath,
    deployment: core.deployment,
    catalog: store.catalog,
  });
  const prepare = async (deployment: Deployment): Promise<Prepared> => {
    const next = { ...start(), deployment };
    const both = await Promise.all([pool.prepare(next), threads.prepare(next)]);
    return {
      takeOver: () => both.forEach((each) => each.takeOver()),
      drop: () => both.forEach((each) => each.drop()),
    };
  };
  const pushes = new Pushes(core, record, prepare);
  core.deployment.environment = {
    ...builtIns(options),
    ...pushes.userEnvironment(),
  };
  const warn = (message: string) => core.log("error", message);
  const pool = await Pool.open(
    start(),
    options.workers ?? DEFAULT_WORKERS,
    warn,
  );
  const runner = new Runner(core, pool);
  const files = new Files(core);
  const threads = new ActionThreads(
    start(),
    warn,
    options.actionSilenceMs ?? ACTION_SILENCE_MS,
  );
  (await threads.prepare(start())).takeOver();
  const actions = new ActionRunner(core, runner, files, threads);
  core.catalogListeners.add(() => {
    pool.setCatalog(store.catalog);
    threads.setCatalog(store.catalog);
  });
  return {
    core,
    prepare,
    runner,
    actions,
    threads,
    pool,
    pushes,
    files,
    lock,
    scheduler: new Scheduler(core, runner, actions),
    system: new SystemReads(
      core,
      () => pushes.record.schema as unknown as JSONValue,
    ),
    checkpointer: startCheckpointer(databasePath),
  };
}

class OpenEngine implements Engine {
  private readonly housekeeper: NodeJS.Timeout;
  private readonly authListeners = new Set<() => void>();
  private auth: AuthInfo[];
  private rounds = 0;
  private changes: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly options: EngineOptions,
    private readonly parts: Parts,
  ) {
    this.auth = parts.pushes.record.auth;
    this.housekeeper = setInterval(
      () => this.housekeep(),
      HOUSEKEEPING_MS,
    ).unref();
  }

  get cloudOrigin(): string {
    return this.options.cloudOrigin;
  }
  get siteOrigin(): string {
    return this.options.siteOrigin;
  }

  private housekeep(): void {
    try {
      this.parts.core.store.retain();
      if (++this.rounds % 60 === 0) {
        this.parts.scheduler.clean();
        this.parts.files.sweep();
      }
    } catch (error) {
      this.parts.core.log("error", `Housekeeping: ${(error as Error).message}`);
    }
  }

  now(): number {
    return this.parts.core.clock();
  }
  clockMoved(): void {
    this.parts.scheduler.wake();
  }
  latestTs(): Ts {
    return this.parts.core.latestTs();
  }

  runQuery(call: QueryCall) {
    return this.parts.runner.query(call);
  }
  runMutation(call: MutationCall) {
    return this.parts.runner.mutation(call);
  }
  runAction(call: InternalCall) {
    return this.parts.actions.action(call);
  }

  async runAny(call: InternalCall): Promise<ActionResult> {
    const found = resolveFunction(
      this.parts.core.functions,
      call.path,
      null,
      call.identity,
    );
    const refuse = (message: string): ActionResult => ({
      outcome: failed(call.requestId, { message }),
      logLines: [],
    });
    if ((call.componentPath ?? "") !== "")
      return refuse(unsupported("components"));
    if ("message" in found) return refuse(found.message);
    const run = {
      Query: () => this.runQuery(call),
      Mutation: () => this.runMutation(call),
      Action: () => this.runAction(call),
    }[found.info.udfType];
    const { outcome, logLines } = await run();
    return { outcome, logLines };
  }

  async runTestQuery(
    call: Parameters<Engine["runTestQuery"]>[0],
  ): Promise<ActionResult> {
    const { outcome, logLines } = await this.parts.runner.query({
      path: "testQuery.js",
      args: argumentList(call.args),
      identity: call.identity,
      requestId: call.requestId,
      bundle: call.source,
    });
    return { outcome, logLines };
  }

  httpAction(...args: Parameters<Engine["httpAction"]>) {
    const [request, identity, requestId, caller] = args;
    return this.parts.actions.http(request, identity, requestId, caller);
  }

  watch(reads: ReadSet, since: Ts, onInvalid?: () => void): Watch {
    return this.parts.core.store.commits.watch(
      reads as Reads,
      since,
      onInvalid,
    );
  }
  onCommit(listener: (ts: Ts, writes: WriteSet) => void): () => void {
    return this.parts.core.store.onCommit(listener);
  }
  onLog(listener: (entry: LogEntry) => void): () => void {
    const { logListeners } = this.parts.core;
    logListeners.add(listener);
    return () => logListeners.delete(listener);
  }

  // ------------------------------------------------------------ deployment

  moduleHashes() {
    return this.parts.pushes.moduleHashes();
  }
  udfServerVersion() {
    return this.parts.pushes.record.udfServerVersion;
  }
  startPush(request: PushRequest) {
    return this.parts.pushes.start(request);
  }
  evaluateSchema(request: PushRequest) {
    return this.parts.pushes.evaluateSchema(request);
  }
  checkSchema(pushId: string) {
    return this.parts.pushes.check(pushId);
  }
  finishPush(...args: Parameters<Engine["finishPush"]>) {
    return this.inTurn(async () => {
      const finished = await this.parts.pushes.finish(...args);
      this.setAuth(this.parts.pushes.record.auth);
      return finished;
    });
  }

  /** Changes of the deployment happen one after the other. */
  private inTurn<T>(change: () => Promise<T>): Promise<T> {
    const result = this.changes.then(change);
    this.changes = result.catch(() => undefined);
    return result;
  }

  authProviders(): AuthInfo[] {
    return this.auth;
  }
  onAuthChange(listener: () => void): () => void {
    this.authListeners.add(listener);
    return () => this.authListeners.delete(listener);
  }
  private setAuth(auth: AuthInfo[]): void {
    if (JSON.stringify(auth) === JSON.stringify(this.auth)) return;
    this.auth = auth;
    for (const listener of this.authListeners) listener();
  }

  setEnvironmentVariables(
    changes: { name: string; value: string | null }[],
  ): Promise<void> {
    return this.inTurn(() => this.changeVariables(changes));
  }

  private async changeVariables(
    changes: { name: string; value: string | null }[],
  ): Promise<void> {
    const { core, pushes, prepare } = this.parts;
    const present = pushes.userEnvironment();
    const next = checkVariables(changes, present);
    const environment = { ...builtIns(this.options), ...next };
    const auth = await pushes.authUnder(environment);
    // Modules may have read a variable when they were loaded: they are loaded anew.
    const threads = await prepare({ ...core.deployment, environment });
    const rows = core.scan("_environment_variables", "by_name", [], 1024);
    try {
      core.transact(
        (transaction) => writeVariables(core, transaction, changes, rows),
        () => core.store.writeMeta("deployment", { ...pushes.record, auth }),
        ["environment", "modules"],
      );
    } catch (error) {
      threads.drop();
      throw error;
    }
    pushes.record = { ...pushes.record, auth };
    core.deployment = { ...core.deployment, environment };
    threads.takeOver();
    this.setAuth(auth);
  }

  environmentVariables(ts?: Ts) {
    return this.parts.system.environmentVariables(ts);
  }
  tables(ts?: Ts) {
    return this.parts.system.tables(ts);
  }
  tablePage(...args: Parameters<Engine["tablePage"]>) {
    return this.parts.system.tablePage(...args);
  }
  tableSize(table: string, ts?: Ts) {
    return this.parts.system.tableSize(table, ts);
  }
  functionSpecs(ts?: Ts) {
    return this.parts.system.functionSpecs(ts);
  }
  schema(ts?: Ts) {
    return this.parts.system.schema(ts);
  }
  constant<T>(value: T) {
    return this.parts.system.constant(value);
  }

  // ------------------------------------------------------------ files

  checkUploadToken(token: string): void {
    this.parts.files.checkToken(token);
  }
  storeFile(file: Parameters<Engine["storeFile"]>[0]) {
    return this.parts.files.store(file);
  }
  fileByUuid(uuid: string) {
    return this.parts.files.byName(uuid);
  }

  async close(): Promise<void> {
    const { scheduler, pool, threads, checkpointer, core, lock } = this.parts;
    clearInterval(this.housekeeper);
    scheduler.close();
    await Promise.all([pool.close(), threads.close(), checkpointer.end()]);
    core.store.close();
    lock.close();
  }
}

export { EngineError };
