// redact.ts - what the journal may keep of a body: everything but secrets.
import { isObject } from "../validate.js";

const SECRET = [
  "access_token",
  "refresh_token",
  "client_secret",
  "code",
  "code_verifier",
  "token",
];

/** A body as the journal shows it; uploads become a list of names and sizes. */
export function hidden(
  body: unknown,
  uploads: readonly { filename: string; bytes: Buffer }[],
): unknown {
  if (!isObject(body)) return body;
  const shown = Object.fromEntries(
    Object.entries(body).map(([key, value]) => [
      key,
      SECRET.includes(key) && typeof value === "string" ? "***" : value,
    ]),
  );
  if (uploads.length === 0) return shown;
  const files = uploads.map(({ filename, bytes }) => ({
    filename,
    size: bytes.length,
  }));
  return { ...shown, files };
}
