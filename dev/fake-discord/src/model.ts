// model.ts - what the fake remembers. Ids are snowflakes: 64 bits, so strings.
import type { Poll } from "./polls.js";

export interface User {
  id: string;
  username: string;
  global_name: string | null;
  avatar: string | null;
  bot: boolean;
  nitro: boolean; // may write 4000 characters instead of 2000
  at_guild_cap: boolean; // in as many guilds as one may be in
}

/** An application with a bot user. Its id is the user's id. */
export interface Bot {
  id: string;
  token: string;
  privileged: number; // privileged intents switched on in its portal, as bits
  tokenReset: boolean; // Discord resets the token of a bot that identifies too often
  secret: string; // its client secret, for OAuth2
  redirects: string[]; // registered redirect URIs
}

/** A webhook of a channel: whoever knows its token may write there. */
export interface Webhook {
  id: string;
  token: string;
  guild_id: string;
  channel_id: string;
  name: string;
  avatar: string | null;
  application_id: string | null;
  user_id: string;
}

/** The name and face a webhook's message was written under. */
export interface WebhookFace {
  id: string;
  username: string;
  avatar: string | null;
  application_id: string | null;
}

/** Who writes a message: somebody, or a webhook. */
export interface Author {
  id: string;
  webhook?: WebhookFace;
}

export interface Overwrite {
  id: string;
  type: 0 | 1; // 0 role, 1 member
  allow: string;
  deny: string;
}

export interface Guild {
  id: string;
  name: string;
  owner_id: string;
}

export interface Channel {
  id: string;
  guild_id: string;
  type: number;
  name: string;
  topic: string | null;
  position: number;
  parent_id: string | null;
  permission_overwrites: Overwrite[];
  thread?: ThreadState; // of a thread only
}

export interface ThreadState {
  owner_id: string;
  archived: boolean;
  locked: boolean;
  archive_minutes: number;
  archive_ms: number; // when `archived` last changed
  create_ms: number;
  members: string[];
}

/** A sticker of a guild. Formats: 1 PNG, 2 APNG, 3 Lottie, 4 GIF. */
export interface Sticker {
  id: string;
  guild_id: string;
  name: string;
  format_type: number;
}

export type StickerItem = Pick<Sticker, "id" | "name" | "format_type">;

export interface Role {
  id: string;
  guild_id: string;
  name: string;
  color: number;
  hoist: boolean;
  position: number;
  permissions: string;
  managed: boolean;
  mentionable: boolean;
}

export interface Member {
  guild_id: string;
  user_id: string;
  nick: string | null;
  roles: string[];
  joined_at: string;
}

export interface EmbedField {
  name: string;
  value: string;
  inline: boolean;
}

export interface Embed {
  type: string;
  title?: string;
  description?: string;
  url?: string;
  color?: number;
  timestamp?: string;
  footer?: { text: string; icon_url?: string };
  image?: { url: string };
  thumbnail?: { url: string };
  author?: { name: string; url?: string; icon_url?: string };
  fields?: EmbedField[];
  provider?: { name?: string; url?: string };
}

export interface Attachment {
  id: string;
  filename: string;
  title?: string;
  description?: string;
  content_type?: string;
  size: number;
  width?: number;
  height?: number;
  flags: number;
  embedded: boolean; // used by an embed through attachment://, so not listed
}

/** Who a message rang, after allowed_mentions and permissions. */
export interface Pings {
  everyone: boolean;
  users: string[];
  roles: string[];
  replied_user: boolean;
}

export interface Reference {
  type: 0 | 1; // 0 reply, 1 forward
  message_id?: string; // absent: only a channel is meant
  channel_id: string;
  guild_id: string;
}

export interface Snapshot {
  type: number;
  content: string;
  embeds: Embed[];
  attachments: Attachment[];
  components: unknown[];
  stickers: StickerItem[];
  timestamp: string;
  edited_timestamp: string | null;
  flags: number;
}

export interface Message {
  id: string;
  channel_id: string;
  author_id: string; // a user's, or the webhook's
  webhook?: WebhookFace;
  type: number;
  content: string;
  embeds: Embed[];
  attachments: Attachment[];
  components: unknown[];
  stickers: StickerItem[];
  poll?: Poll;
  sent_ms: number;
  edited_ms: number | null;
  flags: number;
  pinned: boolean;
  tts: boolean;
  reference?: Reference;
  snapshot?: Snapshot;
  nonce?: string | number;
  pings: Pings;
  allowed_mentions: unknown; // as sent; null when the author left it out
}

export const MessageType = {
  DEFAULT: 0,
  THREAD_CREATED: 18,
  REPLY: 19,
  COMMAND: 20,
  THREAD_STARTER: 21,
  POLL_RESULT: 46,
} as const;
export const MessageFlag = {
  CROSSPOSTED: 1 << 0,
  SUPPRESS_EMBEDS: 1 << 2,
  HAS_THREAD: 1 << 5,
  LOADING: 1 << 7,
  SUPPRESS_NOTIFICATIONS: 1 << 12,
  VOICE: 1 << 13,
  HAS_SNAPSHOT: 1 << 14,
  COMPONENTS_V2: 1 << 15,
} as const;

export const Intent = {
  GUILDS: 1 << 0,
  GUILD_MEMBERS: 1 << 1,
  GUILD_WEBHOOKS: 1 << 5,
  GUILD_PRESENCES: 1 << 8,
  GUILD_MESSAGES: 1 << 9,
  GUILD_MESSAGE_TYPING: 1 << 11,
  MESSAGE_CONTENT: 1 << 15,
} as const;

export const PRIVILEGED =
  Intent.GUILD_MEMBERS | Intent.GUILD_PRESENCES | Intent.MESSAGE_CONTENT;
// Every bit Discord has given a meaning to.
export const KNOWN_INTENTS = 0x1ffff | (3 << 20) | (3 << 24);
