/* push.ts - deploying: evaluate, check the data, swap.
 *
 * Owns the pushes under way (in memory: a restart forgets them, and the CLI starts anew).
 * finish() is one commit; new threads are started before it and take over right after.
 */

import { Buffer } from "node:buffer";
import { createHash, randomUUID } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import {
  type AuthInfo,
  EngineError,
  type JSONObject,
  type JSONValue,
  type ModuleHash,
  type ModuleSource,
  type PushFinished,
  type PushRequest,
  type PushStarted,
  type SchemaCheck,
  type SchemaEvaluation,
  type Ts,
} from "../api.js";
import type { Core } from "../core.js";
import {
  type DeployedModule,
  type Deployment,
  FunctionTable,
} from "../functions.js";
import { CompiledCatalog } from "../run/catalog.js";
import {
  type Analysis,
  type AnalyzerStart,
  AUTH_CONFIG,
} from "../run/analyze.js";
import { unsupported } from "../run/failure.js";
import type { Prepared } from "../pool.js";
import type { TableInfo } from "../store/format.js";
import { Reads } from "../store/readset.js";
import { KEY_END } from "../values/sortkey.js";
import { compileValidator, type ValidatorJson } from "../values/validator.js";
import {
  checkSchemaJson,
  type DeclaredIndex,
  declaredIndexes,
  enforcedValidator,
  indexConfig,
  indexDiff,
  planIndexes,
  type SchemaJson,
} from "./schema.js";
import { analyzeInThread } from "./analysis.js";
import { checkCrons, cronDiff, cronWrites } from "./crons.js";
import { scripted, summaryOf } from "./scripted.js";
import { backfill, storeModules } from "./stored.js";

/** What the deployment is, besides its modules and tables; stored as one fact. */
export type DeploymentRecord = {
  id: string;
  analysis: Deployment["analysis"];
  auth: AuthInfo[];
  schema: SchemaJson | null;
  udfServerVersion: string | null;
  importTime: number;
  importSeed: string;
};

type Push = {
  record: DeploymentRecord;
  modules: ModuleSource[];
  scripts: DeployedModule[];
  startedAt: number;
  /** Time up to which the data was found to fit, or null. */
  checkedAt: Ts | null;
};

type AddedIndex = { table: TableInfo; index: number };

const PUSH_MS = 3_600_000;
const CHECK_BATCH = 2000;
const MAX_MODULES = 4096;

export class Pushes {
  private readonly pushes = new Map<string, Push>();

  constructor(
    private readonly core: Core,
    public record: DeploymentRecord,
    /** Starts threads for a deployment. */
    private readonly prepare: (deployment: Deployment) => Promise<Prepared>,
  ) {}

  // ------------------------------------------------------------ modules

  moduleHashes(): ModuleHash[] {
    return this.core.store.connection
      .prepare("SELECT path, hash, environment FROM modules ORDER BY path")
      .all([])
      .map((row) => {
        const { path, hash, environment } = row as ModuleHash;
        return { path, hash, environment };
      });
  }

  private assemble(request: PushRequest): ModuleSource[] {
    const { changedModules, unchangedModuleHashes } = request.appDefinition;
    const present = new Map(
      this.moduleHashes().map((module) => [module.path, module]),
    );
    const sources = new Map(
      this.core.deployment.modules.map((module) => [module.path, module]),
    );
    const kept = unchangedModuleHashes.map(({ path, sha256 }) => {
      const found = present.get(path);
      if (found === undefined)
        throw new EngineError(
          409,
          "MissingExistingModule",
          `Module ${path} is not deployed`,
        );
      if (found.hash !== sha256)
        throw new EngineError(
          409,
          "ExistingModuleHashConflict",
          `Module ${path} has changed meanwhile`,
        );
      return sources.get(path)!;
    });
    const all = [...changedModules, ...kept];
    if (all.length > MAX_MODULES)
      throw new EngineError(
        400,
        "InvalidModules",
        `Too many modules: ${all.length} (maximum ${MAX_MODULES})`,
      );
    return all;
  }

