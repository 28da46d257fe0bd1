// threads.ts - threads: channels that hang from a channel, or from a message of one.
// Owns their making and unmaking. Invariants: a thread of a message has its id; a
// thread's messages carry the thread's id; nothing but a deletion happens in an
// archived one, and a message to one that is not locked opens it again.
import { refuse } from "./errors.js";
import type { Fake } from "./fake.js";
import {
  Intent,
  MessageFlag,
  MessageType,
  type Author,
  type Channel,
  type Message,
} from "./model.js";

export const ThreadType = { NEWS: 10, PUBLIC: 11, PRIVATE: 12 } as const;
export const CHANNEL = { TEXT: 0, NEWS: 5, FORUM: 15 } as const;
export const ARCHIVE_MINUTES = [60, 1440, 4320, 10080];

export interface ThreadInput {
  name: string;
  type: number;
  archiveMinutes: number;
  message?: Message; // that it hangs from
}

export interface ThreadChange {
  name?: string;
  archived?: boolean;
  locked?: boolean;
  archiveMinutes?: number;
}

export class Threads {
  readonly #fake: Fake;

  constructor(fake: Fake) {
    this.#fake = fake;
  }

  /** The channel whose permissions hold: a thread's parent. */
  parent(channel: Channel): Channel {
    if (!channel.thread) return channel;
    return this.#fake.world.channels.get(channel.parent_id ?? "") ?? channel;
  }

  start(owner: Author, parent: Channel, input: ThreadInput): Channel {
    const { clock, db, world, messages } = this.#fake;
    const { message } = input;
    const id = message?.id ?? clock.nextId();
    if (message && message.flags & MessageFlag.HAS_THREAD) throw refuse(160004);
    const now = clock.now();
    const thread: Channel = {
      id,
      guild_id: parent.guild_id,
      type: input.type,
      name: input.name,
      topic: null,
      position: 0,
      parent_id: parent.id,
      permission_overwrites: [],
      thread: {
        owner_id: owner.id,
        archived: false,
        locked: false,
        archive_minutes: input.archiveMinutes,
        archive_ms: now,
        create_ms: now,
        members: [owner.id],
      },
    };
    return db.transaction(() => {
      world.channels.set(id, thread);
      this.#announce("THREAD_CREATE", thread, { newly_created: true });
      if (message) {
        messages.mark(id, { flags: message.flags | MessageFlag.HAS_THREAD });
        messages.system(owner, thread, MessageType.THREAD_STARTER, "", message);
      } else if (parent.type !== CHANNEL.FORUM) {
        const type = MessageType.THREAD_CREATED;
        messages.system(owner, parent, type, input.name, { channel: thread });
      }
      return thread;
    });
  }

  change(thread: Channel, change: ThreadChange): Channel {
    const { clock, db, world } = this.#fake;
    const old = thread.thread!;
    const archived = change.archived ?? old.archived;
    const changed: Channel = {
      ...thread,
      name: change.name ?? thread.name,
      thread: {
        ...old,
        archived,
        locked: change.locked ?? old.locked,
        archive_minutes: change.archiveMinutes ?? old.archive_minutes,
        archive_ms: archived === old.archived ? old.archive_ms : clock.now(),
      },
    };
    return db.transaction(() => {
      world.channels.set(thread.id, changed);
      this.#announce("THREAD_UPDATE", changed);
      return changed;
    });
  }

  /** Before a message comes in: an archived thread opens, unless it is locked. */
  wake(channel: Channel, moderator: boolean): void {
    const { thread } = channel;
    if (thread?.locked && !moderator) throw refuse(160005);
    if (thread?.archived) this.change(channel, { archived: false });
  }

  /** Before anything else than a message or a deletion. */
  checkOpen(channel: Channel): void {
    if (channel.thread?.archived) throw refuse(50083);
  }

  /** Announced by one THREAD_DELETE; its messages go without a word. */
  remove(thread: Channel): void {
    const { db, hub, messages, world } = this.#fake;
    const { id, guild_id, parent_id, type } = thread;
    db.transaction(() => {
      messages.forgetChannel(id);
      hub.emit({
        t: "THREAD_DELETE",
        guildId: guild_id,
        channel: thread,
        intent: Intent.GUILDS,
        render: () => ({ id, guild_id, parent_id, type }),
      });
      world.channels.delete(id);
    });
  }

  setMember(thread: Channel, userId: string, joined: boolean): void {
    this.checkOpen(thread);
    const others = thread.thread!.members.filter((id) => id !== userId);
    const members = joined ? [...others, userId] : others;
    const state = { ...thread.thread!, members };
    this.#fake.world.channels.set(thread.id, { ...thread, thread: state });
  }

  #announce(t: string, thread: Channel, extra: object = {}): void {
    const d = { ...this.#fake.render.channel(thread), ...extra };
    this.#fake.hub.emit({
      t,
      guildId: thread.guild_id,
      channel: thread,
      intent: Intent.GUILDS,
      render: () => d,
    });
  }
}
