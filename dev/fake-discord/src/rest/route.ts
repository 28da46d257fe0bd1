// route.ts - a table of routes and how a path finds its row.
import { isSnowflake } from "../clock.js";
import { invalid, refuse } from "../errors.js";
import type { Fake } from "../fake.js";
import type { Bot, Channel, Guild, Member, User, Webhook } from "../model.js";
import type { Grant } from "../oauth.js";
import {
  channelPermissions,
  guildPermissions,
  Permission,
} from "../permissions.js";
import type { Viewer } from "../render.js";
import type { Json } from "../validate.js";
import type { Upload } from "../attachments.js";
import type { LimitName } from "./limits.js";

/** "open": none is asked for. "either": a bot, or a person's token. */
export type Auth = "bot" | "bearer" | "either" | "open";

export interface Reply {
  status: number;
  body?: unknown;
}

export interface Route {
  method: string;
  path: string; // "/channels/:channel/messages"
  limit: LimitName | ((call: Call) => LimitName);
  /** What is shared with other clients, and of which channel. */
  shared?: (call: Call) => [LimitName, string];
  auth?: Auth; // "bot"
  form?: boolean; // takes application/x-www-form-urlencoded, and nothing else
  run(call: Call): Reply;
}

export const ok = (body: unknown): Reply => ({ status: 200, body });
export const done: Reply = { status: 204 };

/** The rest of what a request said, for the few routes that ask. */
export interface Extra {
  grant?: Grant; // of a Bearer token
  form?: URLSearchParams;
  authorization?: string;
}

/** One authenticated request, and the look-ups that every route begins with. */
export class Call {
  constructor(
    readonly fake: Fake,
    readonly bot: Bot,
    readonly params: Record<string, string>,
    readonly query: URLSearchParams,
    readonly body: Json,
    readonly uploads: Upload[],
    readonly extra: Extra = {},
  ) {}

  get self(): User {
    return this.fake.world.users.get(this.bot.id)!;
  }

  /** As this bot sees messages over REST: by its portal's settings. */
  get viewer(): NonNullable<Viewer> {
    return { bot: this.bot, intents: this.bot.privileged };
  }

  id(name: string): string {
    return this.params[name]!;
  }

  guild(): Guild {
    const guild = this.fake.world.guilds.get(this.id("guild"));
    if (!guild || !this.fake.world.member(guild.id, this.bot.id))
      throw refuse(10004);
    return guild;
  }

  /** The channel, when the bot may see it and may do all of `bits` in it. */
  channel(bits = 0n): Channel {
    const channel = this.fake.world.channels.get(this.id("channel"));
    if (!channel) throw refuse(10003);
    if (!this.may(channel, Permission.VIEW_CHANNEL)) throw refuse(50001);
    if (!this.may(channel, bits)) throw refuse(50013);
    return channel;
  }

  /** The channel, when the bot may write in it. */
  sendable(): Channel {
    const channel = this.channel();
    const bit = channel.thread
      ? Permission.SEND_MESSAGES_IN_THREADS
      : Permission.SEND_MESSAGES;
    if (!this.may(channel, bit)) throw refuse(50013);
    return channel;
  }

  /** The webhook that the path names with its token. */
  webhook(): Webhook {
    const found = this.fake.world.webhooks.get(this.id("webhook"));
    if (!found) throw refuse(10015);
    if (found.token !== this.id("token")) throw refuse(50027);
    return found;
  }

  member(userId: string): Member {
    const { users } = this.fake.world;
    const found = this.fake.world.member(this.id("guild"), userId);
    if (found) return found;
    throw users.get(userId) ? refuse(10007) : refuse(10013);
  }

  may(channel: Channel, bits: bigint): boolean {
    return (
      (channelPermissions(this.fake.world, channel, this.bot.id) & bits) ===
      bits
    );
  }

  mayInGuild(bits: bigint): boolean {
    const have = guildPermissions(
      this.fake.world,
      this.id("guild"),
      this.bot.id,
    );
    return (have & bits) === bits;
  }
}

export interface Match {
  route: Route;
  params: Record<string, string>;
}

/** "method": the path exists, for other methods. undefined: no such path. */
export function find(
  routes: readonly Route[],
  method: string,
  path: string,
): Match | "method" | undefined {
  const parts = path.split("/");
  let known = false;
  for (const route of routes) {
    const params = matchPath(route.path.split("/"), parts);
    if (!params) continue;
    if (route.method === method) return { route, params };
    known = true;
  }
  return known ? "method" : undefined;
}

function matchPath(
  pattern: string[],
  parts: string[],
): Record<string, string> | undefined {
  if (pattern.length !== parts.length) return undefined;
  const params: Record<string, string> = {};
  for (let i = 0; i < pattern.length; i++) {
    const step = pattern[i]!;
    if (step.startsWith(":")) params[step.slice(1)] = decode(parts[i]!);
    else if (step !== parts[i]) return undefined;
  }
  return params;
}

/** Undoes percent-encoding; what is no such encoding is left as it is. */
export function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** Ids in a path must look like ids before anything is looked up. */
export function checkParams(params: Record<string, string>): void {
  for (const [name, value] of Object.entries(params))
    if (name !== "token" && !isSnowflake(value))
      throw invalid(
        [`${name}_id`],
        "NUMBER_TYPE_COERCE",
        `Value "${value}" is not snowflake.`,
      );
}