  private refuseUnsupported(
    request: PushRequest,
    modules: ModuleSource[],
  ): void {
    const { appDefinition, componentDefinitions } = request;
    if (
      componentDefinitions.length > 0 ||
      appDefinition.dependencies.length > 0
    )
      throw new EngineError(
        400,
        "InvalidDefinition",
        unsupported("components"),
      );
    const node = modules.find((module) => module.environment === "node");
    if (node !== undefined)
      throw new EngineError(
        400,
        "NodeActionsNotSupported",
        unsupported(`"use node" (${node.path})`),
      );
  }

  // ------------------------------------------------------------ evaluation

  private async analyze(
    modules: ModuleSource[],
    schema: ModuleSource | null,
    environment: Record<string, string>,
    authOnly: boolean,
  ): Promise<Analysis & { ok: true }> {
    const start: AnalyzerStart = {
      role: "analysis",
      modules,
      schema,
      environment,
      importTime: this.record.importTime,
      importSeed: this.record.importSeed,
      authOnly,
    };
    const analysis = await analyzeInThread(start);
    if (!analysis.ok)
      throw new EngineError(400, analysis.code, analysis.message);
    return analysis;
  }

  private async evaluate(request: PushRequest): Promise<Push> {
    const modules = this.assemble(request);
    this.refuseUnsupported(request, modules);
    const analysis = await this.analyze(
      modules,
      request.appDefinition.schema,
      this.core.deployment.environment,
      false,
    );
    checkCrons(analysis.functions);
    return {
      record: {
        ...this.record,
        id: randomUUID(),
        analysis: analysis.functions,
        auth: analysis.auth,
        schema:
          analysis.schema === null ? null : checkSchemaJson(analysis.schema),
        udfServerVersion: request.appDefinition.udfServerVersion,
      },
      modules,
      scripts: await scripted(modules),
      startedAt: this.core.clock(),
      checkedAt: null,
    };
  }

  async start(request: PushRequest): Promise<PushStarted> {
    const push = await this.evaluate(request);
    this.core.log("info", summaryOf(push.scripts));
    this.expire();
    const { record } = push;
    this.pushes.set(record.id, push);
    const plan = planIndexes(record.schema, this.core.store.catalog.tables);
    return {
      pushId: record.id,
      environmentVariables: this.userEnvironment(),
      appAuth: record.auth,
      analysis: {
        definition: {
          path: "",
          definitionType: { type: "app" },
          childComponents: [],
          httpMounts: {},
          exports: { type: "branch", branch: [] },
        },
        schema: record.schema as unknown as JSONValue,
        functions: record.analysis,
        udfConfig: this.udfConfig(record),
      },
      httpModuleRoutes:
        record.analysis["http.js"]?.httpRoutes?.map(({ route }) => route) ??
        null,
      schemaId: record.schema === null ? null : record.id,
      indexDiff: indexDiff(plan),
    };
  }

  private udfConfig(record: DeploymentRecord): JSONValue {
    const time = Buffer.alloc(8);
    time.writeBigInt64LE(BigInt(Math.floor(record.importTime)) * 1_000_000n);
    return {
      serverVersion: record.udfServerVersion,
      importPhaseRngSeed: {
        $bytes: createHash("sha256").update(record.importSeed).digest("base64"),
      },
      importPhaseUnixTimestamp: { $integer: time.toString("base64") },
    };
  }

  private expire(): void {
    const limit = this.core.clock() - PUSH_MS;
    for (const [id, push] of this.pushes)
      if (push.startedAt < limit) this.pushes.delete(id);
  }

  private find(pushId: string): Push {
    const push = this.pushes.get(pushId);
    if (push === undefined)
      throw new EngineError(
        400,
        "RaceDetected",
        "This push is not known any more (the backend was restarted?); push again",
      );
    return push;
  }

