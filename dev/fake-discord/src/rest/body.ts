// body.ts - a request's body: JSON, or multipart with files.
import busboy from "busboy";
import type { IncomingMessage } from "node:http";
import { ApiError, invalid, refuse } from "../errors.js";
import { LIMITS } from "../message-input.js";
import type { Upload } from "../attachments.js";
import { isObject, type Json } from "../validate.js";

export interface Body {
  json: unknown;
  uploads: Upload[];
  form?: URLSearchParams;
}

const EMPTY: Body = { json: undefined, uploads: [] };

export async function readBody(request: IncomingMessage): Promise<Body> {
  const bytes = await collect(request, LIMITS.requestBytes);
  const type = request.headers["content-type"] ?? "";
  if (bytes.length === 0) return EMPTY;
  if (/^multipart\/form-data\b/i.test(type)) return multipart(bytes, type);
  if (/^application\/x-www-form-urlencoded\b/i.test(type))
    return { ...EMPTY, form: new URLSearchParams(bytes.toString("utf8")) };
  if (!/^application\/json\b/i.test(type)) throw wrongType(TYPES);
  return { json: parseJson(bytes.toString("utf8")), uploads: [] };
}

/** Reads it all, even when it is too much, so that the answer can be read. */
export async function collect(
  request: IncomingMessage,
  most: number,
): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size <= most) chunks.push(chunk);
  }
  if (size > most) throw refuse(40005);
  return Buffer.concat(chunks);
}

const TYPES = "'application/json', 'multipart/form-data'";
const FORM = "'application/x-www-form-urlencoded'";

/** A route takes JSON and files, or a form: never the one for the other. */
export function checkType(body: Body, form: boolean): void {
  if (form && (body.json !== undefined || body.uploads.length > 0))
    throw wrongType(FORM);
  if (!form && body.form) throw wrongType(TYPES);
}

function wrongType(types: string): ApiError {
  return new ApiError(
    400,
    50035,
    `Expected "Content-Type" header to be one of {${types}}.`,
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw refuse(50109);
  }
}

async function multipart(bytes: Buffer, type: string): Promise<Body> {
  const fields = new Map<string, string>();
  const uploads: Upload[] = [];
  await new Promise<void>((resolve, reject) => {
    const parser = busboy({
      headers: { "content-type": type },
      defParamCharset: "utf8",
    });
    parser.on("field", (name, value) => fields.set(name, value));
    parser.on("file", (name, stream, info) => {
      const chunks: Buffer[] = [];
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.on("close", () =>
        uploads.push({
          key: /^files\[(\d+)\]$/.exec(name)?.[1] ?? name,
          filename: info.filename ?? "unknown",
          bytes: Buffer.concat(chunks),
          ...(info.mimeType !== "application/octet-stream" && {
            contentType: info.mimeType,
          }),
        }),
      );
    });
    parser.on("close", resolve);
    parser.on("error", () => reject(refuse(50035)));
    parser.end(bytes);
  }).catch((error: unknown) => {
    throw error instanceof ApiError ? error : refuse(50035);
  });
  if (uploads.some((upload) => upload.bytes.length > LIMITS.fileBytes))
    throw refuse(40005);
  if (uploads.length > LIMITS.files)
    throw invalid(
      ["attachments"],
      "BASE_TYPE_MAX_LENGTH",
      `Must be ${LIMITS.files} or fewer in length.`,
    );
  const payload = fields.get("payload_json");
  return {
    json:
      payload === undefined ? Object.fromEntries(fields) : parseJson(payload),
    uploads,
  };
}

/** The body as an object, which is all that routes with a body take. */
export function objectOf({ json }: Body): Json {
  if (isObject(json)) return json;
  if (json === undefined) return {};
  throw invalid(
    [],
    "MODEL_TYPE_CONVERT",
    "Only dictionaries may be used in a ModelType",
  );
}
