/* json.ts - encoded Convex JSON: what is legal, its canonical text, its size, its display. */

import { Buffer } from "node:buffer";
import type { JSONObject, JSONValue } from "../api.js";

/** A value that Convex cannot hold; the message is for the author of the function. */
export class ValueError extends Error {}

export const MAX_DOCUMENT_SIZE = 1 << 20;
const MAX_DOCUMENT_NESTING = 16;
const MAX_VALUE_NESTING = 64;
export const MAX_FUNCTION_SIZE = 16 << 20;
const MAX_ARRAY = 8192;
const MAX_FIELDS = 1024;
const MAX_NAME = 1024;

const BASE64 =
  /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const NAME = /^(?!\$)[\x20-\x7e]*$/;
const LONE_SURROGATE =
  /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;

export type Checked = {
  /** Canonical text: names in byte order, no spaces. */
  text: string;
  /** Convex's own size metric, bytes. */
  size: number;
  nesting: number;
};

type Tag = "$integer" | "$float" | "$bytes";

/** The tag name when `value` is `{"$integer": ...}` or the like, else null. */
export function tagOf(value: { [key: string]: JSONValue }): Tag | null {
  for (const name in value) {
    if (name === "$integer" || name === "$float" || name === "$bytes")
      return name;
    return null;
  }
  return null;
}

export function isObject(value: JSONValue | undefined): value is JSONObject {
  return (
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    tagOf(value) === null
  );
}

/** Validates, and gives the canonical text and the size. Throws ValueError. */
export function checkValue(value: JSONValue): Checked {
  const checked = check(value, MAX_VALUE_NESTING);
  if (checked.nesting > MAX_VALUE_NESTING)
    throw tooNested("Value", checked.nesting, MAX_VALUE_NESTING);
  return checked;
}

/** checkValue() for what is to be stored, which may be nested less deeply. */
export function checkDocument(value: JSONObject): Checked {
  const checked = checkValue(value);
  if (checked.nesting > MAX_DOCUMENT_NESTING)
    throw tooNested("Document", checked.nesting, MAX_DOCUMENT_NESTING);
  return checked;
}

function tooNested(what: string, nesting: number, most: number): ValueError {
  return new ValueError(
    `${what} is too nested (nested ${nesting} levels deep > maximum nesting ${most})`,
  );
}

/** `depth` is how many levels of arrays and objects there may still be. */
function check(value: JSONValue, depth: number): Checked {
  if (depth < 0)
    throw tooNested("Value", MAX_VALUE_NESTING + 1, MAX_VALUE_NESTING);
  switch (typeof value) {
    case "boolean":
      return { text: value ? "true" : "false", size: 1, nesting: 0 };
    case "number":
      return checkNumber(value);
    case "string":
      return checkString(value);
    case "object":
      if (value === null) return { text: "null", size: 1, nesting: 0 };
      return Array.isArray(value)
        ? checkArray(value, depth)
        : checkObject(value, depth);
  }
  throw new ValueError(`${typeof value} is not a supported Convex type`);
}

function checkNumber(value: number): Checked {
  if (!Number.isFinite(value))
    throw new ValueError(`${value} is not valid JSON`);
  const text = Object.is(value, -0)
    ? '{"$float":"AAAAAAAAAIA="}'
    : JSON.stringify(value);
  return { text, size: 9, nesting: 0 };
}

function checkString(value: string): Checked {
  const bytes = Buffer.byteLength(value);
  // A lone surrogate is three bytes as U+FFFD; only then is a closer look needed.
  if (bytes > value.length && LONE_SURROGATE.test(value))
    throw new ValueError("String contains a lone surrogate");
  return { text: JSON.stringify(value), size: 2 + bytes, nesting: 0 };
}

function checkArray(value: JSONValue[], depth: number): Checked {
  if (value.length > MAX_ARRAY)
    throw new ValueError(
      `Array length is too long (${value.length} > maximum length ${MAX_ARRAY})`,
    );
  let size = 2;
  let nesting = 0;
  const parts: string[] = [];
  for (const item of value) {
    const checked = check(item, depth - 1);
    size += checked.size;
    nesting = Math.max(nesting, checked.nesting);
    parts.push(checked.text);
  }
  return { text: `[${parts.join()}]`, size, nesting: nesting + 1 };
}

