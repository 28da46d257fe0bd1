// cdn.ts - /cdn/attachments/{channel}/{attachment}/{name}, for signed links only, and
// /cdn/stickers/{id}.{png,json,gif}, for all.
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Files } from "./files.js";
import { decode } from "./rest/route.js";

const STICKER = /^\/cdn\/stickers\/((\d+)\.\w+)$/;
const PATH = /^\/cdn(\/attachments\/(\d+)\/(\d+)\/([^/]+))$/;

export function serveFile(
  files: Files,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const { pathname, searchParams } = new URL(request.url ?? "/", "http://fake");
  const sticker = STICKER.exec(pathname);
  if (sticker) return serveSticker(files, sticker, response);
  const [, path = "", channelId, id = "", name = ""] =
    PATH.exec(pathname) ?? [];
  const file = files.get(id);
  const readable = request.method === "GET" || request.method === "HEAD";
  const same =
    file?.channel_id === channelId && file?.filename === decode(name);
  if (!readable || !file || !same)
    return say(response, 404, "This content is no longer available.");
  if (files.judge(path, searchParams) !== "good")
    return say(response, 403, "This content is no longer available.");
  response.writeHead(200, {
    "content-type": file.content_type ?? "application/octet-stream",
    "content-length": file.bytes.length,
    "cache-control": "public, max-age=31536000",
    etag: `"${file.id}"`,
  });
  response.end(request.method === "HEAD" ? undefined : file.bytes);
}

function serveSticker(
  files: Files,
  [, name, id = ""]: RegExpExecArray,
  response: ServerResponse,
): void {
  const file = files.get(id);
  if (!file || file.filename !== name) return say(response, 404, "Not found.");
  response.writeHead(200, {
    "content-type": file.content_type ?? "application/octet-stream",
    "content-length": file.bytes.length,
  });
  response.end(file.bytes);
}

function say(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, {
    "content-type": "text/plain",
    "content-length": Buffer.byteLength(text),
  });
  response.end(text);
}
