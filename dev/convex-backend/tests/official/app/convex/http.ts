import { httpRouter } from "convex/server";
import { httpAction } from "./_generated/server";

const http = httpRouter();

http.route({
  path: "/hello",
  method: "POST",
  handler: httpAction(async (_ctx, request) => {
    const body = await request.text();
    return new Response(`hello ${body} at ${new URL(request.url).pathname}`, {
      status: 201,
      headers: { "x-from": "function" },
    });
  }),
});

export default http;
