// deploy.ts - what `convex deploy`, `dev`, `codegen`, `env` and `logs` ask
// for: the push in its four steps, variables, logs. Admin only.

import type {
  Engine,
  Identity,
  JSONObject,
  JSONValue,
  PushRequest,
  PushStarted,
} from "../engine/api.js";
import type { Auth } from "./auth.js";
import { badRequest, notSupported } from "./errors.js";
import type { FunctionLog } from "./functionLog.js";
import type { Functions } from "./functions.js";
import type { Exchange, Handler, Router } from "./http.js";
import { parseFormat } from "./formats.js";
import { resultText } from "./httpFunctions.js";

export interface DeployServices {
  engine: Engine;
  auth: Auth;
  functions: Functions;
  functionLog: FunctionLog;
}

type Body = Record<string, unknown>;

const MAX_PUSH = 200 << 20;
const MAX_SMALL = 16 << 20;

export function addDeployRoutes(
  router: Router,
  services: DeployServices,
): void {
  const { engine } = services;
  const push =
    (answer: (body: Body) => Promise<unknown>): Handler =>
    async (exchange) => {
      const body = await exchange.pushBody(MAX_PUSH);
      await requireAdmin(services.auth, exchange, body);
      exchange.json(await answer(body));
    };

  router
    .on(
      "POST",
      "/api/get_config_hashes",
      push(async () => configHashes(engine)),
    )
    .on(
      "POST",
      "/api/deploy2/evaluate_schema",
      push((body) => evaluateSchema(engine, body)),
    )
    .on(
      "POST",
      "/api/deploy2/evaluate_push",
      push((body) => evaluatePush(engine, body)),
    )
    .on(
      "POST",
      "/api/deploy2/start_push",
      push((body) => startPush(engine, body)),
    )
    .on(
      "POST",
      "/api/deploy2/wait_for_schema",
      push((body) => waitForSchema(engine, body)),
    )
    .on(
      "POST",
      "/api/deploy2/finish_push",
      push((body) => finishPush(engine, body)),
    )
    .on(
      "POST",
      "/api/deploy2/report_push_completed",
      push(async () => null),
    )
    .on("POST", "/api/update_environment_variables", (exchange) =>
      updateVariables(services, exchange),
    )
    .on("GET", "/api/v1/list_environment_variables", (exchange) =>
      listVariables(services, exchange),
    )
    .on("GET", "/api/v1/get_canonical_urls", (exchange) =>
      canonicalUrls(services, exchange),
    )
    .on("GET", "/api/stream_function_logs", (exchange) =>
      streamLogs(services, exchange),
    )
    .on("POST", "/api/run_test_function", (exchange) =>
      runTestFunction(services, exchange),
    );

  for (const [prefix, feature] of UNSUPPORTED) {
    const refuse = () => {
      throw notSupported(feature);
    };
    router.under(prefix, { "*": refuse });
  }
}

const UNSUPPORTED: readonly (readonly [string, string])[] = [
  ["/api/import/", "import"],
  ["/api/perform_import", "import"],
  ["/api/export/", "export"],
  ["/api/list_snapshot", "streaming export"],
  ["/api/document_deltas", "streaming export"],
];

/** The key may be in the header or in the body. */
async function requireAdmin(
  auth: Auth,
  exchange: Exchange,
  body: Body,
): Promise<Identity> {
  const inHeader = exchange.credential();
  const inBody = body.adminKey;
  return auth.requireAdmin(
    inHeader.kind === "none" && typeof inBody === "string"
      ? { kind: "admin", key: inBody }
      : inHeader,
  );
}

// ---------------------------------------------------------------- the push

function configHashes(engine: Engine): unknown {
  return {
    config: { functions: "convex/" },
    moduleHashes: engine.moduleHashes(),
    udfServerVersion: engine.udfServerVersion(),
  };
}

function pushRequest(body: Body): PushRequest {
  const app = body.appDefinition as PushRequest["appDefinition"] | undefined;
  if (
    typeof app !== "object" ||
    app === null ||
    !Array.isArray(app.changedModules)
  ) {
    throw badRequest("BadJsonBody", "the push carries no appDefinition");
  }
  const components = body.componentDefinitions;
  return {
    dryRun: body.dryRun === true,
    ...(typeof body.functions === "string"
      ? { functions: body.functions }
      : {}),
    appDefinition: app,
    componentDefinitions: Array.isArray(components) ? components : [],
  };
}

async function evaluateSchema(engine: Engine, body: Body): Promise<unknown> {
  const evaluation = await engine.evaluateSchema(pushRequest(body));
  return {
    componentSchemaEvaluations: { "": { definitionPath: "", ...evaluation } },
    newComponentDefinitions: [],
  };
}

