// scenario.ts - the guilds, channels, roles, bots and people a fresh fake starts with.
// A scenario file is the same shape as DEFAULT_SCENARIO, in JSON.
import { readFileSync } from "node:fs";
import type { Fake } from "./fake.js";
import { Intent } from "./model.js";
import { Permission } from "./permissions.js";
import { isRealId, timestamp } from "./clock.js";
import { isObject } from "./validate.js";

export interface UserSpec {
  id: string;
  username: string;
  global_name?: string;
  bot?: boolean;
  nitro?: boolean;
  at_guild_cap?: boolean;
}
export interface BotSpec {
  id: string;
  username: string;
  token: string;
  intents?: ("GUILD_MEMBERS" | "GUILD_PRESENCES" | "MESSAGE_CONTENT")[];
  client_secret?: string;
  redirect_uris?: string[];
}
export interface RoleSpec {
  id: string;
  name: string;
  permissions?: string;
  position?: number;
  managed?: boolean;
  mentionable?: boolean;
  color?: number;
}
export interface ChannelSpec {
  id: string;
  name: string;
  type?: number;
  topic?: string;
}
export interface GuildSpec {
  id: string;
  name: string;
  owner_id: string;
  permissions?: string; // of everyone
  channels: ChannelSpec[];
  roles?: RoleSpec[];
  members: { id: string; roles?: string[] }[];
}
export interface Scenario {
  users: UserSpec[];
  bots: BotSpec[];
  guilds: GuildSpec[];
}

const P = Permission;
const READ = P.VIEW_CHANNEL | P.READ_MESSAGE_HISTORY;
const WRITE = READ | P.SEND_MESSAGES | P.EMBED_LINKS | P.ATTACH_FILES;
const EVERYONE = String(
  WRITE |
    P.CREATE_INSTANT_INVITE |
    P.CHANGE_NICKNAME |
    P.CREATE_PUBLIC_THREADS |
    P.SEND_MESSAGES_IN_THREADS |
    P.SEND_POLLS,
);

const OWNER = "1400000000000000001";
const PEOPLE: UserSpec[] = [
  { id: OWNER, username: "analyst-mara", global_name: "Mara", nitro: true },
  {
    id: "1400000000000000002",
    username: "analyst-kenji",
    global_name: "Kenji 健二",
    nitro: true,
  },
  {
    id: "1400000000000000003",
    username: "analyst-yusuf",
    global_name: "Yusuf",
  },
  {
    id: "1400000000000000004",
    username: "analyst-lena",
    global_name: "Lena K.",
  },
  {
    id: "1400000000000000005",
    username: "signal-bot",
    global_name: "Signal Bot",
    bot: true,
  },
  { id: "1400000000000000011", username: "member-otto", global_name: "Otto" },
  { id: "1400000000000000012", username: "member-ada", global_name: "Ada" },
];
const COLLECTOR = "1300000000000000001";
const MIRROR = "1300000000000000002";

function threeChannels(prefix: string): ChannelSpec[] {
  const names = ["vip-signals", "scalps", "market-talk"];
  return names.map((name, i) => ({ id: `${prefix}${101 + i}`, name }));
}

export const DEFAULT_SCENARIO: Scenario = {
  users: PEOPLE,
  bots: [
    {
      id: COLLECTOR,
      username: "collector",
      token: "collector-token",
      intents: ["MESSAGE_CONTENT", "GUILD_MEMBERS"],
    },
    {
      id: MIRROR,
      username: "mirror",
      token: "bot-token",
      intents: ["GUILD_MEMBERS"],
    },
  ],
  guilds: [
    {
      id: "1100000000000000001",
      name: "Alpha Signals",
      owner_id: OWNER,
      permissions: EVERYONE,
      channels: threeChannels("1100000000000000"),
      roles: [
        {
          id: "1100000000000000201",
          name: "collector",
          position: 3,
          managed: true,
          permissions: String(READ),
        },
        {
          id: "1100000000000000202",
          name: "Analyst",
          position: 2,
          permissions: String(WRITE | P.MENTION_EVERYONE | P.MANAGE_MESSAGES),
        },
        {
          id: "1100000000000000203",
          name: "VIP",
          position: 1,
          mentionable: true,
          permissions: "0",
        },
      ],
      members: [
        { id: COLLECTOR, roles: ["1100000000000000201"] },
        ...PEOPLE.slice(0, 5).map(({ id }) => ({
          id,
          roles: ["1100000000000000202"],
        })),
      ],
    },
    {
      id: "1200000000000000001",
      name: "Alpha Signals Customers",
      owner_id: OWNER,
      permissions: EVERYONE,
      channels: threeChannels("1200000000000000"),
      roles: [
        {
          id: "1200000000000000202",
          name: "Owner",
          position: 3,
          permissions: String(P.ADMINISTRATOR),
        },
        {
          id: "1200000000000000203",
          name: "mirror",
          position: 2,
          managed: true,
          permissions: String(
            WRITE |
              P.MANAGE_MESSAGES |
              P.MANAGE_ROLES |
              P.MANAGE_WEBHOOKS |
              P.CREATE_INSTANT_INVITE,
          ),
        },
        {
          id: "1200000000000000201",
          name: "Premium",
          position: 1,
          permissions: "0",
        },
      ],
      members: [
        { id: MIRROR, roles: ["1200000000000000203"] },
        { id: OWNER },
        { id: "1400000000000000011" },
        { id: "1400000000000000012" },
      ],
    },
  ],
};

