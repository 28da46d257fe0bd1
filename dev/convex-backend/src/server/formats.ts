// formats.ts - the three ways a function result is written in a reply.
// Input is always a value in Convex's encoded JSON form.

import { badRequest } from "./errors.js";

export type ValueFormat = "encoded" | "clean" | "export";

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

const FORMATS: Readonly<Record<string, ValueFormat>> = {
  convex_encoded_json: "encoded",
  convex_json: "encoded",
  json: "clean",
  convex_clean_json: "clean",
  export_json: "export",
};

/** The format a request asks for; clean when it does not say. */
export function parseFormat(format: string | null | undefined): ValueFormat {
  if (format === undefined || format === null) return "clean";
  const known = Object.hasOwn(FORMATS, format) ? FORMATS[format] : undefined;
  if (known === undefined) {
    throw badRequest(
      "BadFormat",
      `expected "json", got ${JSON.stringify(format)}`,
    );
  }
  return known;
}

/** Rewrites encoded JSON text into the wanted format. */
export function formatValue(encoded: string, format: ValueFormat): string {
  if (format === "encoded") return encoded;
  return write(JSON.parse(encoded) as Json, format);
}

function write(value: Json, format: ValueFormat): string {
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "number") return float(value);
  if (Array.isArray(value)) {
    return `[${value.map((item) => write(item, format)).join(",")}]`;
  }
  const entries = Object.entries(value);
  const [first] = entries;
  if (first !== undefined && entries.length === 1 && first[0].startsWith("$")) {
    return writeTagged(first[0], String(first[1]), format);
  }
  const fields = entries.map(
    ([key, item]) => `${JSON.stringify(key)}:${write(item, format)}`,
  );
  return `{${fields.join(",")}}`;
}

function writeTagged(
  tag: string,
  payload: string,
  format: ValueFormat,
): string {
  const bytes = Buffer.from(payload, "base64");
  if (tag === "$integer") {
    const text = bytes.readBigInt64LE().toString();
    return format === "clean" ? JSON.stringify(text) : text;
  }
  if (tag === "$float") {
    const number = bytes.readDoubleLE();
    if (Object.is(number, -0)) return "-0.0";
    if (Number.isFinite(number)) return float(number);
    return format === "clean"
      ? JSON.stringify(String(number))
      : JSON.stringify({ $float: payload });
  }
  return format === "clean"
    ? JSON.stringify(payload)
    : JSON.stringify({ [tag]: payload });
}

/** A Float64 stays recognisable: 5 is written 5.0. */
function float(value: number): string {
  const text = JSON.stringify(value);
  return /[.e]/.test(text) ? text : `${text}.0`;
}
