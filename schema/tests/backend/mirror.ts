// mirror.ts - a bot and a customer guild in memory. The guild knows nonces;
// the bot may die at any point of its work.

import type { ConvexHttpClient } from "convex/browser";
import type { FunctionArgs, FunctionReturnType } from "convex/server";
import { api } from "../../convex/_generated/api";

export type Work = FunctionReturnType<typeof api.mirrors.claim>["work"][number];
type Report = FunctionArgs<typeof api.mirrors.report>["results"][number];

export type Post = { id: string; channelId: string; content: string };

export class Guild {
  readonly posts = new Map<string, Post>();
  readonly log: string[] = []; // contents in the order of posting
  #byNonce = new Map<string, string>();
  #last = 1_500_000_000_000_000_000n;

  post(work: Work): string {
    const known = this.#byNonce.get(work.nonce);
    if (known !== undefined) return known;
    const id = String(++this.#last);
    this.#byNonce.set(work.nonce, id);
    this.posts.set(id, {
      id,
      channelId: work.channelId,
      content: work.content,
    });
    this.log.push(work.content);
    return id;
  }

  edit(id: string, content: string): void {
    const post = this.posts.get(id);
    if (post === undefined)
      throw new Error(`edit of ${id}, which is not there`);
    post.content = content;
  }

  remove(id: string): void {
    this.posts.delete(id);
  }

  contents(): string[] {
    return [...this.posts.values()].map(({ content }) => content);
  }
}

export class Bot {
  constructor(
    readonly client: ConvexHttpClient,
    readonly guild: Guild,
    readonly instance = "bot-1",
  ) {}

  async claim(limit = 64): Promise<Work[]> {
    const args = { instance: this.instance, limit };
    return (await this.client.mutation(api.mirrors.claim, args)).work;
  }

  async release(): Promise<number> {
    const { instance } = this;
    return (await this.client.mutation(api.mirrors.release, { instance }))
      .released;
  }

  async report(results: Report[]): Promise<boolean[]> {
    const { instance } = this;
    const args = { instance, results };
    return (await this.client.mutation(api.mirrors.report, args)).accepted;
  }

  /** What Discord does with it. */
  perform(work: Work): Report["outcome"] {
    if (work.op === "delete") {
      for (const id of work.messageIds) this.guild.remove(id);
      return { type: "deleted" };
    }
    const [known] = work.messageIds;
    if (known !== undefined) this.guild.edit(known, work.content);
    return {
      type: "posted",
      messageIds: [known ?? this.guild.post(work)],
      postedAt: Date.now(),
      version: work.version,
    };
  }

  async finish(work: Work[]): Promise<void> {
    const results = work.map((one) => ({
      mirrorId: one.mirrorId,
      fence: one.fence,
      outcome: this.perform(one),
    }));
    if (results.length > 0) await this.report(results);
  }

  /** Works until nothing is left. */
  async drain(): Promise<number> {
    let done = 0;
    for (;;) {
      const work = await this.claim();
      if (work.length === 0) return done;
      await this.finish(work);
      done += work.length;
    }
  }
}
