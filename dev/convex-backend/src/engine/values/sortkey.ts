/* sortkey.ts - index keys: bytes whose memcmp order is the order of values.
 *
 * A key is held as a "byte string": a JavaScript string whose characters are all below 0x100.
 * V8 stores and compares such strings byte by byte, and `<` gives the same order as SQLite's
 * comparison of the blobs. The encoding is the real backend's.
 */

import { Buffer } from "node:buffer";
import type { JSONValue } from "../api.js";

/** Greater than every byte string: the upper end of an unbounded interval. */
export const KEY_END = "\uffff";

export function keyToBlob(key: string): Buffer {
  return Buffer.from(key, "latin1");
}

export function blobToKey(blob: Uint8Array): string {
  return Buffer.from(blob.buffer, blob.byteOffset, blob.byteLength).toString(
    "latin1",
  );
}

/** The smallest byte string greater than every one that starts with `prefix`. */
export function prefixEnd(prefix: string): string {
  for (let i = prefix.length - 1; i >= 0; i--) {
    const code = prefix.charCodeAt(i);
    if (code < 0xff) return prefix.slice(0, i) + String.fromCharCode(code + 1);
  }
  return KEY_END;
}

const PLAIN = /^[\x01-\x7f]*$/;

function escapeBytes(bytes: string): string {
  return bytes.includes("\0") ? bytes.replaceAll("\0", "\0\xff") : bytes;
}

function textBytes(text: string): string {
  if (PLAIN.test(text)) return text;
  return escapeBytes(Buffer.from(text, "utf8").toString("latin1"));
}

const scratch = new DataView(new ArrayBuffer(8));

function scratchBytes(from: number): string {
  let out = "";
  for (let i = from; i < 8; i++)
    out += String.fromCharCode(scratch.getUint8(i));
  return out;
}

function floatKey(value: number): string {
  scratch.setFloat64(0, value);
  const high = scratch.getUint32(0);
  if (high >= 0x80000000) {
    scratch.setUint32(0, ~high);
    scratch.setUint32(4, ~scratch.getUint32(4));
  } else {
    scratch.setUint32(0, (high | 0x80000000) >>> 0);
  }
  return "\x0d" + scratchBytes(0);
}

function integerKey(value: bigint): string {
  if (value === 0n) return "\x08";
  let size = 8;
  for (const [bytes, limit] of [
    [1, 1n << 7n],
    [2, 1n << 15n],
    [4, 1n << 31n],
  ] as const) {
    if (value >= -limit && value < limit) {
      size = bytes;
      break;
    }
  }
  const step = { 1: 1, 2: 2, 4: 3, 8: 4 }[size]!;
  scratch.setBigInt64(0, value);
  const tag = value > 0n ? 8 + step : 8 - step;
  return String.fromCharCode(tag) + scratchBytes(8 - size);
}

/** The key bytes of one value; `undefined` is the missing field. */
export function sortKey(value: JSONValue | undefined): string {
  switch (typeof value) {
    case "undefined":
      return "\x01";
    case "number":
      return floatKey(value);
    case "boolean":
      return value ? "\x0f" : "\x0e";
    case "string":
      return `\x10${textBytes(value)}\0`;
  }
  if (value === null) return "\x03";
  if (Array.isArray(value)) return `\x12${value.map(sortKey).join("")}\0`;
  return objectKey(value);
}

function objectKey(value: { [key: string]: JSONValue }): string {
  const names = Object.keys(value);
  if (names.length === 1 && names[0]!.startsWith("$")) {
    const payload = value[names[0]!] as string;
    if (names[0] === "$integer")
      return integerKey(Buffer.from(payload, "base64").readBigInt64LE(0));
    if (names[0] === "$float") return floatKey(specialFloat(payload));
    if (names[0] === "$bytes") {
      const bytes = Buffer.from(payload, "base64").toString("latin1");
      return `\x11${escapeBytes(bytes)}\0`;
    }
    if (names[0] === "$undefined") return "\x01";
  }
  let out = "\x15";
  for (const name of names.sort()) {
    // An empty name must not look like the end of the object.
    out += name === "" ? "\0\xff" : `${name}\0`;
    out += sortKey(value[name]);
  }
  return `${out}\0`;
}

function specialFloat(payload: string): number {
  return Buffer.from(payload, "base64").readDoubleLE(0);
}

/** A NaN's sign and payload do not survive JavaScript numbers; all NaNs are one here. */
export function compareValues(
  left: JSONValue | undefined,
  right: JSONValue | undefined,
): number {
  if (typeof left === "string" && typeof right === "string" && left === right)
    return 0;
  const a = sortKey(left);
  const b = sortKey(right);
  return a < b ? -1 : a > b ? 1 : 0;
}

/** A field by path; `undefined` when a step is missing or not an object. */
export function fieldAt(
  document: { [key: string]: JSONValue },
  path: readonly string[],
): JSONValue | undefined {
  let value: JSONValue | undefined = document;
  for (const name of path) {
    if (value === null || typeof value !== "object" || Array.isArray(value))
      return undefined;
    if (!Object.hasOwn(value, name)) return undefined;
    value = value[name];
  }
  return value;
}