  async evaluateSchema(request: PushRequest): Promise<SchemaEvaluation> {
    const { record } = await this.evaluate(request);
    const { catalog, reader } = this.core.store;
    const plan = planIndexes(record.schema, catalog.tables);
    const docs = (name: string) => {
      const table = this.core.store.table(name);
      return table === undefined
        ? 0
        : this.core.store.view(undefined, () =>
            reader.entryCount(table.byCreationTime.id),
          );
    };
    const entry =
      (change: SchemaEvaluation["indexes"][number]["change"]) =>
      (index: DeclaredIndex) => ({
        ...indexConfig(index),
        change,
        needsBackfill: change === "added" && docs(index.table) > 0,
        numDocs: docs(index.table),
      });
    return {
      schemaValidation: record.schema?.schemaValidation ?? false,
      tables: (record.schema?.tables ?? []).map(({ tableName }) => ({
        name: tableName,
        outcome: this.needsCheck(record, tableName)
          ? ("mustWalk" as const)
          : enforcedValidator(record.schema, tableName) === null
            ? ("notValidated" as const)
            : ("supersetOfEnforced" as const),
        numDocs: docs(tableName),
        sizeBytes: 0,
      })),
      indexes: [
        ...plan.added.map(entry("added")),
        ...plan.kept.map(entry("identical")),
        ...plan.enabled.map(entry("enabled")),
        ...plan.disabled.map(entry("disabled")),
        ...plan.removed.map(entry("dropped")),
      ],
    };
  }

  // ------------------------------------------------------------ the data against the schema

  private needsCheck(record: DeploymentRecord, name: string): boolean {
    const wanted = enforcedValidator(record.schema, name);
    if (wanted === null) return false;
    const present = this.core.store.table(name);
    if (present === undefined) return false;
    return JSON.stringify(present.validator) !== JSON.stringify(wanted);
  }

  private tablesToCheck(record: DeploymentRecord): TableInfo[] {
    return (record.schema?.tables ?? [])
      .filter(({ tableName }) => this.needsCheck(record, tableName))
      .map(({ tableName }) => this.core.store.table(tableName)!);
  }

  async check(pushId: string): Promise<SchemaCheck> {
    const push = this.find(pushId);
    const { tables } = this.plannedCatalog(push.record, false);
    const catalog = new CompiledCatalog({ version: 0, tables });
    const before = this.core.latestTs();
    for (const table of this.tablesToCheck(push.record)) {
      const failure = await this.checkTable(push.record, table, catalog);
      if (failure !== null) return failure;
    }
    push.checkedAt = before;
    return { type: "complete" };
  }

  private async checkTable(
    record: DeploymentRecord,
    table: TableInfo,
    catalog: CompiledCatalog,
  ): Promise<(SchemaCheck & { type: "failed" }) | null> {
    const validator = enforcedValidator(record.schema, table.name)!;
    let lower = "";
    for (;;) {
      const rows = this.core.store.view(undefined, (reader) =>
        reader.scan(
          table.byCreationTime.id,
          lower,
          KEY_END,
          "asc",
          CHECK_BATCH,
        ),
      );
      const failure = checkRows(rows, table, validator, catalog);
      if (failure !== null) return failure;
      if (rows.length < CHECK_BATCH) return null;
      lower = `${rows[rows.length - 1]!.key}\0`;
      await setImmediate();
    }
  }

  /** Whether documents changed since they were checked. */
  private checkIsStale(push: Push): boolean {
    if (push.checkedAt === null) return true;
    const reads = new Reads(
      this.tablesToCheck(push.record).map((table) => ({
        index: table.byCreationTime.id,
        lower: "",
        upper: KEY_END,
      })),
    );
    return this.core.store.commits.conflicts(reads, push.checkedAt);
  }

  // ------------------------------------------------------------ the swap

