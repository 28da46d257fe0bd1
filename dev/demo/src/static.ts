// Serves the built dashboard as any file server would, with its config.json.
import { createReadStream, existsSync, statSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { extname, join, normalize } from "node:path";
import { createGzip } from "node:zlib";

const TYPES: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".json": "application/json",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".ico": "image/x-icon",
  ".woff2": "font/woff2",
  ".webmanifest": "application/manifest+json",
};

export function serveStatic(
  root: string,
  config: object,
  port: number,
): Promise<Server> {
  const server = createServer((request, response) => {
    if (request.method !== "GET" && request.method !== "HEAD") {
      response.writeHead(405, { allow: "GET, HEAD" }).end();
      return;
    }
    const path = decodeURIComponent(
      new URL(request.url ?? "/", "http://localhost").pathname,
    );
    if (path === "/config.json") {
      response.writeHead(200, {
        "content-type": TYPES[".json"],
        "cache-control": "no-store",
      });
      response.end(JSON.stringify(config));
      return;
    }
    let file = join(root, normalize("/" + path));
    // a single-page app: an unknown path without an extension is the app itself
    if (!existsSync(file) || statSync(file).isDirectory())
      file = extname(path) ? "" : join(root, "index.html");
    if (!file) {
      response
        .writeHead(404, { "content-type": "text/plain" })
        .end("not found\n");
      return;
    }
    const small =
      /\.(html|js|css|json|svg)$/.test(file) &&
      /\bgzip\b/.test(String(request.headers["accept-encoding"]));
    response.writeHead(200, {
      ...(small ? { "content-encoding": "gzip" } : {}),
      vary: "accept-encoding",
      "content-type": TYPES[extname(file)] ?? "application/octet-stream",
      "cache-control": path.startsWith("/assets/")
        ? "public, max-age=31536000, immutable"
        : "no-cache",
      "x-content-type-options": "nosniff",
    });
    const bytes = createReadStream(file);
    (small ? bytes.pipe(createGzip()) : bytes).pipe(response);
  });
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) =>
      reject(
        error.code === "EADDRINUSE"
          ? new Error(
              `port ${port} (dashboard) is in use; give another with --port-base`,
            )
          : error,
      ),
    );
    server.listen(port, "127.0.0.1", () => resolve(server));
  });
}
