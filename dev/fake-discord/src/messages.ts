// messages.ts - every message of every channel, and all that happens to them.
// Owns the `messages` and `nonces` tables. Each operation is one transaction
// that also writes the gateway events it causes; nothing is sent before commit.
import { orderOf, snowflakeMs, timestamp, type Clock } from "./clock.js";
import type { Database, Statement } from "./database.js";
import { invalid, refuse } from "./errors.js";
import { contentTypeOf, imageSize, safeFilename, type Files } from "./files.js";
import type { Faults } from "./faults.js";
import type { Hub } from "./gateway/hub.js";
import type { MessageInput, ReferenceInput } from "./message-input.js";
import { pingsOf } from "./mentions.js";
import {
  Intent,
  MessageFlag,
  MessageType,
  type Attachment,
  type Author,
  type Channel,
  type Embed,
  type Message,
  type Reference,
  type Snapshot,
} from "./model.js";
import type { Renderer, Wire } from "./render.js";
import type { World } from "./world.js";

export interface Upload {
  key: string; // the n of files[n]
  filename: string;
  contentType?: string;
  bytes: Buffer;
}

export interface Page {
  before?: string;
  after?: string;
  around?: string;
  limit: number;
}

const FORTNIGHT_MS = 14 * 24 * 3600 * 1000;
type Row = { body: string } | undefined;

export class Messages {
  readonly #db: Database;
  readonly #clock: Clock;
  readonly #world: World;
  readonly #files: Files;
  readonly #hub: Hub;
  readonly #faults: Faults;
  readonly #render: Renderer;
  readonly #sql: Record<
    | "put"
    | "drop"
    | "one"
    | "before"
    | "after"
    | "all"
    | "last"
    | "nonce"
    | "keepNonce"
    | "dropNonces",
    Statement
  >;
  /** How long a nonce is remembered. "A few minutes", says Discord. */
  nonceWindowMs = 5 * 60 * 1000;

