// files.ts - the bytes of attachments, and the signed links that lead to them.
// Owns the `files` table and the signing key. A link is good until its `ex`.
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { Clock } from "./clock.js";
import type { Database, Statement } from "./database.js";
import type { Sticker } from "./model.js";

export interface StoredFile {
  id: string;
  channel_id: string;
  message_id: string;
  filename: string;
  content_type: string | null;
  bytes: Buffer;
}

export type LinkVerdict = "good" | "unsigned" | "expired";

const HOUR = 3600;
const TYPES: Record<string, string> = {
  png: "image/png",
  jpg: "image/jpeg",
  jpeg: "image/jpeg",
  gif: "image/gif",
  webp: "image/webp",
  pdf: "application/pdf",
  txt: "text/plain; charset=utf-8",
  csv: "text/csv; charset=utf-8",
  json: "application/json; charset=utf-8",
};

const STICKER_TYPES: Record<number, [extension: string, type: string]> = {
  1: ["png", "image/png"],
  2: ["png", "image/apng"],
  3: ["json", "application/json"],
  4: ["gif", "image/gif"],
};

export class Files {
  readonly #db: Database;
  readonly #clock: Clock;
  readonly #key: Buffer;
  readonly #insert: Statement;
  readonly #select: Statement;
  /** How long a link lives. The default is what Discord was seen to use. */
  lifetimeSeconds = 24 * HOUR;
  /** Where this server is reached; set once it listens. */
  origin = "";

  constructor(db: Database, clock: Clock) {
    this.#db = db;
    this.#clock = clock;
    const key = db.meta("cdn_key") ?? randomBytes(32).toString("hex");
    db.setMeta("cdn_key", key);
    this.#key = Buffer.from(key, "hex");
    this.#insert = db.prepare("INSERT INTO files VALUES (?, ?, ?, ?, ?, ?)");
    this.#select = db.prepare("SELECT * FROM files WHERE id = ?");
  }

  add(file: StoredFile): void {
    const { id, channel_id, message_id, filename, content_type, bytes } = file;
    this.#insert.run(id, channel_id, message_id, filename, content_type, bytes);
  }

  /** A sticker's file is not signed and never expires. */
  addSticker({ id, format_type }: Sticker, bytes: Buffer): void {
    const [extension, type] = STICKER_TYPES[format_type] ?? STICKER_TYPES[1]!;
    this.#insert.run(id, "", "", `${id}.${extension}`, type, bytes);
  }

  get(id: string): StoredFile | undefined {
    const row = this.#select.get(id) as StoredFile | undefined;
    return row && { ...row, bytes: Buffer.from(row.bytes) };
  }

  remove(id: string): void {
    this.#db.prepare("DELETE FROM files WHERE id = ?").run(id);
  }

  removeMessage(messageId: string): void {
    this.#db.prepare("DELETE FROM files WHERE message_id = ?").run(messageId);
  }

  /** A link that is stable for an hour, unless links are made short-lived. */
  link(channelId: string, id: string, filename: string): string {
    const now = Math.floor(this.#clock.now() / 1000);
    const issued = this.lifetimeSeconds > HOUR ? now - (now % HOUR) : now;
    const path = `/attachments/${channelId}/${id}/${encodeURIComponent(filename)}`;
    const is = issued.toString(16);
    const ex = (issued + this.lifetimeSeconds).toString(16);
    const hm = this.#sign(path, ex, is);
    return `${this.origin}/cdn${path}?ex=${ex}&is=${is}&hm=${hm}&`;
  }

  /** `path` begins with /attachments/, still percent-encoded. */
  judge(path: string, query: URLSearchParams): LinkVerdict {
    const [ex, is, hm] = ["ex", "is", "hm"].map((k) => query.get(k) ?? "");
    const expected = Buffer.from(this.#sign(path, ex ?? "", is ?? ""));
    const given = Buffer.from(hm ?? "");
    const genuine =
      given.length === expected.length && timingSafeEqual(given, expected);
    if (!genuine) return "unsigned";
    const expires = Number.parseInt(ex ?? "", 16) * 1000;
    return expires > this.#clock.now() ? "good" : "expired";
  }

  #sign(path: string, ex: string, is: string): string {
    const hmac = createHmac("sha256", this.#key);
    return hmac.update(`${path}\n${ex}\n${is}`).digest("hex");
  }
}

export function contentTypeOf(filename: string): string | undefined {
  const extension = filename.split(".").pop() ?? "";
  return TYPES[extension.toLowerCase()];
}

/** Discord keeps ASCII letters, digits and ._- of a name, and no paths. */
export function safeFilename(name: string): string {
  const base = name.split(/[/\\]/).pop() ?? "";
  const plain = base.replace(/\s+/g, "_").replace(/[^A-Za-z0-9._-]/g, "");
  return plain.replace(/^[._]+/, "") === "" ? `file${plain}` : plain;
}

const PNG = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

/** Width and height of a PNG; other types are not measured. */
export function imageSize(
  bytes: Buffer,
): { width: number; height: number } | undefined {
  if (bytes.length < 24 || !bytes.subarray(0, 8).equals(PNG)) return undefined;
  return { width: bytes.readUInt32BE(16), height: bytes.readUInt32BE(20) };
}
