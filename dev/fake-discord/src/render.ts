// render.ts - what the fake remembers, in the words of the wire.
// Pure: reads the world, changes nothing.
import { timestamp } from "./clock.js";
import type { Files } from "./files.js";
import {
  Intent,
  MessageFlag,
  type Attachment,
  type Bot,
  type Channel,
  type Embed,
  type Guild,
  type Member,
  type Message,
  type Role,
  type Snapshot,
  type ThreadState,
  type User,
  type Webhook,
  type WebhookFace,
} from "./model.js";
import { channelPermissions, Permission, topPosition } from "./permissions.js";
import { shownComponents } from "./components.js";
import { pollWire } from "./polls.js";
import type { World } from "./world.js";

export type Wire = Record<string, unknown>;

/** For whom a message is written down. null: the control API, which sees all. */
export type Viewer = { bot: Bot; intents: number } | null;

export function user(u: User): Wire {
  return {
    id: u.id,
    username: u.username,
    discriminator: u.bot ? "0000" : "0",
    global_name: u.global_name,
    avatar: u.avatar,
    banner: null,
    accent_color: null,
    public_flags: 0,
    flags: 0,
    avatar_decoration_data: null,
    ...(u.bot && { bot: true }),
  };
}

export function self(u: User): Wire {
  return {
    ...user(u),
    bot: true,
    verified: true,
    mfa_enabled: true,
    email: null,
  };
}

/** The author of a webhook's message: a user in form only. */
export function webhookUser(face: WebhookFace): Wire {
  const { id, username, avatar } = face;
  return {
    id,
    username,
    avatar,
    discriminator: "0000",
    public_flags: 0,
    flags: 0,
    bot: true,
    global_name: null,
    clan: null,
    primary_guild: null,
  };
}

export function webhook(w: Webhook, viewer: { id: string } | null): Wire {
  const { user_id, token, ...rest } = w;
  const shown = w.application_id === null || w.application_id === viewer?.id;
  return { type: 1, ...rest, ...(shown && { token }) };
}

/** A member without its user, as messages carry it. */
export function bareMember(m: Member): Wire {
  return {
    nick: m.nick,
    avatar: null,
    banner: null,
    roles: m.roles,
    joined_at: m.joined_at,
    premium_since: null,
    deaf: false,
    mute: false,
    flags: 0,
    pending: false,
    communication_disabled_until: null,
  };
}

export function role(r: Role): Wire {
  const { guild_id, ...rest } = r;
  const tags = r.managed ? { tags: { bot_id: null } } : {};
  return {
    ...rest,
    colors: {
      primary_color: r.color,
      secondary_color: null,
      tertiary_color: null,
    },
    icon: null,
    unicode_emoji: null,
    flags: 0,
    ...tags,
  };
}

const GUILD_DEFAULTS = {
  icon: null,
  description: null,
  splash: null,
  discovery_splash: null,
  banner: null,
  features: [],
  emojis: [],
  stickers: [],
  afk_channel_id: null,
  afk_timeout: 300,
  application_id: null,
  default_message_notifications: 1,
  explicit_content_filter: 0,
  max_members: 500000,
  max_presences: null,
  max_video_channel_users: 25,
  mfa_level: 0,
  nsfw_level: 0,
  preferred_locale: "en-US",
  premium_progress_bar_enabled: false,
  premium_subscription_count: 0,
  premium_tier: 0,
  public_updates_channel_id: null,
  rules_channel_id: null,
  safety_alerts_channel_id: null,
  system_channel_flags: 0,
  system_channel_id: null,
  vanity_url_code: null,
  verification_level: 1,
  widget_enabled: false,
  region: "deprecated",
} as const;

export class Renderer {
  readonly #world: World;
  readonly #files: Files;
  /** Looks up a message; set by Messages, which needs a renderer itself. */
  find: (id: string) => Message | undefined = () => undefined;
  lastIn: (channelId: string) => string | null = () => null;
  count: (channelId: string) => number = () => 0;

  constructor(world: World, files: Files) {
    this.#world = world;
    this.#files = files;
  }