  constructor(parts: {
    db: Database;
    clock: Clock;
    world: World;
    files: Files;
    hub: Hub;
    faults: Faults;
    render: Renderer;
  }) {
    this.#db = parts.db;
    this.#clock = parts.clock;
    this.#world = parts.world;
    this.#files = parts.files;
    this.#hub = parts.hub;
    this.#faults = parts.faults;
    this.#render = parts.render;
    const select = "SELECT body FROM messages WHERE";
    this.#sql = {
      put: this.#db.prepare("INSERT OR REPLACE INTO messages VALUES (?, ?, ?)"),
      drop: this.#db.prepare("DELETE FROM messages WHERE position = ?"),
      one: this.#db.prepare(`${select} position = ?`),
      before: this.#db.prepare(
        `${select} channel_id = ? AND position < ? ORDER BY position DESC LIMIT ?`,
      ),
      after: this.#db.prepare(
        `${select} channel_id = ? AND position > ? ORDER BY position LIMIT ?`,
      ),
      all: this.#db.prepare(`${select} channel_id = ? ORDER BY position`),
      last: this.#db.prepare(
        "SELECT max(position) AS last FROM messages WHERE channel_id = ?",
      ),
      nonce: this.#db.prepare(
        "SELECT message_id, at FROM nonces WHERE author_id = ? AND nonce = ?",
      ),
      keepNonce: this.#db.prepare(
        "INSERT OR REPLACE INTO nonces VALUES (?, ?, ?, ?)",
      ),
      dropNonces: this.#db.prepare("DELETE FROM nonces WHERE at < ?"),
    };
    this.#render.find = (id) => this.find(id);
    this.#render.lastIn = (channelId) => {
      const row = this.#sql.last.get(channelId) as { last: string | null };
      return row.last?.replace(/^0+/, "") ?? null;
    };
  }

  find(id: string): Message | undefined {
    const row = this.#sql.one.get(orderOf(id)) as Row;
    return row && (JSON.parse(row.body) as Message);
  }

  /** The message of that id in that channel, or 10008. */
  need(channelId: string, id: string): Message {
    const found = this.find(id);
    if (found?.channel_id !== channelId) throw refuse(10008);
    return found;
  }

  /** Every live message of a channel, oldest first. */
  all(channelId: string): Message[] {
    return parsed(this.#sql.all.all(channelId));
  }

  /** Newest first, as Discord answers, whichever way it was asked. */
  page(channelId: string, { before, after, around, limit }: Page): Message[] {
    const older = (end: string, n: number) =>
      parsed(this.#sql.before.all(channelId, end, n));
    const newer = (start: string, n: number) =>
      parsed(this.#sql.after.all(channelId, start, n)).reverse();
    if (around !== undefined) {
      const middle = this.find(around);
      const here = middle?.channel_id === channelId ? [middle] : [];
      const half = Math.floor(limit / 2);
      const position = orderOf(around);
      return [
        ...newer(position, half),
        ...here,
        ...older(position, half),
      ].slice(0, limit);
    }
    if (before !== undefined) return older(orderOf(before), limit);
    if (after !== undefined) return newer(orderOf(after), limit);
    return older("~", limit);
  }

  /** The message an author made with this nonce, while that is remembered. */
  byNonce(authorId: string, nonce: string | number): Message | undefined {
    const row = this.#sql.nonce.get(authorId, String(nonce)) as
      { message_id: string; at: number } | undefined;
    if (!row || row.at < this.#clock.now() - this.nonceWindowMs)
      return undefined;
    const found = this.find(row.message_id);
    if (!found) throw refuse(10008); // made, and deleted since
    return { ...found, nonce };
  }

  create(
    author: Author,
    channel: Channel,
    input: MessageInput,
    uploads: Upload[],
  ): Message {
    const id = this.#clock.nextId();
    const { reference, snapshot } = this.#resolve(channel, input.reference);
    const content = (input.content ?? "").trim();
    const embeds = input.embeds ?? [];
    const attachments = this.#describe(uploads, input, embeds);
    const message: Message = {
      id,
      channel_id: channel.id,
      author_id: author.id,
      ...(author.webhook && { webhook: author.webhook }),
      type: reference?.type === 0 ? MessageType.REPLY : MessageType.DEFAULT,
      content,
      embeds,
      attachments,
      components: input.components ?? [],
      sent_ms: snowflakeMs(id),
      edited_ms: null,
      flags: (input.flags ?? 0) | (snapshot ? MessageFlag.HAS_SNAPSHOT : 0),
      pinned: false,
      tts: input.tts,
      pings: pingsOf(
        this.#world,
        channel,
        author,
        content,
        input.allowed_mentions,
        reference && this.find(reference.message_id),
      ),
      allowed_mentions: input.allowed_mentions ?? null,
      ...(reference && { reference }),
      ...(snapshot && { snapshot }),
    };
    if (isEmpty(message)) throw refuse(50006);
    this.#db.transaction(() => {
      this.#store(message, attachments, uploads);
      this.#write(message);
      if (input.nonce !== undefined) this.#rememberNonce(message, input.nonce);
      const told = { ...message, nonce: input.nonce };
      this.#announce("MESSAGE_CREATE", channel, (viewer) =>
        this.#render.messageEvent(told, viewer, true),
      );
    });
    return {
      ...message,
      ...(input.nonce !== undefined && { nonce: input.nonce }),
    };
  }

  edit(
    editor: Author,
    old: Message,
    input: MessageInput,
    uploads: Upload[],
  ): Message {
    const channel = this.#channelOf(old);
    const embeds =
      input.embeds === undefined ? old.embeds : (input.embeds ?? []);
    const kept = this.#keep(old, input);
    const added = this.#describe(uploads, input, embeds);
    const content =
      input.content === undefined ? old.content : (input.content ?? "").trim();
    const touches = [
      input.content,
      input.embeds,
      input.attachments,
      input.components,
    ];
    const isEdit =
      uploads.length > 0 || touches.some((part) => part !== undefined);
    const suppress = MessageFlag.SUPPRESS_EMBEDS;
    const target =
      old.reference?.type === 0
        ? this.find(old.reference.message_id)
        : undefined;
    const message: Message = {
      ...old,
      content,
      embeds,
      attachments: [...kept, ...added].map((a) => ({
        ...a,
        embedded: isEmbedded(a, embeds),
      })),
      components:
        input.components === undefined
          ? old.components
          : (input.components ?? []),
      flags:
        input.flags === undefined
          ? old.flags
          : (old.flags & ~suppress) | (input.flags & suppress),
      // Two edits, or a message and its edit, never share a millisecond.
      edited_ms: isEdit
        ? Math.max(this.#clock.now(), (old.edited_ms ?? old.sent_ms) + 1)
        : old.edited_ms,
      // An edit parses mentions anew, with the defaults unless told otherwise.
      pings: isEdit
        ? pingsOf(
            this.#world,
            channel,
            editor,
            content,
            input.allowed_mentions,
            target,
          )
        : old.pings,
      allowed_mentions: input.allowed_mentions ?? null,
    };
    if (isEmpty(message)) throw refuse(50006);
    this.#db.transaction(() => {
      for (const a of old.attachments)
        if (!message.attachments.some((b) => b.id === a.id))
          this.#files.remove(a.id);
      this.#store(message, added, uploads);
      this.#update(message, changedKeys(old, message));
    });
    return message;
  }

  /** Discord's own change to a message: a link's preview. It is not an edit. */
  unfurl(id: string, embed: Embed): Message {
    const old = this.find(id);
    if (!old) throw refuse(10008);
    const message = { ...old, embeds: [...old.embeds, embed] };
    this.#db.transaction(() => this.#update(message, ["embeds"]));
    return message;
  }

  /** Pins, unpins or publishes: an update that changes no text. */
  mark(id: string, change: { pinned?: boolean; flags?: number }): Message {
    const old = this.find(id);
    if (!old) throw refuse(10008);
    const message = { ...old, ...change };
    this.#db.transaction(() => this.#update(message, Object.keys(change)));
    return message;
  }

  delete(message: Message): void {
    const channel = this.#channelOf(message);
    this.#db.transaction(() => {
      this.#erase(message.id);
      const { id, channel_id } = message;
      this.#announce("MESSAGE_DELETE", channel, () => ({
        id,
        channel_id,
        guild_id: channel.guild_id,
      }));
    });
  }

  /** Deletes those that exist, with one event for all; unknown ids are ignored. */
  bulkDelete(channel: Channel, ids: string[]): void {
    if (ids.length < 2 || ids.length > 100) throw refuse(50016);
    const twice = ids.findIndex((id, i) => ids.indexOf(id) !== i);
    if (twice >= 0)
      throw invalid(
        ["messages", twice],
        "SET_TYPE_ALREADY_CONTAINS_VALUE",
        "The set already contains this value",
      );
    const oldest = this.#clock.now() - FORTNIGHT_MS;
    if (ids.some((id) => snowflakeMs(id) < oldest)) throw refuse(50034);
    const live = ids.filter((id) => this.find(id)?.channel_id === channel.id);
    if (live.length === 0) return;
    this.#db.transaction(() => {
      for (const id of live) this.#erase(id);
      this.#announce("MESSAGE_DELETE_BULK", channel, () => ({
        ids: live,
        channel_id: channel.id,
        guild_id: channel.guild_id,
      }));
    });
  }

  /** Forgets a removed channel's messages. No client hears of each. */
  forgetChannel(channelId: string): void {
    for (const message of this.all(channelId)) this.#erase(message.id);
  }

  #channelOf(message: Message): Channel {
    const channel = this.#world.channels.get(message.channel_id);
    if (!channel) throw refuse(10003);
    return channel;
  }

  #write(message: Message): void {
    const { nonce, ...kept } = message;
    this.#sql.put.run(
      orderOf(message.id),
      message.channel_id,
      JSON.stringify(kept),
    );
  }

  #erase(id: string): void {
    this.#sql.drop.run(orderOf(id));
    this.#files.removeMessage(id);
  }

  #update(message: Message, changed: string[]): void {
    this.#write(message);
    const partial = this.#faults.take("partial_update");
    const keep = new Set(["id", "channel_id", ...changed]);
    this.#announce("MESSAGE_UPDATE", this.#channelOf(message), (viewer) => {
      const full = this.#render.messageEvent(message, viewer, false);
      if (!partial) return full;
      return Object.fromEntries(
        Object.entries(full).filter(([key]) => keep.has(key)),
      );
    });
  }

  #announce(
    t: string,
    channel: Channel,
    render: Parameters<Hub["emit"]>[0]["render"],
  ): void {
    const { guild_id: guildId } = channel;
    this.#hub.emit({
      t,
      guildId,
      channel,
      intent: Intent.GUILD_MESSAGES,
      render,
    });
  }

  #rememberNonce(message: Message, nonce: string | number): void {
    const now = this.#clock.now();
    this.#sql.dropNonces.run(now - this.nonceWindowMs);
    this.#sql.keepNonce.run(message.author_id, String(nonce), message.id, now);
  }

  #resolve(
    channel: Channel,
    input: ReferenceInput | undefined,
  ): { reference?: Reference; snapshot?: Snapshot } {
    if (!input) return {};
    const target = this.find(input.message_id);
    const origin = input.type === 1 ? input.channel_id : channel.id;
    if (!target || target.channel_id !== origin) {
      if (!input.fail_if_not_exists && input.type === 0) return {};
      throw invalid(
        ["message_reference"],
        "MESSAGE_REFERENCE_UNKNOWN_MESSAGE",
        "Unknown message",
      );
    }
    const reference: Reference = {
      type: input.type,
      message_id: target.id,
      channel_id: target.channel_id,
      guild_id: this.#channelOf(target).guild_id,
    };
    if (input.type === 0) return { reference };
    return { reference, snapshot: snapshotOf(target) };
  }

  /** Attachments for new files, in the words of the client where it has some. */
  #describe(
    uploads: Upload[],
    input: MessageInput,
    embeds: Embed[],
  ): Attachment[] {
    return uploads.map(({ key, filename, contentType, bytes }) => {
      const said = input.attachments?.find((a) => a.id === key);
      const name = said?.filename ?? filename;
      const safe = safeFilename(name);
      const attachment: Attachment = {
        id: this.#clock.nextId(),
        filename: safe,
        size: bytes.length,
        flags: 0,
        embedded: false,
        ...imageSize(bytes),
      };
      const title =
        said?.title ??
        (safe === name ? undefined : name.replace(/\.[^.]*$/, ""));
      if (title !== undefined) attachment.title = title;
      if (said?.description !== undefined)
        attachment.description = said.description;
      const type = contentType ?? contentTypeOf(safe);
      if (type !== undefined) attachment.content_type = type;
      attachment.embedded = isEmbedded(attachment, embeds);
      return attachment;
    });
  }

  #store(message: Message, attachments: Attachment[], uploads: Upload[]): void {
    attachments.forEach((a, i) =>
      this.#files.add({
        id: a.id,
        channel_id: message.channel_id,
        message_id: message.id,
        filename: a.filename,
        content_type: a.content_type ?? null,
        bytes: uploads[i]!.bytes,
      }),
    );
  }

  /** An edit's `attachments` is the complete list of those to keep. */
  #keep(old: Message, input: MessageInput): Attachment[] {
    if (input.attachments === undefined) return old.attachments;
    const listed = input.attachments ?? [];
    return old.attachments.flatMap((a) => {
      const said = listed.find((b) => b.id === a.id);
      if (!said) return [];
      return said.description === undefined
        ? [a]
        : [{ ...a, description: said.description }];
    });
  }
}

