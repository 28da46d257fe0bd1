/* call.ts - running one query or mutation, with the ones it calls, to its end.
 *
 * A call is alone in its thread. Its syscalls are answered at once from SQLite, so all of it is
 * microtasks: when those have run out and nothing of the thread's own is outstanding, a call
 * that is not finished never will be.
 */

import type { Identity, JSONValue, Outcome } from "../api.js";
import {
  type FunctionInfo,
  type FunctionTable,
  mayCallInternal,
  notFoundForAdminMessage,
  notFoundMessage,
  type UdfType,
  wrongTypeMessage,
} from "../functions.js";
import {
  checkValue,
  displayValue,
  isObject,
  MAX_FUNCTION_SIZE,
  ValueError,
} from "../values/json.js";
import {
  compileValidator,
  type Validate,
  type ValidatorJson,
} from "../values/validator.js";
import type { CompiledCatalog } from "./catalog.js";
import type { Failure } from "./errors.js";

/** Args and returns checks of one function, compiled once per catalog. */
export class Validators {
  private readonly compiled = new WeakMap<ValidatorJson, Validate>();

  constructor(private readonly catalog: CompiledCatalog) {}

  private validate(json: ValidatorJson): Validate {
    let validate = this.compiled.get(json);
    if (validate === undefined) {
      validate = compileValidator(json, this.catalog.tableOf);
      this.compiled.set(json, validate);
    }
    return validate;
  }

  /** Null when fine, else the message. */
  args(info: FunctionInfo, args: JSONValue[]): string | null {
    const fault = sizeFault(args, `Arguments for ${info.path} are`);
    if (fault !== null) return fault;
    if (args.length !== 1)
      return `ArgumentValidationError: Expected to receive a single object as the function's argument. Instead received ${args.length} arguments: ${displayValue(args)}`;
    if (!isObject(args[0]!))
      return `ArgumentValidationError: Expected to receive an object as the function's argument. Instead received: ${displayValue(args[0]!)}`;
    if (info.args === null) return null;
    const problem = this.validate(info.args)(args[0]);
    return problem === null ? null : `ArgumentValidationError: ${problem}`;
  }

  returns(info: FunctionInfo, value: JSONValue): string | null {
    const fault = sizeFault(value, `Function ${info.path} return value is`);
    if (fault !== null) return fault;
    if (info.returns === null) return null;
    const problem = this.validate(info.returns)(value);
    return problem === null ? null : `ReturnsValidationError: ${problem}`;
  }
}

function sizeFault(value: JSONValue, subject: string): string | null {
  try {
    const { size } = checkValue(value);
    if (size <= MAX_FUNCTION_SIZE) return null;
    return `${subject} too large (actual: ${(size / (1 << 20)).toFixed(2)} MiB, limit: 16 MiB)`;
  } catch (error) {
    if (error instanceof ValueError)
      return `${subject} invalid: ${error.message}`;
    throw error;
  }
}

/** Finds a function that the caller may call as `wanted`; or gives the message. */
export function resolveFunction(
  functions: FunctionTable,
  path: string,
  wanted: UdfType | null,
  identity: Identity,
  internal = mayCallInternal(identity),
): { info: FunctionInfo } | { message: string } {
  const info = functions.get(path);
  if (info === undefined || (!info.isPublic && !internal)) {
    const text =
      identity.kind === "admin" ? notFoundForAdminMessage : notFoundMessage;
    return { message: text(path) };
  }
  if (wanted !== null && info.udfType !== wanted)
    return { message: wrongTypeMessage(info, wanted) };
  return { info };
}

export type FailedOutcome = Outcome & { success: false };

export function failed(requestId: string, failure: Failure): FailedOutcome {
  const message = failure.message.endsWith("\n")
    ? failure.message
    : `${failure.message}\n`;
  const outcome: FailedOutcome = {
    success: false,
    errorMessage: `[Request ID: ${requestId}] Server Error\n${message}`,
  };
  if (failure.data !== undefined) outcome.errorData = failure.data;
  return outcome;
}

/** Arguments as the list of one that functions take. */
export function argumentList(args: JSONValue): JSONValue[] {
  return Array.isArray(args) ? args : [args];
}
