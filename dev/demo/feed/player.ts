// player.ts - plays a feed into a fake Discord, through its control API.
import { setTimeout as sleep } from "node:timers/promises";
import { AUTHORS, CHANNELS, feed, type Create, type Step } from "./feed.js";

export interface PlayOptions {
  /** The fake Discord: http://127.0.0.1:3900, with or without /control. */
  control: string;
  /** 1 is a human pace (about three minutes); 0 is as fast as it goes. */
  speed?: number;
  /** Called when a step has been played. */
  onStep?: (played: {
    step: Step;
    index: number;
    total: number;
    id?: string;
  }) => void;
  /** Ends the play between two steps; the promise then rejects with its reason. */
  signal?: AbortSignal;
  steps?: readonly Step[];
}

/** Resolves to the message id of each ref. Rejects when the fake refuses a step. */
export async function playFeed(
  options: PlayOptions,
): Promise<Map<string, string>> {
  const { speed = 1, onStep, signal, steps = feed } = options;
  const player = new Player(options.control);
  const start = performance.now();
  for (const [index, step] of steps.entries()) {
    signal?.throwIfAborted();
    const early = speed > 0 ? start + step.at / speed - performance.now() : 0;
    if (early > 0) await sleep(early, undefined, signal ? { signal } : {});
    const id = await player.play(step);
    onStep?.({
      step,
      index,
      total: steps.length,
      ...(id !== undefined && { id }),
    });
  }
  return player.ids;
}

class Player {
  readonly ids = new Map<string, string>();
  readonly #base: string;
  readonly #channels = new Map<string, string>();

  constructor(control: string) {
    this.#base = `${control.replace(/\/(control\/?)?$/, "")}/control`;
  }

  async play(step: Step): Promise<string | undefined> {
    if (step.op === "create") return this.#create(step);
    if (step.op === "bulkDelete") {
      const messages = step.refs.map((ref) => this.ids.get(ref));
      const channel = this.#channels.get(step.refs[0]!);
      await this.#call("POST", `/channels/${channel}/bulk-delete`, {
        messages,
      });
      return undefined;
    }
    const id = this.ids.get(step.ref);
    const path = `/channels/${this.#channels.get(step.ref)}/messages/${id}`;
    if (step.op === "delete") await this.#call("DELETE", path);
    else {
      const { content, embeds } = step;
      await this.#call("PATCH", path, { content, embeds });
    }
    return id;
  }

  async #create(step: Create): Promise<string> {
    const { ref, channel, author, content, embeds, attachments, replyTo } =
      step;
    const channelId = CHANNELS[channel];
    const message = await this.#call(
      "POST",
      `/channels/${channelId}/messages`,
      {
        author_id: AUTHORS[author],
        content,
        embeds,
        attachments,
        ...(replyTo !== undefined && {
          message_reference: { message_id: this.ids.get(replyTo) },
        }),
      },
    );
    this.ids.set(ref, message.id);
    this.#channels.set(ref, channelId);
    return message.id;
  }

  async #call(
    method: string,
    path: string,
    body?: unknown,
  ): Promise<{ id: string }> {
    const response = await fetch(this.#base + path, {
      method,
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok)
      throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return (text === "" ? {} : JSON.parse(text)) as { id: string };
  }
}
