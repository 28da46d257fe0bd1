// attachmentRoutes.ts - GET /attachments/{community}/{messageId}/{attachmentId}, for the site.
//
// The caller's token goes with each request, so a file can be read exactly as long as the feed.
// Refusals are JSON: {code, message}.

import { ConvexError } from "convex/values";
import type { HttpRouter } from "convex/server";
import { internal } from "../_generated/api";
import { httpAction, type ActionCtx } from "../_generated/server";
import { etagOf, headersOf, rangeOf } from "./download";
import { failure, type Failure } from "./failure";

const PREFIX = "/attachments/";
const STATUS: Record<string, number> = {
  unauthenticated: 401,
  not_found: 404,
  bad_argument: 400,
};

export function addAttachmentRoutes(http: HttpRouter): void {
  http.route({
    pathPrefix: PREFIX,
    method: "GET",
    handler: httpAction(async (ctx, request) => {
      try {
        return await serve(ctx, request);
      } catch (error) {
        return refusal(error);
      }
    }),
  });
  http.route({
    pathPrefix: PREFIX,
    method: "OPTIONS",
    handler: httpAction(async () => preflight()),
  });
}

async function serve(ctx: ActionCtx, request: Request): Promise<Response> {
  const path = new URL(request.url).pathname.split("/").slice(2);
  const [community, messageId, attachmentId, ...more] = path;
  if (!community || !messageId || !attachmentId || more.length > 0)
    throw failure(
      "not_found",
      "The path is /attachments/COMMUNITY/MESSAGE/FILE",
    );
  await requireIdentity(ctx);
  const args = { community, messageId, attachmentId };
  const file = await ctx.runQuery(internal.attachments.readable, args);
  const headers = { ...cors(), ...headersOf(file) };
  if (request.headers.get("if-none-match") === etagOf(file.sha256))
    return new Response(null, { status: 304, headers });
  const range = rangeOf(request.headers.get("range"), file.size);
  if (range === "none")
    return new Response(null, {
      status: 416,
      headers: { ...cors(), "content-range": `bytes */${file.size}` },
    });
  const bytes = await ctx.storage.get(file.storageId);
  if (bytes === null) throw failure("not_found", "This file was just deleted");
  if (range === null) return new Response(bytes, { headers });
  const { start, end } = range;
  return new Response(bytes.slice(start, end + 1, file.contentType), {
    status: 206,
    headers: {
      ...headers,
      "content-range": `bytes ${start}-${end}/${file.size}`,
    },
  });
}

// A token that is no good is found out only when somebody asks who is calling.
async function requireIdentity(ctx: ActionCtx): Promise<void> {
  const identity = await ctx.auth.getUserIdentity().catch(() => "refused");
  if (identity === "refused")
    throw failure("unauthenticated", "The token is not valid any more");
  if (identity === null)
    throw failure(
      "unauthenticated",
      "This needs a token: Authorization: Bearer",
    );
}

function refusal(error: unknown): Response {
  if (!(error instanceof ConvexError)) throw error;
  const { code, message } = error.data as Failure;
  return Response.json(
    { code, message },
    {
      status: STATUS[code] ?? 403,
      headers: { ...cors(), "cache-control": "no-store" },
    },
  );
}

// The dashboard alone may read answers from another origin.
function cors(): Record<string, string> {
  const site = process.env.SITE_URL;
  return site === undefined
    ? {}
    : {
        "access-control-allow-origin": new URL(site).origin,
        "access-control-expose-headers":
          "content-disposition, content-range, etag",
        vary: "Origin",
      };
}

function preflight(): Response {
  return new Response(null, {
    status: 204,
    headers: {
      ...cors(),
      "access-control-allow-methods": "GET, HEAD",
      "access-control-allow-headers": "authorization, range, if-none-match",
      "access-control-max-age": "86400",
    },
  });
}