function checkObject(value: JSONObject, depth: number): Checked {
  const names = Object.keys(value);
  if (names.length === 1 && names[0]!.charCodeAt(0) === 0x24)
    return checkTagged(names[0]!, value[names[0]!]!);
  if (names.length > MAX_FIELDS)
    throw new ValueError(
      `Object has too many fields (${names.length} > maximum number ${MAX_FIELDS})`,
    );
  names.sort();
  let size = 2;
  let nesting = 0;
  let text = "{";
  for (const name of names) {
    checkName(name);
    const checked = check(value[name]!, depth - 1);
    size += name.length + 1 + checked.size;
    nesting = Math.max(nesting, checked.nesting);
    if (text.length > 1) text += ",";
    text += `${JSON.stringify(name)}:${checked.text}`;
  }
  return { text: `${text}}`, size, nesting: nesting + 1 };
}

function checkName(name: string): void {
  if (name.length > MAX_NAME)
    throw new ValueError(
      `Field name ${name.slice(0, 64)}... is too long (maximum length ${MAX_NAME})`,
    );
  if (NAME.test(name)) return;
  if (name.startsWith("$"))
    throw new ValueError(
      `Field name ${name} starts with '$', which is reserved.`,
    );
  throw new ValueError(
    `Field name ${JSON.stringify(name)} has invalid characters: field names can only contain non-control ASCII characters`,
  );
}

function checkTagged(tag: string, payload: JSONValue): Checked {
  const text = `{${JSON.stringify(tag)}:${JSON.stringify(payload)}}`;
  if (tag !== "$integer" && tag !== "$float" && tag !== "$bytes")
    throw new ValueError(
      `Field name ${tag} starts with '$', which is reserved.`,
    );
  if (typeof payload !== "string" || !BASE64.test(payload))
    throw new ValueError(`${tag} must hold canonical base64`);
  const bytes = Buffer.from(payload, "base64");
  if (bytes.toString("base64") !== payload)
    throw new ValueError(`${tag} must hold canonical base64`);
  if (tag === "$bytes") return { text, size: 2 + bytes.length, nesting: 0 };
  if (bytes.length !== 8) throw new ValueError(`${tag} must hold 8 bytes`);
  if (tag === "$integer") return { text, size: 9, nesting: 0 };
  const float = bytes.readDoubleLE(0);
  if (Number.isFinite(float) && !Object.is(float, -0))
    throw new ValueError(`$float is not for ordinary numbers: ${float}`);
  return { text, size: 9, nesting: 0 };
}

/** The value as the real backend prints it inside error messages. */
export function displayValue(value: JSONValue): string {
  if (value === null) return "null";
  if (typeof value === "number") return displayFloat(value);
  if (typeof value === "boolean") return String(value);
  if (typeof value === "string") return displayString(value);
  if (Array.isArray(value)) return `[${value.map(displayValue).join(", ")}]`;
  switch (tagOf(value)) {
    case "$integer":
      return Buffer.from(value["$integer"] as string, "base64")
        .readBigInt64LE(0)
        .toString();
    case "$float":
      return displayFloat(
        Buffer.from(value["$float"] as string, "base64").readDoubleLE(0),
      );
    case "$bytes": {
      const bytes = Buffer.from(value["$bytes"] as string, "base64");
      return `b"${bytes.toString("hex")}"`;
    }
  }
  const parts = Object.keys(value)
    .sort()
    .map((name) => `${name}: ${displayValue(value[name]!)}`);
  return `{${parts.join(", ")}}`;
}

function displayFloat(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (value === Infinity) return "inf";
  if (value === -Infinity) return "-inf";
  if (Object.is(value, -0)) return "-0.0";
  const text = JSON.stringify(value).replace("e+", "e");
  return Number.isInteger(value) && !text.includes("e") ? `${text}.0` : text;
}

function displayString(value: string): string {
  return JSON.stringify(value).replaceAll(
    /\\u00([0-9a-f]{2})/g,
    (_, hex: string) => `\\u{${Number.parseInt(hex, 16).toString(16)}}`,
  );
}
