// events.ts - from what the client dispatches to what Discord's gateway says.

import type { CapturedEvent } from "./queue";

/** What the client's dispatcher hands out; only what is read here. */
export interface Action {
  type: string;
  guildId?: string;
  channelId?: string;
  id?: string;
  ids?: string[];
  optimistic?: boolean;
  message?: { id?: string; channel_id?: string; guild_id?: string };
  channel?: { id: string; guild_id?: string; parent_id?: string };
}

export const TYPES = [
  "MESSAGE_CREATE",
  "MESSAGE_UPDATE",
  "MESSAGE_DELETE",
  "MESSAGE_DELETE_BULK",
  "CHANNEL_DELETE",
  "THREAD_CREATE",
  "THREAD_UPDATE",
  "THREAD_DELETE",
] as const;

export interface Where {
  guilds: ReadonlySet<string>;
  /** The guild of a channel, and its channel if it is a thread. */
  channelOf(id: string): { guildId?: string; parentId?: string };
}

/** The event, or null for what is not to be told. */
export function eventOf(
  action: Action,
  where: Where,
  capturedAt: number,
): CapturedEvent | null {
  if (action.optimistic) return null; // our own, before Discord has it
  const { type: name, message, channel } = action;
  const channelId = message?.channel_id ?? action.channelId;
  const known = channelId ? where.channelOf(channelId) : {};
  const guildId =
    action.guildId ?? message?.guild_id ?? channel?.guild_id ?? known.guildId;
  if (!guildId || !where.guilds.has(guildId)) return null;
  const data = dataOf(action, guildId, channelId);
  if (data === null) return null;
  const event = { name, data, capturedAt };
  return known.parentId ? { ...event, parentId: known.parentId } : event;
}

function dataOf(
  { type, id, ids, message, channel }: Action,
  guild_id: string,
  channel_id: string | undefined,
): object | null {
  if (type === "MESSAGE_CREATE" || type === "MESSAGE_UPDATE")
    return message ? { ...message, guild_id } : null;
  if (type === "MESSAGE_DELETE")
    return id ? { id, channel_id, guild_id } : null;
  if (type === "MESSAGE_DELETE_BULK")
    return ids ? { ids, channel_id, guild_id } : null;
  if (!channel) return null;
  const { id: gone, parent_id } = channel;
  return { id: gone, guild_id, ...(parent_id ? { parent_id } : {}) };
}
