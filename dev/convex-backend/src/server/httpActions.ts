// httpActions.ts - requests to the site: handed to http.js of the deployment.

import { pipeline } from "node:stream/promises";
import type { Engine, Identity } from "../engine/api.js";
import type { Auth } from "./auth.js";
import { ApiError, toApiError } from "./errors.js";
import { BodyTooLarge, type Exchange } from "./http.js";

const MAX_BODY = 20 << 20;
const WITHOUT_BODY = ["GET", "HEAD", "OPTIONS"];
const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"];

/** Headers that belong to one hop, or that the server works out itself. */
const HOP_HEADERS = new Set(
  "connection keep-alive transfer-encoding upgrade content-length".split(" "),
);

/** Answers a request with the site's function; `prefix` is cut off the path. */
export async function serveSite(
  engine: Engine,
  auth: Auth,
  exchange: Exchange,
  prefix: string,
): Promise<void> {
  const { method } = exchange;
  if (!METHODS.includes(method)) return exchange.empty(405);
  const body = WITHOUT_BODY.includes(method)
    ? undefined
    : await readBody(exchange);
  const answer = await engine.httpAction(
    {
      method,
      url: siteUrl(exchange, prefix),
      headers: headersOf(exchange),
      body,
    },
    await siteIdentity(auth, exchange),
    exchange.requestId(),
    exchange.caller(),
  );
  const { response } = exchange;
  response.statusCode = answer.status;
  for (const [name, value] of answer.headers) {
    if (!HOP_HEADERS.has(name.toLowerCase()))
      response.appendHeader(name, value);
  }
  if (method === "HEAD") {
    answer.body.destroy();
    response.end();
    return;
  }
  await pipeline(answer.body, response).catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code !== "ERR_STREAM_PREMATURE_CLOSE") throw error; // the client left
    },
  );
}

async function readBody(exchange: Exchange): Promise<Uint8Array> {
  try {
    return await exchange.body(MAX_BODY);
  } catch (error) {
    if (!(error instanceof BodyTooLarge)) throw error;
    throw new ApiError(
      413,
      "RequestTooLarge",
      `Request body too large: the limit is ${MAX_BODY} bytes`,
    );
  }
}

/** A bad credential does not stop the request: asking for the identity throws. */
async function siteIdentity(auth: Auth, exchange: Exchange): Promise<Identity> {
  try {
    return (await auth.authenticate(exchange.credential())).identity;
  } catch (error) {
    const { code, message } = toApiError(error);
    return { kind: "invalid", code, message };
  }
}

function siteUrl(exchange: Exchange, prefix: string): string {
  const forwarded = /proto=(\w+)/i.exec(
    exchange.header("forwarded") ?? "",
  )?.[1];
  const scheme =
    exchange.header("x-forwarded-proto")?.split(",")[0]?.trim() ??
    forwarded ??
    "http";
  const host = exchange.header("host") ?? "127.0.0.1";
  const target = exchange.target.slice(prefix.length);
  return `${scheme}://${host}${target.startsWith("/") ? target : `/${target}`}`;
}

function headersOf({ request }: Exchange): [string, string][] {
  const pairs: [string, string][] = [];
  const raw = request.rawHeaders;
  for (let i = 0; i + 1 < raw.length; i += 2) {
    pairs.push([(raw[i] as string).toLowerCase(), raw[i + 1] as string]);
  }
  return pairs;
}
