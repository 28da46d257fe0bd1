// http.ts - what is reached by plain HTTP: the keys that people's tokens are checked with, stored
// files, and where Discord sends a person back to.

import { httpRouter } from "convex/server";
import { internal } from "./_generated/api";
import { httpAction, type ActionCtx } from "./_generated/server";
import { auth } from "./auth";
import { addAttachmentRoutes } from "./model/attachmentRoutes";
import * as OAuth from "./model/discordOAuth";
import { digestOf, newSecret } from "./model/secrets";

const http = httpRouter();
auth.addHttpRoutes(http);
addAttachmentRoutes(http);

// Nothing here trusts the browser: the state says whose attempt it is, and the page that is
// opened next must be its owner's.
http.route({
  path: "/discord/callback",
  method: "GET",
  handler: httpAction(async (ctx, request) => {
    const { searchParams } = new URL(request.url);
    const found = await callback(ctx, searchParams);
    return new Response(null, {
      status: 302,
      headers: {
        location: accountPage(found),
        "cache-control": "no-store",
        "referrer-policy": "no-referrer",
      },
    });
  }),
});

type Found = { discord: string; ticket?: string };

async function callback(
  ctx: ActionCtx,
  given: URLSearchParams,
): Promise<Found> {
  const settings = OAuth.settings();
  if (settings === null) return { discord: "not_configured" };
  const state = given.get("state") ?? "";
  const attempt = await ctx.runMutation(internal.account.spendState, {
    stateDigest: await digestOf(state),
  });
  if (attempt === null) return { discord: "expired" };
  if (given.has("error")) return { discord: "denied" };
  const { attemptId, verifier, guildId } = attempt;
  const code = given.get("code") ?? "";
  const found = await OAuth.identify(settings, {
    code,
    verifier,
    guildId: OAuth.canJoin() ? guildId : null,
  });
  if (typeof found === "string") return { discord: found };
  const ticket = newSecret();
  const noted = await ctx.runMutation(internal.account.noteDiscord, {
    attemptId,
    found,
    ticketDigest: await digestOf(ticket),
  });
  return noted === "noted"
    ? { discord: "confirm", ticket }
    : { discord: noted };
}

// In the fragment, which goes to no server.
function accountPage(found: Found): string {
  const url = new URL(process.env.SITE_URL!);
  url.hash = `/account?${new URLSearchParams(found)}`;
  return url.toString();
}

export default http;
