// messages.ts - all that happens to the messages of every channel.
// Each operation is one transaction that also writes the gateway events it causes;
// nothing is sent before commit. What is stored is the store's.
import { described, kept, placed, type Upload } from "./attachments.js";
import { snowflakeMs, timestamp, type Clock } from "./clock.js";
import type { Database } from "./database.js";
import { invalid, refuse } from "./errors.js";
import type { Faults } from "./faults.js";
import type { Files } from "./files.js";
import type { Hub } from "./gateway/hub.js";
import type { MessageInput, ReferenceInput } from "./message-input.js";
import { MessageStore } from "./message-store.js";
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
  type StickerItem,
} from "./model.js";
import { newPoll } from "./polls.js";
import type { Renderer, Wire } from "./render.js";
import type { World } from "./world.js";

/** What only Discord itself decides; a test may. */
export interface Special {
  type?: number;
  flags?: number;
}

const FORTNIGHT_MS = 14 * 24 * 3600 * 1000;
const SUPPRESS = MessageFlag.SUPPRESS_EMBEDS;
const NOBODY = { everyone: false, users: [], roles: [], replied_user: false };

export class Messages extends MessageStore {
  readonly #db: Database;
  readonly #clock: Clock;
  readonly #world: World;
  readonly #files: Files;
  readonly #hub: Hub;
  readonly #faults: Faults;
  readonly #render: Renderer;

  constructor(parts: {
    db: Database;
    clock: Clock;
    world: World;
    files: Files;
    hub: Hub;
    faults: Faults;
    render: Renderer;
  }) {
    super(parts.db, parts.clock);
    this.#db = parts.db;
    this.#clock = parts.clock;
    this.#world = parts.world;
    this.#files = parts.files;
    this.#hub = parts.hub;
    this.#faults = parts.faults;
    this.#render = parts.render;
    this.#render.find = (id) => this.find(id);
    this.#render.lastIn = (channelId) => this.lastIn(channelId);
    this.#render.count = (channelId) => this.count(channelId);
  }

