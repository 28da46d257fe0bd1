// httpStorage.ts - files: upload by token, download by URL with ranges.

import { pipeline } from "node:stream/promises";
import type { Engine, StoredFile } from "../engine/api.js";
import { badRequest, notFound } from "./errors.js";
import type { Exchange, Router } from "./http.js";

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

export function addStorageRoutes(router: Router, engine: Engine): void {
  router
    .on("POST", "/api/storage/upload", (exchange) => upload(engine, exchange))
    .under("/api/storage/", { GET: (exchange) => download(engine, exchange) });
}

async function upload(engine: Engine, exchange: Exchange): Promise<void> {
  const token = exchange.query.get("token");
  if (token === null) {
    throw badRequest(
      "BadQueryArgs",
      "Failed to deserialize query string: missing field `token`",
    );
  }
  engine.checkUploadToken(token);
  const sha256 = expectedDigest(exchange.header("digest"));
  const file = await engine.storeFile({
    body: exchange.request,
    contentType: exchange.header("content-type") ?? null,
    ...(sha256 === null ? {} : { sha256 }),
  });
  exchange.json({ storageId: file.storageId });
}

function expectedDigest(header: string | undefined): string | null {
  if (header === undefined) return null;
  const [, digest] = /^sha-256=([A-Za-z0-9+/]{43}=)$/.exec(header) ?? [];
  if (digest === undefined) {
    throw badRequest(
      "BadHeader",
      "Invalid Digest header: expected sha-256=<base64>",
    );
  }
  return digest;
}

async function download(engine: Engine, exchange: Exchange): Promise<void> {
  const uuid = exchange.path.slice("/api/storage/".length);
  if (!UUID.test(uuid)) {
    throw badRequest(
      "InvalidStoragePath",
      `Invalid storage path: "${uuid}". Please use \`storage.getUrl(storageId)\` to generate a valid URL.`,
    );
  }
  const file = engine.fileByUuid(uuid.toLowerCase());
  if (file === null) throw notFound("FileNotFound", `File ${uuid} not found`);
  const range = requestedRange(exchange.header("range"), file.size);
  if (range === "unsatisfiable") return exchange.empty(416);
  await sendFile(exchange, file, range);
}

interface Range {
  /** Of the bytes sent; `end` exclusive. */
  start: number;
  end: number;
  contentRange: string;
}

/** Null: the whole file. Bounds are echoed as asked, even past the end. */
function requestedRange(
  header: string | undefined,
  size: number,
): Range | "unsatisfiable" | null {
  const [, list] = /^bytes=(.*)$/i.exec(header ?? "") ?? [];
  if (list === undefined || size === 0) return null;
  const [, first, last] = /^\s*(\d*)-(\d*)\s*$/.exec(list) ?? [];
  if (
    first === undefined ||
    last === undefined ||
    (first === "" && last === "")
  ) {
    return "unsatisfiable";
  }
  if (first === "")
    return {
      start: 0,
      end: 0,
      contentRange: `bytes ${size}-${size - 1}/${size}`,
    };
  const start = Number(first);
  const end = last === "" ? size - 1 : Number(last);
  return {
    start: Math.min(start, size),
    end: Math.max(Math.min(end + 1, size), Math.min(start, size)),
    contentRange: `bytes ${start}-${end}/${size}`,
  };
}

async function sendFile(
  exchange: Exchange,
  file: StoredFile,
  range: Range | null,
): Promise<void> {
  const { response } = exchange;
  const length = range === null ? file.size : range.end - range.start;
  response.writeHead(range === null ? 200 : 206, {
    ...(file.contentType === null ? {} : { "content-type": file.contentType }),
    "content-length": length,
    "cache-control": "private, max-age=2592000",
    "accept-ranges": "bytes",
    ...(range === null
      ? { digest: `sha-256=${file.sha256}` }
      : { "content-range": range.contentRange }),
  });
  if (exchange.method === "HEAD" || length === 0) {
    response.end();
    return;
  }
  const body =
    range === null ? file.read() : file.read(range.start, range.end - 1);
  await pipeline(body, response).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ERR_STREAM_PREMATURE_CLOSE") throw error; // the client left
  });
}