  async finish(
    pushId: string,
    options: { dryRun: boolean; environmentVariables: Record<string, string> },
  ): Promise<PushFinished> {
    const push = this.find(pushId);
    const same =
      JSON.stringify(sorted(options.environmentVariables)) ===
      JSON.stringify(sorted(this.userEnvironment()));
    if (!same)
      throw new EngineError(
        400,
        "RaceDetected",
        "Environment variables have changed during push",
      );
    const diff = this.diff(push);
    if (options.dryRun) return diff;
    const deployment = this.deploymentOf(push);
    await this.mustFit(push, pushId);
    const threads = await this.prepare(deployment);
    try {
      // The data may have changed while the threads started.
      await this.mustFit(push, pushId);
      this.commit(push);
    } catch (error) {
      threads.drop();
      throw error;
    }
    this.core.deployment = {
      ...deployment,
      environment: this.core.deployment.environment,
    };
    this.core.functions = new FunctionTable(push.record.analysis);
    this.record = push.record;
    threads.takeOver();
    this.pushes.delete(pushId);
    return diff;
  }

  /** Returns with the data known to fit, in the same turn of the event loop. */
  private async mustFit(push: Push, pushId: string): Promise<void> {
    while (this.checkIsStale(push)) {
      const verdict = await this.check(pushId);
      if (verdict.type === "failed")
        throw new EngineError(400, "SchemaValidationError", verdict.error);
    }
  }

  private deploymentOf(push: Push): Deployment {
    return {
      ...this.core.deployment,
      id: push.record.id,
      modules: push.modules,
      scripts: push.scripts,
      analysis: push.record.analysis,
    };
  }

  /** The catalog after the push; without `allocate`, new parts have no ids yet. */
  private plannedCatalog(
    record: DeploymentRecord,
    allocate: boolean,
  ): { tables: TableInfo[]; added: AddedIndex[]; removed: number[] } {
    const { schema } = record;
    const tables = this.core.store.catalog.tables.map((table) => ({
      ...table,
    }));
    const before = indexIds(tables);
    for (const { tableName } of schema?.tables ?? []) {
      if (tables.some((table) => table.name === tableName)) continue;
      const number = this.core.nextTableNumber(tables);
      tables.push(
        allocate
          ? this.core.newTable(tableName, number, [])
          : emptyTable(tableName, number),
      );
    }
    for (const table of tables) {
      if (table.name.startsWith("_")) continue;
      const declared = schema?.tables.find((t) => t.tableName === table.name);
      const indexes = declared === undefined ? [] : declaredIndexes(declared);
      table.validator = enforcedValidator(schema, table.name);
      this.giveIndexes(table, indexes, allocate);
    }
    const after = indexIds(tables);
    return {
      tables,
      added: [...after.values()].filter(({ index }) => !before.has(index)),
      removed: [...before.keys()].filter((index) => !after.has(index)),
    };
  }

  /** Indexes that stay keep their ids, new ones get theirs. */
  private giveIndexes(
    table: TableInfo,
    declared: DeclaredIndex[],
    allocate: boolean,
  ): void {
    const id = () => (allocate ? this.core.allocateIndexId() : 0);
    const { indexes, search } = table;
    table.indexes = [];
    table.search = [];
    for (const { name, kind, staged } of declared) {
      const mark = staged ? { staged } : {};
      if (kind.type === "database") {
        const { fields } = kind;
        const present = indexes.find(
          (index) => index.name === name && sameList(index.fields, fields),
        );
        table.indexes.push({ id: present?.id ?? id(), name, fields, ...mark });
        continue;
      }
      const { searchField, filterFields } = kind;
      const present = search.find(
        (index) =>
          index.name === name &&
          index.searchField === searchField &&
          sameList(index.filterFields, filterFields),
      );
      table.search.push({
        id: present?.id ?? id(),
        name,
        searchField,
        filterFields,
        ...mark,
      });
    }
  }

  private commit(push: Push): void {
    const { record, modules } = push;
    const { tables, added, removed } = this.plannedCatalog(record, true);
    this.core.setCatalog(
      tables,
      [
        "modules",
        "schema",
        "tables",
        "auth",
        ...tables.map((t) => `table:${t.name}`),
      ],
      (connection) => {
        this.core.store.writeMeta("deployment", record);
        storeModules(connection, modules);
        for (const index of removed)
          connection.prepare("DELETE FROM entries WHERE idx = ?").run([index]);
        const catalog = new CompiledCatalog({ version: 0, tables });
        for (const { table, index } of added)
          backfill(connection, catalog, table, index);
      },
      cronWrites(this.core, record),
    );
  }

