// step.ts - what a feed is made of, and the timeline it is written on.

export type ChannelName = "vip-signals" | "scalps" | "market-talk";
export type AuthorName =
  | "analyst-mara"
  | "analyst-kenji"
  | "analyst-yusuf"
  | "analyst-lena"
  | "signal-bot";

export interface FeedEmbed {
  title?: string;
  description?: string;
  url?: string;
  color?: number;
  author?: { name: string; url?: string };
  footer?: { text: string };
  fields?: { name: string; value: string; inline?: boolean }[];
  image?: { url: string };
}

export interface FeedAttachment {
  filename: string;
  content_type: string;
  content_base64: string;
  description?: string;
}

export interface Create {
  at: number; // ms since the feed began
  op: "create";
  ref: string; // how later steps name this message
  channel: ChannelName;
  author: AuthorName;
  content?: string;
  embeds?: FeedEmbed[];
  attachments?: FeedAttachment[];
  replyTo?: string; // ref
}

export interface Edit {
  at: number;
  op: "edit";
  ref: string;
  content?: string; // absent: as it was
  embeds?: FeedEmbed[];
}

export interface Delete {
  at: number;
  op: "delete";
  ref: string;
}

export interface BulkDelete {
  at: number;
  op: "bulkDelete";
  refs: string[]; // all in one channel
}

export type Step = Create | Edit | Delete | BulkDelete;

export type Post = Omit<Create, "at" | "op">;

/** Steps one after another; the first argument is the pause before each. */
export class Timeline {
  readonly steps: Step[] = [];
  #at = 0;

  post(pauseMs: number, post: Post): void {
    this.#add(pauseMs, { op: "create", ...post });
  }

  edit(
    pauseMs: number,
    ref: string,
    change: Pick<Edit, "content" | "embeds">,
  ): void {
    this.#add(pauseMs, { op: "edit", ref, ...change });
  }

  delete(pauseMs: number, ref: string): void {
    this.#add(pauseMs, { op: "delete", ref });
  }

  bulkDelete(pauseMs: number, refs: string[]): void {
    this.#add(pauseMs, { op: "bulkDelete", refs });
  }

  #add(pauseMs: number, step: StepWithoutTime): void {
    this.#at += pauseMs;
    this.steps.push({ at: this.#at, ...step } as Step);
  }
}

type WithoutTime<T> = T extends Step ? Omit<T, "at"> : never;
type StepWithoutTime = WithoutTime<Step>;