  create(
    author: Author,
    channel: Channel,
    input: MessageInput,
    uploads: Upload[],
    special: Special = {},
  ): Message {
    const id = this.#clock.nextId();
    const { reference, snapshot } = this.#resolve(channel, input.reference);
    const content = (input.content ?? "").trim();
    const embeds = input.embeds ?? [];
    const components = input.components ?? [];
    const added = this.#describe(uploads, input);
    const flags = (input.flags ?? 0) | (special.flags ?? 0);
    const type =
      reference?.type === 0 ? MessageType.REPLY : MessageType.DEFAULT;
    const target = reference?.message_id;
    const message: Message = {
      id,
      channel_id: channel.id,
      author_id: author.id,
      ...(author.webhook && { webhook: author.webhook }),
      type: special.type ?? type,
      content,
      embeds,
      attachments: placed(added, embeds, components),
      components,
      stickers: this.#stickers(channel, author, input.stickers ?? []),
      ...(input.poll && { poll: newPoll(input.poll, this.#clock.now()) }),
      sent_ms: snowflakeMs(id),
      edited_ms: null,
      flags: flags | (snapshot ? MessageFlag.HAS_SNAPSHOT : 0),
      pinned: false,
      tts: input.tts,
      pings: pingsOf(
        this.#world,
        channel,
        author,
        content,
        input.allowed_mentions,
        target === undefined ? undefined : this.find(target),
      ),
      allowed_mentions: input.allowed_mentions ?? null,
      ...(reference && { reference }),
      ...(snapshot && { snapshot }),
    };
    if (isEmpty(message)) throw refuse(50006);
    this.#db.transaction(() => {
      this.#store(message, added, uploads);
      this.#appear(message, channel, input.nonce);
    });
    return {
      ...message,
      ...(input.nonce !== undefined && { nonce: input.nonce }),
    };
  }

  /** A message that Discord writes: what happened, `about` what. */
  system(
    author: Author,
    channel: Channel,
    type: number,
    content: string,
    about: Message | { channel: Channel },
    embeds: Embed[] = [],
  ): Message {
    const id = this.#clock.nextId();
    const reference: Reference =
      "channel" in about
        ? {
            type: 0,
            channel_id: about.channel.id,
            guild_id: about.channel.guild_id,
          }
        : {
            type: 0,
            message_id: about.id,
            channel_id: about.channel_id,
            guild_id: channel.guild_id,
          };
    const message: Message = {
      id,
      channel_id: channel.id,
      author_id: author.id,
      type,
      content,
      embeds,
      attachments: [],
      components: [],
      stickers: [],
      sent_ms: snowflakeMs(id),
      edited_ms: null,
      flags: 0,
      pinned: false,
      tts: false,
      pings: NOBODY,
      allowed_mentions: null,
      reference,
    };
    this.#db.transaction(() => this.#appear(message, channel));
    return message;
  }

  #appear(message: Message, channel: Channel, nonce?: string | number): void {
    this.put(message);
    if (nonce !== undefined) this.rememberNonce(message, nonce);
    const told = { ...message, nonce };
    this.#announce("MESSAGE_CREATE", channel, (viewer) =>
      this.#render.messageEvent(told, viewer, true),
    );
  }

  /** Bots may send the stickers of the guild alone, people any. */
  #stickers(channel: Channel, author: Author, ids: string[]): StickerItem[] {
    const bot = this.#world.users.get(author.id)?.bot ?? true;
    return ids.map((id) => {
      const sticker = this.#world.stickers.get(id);
      if (!sticker || (bot && sticker.guild_id !== channel.guild_id))
        throw refuse(50081);
      const { name, format_type } = sticker;
      return { id, name, format_type };
    });
  }

  edit(
    editor: Author,
    old: Message,
    input: MessageInput,
    uploads: Upload[],
  ): Message {
    if (old.poll) throw refuse(520003);
    const channel = this.#channelOf(old);
    const embeds =
      input.embeds === undefined ? old.embeds : (input.embeds ?? []);
    const components =
      input.components === undefined
        ? old.components
        : (input.components ?? []);
    const added = this.#describe(uploads, input);
    const files = [...kept(old.attachments, input), ...added];
    const content =
      input.content === undefined ? old.content : (input.content ?? "").trim();
    const isEdit = uploads.length > 0 || touches(input);
    const target = old.reference?.type === 0 && old.reference.message_id;
    const message: Message = {
      ...old,
      content,
      embeds,
      attachments: placed(files, embeds, components),
      components,
      flags: flagsAfter(old.flags, input.flags) & ~MessageFlag.LOADING,
      edited_ms: isEdit ? this.#editedMs(old) : old.edited_ms,
      // An edit parses mentions anew, with the defaults unless told otherwise.
      pings: isEdit
        ? pingsOf(
            this.#world,
            channel,
            editor,
            content,
            input.allowed_mentions,
            target ? this.find(target) : undefined,
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

  /** Two edits, or a message and its edit, never share a millisecond. To fill in a
   * deferred answer is no edit. */
  #editedMs(old: Message): number | null {
    if (old.flags & MessageFlag.LOADING) return old.edited_ms;
    return Math.max(this.#clock.now(), (old.edited_ms ?? old.sent_ms) + 1);
  }

  /** The poll is over: its message says so, and another one tells the result. */
  endPoll(old: Message): Message {
    if (!old.poll) throw refuse(520006);
    if (old.poll.finalized) throw refuse(520001);
    const poll = { ...old.poll, finalized: true };
    const message = { ...old, poll };
    const most = poll.counts.indexOf(Math.max(...poll.counts));
    const fields = Object.entries({
      poll_question_text: poll.question,
      victor_answer_text: poll.answers[most] ?? "",
      total_votes: String(poll.counts.reduce((sum, n) => sum + n, 0)),
    }).map(([name, value]) => ({ name, value, inline: false }));
    this.#db.transaction(() => {
      this.#update(message, ["poll"]);
      const embed = { type: "poll_result", fields };
      const channel = this.#channelOf(old);
      const author = { id: old.author_id };
      const type = MessageType.POLL_RESULT;
      this.system(author, channel, type, "", message, [embed]);
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
      this.#erase(message);
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
    const found = ids
      .map((id) => this.find(id))
      .filter((m) => m?.channel_id === channel.id);
    const live = found.map((m) => m!.id);
    if (live.length === 0) return;
    this.#db.transaction(() => {
      for (const message of found) this.#erase(message!);
      this.#announce("MESSAGE_DELETE_BULK", channel, () => ({
        ids: live,
        channel_id: channel.id,
        guild_id: channel.guild_id,
      }));
    });
  }

  /** Forgets a removed channel's messages. No client hears of each. */
  forgetChannel(channelId: string): void {
    for (const message of this.all(channelId)) this.#erase(message);
  }

  #channelOf(message: Message): Channel {
    const channel = this.#world.channels.get(message.channel_id);
    if (!channel) throw refuse(10003);
    return channel;
  }

  #erase(message: Message): void {
    this.drop(message);
    this.#files.removeMessage(message.id);
  }

  #update(message: Message, changed: string[]): void {
    this.put(message);
    const partial = this.#faults.take("partial_update", {
      event: "MESSAGE_UPDATE",
    });
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

  #describe(uploads: Upload[], input: MessageInput): Attachment[] {
    const said = input.attachments ?? [];
    return described(uploads, said, () => this.#clock.nextId());
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
}

/** Does it change what the message says? */
function touches(input: MessageInput): boolean {
  const { content, embeds, attachments, components } = input;
  return [content, embeds, attachments, components].some(
    (part) => part !== undefined,
  );
}

/** An edit may suppress embeds or show them, and turn to components for good. */
function flagsAfter(old: number, given: number | undefined): number {
  if (given === undefined) return old;
  const v2 = given & MessageFlag.COMPONENTS_V2;
  return (old & ~SUPPRESS) | (given & SUPPRESS) | v2;
}

function isEmpty(m: Message): boolean {
  const parts = [m.embeds, m.attachments, m.components, m.stickers];
  const loading = (m.flags & MessageFlag.LOADING) !== 0;
  return (
    m.content === "" &&
    !m.snapshot &&
    !m.poll &&
    !loading &&
    parts.every((part) => part.length === 0)
  );
}

/** A forward of a forward shows the first message. */
function snapshotOf(m: Message): Snapshot {
  if (m.snapshot) return m.snapshot;
  return {
    type: m.type,
    content: m.content,
    embeds: m.embeds,
    attachments: m.attachments,
    components: m.components,
    stickers: m.stickers,
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
