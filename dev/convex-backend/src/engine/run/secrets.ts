/* secrets.ts - values derived from the deployment's secret: file names, upload tokens, handles. */

import { Buffer } from "node:buffer";
import { createHmac, timingSafeEqual } from "node:crypto";

const UPLOAD_TOKEN_MS = 3_600_000;

function hmac(secret: string, text: string): Buffer {
  return createHmac("sha256", secret).update(text).digest();
}

/** The unguessable name under which a stored file is served. */
export function fileUuid(secret: string, storageId: string): string {
  const bytes = hmac(secret, `file:${storageId}`).subarray(0, 16);
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = bytes.toString("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

export function uploadToken(secret: string, nowMs: number): string {
  const issued = Math.floor(nowMs).toString(36);
  return `${issued}.${hmac(secret, `upload:${issued}`).toString("hex")}`;
}

export function checkUploadToken(
  secret: string,
  token: string,
  nowMs: number,
): "ok" | "invalid" | "expired" {
  const [issued, signature] = token.split(".");
  if (issued === undefined || signature === undefined) return "invalid";
  const wanted = hmac(secret, `upload:${issued}`);
  const given = Buffer.from(signature, "hex");
  if (given.length !== wanted.length || !timingSafeEqual(given, wanted))
    return "invalid";
  const age = nowMs - Number.parseInt(issued, 36);
  return age > UPLOAD_TOKEN_MS ? "expired" : "ok";
}

/** A function handle; only the part before `#` counts. */
export function functionHandle(path: string): string {
  return `function://${Buffer.from(path).toString("hex")}#${path}`;
}

/** The path behind a handle, or null. */
export function handlePath(handle: string): string | null {
  const found = /^function:\/\/([0-9a-f]+)(?:#.*)?$/.exec(handle);
  return found === null ? null : Buffer.from(found[1]!, "hex").toString();
}
