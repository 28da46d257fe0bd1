// source.ts - events as a collector sends them, and the state they mean.

import type { FunctionArgs } from "convex/server";
import type { api } from "../../convex/_generated/api";
import type { Community } from "./deployment";

type Event = FunctionArgs<typeof api.signals.record>["events"][number];
export type Upsert = Extract<Event, { type: "upsert" }>;
export type { Event };

export const SENT_AT = 1_780_000_000_000;
let lastId = 1_420_000_000_000_000_000n;

export function newId(): string {
  return String(++lastId);
}

export class Source {
  constructor(
    readonly community: Community,
    readonly channel = 0,
  ) {}

  place(messageId: string) {
    return {
      guildId: this.community.guildId,
      channelId: this.community.channels[this.channel]!.sourceChannelId,
      messageId,
    };
  }

  create(messageId: string, over: Partial<Upsert> = {}): Upsert {
    return {
      type: "upsert",
      ...this.place(messageId),
      author: { id: "14", name: "Ana", bot: false },
      content: `signal ${messageId}`,
      embeds: [],
      attachments: [],
      kind: "default",
      sentAt: SENT_AT,
      editedAt: null,
      partial: false,
      capturedAt: SENT_AT + 10,
      ...over,
    };
  }

  edit(messageId: string, at: number, over: Partial<Upsert> = {}): Upsert {
    return this.create(messageId, {
      content: `edit ${at} of ${messageId}`,
      editedAt: SENT_AT + at,
      capturedAt: SENT_AT + at + 10,
      ...over,
    });
  }

  remove(messageId: string): Event {
    return {
      type: "delete",
      ...this.place(messageId),
      capturedAt: SENT_AT + 99_000,
    };
  }

  /** The channel is deleted, or one thread of it. */
  removeChannel(threadId?: string): Event {
    const { guildId, channelId } = this.place("");
    return {
      type: "channel_delete",
      ...{ guildId, channelId, ...(threadId ? { threadId } : {}) },
      capturedAt: SENT_AT + 99_000,
    };
  }
}