/** Reads a scenario file; throws an Error with one clear line. */
export function readScenario(file: string): Scenario {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    throw new Error(
      `cannot read scenario ${file}: ${(error as Error).message}`,
    );
  }
  const complaint = wrongIn(value);
  if (complaint) throw new Error(`scenario ${file}: ${complaint}`);
  return value as Scenario;
}

/** What a guild of a scenario lacks; undefined when nothing. */
export function guildComplaint(
  guild: Record<string, unknown>,
): string | undefined {
  for (const key of ["channels", "members", "roles"]) {
    const list = guild[key] ?? (key === "roles" ? [] : undefined);
    const name = `guild ${String(guild["id"])}: "${key}"`;
    if (!Array.isArray(list)) return `${name} is not a list`;
    if (!list.every((item) => isObject(item) && isRealId(item["id"])))
      return `${name} has an entry without an "id" of 17 to 20 digits`;
  }
  return undefined;
}

function wrongIn(value: unknown): string | undefined {
  if (!isObject(value)) return "not an object";
  for (const key of ["users", "bots", "guilds"] as const) {
    const list = value[key];
    if (!Array.isArray(list)) return `"${key}" is not a list`;
    for (const item of list as unknown[])
      if (!isObject(item) || !isRealId(item["id"]))
        return `an entry of "${key}" has no "id" of 17 to 20 digits`;
  }
  for (const guild of value["guilds"] as Record<string, unknown>[]) {
    const complaint = guildComplaint(guild);
    if (complaint) return complaint;
  }
  return undefined;
}

/** Fills an empty world. */
export function populate(fake: Fake, scenario: Scenario): void {
  fake.db.transaction(() => {
    for (const user of scenario.users) putUser(fake, user);
    for (const bot of scenario.bots) putBot(fake, bot);
    for (const guild of scenario.guilds) putGuild(fake, guild);
  });
}

export function putUser(fake: Fake, spec: UserSpec): void {
  const { id, username, global_name = null, bot = false, nitro = false } = spec;
  const { at_guild_cap = false } = spec;
  fake.world.users.set(id, {
    id,
    username,
    global_name,
    avatar: null,
    bot,
    nitro,
    at_guild_cap,
  });
}

export function putBot(
  fake: Fake,
  {
    id,
    username,
    token,
    intents = [],
    client_secret = `${username}-secret`,
    redirect_uris = [],
  }: BotSpec,
): void {
  const privileged = intents.reduce((bits, name) => bits | Intent[name], 0);
  putUser(fake, { id, username, bot: true });
  fake.world.bots.set(id, {
    id,
    token,
    privileged,
    tokenReset: false,
    secret: client_secret,
    redirects: redirect_uris,
  });
}

export function putGuild(fake: Fake, spec: GuildSpec): void {
  const { id, name, owner_id, roles = [], channels, members } = spec;
  const { world } = fake;
  world.guilds.set(id, { id, name, owner_id });
  putRole(fake, id, {
    id,
    name: "@everyone",
    permissions: spec.permissions ?? EVERYONE,
    position: 0,
  });
  for (const role of roles) putRole(fake, id, role);
  channels.forEach((channel, i) => putChannel(fake, id, channel, i));
  const joined_at = timestamp(fake.clock.now());
  for (const member of members)
    world.setMember({
      guild_id: id,
      user_id: member.id,
      nick: null,
      roles: member.roles ?? [],
      joined_at,
    });
}

export function putRole(fake: Fake, guild_id: string, spec: RoleSpec) {
  const {
    id,
    name,
    permissions = "0",
    position = 1,
    managed = false,
    mentionable = false,
    color = 0,
  } = spec;
  return fake.world.roles.set(id, {
    id,
    guild_id,
    name,
    color,
    hoist: false,
    position,
    permissions,
    managed,
    mentionable,
  });
}

export function putChannel(
  fake: Fake,
  guild_id: string,
  spec: ChannelSpec,
  position = 0,
) {
  const { id, name, type = 0, topic = null } = spec;
  return fake.world.channels.set(id, {
    id,
    guild_id,
    type,
    name,
    topic,
    position,
    parent_id: null,
    permission_overwrites: [],
  });
}
