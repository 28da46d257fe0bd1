/* validator.ts - Convex validators over encoded JSON, with the real backend's messages. */

import type { JSONObject, JSONValue } from "../api.js";
import { tryDecodeId } from "./id.js";
import { displayValue, isObject, tagOf } from "./json.js";
import { sortKey } from "./sortkey.js";

export type ValidatorJson =
  | {
      type:
        | "null"
        | "number"
        | "bigint"
        | "boolean"
        | "string"
        | "bytes"
        | "any"
        | "commitTs";
    }
  | { type: "literal"; value: JSONValue }
  | { type: "id"; tableName: string }
  | { type: "array"; value: ValidatorJson }
  | { type: "record"; keys: ValidatorJson; values: FieldJson }
  | { type: "union"; value: ValidatorJson[] }
  | { type: "object"; value: { [name: string]: FieldJson } };

export type FieldJson = { fieldType: ValidatorJson; optional: boolean };

/** Table of an id's number, or null when there is none. */
export type TableOf = (tableNumber: number) => string | null;

/** Null when valid; else the message, given the path down to the fault. */
type Failure = { path: string; text: (path: string) => string } | null;
type Check = (value: JSONValue) => Failure;

/** A compiled validator: null when `value` is fine, else what is wrong. */
export type Validate = (value: JSONValue) => string | null;

export function compileValidator(
  json: ValidatorJson,
  tableOf: TableOf,
): Validate {
  const check = compile(json, tableOf);
  return (value) => {
    const failure = check(value);
    return failure === null ? null : failure.text(failure.path);
  };
}

const NAMES: Record<string, string> = {
  null: "v.null()",
  number: "v.float64()",
  bigint: "v.int64()",
  boolean: "v.boolean()",
  string: "v.string()",
  bytes: "v.bytes()",
  any: "v.any()",
  commitTs: "v.commitTs()",
};

/** The validator as the real backend prints it. */
export function displayValidator(json: ValidatorJson): string {
  switch (json.type) {
    case "literal":
      return `v.literal(${displayLiteral(json.value)})`;
    case "id":
      return `v.id("${json.tableName}")`;
    case "array":
      return `v.array(${displayValidator(json.value)})`;
    case "record":
      return `v.record(${displayValidator(json.keys)}, ${displayField(json.values)})`;
    case "union":
      return `v.union(${json.value.map(displayValidator).join(", ")})`;
    case "object": {
      const fields = Object.keys(json.value)
        .sort()
        .map((name) => `${name}: ${displayField(json.value[name]!)}`);
      return `v.object({${fields.join(", ")}})`;
    }
    default:
      return NAMES[json.type] ?? `v.${(json as { type: string }).type}()`;
  }
}

function displayField(field: FieldJson): string {
  const text = displayValidator(field.fieldType);
  return field.optional ? `v.optional(${text})` : text;
}

function displayLiteral(value: JSONValue): string {
  if (typeof value === "object") return "<bigint>";
  if (typeof value === "number" && Number.isInteger(value)) return `${value}.0`;
  return JSON.stringify(value);
}

function pathLine(path: string): string {
  return path === "" ? "" : `Path: ${path}`;
}

function noMatch(value: JSONValue, json: ValidatorJson): Failure {
  return {
    path: "",
    text: (path) =>
      `Value does not match validator.\n${pathLine(path)}\nValue: ${displayValue(value)}\nValidator: ${displayValidator(json)}`,
  };
}

function within(failure: Failure, step: string): Failure {
  if (failure !== null) failure.path = step + failure.path;
  return failure;
}

function compile(json: ValidatorJson, tableOf: TableOf): Check {
  switch (json.type) {
    case "any":
      return () => null;
    case "literal":
      return compileLiteral(json);
    case "id":
      return compileId(json, tableOf);
    case "array":
      return compileArray(json, tableOf);
    case "record":
      return compileRecord(json, tableOf);
    case "union":
      return compileUnion(json, tableOf);
    case "object":
      return compileObject(json, tableOf);
    default: {
      const matches = SIMPLE[json.type];
      if (matches === undefined)
        throw new Error(`Unknown validator type ${JSON.stringify(json)}`);
      return (value) => (matches(value) ? null : noMatch(value, json));
    }
  }
}

function hasTag(value: JSONValue, tag: string): boolean {
  return (
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    tagOf(value) === tag
  );
}

const SIMPLE: Record<string, (value: JSONValue) => boolean> = {
  null: (value) => value === null,
  number: (value) => typeof value === "number" || hasTag(value, "$float"),
  bigint: (value) => hasTag(value, "$integer"),
  commitTs: (value) => hasTag(value, "$integer"),
  boolean: (value) => typeof value === "boolean",
  string: (value) => typeof value === "string",
  bytes: (value) => hasTag(value, "$bytes"),
};

