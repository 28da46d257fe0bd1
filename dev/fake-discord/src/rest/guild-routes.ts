// guild-routes.ts - the bot itself, guilds, members and roles.
import { Form, invalid, refuse } from "../errors.js";
import { Intent, type Member, type Role } from "../model.js";
import { Permission } from "../permissions.js";
import * as render from "../render.js";
import * as v from "../validate.js";
import { done, ok, type Call, type Reply, type Route } from "./route.js";

export const guildRoutes: readonly Route[] = [
  {
    method: "GET",
    path: "/gateway",
    limit: "gateway",
    auth: "open",
    run: (call) => ok({ url: call.fake.gatewayUrl("gateway") }),
  },
  { method: "GET", path: "/gateway/bot", limit: "gateway", run: gatewayBot },
  { method: "GET", path: "/applications/@me", limit: "user", run: application },
  {
    method: "GET",
    path: "/oauth2/applications/@me",
    limit: "user",
    run: application,
  },
  { method: "GET", path: "/users/:user", limit: "user", run: getUser },
  { method: "GET", path: "/guilds/:guild", limit: "guild", run: getGuild },
  {
    method: "GET",
    path: "/guilds/:guild/channels",
    limit: "guild",
    run: channels,
  },
  {
    method: "GET",
    path: "/guilds/:guild/roles",
    limit: "guild",
    run: (call) =>
      ok(call.fake.world.rolesOf(call.guild().id).map(render.role)),
  },
  {
    method: "GET",
    path: "/guilds/:guild/members",
    limit: "member",
    run: members,
  },
  {
    method: "GET",
    path: "/guilds/:guild/members/:user",
    limit: "member",
    run: getMember,
  },
  {
    method: "PUT",
    path: "/guilds/:guild/members/:user",
    limit: "member",
    run: addMember,
  },
  {
    method: "PATCH",
    path: "/guilds/:guild/members/:user",
    limit: "member",
    run: editMember,
  },
  {
    method: "PUT",
    path: "/guilds/:guild/members/:user/roles/:role",
    limit: "member-role",
    run: addRole,
  },
  {
    method: "DELETE",
    path: "/guilds/:guild/members/:user/roles/:role",
    limit: "member-role",
    run: removeRole,
  },
];

function gatewayBot(call: Call): Reply {
  const limit = call.fake.budget.limit(call.bot.id);
  return ok({
    url: call.fake.gatewayUrl("gateway"),
    shards: 1,
    session_start_limit: limit,
  });
}

export function application(call: Call): Reply {
  const flags = call.fake.applicationFlags(call.bot);
  const { username } = call.self;
  return ok({
    id: call.bot.id,
    name: username,
    description: "",
    bot_public: false,
    flags,
    bot: render.self(call.self),
  });
}

function getUser(call: Call): Reply {
  const found = call.fake.world.users.get(call.id("user"));
  if (!found) throw refuse(10013);
  return ok(render.user(found));
}

function getGuild(call: Call): Reply {
  const guild = call.guild();
  const count = call.fake.world.membersOf(guild.id).length;
  const counted = call.query.get("with_counts") === "true";
  return ok({
    ...call.fake.render.guild(guild),
    ...(counted && {
      approximate_member_count: count,
      approximate_presence_count: 0,
    }),
  });
}

function channels(call: Call): Reply {
  const { world, render: write } = call.fake;
  return ok(world.channelsOf(call.guild().id).map((c) => write.channel(c)));
}

function members(call: Call): Reply {
  const guild = call.guild();
  if (!(call.bot.privileged & Intent.GUILD_MEMBERS)) throw refuse(50001);
  const form = new Form();
  const limit =
    v.whole(form, ["limit"], call.query.get("limit"), { min: 1, max: 1000 }) ??
    1;
  const after = BigInt(
    v.snowflake(form, ["after"], call.query.get("after")) ?? 0,
  );
  form.check();
  const sorted = call.fake.world
    .membersOf(guild.id)
    .filter((m) => BigInt(m.user_id) > after)
    .sort((a, b) => (BigInt(a.user_id) < BigInt(b.user_id) ? -1 : 1));
  return ok(sorted.slice(0, limit).map((m) => call.fake.render.member(m)));
}