  user(id: string): Wire {
    const known = this.#world.users.get(id);
    return known
      ? user(known)
      : {
          id,
          username: "Deleted User",
          discriminator: "0",
          global_name: null,
          avatar: null,
        };
  }

  member(m: Member): Wire {
    return { ...bareMember(m), user: this.user(m.user_id) };
  }

  channel(c: Channel): Wire {
    if (c.thread) return this.#thread(c, c.thread);
    return {
      ...c,
      last_message_id: this.lastIn(c.id),
      last_pin_timestamp: null,
      nsfw: false,
      rate_limit_per_user: 0,
      flags: 0,
    };
  }

  #thread(c: Channel, state: ThreadState): Wire {
    const count = this.count(c.id);
    return {
      id: c.id,
      guild_id: c.guild_id,
      parent_id: c.parent_id,
      owner_id: state.owner_id,
      type: c.type,
      name: c.name,
      last_message_id: this.lastIn(c.id),
      message_count: count,
      total_message_sent: count,
      member_count: state.members.length,
      rate_limit_per_user: 0,
      flags: 0,
      thread_metadata: {
        archived: state.archived,
        auto_archive_duration: state.archive_minutes,
        archive_timestamp: timestamp(state.archive_ms),
        locked: state.locked,
        create_timestamp: timestamp(state.create_ms),
      },
    };
  }

  guild(g: Guild): Wire {
    const roles = this.#world.rolesOf(g.id).map(role);
    const stickers = this.#world.stickers
      .values()
      .filter((s) => s.guild_id === g.id)
      .map((s) => ({ ...s, type: 2, description: null, tags: "" }));
    return { ...GUILD_DEFAULTS, ...g, roles, stickers };
  }

  /** The GUILD_CREATE of a bot: lists itself as the only member, as Discord does. */
  guildCreate(g: Guild, bot: Bot): Wire {
    const own = this.#world.member(g.id, bot.id);
    return {
      ...this.guild(g),
      joined_at: own?.joined_at ?? timestamp(0),
      large: false,
      unavailable: false,
      member_count: this.#world.membersOf(g.id).length,
      members: own ? [this.member(own)] : [],
      channels: this.#world.channelsOf(g.id).map((c) => this.channel(c)),
      threads: this.#world
        .threadsOf(g.id)
        .filter((c) => !c.thread?.archived && this.#sees(bot, c))
        .map((c) => this.channel(c)),
      presences: [],
      voice_states: [],
      stage_instances: [],
      guild_scheduled_events: [],
      soundboard_sounds: [],
    };
  }

  #sees(bot: Bot, channel: Channel): boolean {
    const may = channelPermissions(this.#world, channel, bot.id);
    return (may & Permission.VIEW_CHANNEL) !== 0n;
  }

  attachment(channelId: string, a: Attachment): Wire {
    const url = this.#files.link(channelId, a.id, a.filename);
    const { embedded, ...shown } = a;
    return { ...shown, url, proxy_url: url };
  }

  /** What attachment://name stands for; another address stays as it is. */
  #media(channelId: string, attachments: Attachment[], url: string): Wire {
    const name = /^attachment:\/\/(.+)$/.exec(url)?.[1];
    const file = attachments.find((a) => a.filename === name);
    if (!file) return { url };
    const link = this.#files.link(channelId, file.id, file.filename);
    return {
      url: link,
      proxy_url: link,
      width: file.width,
      height: file.height,
    };
  }

  #components(channelId: string, m: Message | Snapshot): unknown[] {
    return shownComponents(m.components, (url) => {
      const { attachments } = m;
      const media = this.#media(channelId, attachments, url);
      const name = url.replace("attachment://", "");
      const file = attachments.find((a) => a.filename === name);
      const known = file && {
        attachment_id: file.id,
        content_type: file.content_type,
      };
      return { proxy_url: url, ...media, ...known, flags: 0 };
    });
  }

  #embed(m: Message, e: Embed): Wire {
    const media = (url: string) =>
      this.#media(m.channel_id, m.attachments, url);
    return {
      ...e,
      ...(e.image && { image: { ...e.image, ...media(e.image.url) } }),
      ...(e.thumbnail && {
        thumbnail: { ...e.thumbnail, ...media(e.thumbnail.url) },
      }),
      ...(e.author?.icon_url && {
        author: { ...e.author, icon_url: media(e.author.icon_url)["url"] },
      }),
      ...(e.footer?.icon_url && {
        footer: { ...e.footer, icon_url: media(e.footer.icon_url)["url"] },
      }),
    };
  }

  /** May `viewer` read what `m` says? Its author and whom it rings may. */
  reads(viewer: Viewer, m: Message): boolean {
    if (viewer === null) return true;
    if (viewer.intents & Intent.MESSAGE_CONTENT) return true;
    return (
      m.author_id === viewer.bot.id || m.pings.users.includes(viewer.bot.id)
    );
  }

  /** A message as REST answers it. */
  message(m: Message, viewer: Viewer, nested = false): Wire {
    const open = this.reads(viewer, m);
    const hidden = (m.flags & MessageFlag.SUPPRESS_EMBEDS) !== 0;
    const listed = m.attachments.filter((a) => !a.embedded);
    const wire: Wire = {
      id: m.id,
      type: m.type,
      channel_id: m.channel_id,
      author: m.webhook ? webhookUser(m.webhook) : this.user(m.author_id),
      content: open ? m.content : "",
      embeds: open && !hidden ? m.embeds.map((e) => this.#embed(m, e)) : [],
      attachments: open
        ? listed.map((a) => this.attachment(m.channel_id, a))
        : [],
      components: open ? this.#components(m.channel_id, m) : [],
      timestamp: timestamp(m.sent_ms),
      edited_timestamp: m.edited_ms === null ? null : timestamp(m.edited_ms),
      tts: m.tts,
      mention_everyone: m.pings.everyone,
      mentions: m.pings.users.map((id) => this.user(id)),
      mention_roles: m.pings.roles,
      pinned: m.pinned,
      flags: m.flags,
    };
    if (m.webhook) {
      wire["webhook_id"] = m.webhook.id;
      if (m.webhook.application_id)
        wire["application_id"] = m.webhook.application_id;
    }
    if (m.stickers.length > 0) wire["sticker_items"] = m.stickers;
    if (m.poll && open) wire["poll"] = pollWire(m.poll);
    const thread =
      m.flags & MessageFlag.HAS_THREAD && this.#world.channels.get(m.id);
    if (thread && !nested) wire["thread"] = this.channel(thread);
    if (m.reference) wire["message_reference"] = m.reference;
    if (m.snapshot && open)
      wire["message_snapshots"] = [{ message: this.#snapshot(m) }];
    if (m.reference?.type === 0 && m.reference.message_id && !nested) {
      const target = this.find(m.reference.message_id);
      wire["referenced_message"] = target
        ? this.message(target, viewer, true)
        : null;
    }
    return wire;
  }

  #snapshot(m: Message): Wire {
    const { attachments, stickers, ...rest } = m.snapshot!;
    const origin = m.reference!.channel_id;
    return {
      ...rest,
      attachments: attachments
        .filter((a) => !a.embedded)
        .map((a) => this.attachment(origin, a)),
      mentions: [],
      mention_roles: [],
      components: this.#components(origin, m.snapshot!),
      ...(stickers.length > 0 && { sticker_items: stickers }),
    };
  }

  /** A message as a gateway event carries it. */
  messageEvent(m: Message, viewer: Viewer, isNew: boolean): Wire {
    const channel = this.#world.channels.get(m.channel_id);
    const wire = this.message(m, viewer);
    if (!channel) return wire;
    wire["guild_id"] = channel.guild_id;
    wire["channel_type"] = channel.type;
    const member = this.#world.member(channel.guild_id, m.author_id);
    if (member) wire["member"] = bareMember(member);
    wire["mentions"] = m.pings.users.map((id) => {
      const mentioned = this.#world.member(channel.guild_id, id);
      return {
        ...this.user(id),
        ...(mentioned && { member: bareMember(mentioned) }),
      };
    });
    if (isNew && m.nonce !== undefined && viewer?.bot.id === m.author_id)
      wire["nonce"] = m.nonce;
    return wire;
  }

  top(guildId: string, userId: string): number {
    return topPosition(this.#world, guildId, userId);
  }
}
