// httpFunctions.ts - calling functions over HTTP: /api/query and its kin.

import type {
  ActionResult,
  Engine,
  Identity,
  JSONValue,
  Outcome,
  QueryCall,
} from "../engine/api.js";
import type { Auth } from "./auth.js";
import { isAtLeast, type ClientVersion } from "./clientVersion.js";
import { badRequest } from "./errors.js";
import { formatValue, parseFormat, type ValueFormat } from "./formats.js";
import type { Functions } from "./functions.js";
import { stringField, type Exchange, type Router } from "./http.js";
import { parseFunctionPath } from "./paths.js";
import { errorDataText, outcomeText } from "./renderedResults.js";
import { decodeTimestamp, encodeTimestamp } from "./timestamps.js";

export interface HttpServices {
  engine: Engine;
  functions: Functions;
  auth: Auth;
}

/** 16 MiB of arguments and their envelope. */
const MAX_BODY = (16 << 20) + 2000;

type Body = Record<string, unknown>;
type Call = Omit<QueryCall, "ts" | "journal">;

export function addFunctionRoutes(
  router: Router,
  services: HttpServices,
): void {
  const { engine, functions } = services;

  const post =
    (run: (call: Call, body: Body) => Promise<ActionResult>) =>
    async (exchange: Exchange): Promise<void> => {
      const client = exchange.client();
      const body = await exchange.jsonBody(MAX_BODY);
      const call = await callFrom(services, exchange, body);
      const result = await run(call, body);
      exchange.jsonText(resultText(result, formatFor(body.format, client)));
    };

  router
    .on(
      "POST",
      "/api/query",
      post((call) => functions.query(call)),
    )
    .on(
      "POST",
      "/api/mutation",
      post((call) => functions.mutation(call)),
    )
    .on(
      "POST",
      "/api/action",
      post((call) => functions.action(call)),
    )
    .on(
      "POST",
      "/api/query_at_ts",
      post((call, body) =>
        functions.query({ ...call, ts: snapshot(engine, body) }),
      ),
    )
    .on("GET", "/api/query", () => {
      throw badRequest(
        "BadQueryArgs",
        "Failed to deserialize query string: invalid `args`",
      );
    })
    .on("POST", "/api/query_ts", (exchange) =>
      exchange.json({ ts: encodeTimestamp(engine.latestTs()) }),
    )
    .on("POST", "/api/query_batch", (exchange) =>
      queryBatch(services, exchange),
    )
    .on("POST", "/api/function", (exchange) => anyFunction(services, exchange))
    .under("/api/run/", { POST: (exchange) => runByPath(services, exchange) });
}

async function callFrom(
  services: HttpServices,
  exchange: Exchange,
  body: Body,
  path = stringField(body, "path"),
  identity?: Identity,
): Promise<Call> {
  const parsed = parseFunctionPath(path);
  if ("problem" in parsed) {
    throw badRequest(
      "BadConvexFunctionIdentifier",
      `${path} is not a valid path to a Convex function. ${parsed.problem}`,
    );
  }
  return {
    path: parsed.path,
    args: argsOf(body),
    identity:
      identity ??
      (await services.auth.authenticate(exchange.credential())).identity,
    requestId: exchange.requestId(),
    caller: exchange.caller(),
  };
}

/** Anything but an array is wrapped, so scalars meet the function's validator. */
function argsOf(body: Body): JSONValue {
  if (!("args" in body)) {
    throw badRequest(
      "BadJsonBody",
      "Failed to deserialize the JSON body into the target type: missing field `args`",
    );
  }
  const args = body.args as JSONValue;
  return Array.isArray(args) ? args : [args];
}

function snapshot(engine: Engine, body: Body): bigint {
  const ts = decodeTimestamp(stringField(body, "ts"));
  if (ts === null || ts > engine.latestTs()) {
    throw new Error("query_at_ts with a malformed or future timestamp");
  }
  return ts;
}

async function queryBatch(
  services: HttpServices,
  exchange: Exchange,
): Promise<void> {
  const client = exchange.client();
  const body = await exchange.jsonBody(MAX_BODY);
  const { queries } = body;
  if (!Array.isArray(queries)) {
    throw badRequest(
      "BadJsonBody",
      "Failed to deserialize the JSON body into the target type: missing field `queries`",
    );
  }
  const ts = services.engine.latestTs();
  const { identity } = await services.auth.authenticate(exchange.credential());
  const results: string[] = [];
  for (const query of queries as Body[]) {
    const format = formatFor(query.format, client);
    const call = await callFrom(
      services,
      exchange,
      query,
      stringField(query, "path"),
      identity,
    );
    results.push(
      resultText(await services.functions.query({ ...call, ts }), format),
    );
  }
  exchange.jsonText(`{"results":[${results.join(",")}]}`);
}

async function anyFunction(
  services: HttpServices,
  exchange: Exchange,
): Promise<void> {
  const client = exchange.client();
  const body = await exchange.jsonBody(MAX_BODY);
  const identity = await services.auth.requireAdmin(exchange.credential());
  const call = await callFrom(
    services,
    exchange,
    body,
    stringField(body, "path"),
    identity,
  );
  const { componentPath } = body;
  const result = await services.functions.any({
    ...call,
    ...(typeof componentPath === "string" ? { componentPath } : {}),
  });
  exchange.jsonText(resultText(result, formatFor(body.format, client)));
}

async function runByPath(
  services: HttpServices,
  exchange: Exchange,
): Promise<void> {
  const body = await exchange.jsonBody(MAX_BODY);
  const parts = decodeSegments(exchange.path.slice("/api/run/".length));
  const name = parts.pop();
  if (name === undefined || parts.length === 0) {
    throw badRequest(
      "MissingIdentifier",
      "Path or function name not provided in path, e.g. /api/run/messages/list",
    );
  }
  const call = await callFrom(
    services,
    exchange,
    body,
    `${parts.join("/")}:${name}`,
  );
  const result = await services.functions.any(call);
  exchange.jsonText(
    resultText(result, parseFormat(body.format as string | undefined)),
  );
}

function decodeSegments(path: string): string[] {
  try {
    return path.split("/").map(decodeURIComponent);
  } catch {
    return []; // a stray %: no function has such a name
  }
}

// ---------------------------------------------------------------- replies

function formatFor(format: unknown, client: ClientVersion | null): ValueFormat {
  if (format === undefined || format === null) {
    const isOld =
      client !== null &&
      ((client.name === "npm" && !isAtLeast(client.semver, [1, 4, 1])) ||
        (client.name === "python" && !isAtLeast(client.semver, [0, 5, 0])));
    return isOld ? "encoded" : "clean";
  }
  return parseFormat(String(format));
}

/** The reply of a function call, success or failure. */
export function resultText(result: ActionResult, format: ValueFormat): string {
  const lines =
    result.logLines.length === 0
      ? ""
      : `,"logLines":${JSON.stringify(result.logLines)}`;
  return `{${outcomeFields(result.outcome, format)}${lines}}`;
}

function outcomeFields(outcome: Outcome, format: ValueFormat): string {
  const text = outcomeText(outcome);
  if (outcome.success)
    return `"status":"success","value":${formatValue(text, format)}`;
  const data = errorDataText(outcome);
  const errorData =
    data === null ? "" : `,"errorData":${formatValue(data, format)}`;
  return `"status":"error","errorMessage":${text}${errorData}`;
}