async function evaluatePush(engine: Engine, body: Body): Promise<unknown> {
  const started = await engine.startPush({
    ...pushRequest(body),
    dryRun: true,
  });
  return { schemaChange: schemaChange(started) };
}

async function startPush(engine: Engine, body: Body): Promise<unknown> {
  const started = await engine.startPush(pushRequest(body));
  return {
    environmentVariables: started.environmentVariables,
    externalDepsId: null,
    componentDefinitionPackages: { "": { pushId: started.pushId } },
    appAuth: started.appAuth,
    analysis: { "": started.analysis },
    app: {
      definitionPath: "",
      componentPath: "",
      args: {},
      childComponents: {},
      httpRoutes: { httpModuleRoutes: started.httpModuleRoutes, mounts: [] },
      exports: {},
    },
    schemaChange: schemaChange(started),
  };
}

/** Comes back in wait_for_schema and finish_push just as it was sent. */
function schemaChange(started: PushStarted): JSONObject {
  return {
    allocatedComponentIds: {},
    schemaIds: { "": started.schemaId },
    indexDiffs: { "": started.indexDiff as unknown as JSONValue },
    pushId: started.pushId,
  };
}

function pushIdIn(change: unknown): string {
  const { pushId } = (change ?? {}) as { pushId?: unknown };
  if (typeof pushId === "string") return pushId;
  throw badRequest(
    "BadJsonBody",
    "the schemaChange does not come from start_push",
  );
}

async function waitForSchema(engine: Engine, body: Body): Promise<unknown> {
  return engine.checkSchema(pushIdIn(body.schemaChange));
}

async function finishPush(engine: Engine, body: Body): Promise<unknown> {
  const started = (body.startPush ?? {}) as Body;
  const { authDiff, component } = await engine.finishPush(
    pushIdIn(started.schemaChange),
    {
      dryRun: body.dryRun === true,
      environmentVariables: (started.environmentVariables ?? {}) as Record<
        string,
        string
      >,
    },
  );
  return { authDiff, definitionDiffs: {}, componentDiffs: { "": component } };
}

// ---------------------------------------------------------------- variables

async function updateVariables(
  services: DeployServices,
  exchange: Exchange,
): Promise<void> {
  const body = await exchange.jsonBody(MAX_SMALL);
  await requireAdmin(services.auth, exchange, body);
  const { changes } = body;
  const isChange = (
    change: unknown,
  ): change is { name: string; value?: string | null } => {
    const { name, value } = (change ?? {}) as {
      name?: unknown;
      value?: unknown;
    };
    return (
      typeof name === "string" && (value == null || typeof value === "string")
    );
  };
  if (!Array.isArray(changes) || !changes.every(isChange)) {
    throw badRequest("BadJsonBody", "expected changes: [{name, value}]");
  }
  await services.engine.setEnvironmentVariables(
    changes.map(({ name, value }) => ({ name, value: value ?? null })),
  );
  exchange.empty(200);
}

async function listVariables(
  services: DeployServices,
  exchange: Exchange,
): Promise<void> {
  await services.auth.requireAdmin(exchange.credential());
  const list = services.engine.environmentVariables().value;
  exchange.json({
    environmentVariables: Object.fromEntries(
      list.map(({ name, value }) => [name, value]),
    ),
  });
}

async function canonicalUrls(
  services: DeployServices,
  exchange: Exchange,
): Promise<void> {
  await services.auth.requireAdmin(exchange.credential());
  const { cloudOrigin, siteOrigin } = services.engine;
  exchange.json({ convexCloudUrl: cloudOrigin, convexSiteUrl: siteOrigin });
}

// ---------------------------------------------------------------- the rest

async function streamLogs(
  services: DeployServices,
  exchange: Exchange,
): Promise<void> {
  await services.auth.requireAdmin(exchange.credential());
  const cursor = Number(exchange.query.get("cursor"));
  if (!Number.isFinite(cursor)) {
    throw badRequest(
      "BadQueryArgs",
      "Failed to deserialize query string: invalid `cursor`",
    );
  }
  const gone = new AbortController();
  exchange.response.on("close", () => gone.abort());
  exchange.json(await services.functionLog.after(cursor, gone.signal));
}

async function runTestFunction(
  services: DeployServices,
  exchange: Exchange,
): Promise<void> {
  const body = await exchange.jsonBody(MAX_SMALL);
  const identity = await requireAdmin(services.auth, exchange, body);
  if (typeof body.componentId === "string") throw notSupported("components");
  const { source } = (body.bundle ?? {}) as { source?: unknown };
  if (typeof source !== "string")
    throw badRequest("BadJsonBody", "missing field `bundle.source`");
  const result = await services.engine.runTestQuery({
    source,
    args: (body.args ?? {}) as JSONValue,
    identity,
    requestId: exchange.requestId(),
  });
  exchange.jsonText(
    resultText(result, parseFormat(body.format as string | undefined)),
  );
}
