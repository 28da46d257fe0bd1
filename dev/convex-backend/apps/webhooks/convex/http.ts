import { httpRouter } from "convex/server";
import { internal } from "./_generated/api";
import { httpAction } from "./_generated/server";
import { verifySignature } from "./signature";

const http = httpRouter();

http.route({
  path: "/webhooks/payments",
  method: "POST",
  handler: httpAction(async (ctx, request) => {
    const body = await request.text();
    const signature = request.headers.get("X-Signature") ?? "";
    const secret = process.env.WEBHOOK_SECRET;
    if (secret === undefined)
      return new Response("not configured", { status: 503 });
    if (!(await verifySignature(secret, body, signature)))
      return new Response("bad signature", { status: 401 });
    let event: { id: string; kind: string; payload: unknown };
    try {
      event = JSON.parse(body);
    } catch {
      return new Response("not JSON", { status: 400 });
    }
    const isNew: boolean = await ctx.runMutation(internal.events.record, event);
    return Response.json({ new: isNew });
  }),
});

http.route({
  pathPrefix: "/orders/",
  method: "GET",
  handler: httpAction(async (ctx, request) => {
    const number = decodeURIComponent(
      new URL(request.url).pathname.slice("/orders/".length),
    );
    const order = await ctx.runQuery(internal.events.order, { number });
    if (order === null)
      return Response.json({ error: `no order ${number}` }, { status: 404 });
    return Response.json(
      { ...order, cents: Number(order.cents) },
      { headers: { "Cache-Control": "no-store" } },
    );
  }),
});

/** The most exact route wins over its prefix. */
http.route({
  path: "/orders/help",
  method: "GET",
  handler: httpAction(async () => new Response("GET /orders/NUMBER")),
});

/** Lines as they are found. */
http.route({
  path: "/events.ndjson",
  method: "GET",
  handler: httpAction(async (ctx, request) => {
    const kind = new URL(request.url).searchParams.get("kind") ?? "payment";
    const { readable, writable } = new TransformStream<Uint8Array>();
    const writer = writable.getWriter();
    const encoder = new TextEncoder();
    const write = async () => {
      let cursor: string | null = null;
      let isDone = false;
      while (!isDone) {
        const page: {
          page: unknown[];
          isDone: boolean;
          continueCursor: string;
        } = await ctx.runQuery(internal.events.page, {
          kind,
          paginationOpts: { numItems: 2, cursor },
        });
        for (const event of page.page)
          await writer.write(encoder.encode(`${JSON.stringify(event)}\n`));
        ({ isDone, continueCursor: cursor } = page);
      }
      await writer.close();
    };
    void write();
    return new Response(readable, {
      headers: { "Content-Type": "application/x-ndjson" },
    });
  }),
});

http.route({
  path: "/whoami",
  method: "GET",
  handler: httpAction(async (ctx, request) => {
    const identity = await ctx.auth.getUserIdentity();
    return Response.json({
      subject: identity?.subject ?? null,
      agent: request.headers.get("User-Agent"),
    });
  }),
});

export default http;
