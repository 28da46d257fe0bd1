import { httpRouter } from "convex/server";
import { api } from "./_generated/api";
import type { Id } from "./_generated/dataModel";
import { httpAction } from "./_generated/server";

const http = httpRouter();

const cors = { "Access-Control-Allow-Origin": "*", Vary: "Origin" };

http.route({
  path: "/photos",
  method: "OPTIONS",
  handler: httpAction(async (_ctx, request) => {
    const isPreflight = request.headers.has("Access-Control-Request-Method");
    return new Response(null, {
      status: 204,
      headers: isPreflight
        ? {
            ...cors,
            "Access-Control-Allow-Methods": "POST",
            "Access-Control-Allow-Headers": "Content-Type",
            "Access-Control-Max-Age": "86400",
          }
        : {},
    });
  }),
});

/** An upload in one step, for files that fit into a request. */
http.route({
  path: "/photos",
  method: "POST",
  handler: httpAction(async (ctx, request) => {
    const { searchParams } = new URL(request.url);
    const storageId = await ctx.storage.store(await request.blob());
    const photoId = await ctx.runMutation(api.photos.add, {
      storageId,
      album: searchParams.get("album") ?? "inbox",
      caption: searchParams.get("caption") ?? "",
    });
    return Response.json({ photoId }, { status: 201, headers: cors });
  }),
});

http.route({
  pathPrefix: "/photos/",
  method: "GET",
  handler: httpAction(async (ctx, request) => {
    const storageId = new URL(request.url).pathname.split("/").pop()!;
    const blob = await ctx.storage.get(storageId as Id<"_storage">);
    if (blob === null) return new Response("No such photo", { status: 404 });
    return new Response(blob, { headers: cors });
  }),
});

export default http;