function getMember(call: Call): Reply {
  call.guild();
  return ok(call.fake.render.member(call.member(call.id("user"))));
}

function addMember(call: Call): Reply {
  const guild = call.guild();
  const form = new Form();
  const token = v.text(form, ["access_token"], call.body["access_token"], {
    max: 512,
    required: true,
  });
  form.check();
  if (!call.mayInGuild(Permission.CREATE_INSTANT_INVITE)) throw refuse(50013);
  const user = call.fake.world.users.get(call.id("user"));
  if (!user) throw refuse(10013);
  const grant = call.fake.oauth.byAccessToken(token ?? "");
  const fits =
    grant?.clientId === call.bot.id &&
    grant.userId === user.id &&
    grant.scopes.includes("guilds.join");
  if (!fits) throw refuse(50025);
  if (call.fake.world.banned(guild.id, user.id)) throw refuse(40007);
  if (call.fake.world.member(guild.id, user.id)) return done;
  if (user.at_guild_cap) throw refuse(30001);
  const roles = roleList(call, call.body["roles"]) ?? [];
  const member = call.fake.addMember(
    guild.id,
    user.id,
    roles.map((r) => r.id),
  );
  return { status: 201, body: call.fake.render.member(member) };
}

function editMember(call: Call): Reply {
  call.guild();
  const member = call.member(call.id("user"));
  const form = new Form();
  const { roles, nick } = call.body;
  const name = v.text(form, ["nick"], nick, { max: 32 });
  form.check();
  const changed: Member = { ...member };
  if (nick !== undefined) {
    if (!call.mayInGuild(Permission.MANAGE_NICKNAMES)) throw refuse(50013);
    changed.nick = name || null;
  }
  const wanted = roleList(call, roles);
  if (wanted) {
    const ids = wanted.map((r) => r.id);
    const touched = [...ids, ...member.roles].filter(
      (id) => ids.includes(id) !== member.roles.includes(id),
    );
    for (const id of touched) manageable(call, id);
    changed.roles = ids;
  }
  return ok(call.fake.render.member(call.fake.changeMember(changed)));
}

function roleList(call: Call, value: unknown): Role[] | undefined {
  const form = new Form();
  const ids = v.list(form, ["roles"], value, 250);
  ids?.forEach((id, i) => v.snowflake(form, ["roles", i], id, true));
  form.check();
  return ids?.map((id) => manageableOrHeld(call, id as string));
}

function manageableOrHeld(call: Call, id: string): Role {
  const role = call.fake.world.roles.get(id);
  if (role?.guild_id !== call.id("guild"))
    throw invalid(["roles"], "INVALID_ROLE", "Invalid role");
  return role;
}

/** The role, when the bot may give and take it: it must stand below the bot's own. */
function manageable(call: Call, id: string): Role {
  const role = call.fake.world.roles.get(id);
  if (role?.guild_id !== call.id("guild")) throw refuse(10011);
  if (role.id === role.guild_id) throw refuse(50028);
  if (!call.mayInGuild(Permission.MANAGE_ROLES) || role.managed)
    throw refuse(50013);
  if (call.fake.render.top(role.guild_id, call.bot.id) <= role.position)
    throw refuse(50013);
  return role;
}

function addRole(call: Call): Reply {
  call.guild();
  const member = call.member(call.id("user"));
  const role = manageable(call, call.id("role"));
  if (!member.roles.includes(role.id))
    call.fake.changeMember({ ...member, roles: [...member.roles, role.id] });
  return done;
}

function removeRole(call: Call): Reply {
  call.guild();
  const member = call.member(call.id("user"));
  const role = manageable(call, call.id("role"));
  if (member.roles.includes(role.id))
    call.fake.changeMember({
      ...member,
      roles: member.roles.filter((id) => id !== role.id),
    });
  return done;
}
