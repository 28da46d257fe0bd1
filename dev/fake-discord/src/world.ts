// world.ts - users, bots, guilds, channels, roles and members.
// Owns them all in memory and writes every change through to the database.
// Invariant: a key in a map is a row in `entities`, and the other way round.
import type { Database, Statement } from "./database.js";
import type {
  Bot,
  Channel,
  Guild,
  Member,
  Role,
  Sticker,
  User,
  Webhook,
} from "./model.js";

export class Shelf<T> {
  readonly #kind: string;
  readonly #put: Statement;
  readonly #drop: Statement;
  readonly #items = new Map<string, T>();

  constructor(db: Database, kind: string) {
    this.#kind = kind;
    this.#put = db.prepare("INSERT OR REPLACE INTO entities VALUES (?, ?, ?)");
    this.#drop = db.prepare("DELETE FROM entities WHERE kind = ? AND id = ?");
    const rows = db
      .prepare("SELECT id, body FROM entities WHERE kind = ?")
      .all(kind) as { id: string; body: string }[];
    for (const { id, body } of rows) this.#items.set(id, JSON.parse(body) as T);
  }

  get(id: string): T | undefined {
    return this.#items.get(id);
  }

  values(): T[] {
    return [...this.#items.values()];
  }

  set(id: string, item: T): T {
    this.#put.run(this.#kind, id, JSON.stringify(item));
    this.#items.set(id, item);
    return item;
  }

  delete(id: string): void {
    this.#drop.run(this.#kind, id);
    this.#items.delete(id);
  }
}

interface Revocation {
  userId: string;
  channelId: string | null; // null: in the whole guild
  bits: bigint;
}

export class World {
  readonly users: Shelf<User>;
  readonly bots: Shelf<Bot>;
  readonly guilds: Shelf<Guild>;
  readonly channels: Shelf<Channel>;
  readonly roles: Shelf<Role>;
  readonly webhooks: Shelf<Webhook>;
  readonly stickers: Shelf<Sticker>;
  readonly #bans: Shelf<true>;
  readonly #members: Shelf<Member>;
  #revocations: Revocation[] = [];

  constructor(db: Database) {
    this.users = new Shelf(db, "user");
    this.bots = new Shelf(db, "bot");
    this.guilds = new Shelf(db, "guild");
    this.channels = new Shelf(db, "channel");
    this.roles = new Shelf(db, "role");
    this.stickers = new Shelf(db, "sticker");
    this.webhooks = new Shelf(db, "webhook");
    this.#bans = new Shelf(db, "ban");
    this.#members = new Shelf(db, "member");
  }

  member(guildId: string, userId: string): Member | undefined {
    return this.#members.get(`${guildId}/${userId}`);
  }

  setMember(member: Member): Member {
    const key = `${member.guild_id}/${member.user_id}`;
    return this.#members.set(key, member);
  }

  removeMember(guildId: string, userId: string): void {
    this.#members.delete(`${guildId}/${userId}`);
  }

  membersOf(guildId: string): Member[] {
    return this.#members.values().filter((m) => m.guild_id === guildId);
  }

  /** Without threads, as Discord lists them. */
  channelsOf(guildId: string): Channel[] {
    return this.#inGuild(guildId).filter((c) => !c.thread);
  }

  threadsOf(guildId: string): Channel[] {
    return this.#inGuild(guildId).filter((c) => c.thread);
  }

  #inGuild(guildId: string): Channel[] {
    return this.channels.values().filter((c) => c.guild_id === guildId);
  }

  rolesOf(guildId: string): Role[] {
    return this.roles.values().filter((r) => r.guild_id === guildId);
  }

  webhooksOf(channelId: string): Webhook[] {
    return this.webhooks.values().filter((w) => w.channel_id === channelId);
  }

  banned(guildId: string, userId: string): boolean {
    return this.#bans.get(`${guildId}/${userId}`) === true;
  }

  setBan(guildId: string, userId: string, banned: boolean): void {
    const key = `${guildId}/${userId}`;
    if (banned) this.#bans.set(key, true);
    else this.#bans.delete(key);
  }

  guildsOf(userId: string): Guild[] {
    return this.guilds.values().filter((g) => this.member(g.id, userId));
  }

  botByToken(token: string): Bot | undefined {
    return this.bots.values().find((b) => b.token === token && !b.tokenReset);
  }

  /** Takes permissions away until restore(): a knob, so it is not persisted. */
  revoke(userId: string, channelId: string | null, bits: bigint): void {
    this.#revocations.push({ userId, channelId, bits });
  }

  restore(): void {
    this.#revocations = [];
  }

  revoked(userId: string, channelId: string | null): bigint {
    let bits = 0n;
    for (const r of this.#revocations)
      if (r.userId === userId && r.channelId === channelId) bits |= r.bits;
    return bits;
  }
}
