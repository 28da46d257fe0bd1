// message-store.ts - messages as they are, and for a minute as they were.
// Owns the `messages` and `nonces` tables, and a list in memory of what changed
// lately. Changes nothing by itself: Messages decides, in transactions of its own.
import { orderOf, type Clock } from "./clock.js";
import type { Database, Statement } from "./database.js";
import { refuse } from "./errors.js";
import type { Message } from "./model.js";

export interface Page {
  before?: string;
  after?: string;
  around?: string;
  limit: number;
}

type Row = { body: string } | undefined;

/** What a message was before a change; undefined: not there. */
interface Before {
  at: number;
  id: string;
  channelId: string;
  message: Message | undefined;
}
const REMEMBERED_MS = 60_000;

export class MessageStore {
  readonly #clock: Clock;
  readonly #sql: Record<
    | "put"
    | "drop"
    | "one"
    | "before"
    | "after"
    | "all"
    | "last"
    | "count"
    | "nonce"
    | "keepNonce"
    | "dropNonces",
    Statement
  >;
  #past: Before[] = [];
  /** How long a nonce is remembered. "A few minutes", says Discord. */
  nonceWindowMs = 5 * 60 * 1000;

  constructor(db: Database, clock: Clock) {
    this.#clock = clock;
    const select = "SELECT body FROM messages WHERE";
    const put = "INSERT OR REPLACE INTO";
    this.#sql = {
      put: db.prepare(`${put} messages VALUES (?, ?, ?)`),
      drop: db.prepare("DELETE FROM messages WHERE position = ?"),
      one: db.prepare(`${select} position = ?`),
      before: db.prepare(
        `${select} channel_id = ? AND position < ? ORDER BY position DESC LIMIT ?`,
      ),
      after: db.prepare(
        `${select} channel_id = ? AND position > ? ORDER BY position LIMIT ?`,
      ),
      all: db.prepare(`${select} channel_id = ? ORDER BY position`),
      last: db.prepare(
        "SELECT max(position) AS last FROM messages WHERE channel_id = ?",
      ),
      count: db.prepare(
        "SELECT count(*) AS n FROM messages WHERE channel_id = ?",
      ),
      nonce: db.prepare(
        "SELECT message_id, at FROM nonces WHERE author_id = ? AND nonce = ?",
      ),
      keepNonce: db.prepare(`${put} nonces VALUES (?, ?, ?, ?)`),
      dropNonces: db.prepare("DELETE FROM nonces WHERE at < ?"),
    };
  }

  find(id: string): Message | undefined {
    const row = this.#sql.one.get(orderOf(id)) as Row;
    return row && (JSON.parse(row.body) as Message);
  }

  /** The message of that id in that channel, or 10008. `agoMs`: as it was then. */
  need(channelId: string, id: string, agoMs = 0): Message {
    const found = agoMs > 0 ? this.#foundAgo(id, agoMs) : this.find(id);
    if (found?.channel_id !== channelId) throw refuse(10008);
    return found;
  }

  /** Every live message of a channel, oldest first. */
  all(channelId: string): Message[] {
    return parsed(this.#sql.all.all(channelId));
  }

  count(channelId: string): number {
    return (this.#sql.count.get(channelId) as { n: number }).n;
  }

  lastIn(channelId: string): string | null {
    const row = this.#sql.last.get(channelId) as { last: string | null };
    return row.last?.replace(/^0+/, "") ?? null;
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

  /** The same page as it was some time ago: a replica that lags behind. */
  pageAgo(channelId: string, page: Page, agoMs: number): Message[] {
    const then = new Map(this.all(channelId).map((m) => [m.id, m]));
    for (const { id, message } of this.#since(agoMs, channelId))
      if (message) then.set(id, message);
      else then.delete(id);
    const sorted = [...then.values()].sort((a, b) =>
      orderOf(a.id) < orderOf(b.id) ? 1 : -1,
    );
    const { before, after, around, limit } = page;
    const edge = orderOf(before ?? after ?? around ?? "0");
    const fits = ({ id }: Message) =>
      before !== undefined
        ? orderOf(id) < edge
        : after !== undefined
          ? orderOf(id) > edge
          : true;
    const found = sorted.filter(fits);
    return after === undefined ? found.slice(0, limit) : found.slice(-limit);
  }

  #foundAgo(id: string, agoMs: number): Message | undefined {
    const changes = this.#since(agoMs).filter((change) => change.id === id);
    const oldest = changes[changes.length - 1];
    return oldest ? oldest.message : this.find(id);
  }

  /** Newest first, so that the last one to speak of a message is the oldest. */
  #since(agoMs: number, channelId?: string): Before[] {
    const from = this.#clock.now() - agoMs;
    return this.#past
      .filter((c) => c.at > from && (!channelId || c.channelId === channelId))
      .reverse();
  }

  put(message: Message): void {
    const { nonce, ...kept } = message;
    this.#remember(message.id, message.channel_id);
    this.#sql.put.run(
      orderOf(message.id),
      message.channel_id,
      JSON.stringify(kept),
    );
  }

  drop({ id, channel_id }: Message): void {
    this.#remember(id, channel_id);
    this.#sql.drop.run(orderOf(id));
  }

  #remember(id: string, channelId: string): void {
    const at = this.#clock.now();
    const old = this.#past.findIndex((c) => c.at > at - REMEMBERED_MS);
    if (old > 1000) this.#past.splice(0, old);
    this.#past.push({ at, id, channelId, message: this.find(id) });
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

  rememberNonce(message: Message, nonce: string | number): void {
    const now = this.#clock.now();
    this.#sql.dropNonces.run(now - this.nonceWindowMs);
    this.#sql.keepNonce.run(message.author_id, String(nonce), message.id, now);
  }
}

function parsed(rows: unknown[]): Message[] {
  return (rows as { body: string }[]).map(
    (row) => JSON.parse(row.body) as Message,
  );
}
