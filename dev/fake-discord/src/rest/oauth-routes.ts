// oauth-routes.ts - OAuth2 for applications, and what a person's token may ask.
import { refuse, unauthorized } from "../errors.js";
import { timestamp } from "../clock.js";
import { OAuthError, tokenAnswer, type Grant } from "../oauth.js";
import * as render from "../render.js";
import { ok, type Call, type Reply, type Route } from "./route.js";

export const oauthRoutes: readonly Route[] = [
  {
    method: "POST",
    path: "/oauth2/token",
    limit: "oauth",
    auth: "open",
    form: true,
    run: token,
  },
  {
    method: "POST",
    path: "/oauth2/token/revoke",
    limit: "oauth",
    auth: "open",
    form: true,
    run: revoke,
  },
  {
    method: "GET",
    path: "/oauth2/@me",
    limit: "oauth",
    auth: "bearer",
    run: authorization,
  },
  { method: "GET", path: "/users/@me", limit: "user", auth: "either", run: me },
  {
    method: "GET",
    path: "/users/@me/guilds",
    limit: "user",
    auth: "either",
    run: guilds,
  },
  {
    method: "GET",
    path: "/users/@me/guilds/:guild/member",
    limit: "own-member",
    auth: "bearer",
    run: member,
  },
];

function token(call: Call): Reply {
  const form = call.extra.form ?? new URLSearchParams();
  const { oauth } = call.fake;
  const client = oauth.client(call.extra.authorization, form);
  return ok(tokenAnswer(oauth.token(client, form)));
}

function revoke(call: Call): Reply {
  const form = call.extra.form ?? new URLSearchParams();
  const { oauth } = call.fake;
  const client = oauth.client(call.extra.authorization, form);
  const named = form.get("token");
  if (!named) throw new OAuthError(400, "invalid_request");
  oauth.revoke(client, named);
  return ok({});
}

/** The grant of a Bearer token that covers `scope`. */
function scoped(call: Call, scope: string): Grant {
  const { grant } = call.extra;
  if (!grant?.scopes.includes(scope)) throw unauthorized();
  return grant;
}

function authorization(call: Call): Reply {
  const grant = call.extra.grant!;
  const { users } = call.fake.world;
  const name = users.get(grant.clientId)?.username ?? "";
  const user = users.get(grant.userId);
  return ok({
    application: { id: grant.clientId, name, icon: null, description: "" },
    scopes: grant.scopes,
    expires: timestamp(grant.expiresAt),
    ...(grant.scopes.includes("identify") &&
      user && { user: render.user(user) }),
  });
}

function me(call: Call): Reply {
  if (!call.extra.grant) return ok(render.self(call.self));
  const { userId, scopes } = scoped(call, "identify");
  const user = call.fake.world.users.get(userId)!;
  const email = scopes.includes("email")
    ? { email: `${user.username}@example.com`, verified: true }
    : {};
  return ok({
    ...render.user(user),
    mfa_enabled: false,
    locale: "en-US",
    ...email,
  });
}

function guilds(call: Call): Reply {
  const id = call.extra.grant ? scoped(call, "guilds").userId : call.bot.id;
  return ok(
    call.fake.world.guildsOf(id).map((guild) => ({
      id: guild.id,
      name: guild.name,
      icon: null,
      owner: guild.owner_id === id,
      features: [],
    })),
  );
}

function member(call: Call): Reply {
  const { userId } = scoped(call, "guilds.members.read");
  const found = call.fake.world.member(call.id("guild"), userId);
  if (!found) throw refuse(10004);
  return ok(call.fake.render.member(found));
}
