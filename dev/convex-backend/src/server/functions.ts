// functions.ts - calls of deployed functions and of the system queries the
// CLI uses, in one place for HTTP and sync. No state of its own.

import type {
  ActionResult,
  Engine,
  Identity,
  JSONValue,
  MutationCall,
  MutationResult,
  QueryCall,
  QueryResult,
} from "../engine/api.js";
import { failureText } from "./requestIds.js";
import { runSystemQuery } from "./systemQueries.js";

type Call = Parameters<Engine["runAny"]>[0];

export class Functions {
  readonly #engine: Engine;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  async query(call: QueryCall): Promise<QueryResult> {
    const problem = argsProblem(call.args);
    if (problem !== null) return this.#refusedQuery(call, problem);
    if (isSystemCall(call)) {
      return runSystemQuery(this.#engine, call);
    }
    return this.#engine.runQuery(call);
  }

  async mutation(call: MutationCall): Promise<MutationResult> {
    const problem = argsProblem(call.args);
    if (problem !== null) {
      return { ...refused(call, problem), ts: null, replayed: false };
    }
    return this.#engine.runMutation(call);
  }

  async action(call: Call): Promise<ActionResult> {
    const problem = argsProblem(call.args);
    return problem === null
      ? this.#engine.runAction(call)
      : refused(call, problem);
  }

  async any(call: Call): Promise<ActionResult> {
    const problem = argsProblem(call.args);
    if (problem !== null) return refused(call, problem);
    return isSystemCall(call)
      ? runSystemQuery(this.#engine, call)
      : this.#engine.runAny(call);
  }

  #refusedQuery(call: QueryCall, problem: string): QueryResult {
    const { ts, reads } = this.#engine.constant(null);
    return {
      ...refused(call, problem),
      ts: call.ts ?? ts,
      reads,
      journal: null,
      usedIdentity: false,
    };
  }
}

/** Others learn nothing about `_system/`: to them it is just not found. */
const isSystemCall = (call: Call): boolean =>
  call.path.startsWith("_system/") && call.identity.kind === "admin";

/** Throws unless the caller may name this component ("" is the app itself). */
export function checkComponent(
  identity: Identity,
  componentPath: string | undefined,
): void {
  const isRoot = componentPath === undefined || componentPath === "";
  if (isRoot || identity.kind === "admin" || identity.kind === "system") return;
  throw new Error("only an admin may call functions of components directly");
}

function argsProblem(args: JSONValue): string | null {
  if (Array.isArray(args) && args.length === 1) return null;
  return "Invalid arguments provided: the arguments must be an array of one object.";
}

function refused(call: Call, problem: string): ActionResult {
  const errorMessage = failureText(call.requestId, problem);
  return { outcome: { success: false, errorMessage }, logLines: [] };
}
