// fake.ts - the parts of one fake Discord, put together.
// Owns them all. One event loop runs everything; nothing here is asynchronous.
import { Clock } from "./clock.js";
import { Database } from "./database.js";
import { Faults } from "./faults.js";
import { Files } from "./files.js";
import { IdentifyBudget } from "./gateway/budget.js";
import { Hub } from "./gateway/hub.js";
import type { GatewaySocket } from "./gateway/socket.js";
import { Journal, type GatewayEntry, type RestEntry } from "./journal.js";
import { Messages } from "./messages.js";
import { Threads } from "./threads.js";
import {
  Intent,
  type Bot,
  type Channel,
  type Guild,
  type Member,
  type Webhook,
} from "./model.js";
import { OAuth } from "./oauth.js";
import * as render from "./render.js";
import { Renderer } from "./render.js";
import { Limits, type LimitMode } from "./rest/limits.js";
import { DEFAULT_SCENARIO, populate, type Scenario } from "./scenario.js";
import { timestamp } from "./clock.js";
import { World } from "./world.js";

export interface FakeOptions {
  data: string; // directory
  limits: LimitMode;
  scenario?: Scenario; // used when the directory is new
}

const APPLICATION_FLAGS = [
  [Intent.GUILD_PRESENCES, 1 << 13],
  [Intent.GUILD_MEMBERS, 1 << 15],
  [Intent.MESSAGE_CONTENT, 1 << 19],
] as const; // the "limited" forms, of bots in fewer than 100 guilds

export class Fake {
  readonly db: Database;
  readonly clock: Clock;
  readonly world: World;
  readonly files: Files;
  readonly oauth: OAuth;
  readonly faults = new Faults();
  readonly hub: Hub;
  readonly render: Renderer;
  readonly messages: Messages;
  readonly threads: Threads;
  readonly limits: Limits;
  readonly budget: IdentifyBudget;
  readonly journal = new Journal<RestEntry>();
  readonly gatewayLog = new Journal<GatewayEntry>();
  readonly sockets = new Set<GatewaySocket>();
  readonly settings = {
    heartbeatMs: 41_250,
    fragmentBytes: Infinity, // longer gateway messages are sent in frames of this size
    messageBytes: Infinity, // longer zlib-stream payloads in messages of this size
    hiddenFlags: 0, // of applications, as if they were not granted; sessions open all the same
    oldEditMs: 3_600_000, // from this age on edits have a limit of their own (30046)
  };

  constructor({ data, limits, scenario = DEFAULT_SCENARIO }: FakeOptions) {
    this.db = new Database(data);
    this.clock = new Clock(this.#lastId());
    this.world = new World(this.db);
    this.files = new Files(this.db, this.clock);
    this.oauth = new OAuth(this.db, this.clock, this.world);
    this.hub = new Hub(this.db, this.clock, this.world, this.faults);
    this.render = new Renderer(this.world, this.files);
    this.messages = new Messages(this);
    this.threads = new Threads(this);
    this.limits = new Limits(limits);
    this.budget = new IdentifyBudget(
      this.db,
      this.clock,
      limits === "discord" ? 1 : 16,
    );
    if (this.db.meta("populated") === undefined) {
      populate(this, scenario);
      this.db.setMeta("populated", "yes");
    }
  }

  #lastId(): bigint {
    const sql = "SELECT max(position) AS last FROM messages";
    const { last } = this.db.prepare(sql).get() as { last: string | null };
    return BigInt(last ?? 0);
  }

  gatewayUrl(path: "gateway" | "gateway-resume"): string {
    return `${this.files.origin.replace(/^http/, "ws")}/${path}`;
  }

  applicationFlags(bot: Bot): number {
    const flags = APPLICATION_FLAGS.reduce(
      (flags, [intent, flag]) =>
        bot.privileged & intent ? flags | flag : flags,
      0,
    );
    return flags & ~this.settings.hiddenFlags;
  }

  addMember(guildId: string, userId: string, roles: string[] = []): Member {
    return this.db.transaction(() => {
      const joined_at = timestamp(this.clock.now());
      const member = this.world.setMember({
        guild_id: guildId,
        user_id: userId,
        nick: null,
        roles,
        joined_at,
      });
      this.announceMember("GUILD_MEMBER_ADD", member);
      const bot = this.world.bots.get(userId);
      if (bot) this.announceGuild(this.world.guilds.get(guildId)!, bot);
      return member;
    });
  }