function compileLiteral(json: ValidatorJson & { type: "literal" }): Check {
  const wanted = sortKey(json.value);
  return (value) => {
    const same =
      typeof value === "object"
        ? sortKey(value) === wanted
        : value === json.value;
    if (same) return null;
    return {
      path: "",
      text: (path) =>
        `\`${displayValue(value)}\` does not match literal validator \`v.literal(${displayLiteral(json.value)})\`.${pathLine(path)}`,
    };
  };
}

function compileId(
  json: ValidatorJson & { type: "id" },
  tableOf: TableOf,
): Check {
  return (value) => {
    const decoded = tryDecodeId(value);
    const found = decoded === null ? null : tableOf(decoded.tableNumber);
    if (found === json.tableName) return null;
    if (found === null) return noMatch(value, json);
    const from = found.startsWith("_")
      ? "from a system table"
      : `from table \`${found}\``;
    return {
      path: "",
      text: (path) =>
        `Found ID "${value as string}" ${from}, which does not match the table name in validator \`v.id("${json.tableName}")\`.${pathLine(path)}`,
    };
  };
}

function compileArray(
  json: ValidatorJson & { type: "array" },
  tableOf: TableOf,
): Check {
  const item = compile(json.value, tableOf);
  return (value) => {
    if (!Array.isArray(value)) return noMatch(value, json);
    for (let i = 0; i < value.length; i++) {
      const failure = item(value[i]!);
      if (failure !== null) return within(failure, `[${i}]`);
    }
    return null;
  };
}

function compileRecord(
  json: ValidatorJson & { type: "record" },
  tableOf: TableOf,
): Check {
  const keys = compile(json.keys, tableOf);
  const values = compile(json.values.fieldType, tableOf);
  return (value) => {
    if (!isObject(value)) return noMatch(value, json);
    for (const name of Object.keys(value)) {
      const failure =
        within(keys(name), ".keys()") ??
        within(values(value[name]!), ".values()");
      if (failure !== null) return failure;
    }
    return null;
  };
}

function compileUnion(
  json: ValidatorJson & { type: "union" },
  tableOf: TableOf,
): Check {
  const choices = json.value.map((choice) => compile(choice, tableOf));
  if (choices.length === 1) return choices[0]!;
  return (value) =>
    choices.some((choice) => choice(value) === null)
      ? null
      : noMatch(value, json);
}

function compileObject(
  json: ValidatorJson & { type: "object" },
  tableOf: TableOf,
): Check {
  const known = new Set(Object.keys(json.value));
  const fields = [...known].sort().map((name) => ({
    name,
    optional: json.value[name]!.optional,
    check: compile(json.value[name]!.fieldType, tableOf),
  }));
  return (value) => {
    if (!isObject(value)) return noMatch(value, json);
    for (const field of fields) {
      if (Object.hasOwn(value, field.name)) {
        const failure = field.check(value[field.name]!);
        if (failure !== null) return within(failure, `.${field.name}`);
      } else if (!field.optional) {
        return missing(value, field.name, json);
      }
    }
    for (const name of Object.keys(value)) {
      if (!known.has(name)) return extra(value, name, json);
    }
    return null;
  };
}

function missing(
  value: JSONObject,
  name: string,
  json: ValidatorJson,
): Failure {
  return {
    path: "",
    text: (path) =>
      `Object is missing the required field \`${name}\`. Consider wrapping the field validator in \`v.optional(...)\` if this is expected.\n${pathLine(path)}\nObject: ${displayValue(value)}\nValidator: ${displayValidator(json)}`,
  };
}

function extra(value: JSONObject, name: string, json: ValidatorJson): Failure {
  return {
    path: "",
    text: (path) =>
      `Object contains extra field \`${name}\` that is not in the validator.\n${pathLine(path)}\nObject: ${displayValue(value)}\nValidator: ${displayValidator(json)}`,
  };
}

/**
 * A table's validator made to accept whole documents: the system fields are added to each of
 * its objects. Null when the table accepts anything.
 */
export function documentValidator(
  json: ValidatorJson | null,
  table: string,
): ValidatorJson | null {
  if (json === null || json.type === "any") return null;
  if (json.type === "union")
    return {
      type: "union",
      value: json.value.map(
        (choice) => documentValidator(choice, table) ?? choice,
      ),
    };
  if (json.type !== "object") return json;
  return {
    type: "object",
    value: {
      ...json.value,
      _id: { fieldType: { type: "id", tableName: table }, optional: false },
      _creationTime: { fieldType: { type: "number" }, optional: false },
    },
  };
}

/** Whether a document of this type could hold a value at `path`. */
export function canContainField(
  json: ValidatorJson,
  path: readonly string[],
): boolean {
  if (path.length === 0 || json.type === "any") return true;
  if (json.type === "union")
    return json.value.some((choice) => canContainField(choice, path));
  if (json.type !== "object") return false;
  const field = Object.hasOwn(json.value, path[0]!)
    ? json.value[path[0]!]
    : undefined;
  return field !== undefined && canContainField(field.fieldType, path.slice(1));
}
