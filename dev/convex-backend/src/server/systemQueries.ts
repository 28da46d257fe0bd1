// systemQueries.ts - the `_system/` queries of the CLI: one table, path to
// function. They read the deployment through the engine, so they can be
// subscribed to like any other query. For admins only; the caller checks.

import {
  EngineError,
  type Engine,
  type JSONObject,
  type JSONValue,
  type QueryCall,
  type QueryResult,
  type SystemResult,
  type Ts,
} from "../engine/api.js";
import { failureText } from "./requestIds.js";
import { encodeTimestamp } from "./timestamps.js";

type SystemQuery = (
  engine: Engine,
  args: JSONObject,
  ts: Ts | undefined,
) => SystemResult<JSONValue>;

const map = <T>(
  result: SystemResult<T>,
  change: (value: T) => JSONValue,
): SystemResult<JSONValue> => ({ ...result, value: change(result.value) });

const QUERIES: Readonly<Record<string, SystemQuery>> = {
  "cli/queryEnvironmentVariables:default": (engine, _, ts) =>
    map(engine.environmentVariables(ts), (list) => list),

  "cli/queryEnvironmentVariables:get": (engine, args, ts) =>
    map(engine.environmentVariables(ts), (list) => {
      const found = list.find(({ name }) => name === args.name);
      return found === undefined
        ? null
        : { name: found.name, value: found.value };
    }),

  "cli/tables:default": (engine, _, ts) =>
    map(engine.tables(ts), (list) => ({
      page: list.map(({ name }) => ({ name })),
      isDone: true,
      continueCursor: "",
    })),

  "cli/tableData:default": (engine, args, ts) =>
    map(
      engine.tablePage(text(args, "table"), pageOptions(args), ts),
      (page) => page,
    ),

  "cli/tableSize:default": (engine, args, ts) =>
    engine.tableSize(text(args, "tableName"), ts),

  // The value only has to differ after every change.
  "cli/queryTable:default": (engine, args, ts) => {
    const size = engine.tableSize(text(args, "tableName"), ts);
    return map(size, () => ({ $integer: encodeTimestamp(size.ts) }));
  },

  "cli/modules:apiSpec": (engine, _, ts) =>
    map(engine.functionSpecs(ts), (list) => list as JSONValue),

  "cli/convexUrl:cloudUrl": (engine) => engine.constant(engine.cloudOrigin),
  "cli/convexUrl:siteUrl": (engine) => engine.constant(engine.siteOrigin),

  // Nothing to show: no components, no imports, no exports.
  "frontend/components:list": (engine) => engine.constant([]),
  "cli/queryImport:list": (engine) => engine.constant([]),
  "cli/exports:getLatest": (engine) => engine.constant(null),

  "frontend/getSchemas:default": (engine, _, ts) =>
    map(engine.schema(ts), (schema) =>
      schema === null ? ({} as JSONObject) : { active: JSON.stringify(schema) },
    ),
};

function text(args: JSONObject, name: string): string {
  const value = args[name];
  if (typeof value === "string") return value;
  throw new EngineError(
    400,
    "ArgumentValidationError",
    `ArgumentValidationError: Object is missing the required field \`${name}\`.`,
  );
}

function pageOptions(args: JSONObject) {
  const options = (args.paginationOpts ?? {}) as JSONObject;
  const { numItems, cursor } = options;
  return {
    numItems: typeof numItems === "number" ? numItems : 100,
    cursor: typeof cursor === "string" ? cursor : null,
    order: args.order === "asc" ? ("asc" as const) : ("desc" as const),
  };
}

/** Runs `_system/<name>`; unknown ones fail like any missing function. */
export function runSystemQuery(engine: Engine, call: QueryCall): QueryResult {
  const full = call.path.includes(":") ? call.path : `${call.path}:default`;
  const name = full.slice("_system/".length);
  const query = Object.hasOwn(QUERIES, name) ? QUERIES[name] : undefined;
  const args = (Array.isArray(call.args) ? call.args[0] : call.args) ?? {};
  try {
    if (query === undefined) {
      throw new EngineError(
        400,
        "FunctionNotFound",
        `Could not find function for '${call.path}'. The development backend has no such system function.`,
      );
    }
    const { value, ts, reads } = query(engine, args as JSONObject, call.ts);
    return answer({ success: true, value }, ts, reads);
  } catch (error) {
    if (!(error instanceof EngineError) || error.status !== 400) throw error;
    const { ts, reads } = engine.constant(null);
    const errorMessage = failureText(call.requestId, error.message);
    return answer({ success: false, errorMessage }, call.ts ?? ts, reads);
  }
}

function answer(
  outcome: QueryResult["outcome"],
  ts: Ts,
  reads: QueryResult["reads"],
): QueryResult {
  return {
    outcome,
    ts,
    reads,
    journal: null,
    logLines: [],
    usedIdentity: true,
  };
}
