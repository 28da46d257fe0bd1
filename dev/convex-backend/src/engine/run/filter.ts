/* filter.ts - evaluates `.filter(q => ...)` expressions on encoded documents. */

import { Buffer } from "node:buffer";
import type { JSONObject, JSONValue } from "../api.js";
import { displayValue, tagOf } from "../values/json.js";
import { compareValues, fieldAt } from "../values/sortkey.js";
import { SyscallError } from "./failure.js";

export type Expression = {
  [operator: string]: Expression | Expression[] | JSONValue;
};

type Value = JSONValue | undefined;

const COMPARE: Record<string, (order: number) => boolean> = {
  $eq: (order) => order === 0,
  $neq: (order) => order !== 0,
  $lt: (order) => order < 0,
  $lte: (order) => order <= 0,
  $gt: (order) => order > 0,
  $gte: (order) => order >= 0,
};

type Arithmetic = {
  name: string;
  floats: (left: number, right: number) => number;
  integers: (left: bigint, right: bigint) => bigint;
};

const ARITHMETIC: Record<string, Arithmetic> = {
  $add: { name: "add", floats: (l, r) => l + r, integers: (l, r) => l + r },
  $sub: {
    name: "subtract",
    floats: (l, r) => l - r,
    integers: (l, r) => l - r,
  },
  $mul: {
    name: "multiply",
    floats: (l, r) => l * r,
    integers: (l, r) => l * r,
  },
  $div: { name: "divide", floats: (l, r) => l / r, integers: (l, r) => l / r },
  $mod: { name: "modulo", floats: (l, r) => l % r, integers: (l, r) => l % r },
};

function evalError(message: string): SyscallError {
  return new SyscallError("EvalError", message);
}

function typeName(value: Value): string {
  if (value === undefined) return "Undefined";
  if (value === null) return "Null";
  if (Array.isArray(value)) return "Array";
  if (typeof value === "object") {
    const tag = tagOf(value);
    if (tag === "$integer") return "Int64";
    if (tag === "$float") return "Float64";
    return tag === "$bytes" ? "Bytes" : "Object";
  }
  return { number: "Float64", boolean: "Boolean", string: "String" }[
    typeof value as "number" | "boolean" | "string"
  ];
}

function show(value: Value): string {
  return value === undefined ? "undefined" : displayValue(value);
}

function truth(value: Value): boolean {
  if (typeof value !== "boolean")
    throw evalError(
      `Cannot use value ${show(value)} (type ${typeName(value)}) as a Boolean`,
    );
  return value;
}

function float(value: Value): number | null {
  if (typeof value === "number") return value;
  if (typeName(value) !== "Float64") return null;
  const payload = (value as JSONObject)["$float"] as string;
  return Buffer.from(payload, "base64").readDoubleLE(0);
}

function integer(value: Value): bigint | null {
  if (typeName(value) !== "Int64") return null;
  const payload = (value as JSONObject)["$integer"] as string;
  return Buffer.from(payload, "base64").readBigInt64LE(0);
}

function fromFloat(value: number): JSONValue {
  if (Number.isFinite(value) && !Object.is(value, -0)) return value;
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return { $float: bytes.toString("base64") };
}

function fromInteger(value: bigint, what: string): JSONValue {
  if (BigInt.asIntN(64, value) !== value)
    throw evalError(`${what}: the result is out of range for Int64`);
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(value);
  return { $integer: bytes.toString("base64") };
}

function arithmetic(kind: Arithmetic, left: Value, right: Value): Value {
  const integers = [integer(left), integer(right)];
  if (integers[0] != null && integers[1] != null) {
    const text = `Cannot ${kind.name} ${integers[0]} and ${integers[1]}`;
    if (
      integers[1] === 0n &&
      (kind.name === "divide" || kind.name === "modulo")
    )
      throw evalError(`${text}: division by zero`);
    return fromInteger(kind.integers(integers[0], integers[1]), text);
  }
  const floats = [float(left), float(right)];
  if (floats[0] != null && floats[1] != null)
    return fromFloat(kind.floats(floats[0], floats[1]));
  throw evalError(
    `Cannot ${kind.name} ${show(left)} (type ${typeName(left)}) and ${show(right)} (type ${typeName(right)})`,
  );
}

function negate(value: Value): Value {
  const whole = integer(value);
  if (whole !== null) return fromInteger(-whole, `Cannot negate ${whole}`);
  const real = float(value);
  if (real !== null) return fromFloat(-real);
  throw evalError(`Cannot negate ${show(value)} (type ${typeName(value)})`);
}

function evaluate(expression: Expression, document: JSONObject): Value {
  const [operator] = Object.keys(expression);
  if (operator === undefined) throw evalError("Empty filter expression");
  const operand = expression[operator]!;
  if (operator === "$literal") return undefinedOr(operand as JSONValue);
  if (operator === "$field")
    return fieldAt(document, (operand as string).split("."));
  if (operator === "$not")
    return !truth(evaluate(operand as Expression, document));
  if (operator === "$neg")
    return negate(evaluate(operand as Expression, document));
  const operands = operand as Expression[];
  if (operator === "$and")
    return operands.every((each) => truth(evaluate(each, document)));
  if (operator === "$or")
    return operands.some((each) => truth(evaluate(each, document)));
  const left = evaluate(operands[0]!, document);
  const right = evaluate(operands[1]!, document);
  if (COMPARE[operator] !== undefined)
    return COMPARE[operator](compareValues(left, right));
  if (ARITHMETIC[operator] !== undefined)
    return arithmetic(ARITHMETIC[operator], left, right);
  throw evalError(`Unknown operator ${operator}`);
}

function undefinedOr(value: JSONValue): Value {
  const isUndefined =
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    Object.hasOwn(value, "$undefined");
  return isUndefined ? undefined : value;
}

/** Whether the document passes; throws EvalError for anything but a Boolean. */
export function isTrue(expression: Expression, document: JSONObject): boolean {
  return truth(evaluate(expression, document));
}