  changeMember(member: Member): Member {
    return this.db.transaction(() => {
      this.world.setMember(member);
      this.announceMember("GUILD_MEMBER_UPDATE", member);
      return member;
    });
  }

  removeMember(member: Member): void {
    this.db.transaction(() => {
      const { guild_id, user_id } = member;
      const d = { guild_id, user: this.render.user(user_id) };
      const bot = this.world.bots.get(user_id);
      if (bot)
        this.hub.emit({
          t: "GUILD_DELETE",
          guildId: guild_id,
          intent: Intent.GUILDS,
          only: bot.id,
          render: () => ({ id: guild_id }),
        });
      this.world.removeMember(guild_id, user_id);
      this.hub.emit({
        t: "GUILD_MEMBER_REMOVE",
        guildId: guild_id,
        intent: Intent.GUILD_MEMBERS,
        render: () => d,
      });
    });
  }

  announceMember(t: string, member: Member): void {
    const d = { ...this.render.member(member), guild_id: member.guild_id };
    this.hub.emit({
      t,
      guildId: member.guild_id,
      intent: Intent.GUILD_MEMBERS,
      ...(t === "GUILD_MEMBER_UPDATE" ? { about: member.user_id } : {}),
      render: () => d,
    });
  }

  announceGuild(guild: Guild, bot: Bot): void {
    const d = () => this.render.guildCreate(guild, bot);
    this.hub.emit({
      t: "GUILD_CREATE",
      guildId: guild.id,
      intent: Intent.GUILDS,
      only: bot.id,
      render: d,
    });
  }

  announceChannel(
    t: "CHANNEL_CREATE" | "CHANNEL_UPDATE" | "CHANNEL_DELETE",
    channel: Channel,
  ): void {
    const d = this.render.channel(channel);
    this.hub.emit({
      t,
      guildId: channel.guild_id,
      intent: Intent.GUILDS,
      render: () => d,
    });
  }

  changeWebhook(webhook: Webhook): Webhook {
    return this.db.transaction(() => {
      this.world.webhooks.set(webhook.id, webhook);
      this.#announceWebhooks(webhook);
      return webhook;
    });
  }

  removeWebhook(webhook: Webhook): void {
    this.db.transaction(() => {
      this.world.webhooks.delete(webhook.id);
      this.#announceWebhooks(webhook);
    });
  }

  /** Says where something changed, not what. */
  #announceWebhooks({ guild_id, channel_id }: Webhook): void {
    this.hub.emit({
      t: "WEBHOOKS_UPDATE",
      guildId: guild_id,
      intent: Intent.GUILD_WEBHOOKS,
      render: () => ({ guild_id, channel_id }),
    });
  }

  changeChannel(channel: Channel): Channel {
    return this.db.transaction(() => {
      this.world.channels.set(channel.id, channel);
      this.announceChannel("CHANNEL_UPDATE", channel);
      return channel;
    });
  }

  /**
   * Announced by one CHANNEL_DELETE, or THREAD_DELETE; its messages, threads and
   * webhooks go without a word.
   */
  removeChannel(channel: Channel): void {
    if (channel.thread) return this.threads.remove(channel);
    const { world, messages } = this;
    this.db.transaction(() => {
      for (const thread of world.threadsOf(channel.guild_id)) {
        if (thread.parent_id !== channel.id) continue;
        messages.forgetChannel(thread.id);
        world.channels.delete(thread.id);
      }
      messages.forgetChannel(channel.id);
      for (const { id } of world.webhooksOf(channel.id))
        world.webhooks.delete(id);
      this.announceChannel("CHANNEL_DELETE", channel);
      world.channels.delete(channel.id);
    });
  }

  announceTyping(channel: Channel, userId: string): void {
    const member = this.world.member(channel.guild_id, userId);
    const d = {
      channel_id: channel.id,
      guild_id: channel.guild_id,
      user_id: userId,
      timestamp: Math.floor(this.clock.now() / 1000),
      ...(member && { member: this.render.member(member) }),
    };
    this.hub.emit({
      t: "TYPING_START",
      guildId: channel.guild_id,
      channel,
      intent: Intent.GUILD_MESSAGE_TYPING,
      render: () => d,
    });
  }

  announceRole(roleId: string): void {
    const role = this.world.roles.get(roleId)!;
    const d = { guild_id: role.guild_id, role: render.role(role) };
    this.hub.emit({
      t: "GUILD_ROLE_CREATE",
      guildId: role.guild_id,
      intent: Intent.GUILDS,
      render: () => d,
    });
  }

  close(): void {
    this.db.close();
  }
}