  private diff(push: Push): PushFinished {
    const { record, modules } = push;
    const paths = new Set(this.core.deployment.modules.map((m) => m.path));
    const next = new Set(modules.map((m) => m.path));
    const auth = (list: AuthInfo[]) => list.map((info) => JSON.stringify(info));
    const [before, after] = [auth(this.record.auth), auth(record.auth)];
    const [schemaBefore, schemaAfter] = [this.record.schema, record.schema];
    const schemaSame =
      JSON.stringify(schemaBefore) === JSON.stringify(schemaAfter);
    return {
      authDiff: {
        added: after.filter((info) => !before.includes(info)),
        removed: before.filter((info) => !after.includes(info)),
      },
      component: {
        diffType: { type: paths.size === 0 ? "create" : "modify" },
        moduleDiff: {
          added: [...next].filter((path) => !paths.has(path)),
          removed: [...paths].filter((path) => !next.has(path)),
        },
        udfConfigDiff:
          this.record.udfServerVersion === null ||
          this.record.udfServerVersion === record.udfServerVersion
            ? null
            : {
                previous_version: this.record.udfServerVersion,
                next_version: record.udfServerVersion!,
              },
        cronDiff: cronDiff(this.core, record),
        indexDiff: indexDiff(
          planIndexes(record.schema, this.core.store.catalog.tables),
        ),
        schemaDiff: schemaSame
          ? null
          : {
              previous_schema:
                schemaBefore === null ? null : JSON.stringify(schemaBefore),
              next_schema:
                schemaAfter === null ? null : JSON.stringify(schemaAfter),
            },
      },
    };
  }

  // ------------------------------------------------------------ environment

  /** Variables that were set, without the built-in ones. */
  userEnvironment(): Record<string, string> {
    return Object.fromEntries(
      this.core
        .scan("_environment_variables", "by_name", [], 1024)
        .map((row) => JSON.parse(row.json) as { name: string; value: string })
        .map(({ name, value }) => [name, value]),
    );
  }

  /** Providers of the present auth config under other variables. */
  async authUnder(environment: Record<string, string>): Promise<AuthInfo[]> {
    const { modules } = this.core.deployment;
    if (!modules.some((module) => module.path === AUTH_CONFIG)) return [];
    return (await this.analyze(modules, null, environment, true)).auth;
  }
}

const sameList = (a: string[], b: string[]): boolean =>
  JSON.stringify(a) === JSON.stringify(b);

/** The declared indexes of user tables by id. */
function indexIds(tables: TableInfo[]): Map<number, AddedIndex> {
  return new Map(
    tables.flatMap((table) =>
      [...table.indexes, ...table.search].map(
        ({ id }): [number, AddedIndex] => [id, { table, index: id }],
      ),
    ),
  );
}

function sorted(values: Record<string, string>): [string, string][] {
  return Object.entries(values).sort(([a], [b]) => (a < b ? -1 : 1));
}

function emptyTable(name: string, number: number): TableInfo {
  const index = { id: 0, name: "", fields: [] };
  return {
    name,
    number,
    byId: index,
    byCreationTime: index,
    indexes: [],
    search: [],
    validator: null,
  };
}

function checkRows(
  rows: { json: string }[],
  table: TableInfo,
  validator: ValidatorJson,
  catalog: CompiledCatalog,
): (SchemaCheck & { type: "failed" }) | null {
  const validate = compileValidator(validator, catalog.tableOf);
  for (const row of rows) {
    const document = JSON.parse(row.json) as JSONObject;
    const fault = validate(document);
    if (fault !== null)
      return {
        type: "failed",
        error: `Document with ID "${document["_id"] as string}" in table "${table.name}" does not match the schema: ${fault}`,
        componentPath: "",
        tableName: table.name,
      };
  }
  return null;
}
