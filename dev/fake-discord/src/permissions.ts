// permissions.ts - who may do what, where. Pure functions over the world.
import type { Channel, Member, Role } from "./model.js";
import type { World } from "./world.js";

export const Permission = {
  ADMINISTRATOR: 1n << 3n,
  MANAGE_CHANNELS: 1n << 4n,
  VIEW_CHANNEL: 1n << 10n,
  SEND_MESSAGES: 1n << 11n,
  MANAGE_MESSAGES: 1n << 13n,
  EMBED_LINKS: 1n << 14n,
  ATTACH_FILES: 1n << 15n,
  READ_MESSAGE_HISTORY: 1n << 16n,
  MENTION_EVERYONE: 1n << 17n,
  CREATE_INSTANT_INVITE: 1n << 0n,
  CHANGE_NICKNAME: 1n << 26n,
  MANAGE_NICKNAMES: 1n << 27n,
  MANAGE_ROLES: 1n << 28n,
  MANAGE_WEBHOOKS: 1n << 29n,
  MANAGE_THREADS: 1n << 34n,
  CREATE_PUBLIC_THREADS: 1n << 35n,
  CREATE_PRIVATE_THREADS: 1n << 36n,
  SEND_MESSAGES_IN_THREADS: 1n << 38n,
  SEND_POLLS: 1n << 49n,
} as const;

const PRIVATE_THREAD = 12;
const EVERYTHING = (1n << 50n) - 1n;

function rolesOf(world: World, member: Member): Role[] {
  const roles = [world.roles.get(member.guild_id)]; // @everyone has the guild's id
  for (const id of member.roles) roles.push(world.roles.get(id));
  return roles.filter((role) => role !== undefined);
}

/** What a member may do in the whole guild. Not a member: nothing. */
export function guildPermissions(
  world: World,
  guildId: string,
  userId: string,
): bigint {
  const member = world.member(guildId, userId);
  if (!member) return 0n;
  if (world.guilds.get(guildId)?.owner_id === userId) return EVERYTHING;
  let bits = 0n;
  for (const role of rolesOf(world, member)) bits |= BigInt(role.permissions);
  if (bits & Permission.ADMINISTRATOR) return EVERYTHING;
  return bits & ~world.revoked(userId, null);
}

/** What a member may do in a channel, after its overwrites; in a thread, by its parent's. */
export function channelPermissions(
  world: World,
  channel: Channel,
  userId: string,
): bigint {
  const parent = channel.thread && world.channels.get(channel.parent_id ?? "");
  if (!channel.thread || !parent) return ownPermissions(world, channel, userId);
  const bits = ownPermissions(world, parent, userId);
  const open =
    channel.type !== PRIVATE_THREAD ||
    channel.thread.members.includes(userId) ||
    (bits & Permission.MANAGE_THREADS) !== 0n;
  return open ? bits & ~world.revoked(userId, channel.id) : 0n;
}

function ownPermissions(
  world: World,
  channel: Channel,
  userId: string,
): bigint {
  const member = world.member(channel.guild_id, userId);
  let bits = guildPermissions(world, channel.guild_id, userId);
  if (!member || bits === EVERYTHING) return bits;
  const overwrites = channel.permission_overwrites;
  const everyone = overwrites.find((o) => o.id === channel.guild_id);
  if (everyone) bits = (bits & ~BigInt(everyone.deny)) | BigInt(everyone.allow);
  let deny = 0n;
  let allow = 0n;
  for (const o of overwrites) {
    if (o.type !== 0 || !member.roles.includes(o.id)) continue;
    deny |= BigInt(o.deny);
    allow |= BigInt(o.allow);
  }
  bits = (bits & ~deny) | allow;
  const own = overwrites.find((o) => o.type === 1 && o.id === userId);
  if (own) bits = (bits & ~BigInt(own.deny)) | BigInt(own.allow);
  bits &= ~world.revoked(userId, channel.id);
  return bits & Permission.VIEW_CHANNEL ? bits : 0n;
}

/** The height of a member's top role; the owner stands above all. */
export function topPosition(
  world: World,
  guildId: string,
  userId: string,
): number {
  const member = world.member(guildId, userId);
  if (!member) return -1;
  if (world.guilds.get(guildId)?.owner_id === userId) return Infinity;
  return Math.max(...rolesOf(world, member).map((role) => role.position));
}
