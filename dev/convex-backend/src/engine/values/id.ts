/* id.ts - document ids in the real format: base32(LEB128 table number, 16 bytes, Fletcher-16). */

import { Buffer } from "node:buffer";

const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";
const DIGITS = new Map([...ALPHABET].map((symbol, i) => [symbol, i]));
const MS_PER_DAY = 86_400_000;

/** Why decodeId refused, in the real backend's words. */
export class InvalidIdError extends Error {
  constructor(reason: string) {
    super(`Unable to decode ID: ${reason}`);
  }
}

function fletcher16(bytes: Uint8Array): number {
  let low = 0;
  let high = 0;
  for (const byte of bytes) {
    low = (low + byte) & 0xff;
    high = (high + low) & 0xff;
  }
  return low | (high << 8);
}

function base32(bytes: Uint8Array): string {
  let out = "";
  let bits = 0;
  let held = 0;
  for (const byte of bytes) {
    held = (held << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      out += ALPHABET[(held >> bits) & 31];
    }
    held &= (1 << bits) - 1;
  }
  if (bits > 0) out += ALPHABET[(held << (5 - bits)) & 31];
  return out;
}

function unbase32(text: string): Buffer {
  const out = Buffer.alloc(Math.floor((text.length * 5) / 8));
  let at = 0;
  let bits = 0;
  let held = 0;
  for (const symbol of text) {
    const digit = DIGITS.get(symbol);
    if (digit === undefined) throw new InvalidIdError("ID wasn't valid base32");
    held = (held << 5) | digit;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      out[at++] = (held >> bits) & 0xff;
      held &= (1 << bits) - 1;
    }
  }
  return out;
}

/** `internal`: 16 bytes. */
export function encodeId(tableNumber: number, internal: Uint8Array): string {
  const head: number[] = [];
  let rest = tableNumber;
  while (rest >= 0x80) {
    head.push((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  head.push(rest);
  const body = Buffer.concat([Buffer.from(head), internal]);
  const sum = fletcher16(body);
  return base32(Buffer.concat([body, Buffer.from([sum & 0xff, sum >> 8])]));
}

function readTableNumber(bytes: Uint8Array): [number, number] {
  let value = 0;
  for (let i = 0; i < 5 && i < bytes.length; i++) {
    value += (bytes[i]! & 0x7f) * 2 ** (7 * i);
    if (bytes[i]! < 0x80) return [value, i + 1];
  }
  throw new InvalidIdError("Invalid table number");
}

export type DecodedId = { tableNumber: number; internal: Buffer };

/** Throws InvalidIdError. */
export function decodeId(text: string): DecodedId {
  if (text.length < 31 || text.length > 37)
    throw new InvalidIdError(`Invalid ID length ${text.length}`);
  const bytes = unbase32(text);
  const [tableNumber, size] = readTableNumber(bytes);
  if (tableNumber === 0 || tableNumber > 0xffffffff)
    throw new InvalidIdError("Invalid table number");
  if (bytes.length !== size + 18)
    throw new InvalidIdError(`Invalid ID length ${text.length}`);
  const body = bytes.subarray(0, size + 16);
  const found = bytes.readUInt16LE(size + 16);
  const internal = bytes.subarray(size, size + 16);
  if (found !== fletcher16(body))
    throw new InvalidIdError(
      `Invalid ID version ${found ^ fletcher16(body)} (expected 0)`,
    );
  if (encodeId(tableNumber, internal) !== text)
    throw new InvalidIdError("ID wasn't valid base32");
  return { tableNumber, internal };
}

export function tryDecodeId(text: unknown): DecodedId | null {
  if (typeof text !== "string") return null;
  try {
    return decodeId(text);
  } catch (error) {
    if (error instanceof InvalidIdError) return null;
    throw error;
  }
}

/** A new id: 14 bytes from `random`, then the day. */
export function newId(
  tableNumber: number,
  random: (bytes: Uint8Array) => void,
  nowMs: number,
): string {
  const internal = Buffer.alloc(16);
  random(internal.subarray(0, 14));
  internal.writeUInt16BE(Math.floor(nowMs / MS_PER_DAY) & 0xffff, 14);
  return encodeId(tableNumber, internal);
}