function parsed(rows: unknown[]): Message[] {
  return (rows as { body: string }[]).map(
    (row) => JSON.parse(row.body) as Message,
  );
}

function isEmpty(m: Message): boolean {
  const parts = [m.embeds, m.attachments, m.components];
  return (
    m.content === "" && !m.snapshot && parts.every((part) => part.length === 0)
  );
}

function isEmbedded(a: Attachment, embeds: Embed[]): boolean {
  const link = `attachment://${a.filename}`;
  return embeds.some((e) =>
    [
      e.image?.url,
      e.thumbnail?.url,
      e.author?.icon_url,
      e.footer?.icon_url,
    ].includes(link),
  );
}

function snapshotOf(m: Message): Snapshot {
  return {
    type: m.type,
    content: m.content,
    embeds: m.embeds,
    attachments: m.attachments,
    timestamp: timestamp(m.sent_ms),
    edited_timestamp: m.edited_ms === null ? null : timestamp(m.edited_ms),
    flags: m.flags,
  };
}

/** The wire's names of what an edit changed. */
function changedKeys(old: Message, now: Message): string[] {
  const keys = [
    "content",
    "embeds",
    "attachments",
    "components",
    "flags",
  ] as const;
  const changed: string[] = keys.filter(
    (key) => JSON.stringify(old[key]) !== JSON.stringify(now[key]),
  );
  return old.edited_ms === now.edited_ms
    ? changed
    : [...changed, "edited_timestamp"];
}

export type { Wire };
