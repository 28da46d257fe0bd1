/* files.ts - stored files: bytes in a folder, facts in `_storage`.
 *
 * Owns the folder `files`. A file is written under a temporary name, synced, renamed, and only
 * then recorded, so a record always has its bytes. Bytes without a record are removed at start.
 */

import { Buffer } from "node:buffer";
import { createHash, randomUUID } from "node:crypto";
import { createReadStream, mkdirSync, readdirSync, rmSync } from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { EngineError, type JSONObject, type StoredFile } from "./api.js";
import type { Core } from "./core.js";
import { checkUploadToken, fileUuid } from "./run/secrets.js";
import { tryDecodeId } from "./values/id.js";

export type Upload = {
  body: AsyncIterable<Uint8Array> | Uint8Array;
  contentType: string | null;
  sha256?: string | undefined;
};

const TEMPORARY = ".part";

export class Files {
  private readonly folder: string;
  /** uuid to storage id, of the files that are recorded. */
  private readonly byUuid = new Map<string, string>();

  constructor(private readonly core: Core) {
    this.folder = join(core.options.dataDir, "files");
    mkdirSync(this.folder, { recursive: true });
    this.load();
  }

  private get secret(): string {
    return this.core.deployment.secret;
  }

  private load(): void {
    const table = this.core.store.table("_storage")!;
    this.core.store.view(undefined, (reader) => {
      for (const row of this.core.store.documents(reader, table)) {
        const id = (JSON.parse(row.json) as { _id: string })._id;
        this.byUuid.set(fileUuid(this.secret, id), id);
      }
    });
    for (const name of readdirSync(this.folder))
      if (!this.byUuid.has(name))
        rmSync(join(this.folder, name), { force: true });
  }

  checkToken(token: string): void {
    const verdict = checkUploadToken(this.secret, token, this.core.clock());
    if (verdict === "ok") return;
    throw verdict === "expired"
      ? new EngineError(401, "StorageTokenExpired", "Upload token has expired")
      : new EngineError(401, "StorageTokenInvalid", "Invalid upload token");
  }

  async store(upload: Upload): Promise<StoredFile> {
    const temporary = join(this.folder, randomUUID() + TEMPORARY);
    try {
      const { size, sha256 } = await this.write(temporary, upload.body);
      if (upload.sha256 !== undefined && upload.sha256 !== sha256)
        throw new EngineError(
          400,
          "Sha256Mismatch",
          `SHA-256 of the file is ${sha256}, not ${upload.sha256}`,
        );
      return await this.record(temporary, size, sha256, upload.contentType);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
  }

  private async write(
    path: string,
    body: Upload["body"],
  ): Promise<{ size: number; sha256: string }> {
    const hash = createHash("sha256");
    let size = 0;
    const file = await open(path, "wx");
    try {
      for await (const chunk of body instanceof Uint8Array ? [body] : body) {
        hash.update(chunk);
        size += chunk.length;
        await file.write(chunk);
      }
      await file.sync();
    } finally {
      await file.close();
    }
    return { size, sha256: hash.digest("base64") };
  }

  private async record(
    temporary: string,
    size: number,
    sha256: string,
    contentType: string | null,
  ): Promise<StoredFile> {
    const fields: JSONObject = { sha256, size };
    if (contentType !== null) fields["contentType"] = contentType;
    // The id names the file, so it is chosen first and the bytes put in place before the record.
    const id = this.core.transact((transaction) => {
      const chosen = transaction.insert("_storage", fields);
      transaction.rollback(0);
      return chosen;
    }).result;
    const uuid = fileUuid(this.secret, id);
    await rename(temporary, join(this.folder, uuid));
    this.core.transact((transaction) =>
      transaction.insertAs("_storage", id, fields),
    );
    this.byUuid.set(uuid, id);
    return this.stored(id, fields);
  }

  private stored(id: string, document: JSONObject): StoredFile {
    const uuid = fileUuid(this.secret, id);
    return {
      storageId: id,
      uuid,
      size: document["size"] as number,
      contentType: (document["contentType"] as string | undefined) ?? null,
      sha256: document["sha256"] as string,
      read: (start, end) =>
        this.read(uuid, document["size"] as number, start, end),
    };
  }

  private read(
    uuid: string,
    size: number,
    start = 0,
    end = size - 1,
  ): Readable {
    if (start > end || start >= size) return Readable.from([]);
    return createReadStream(join(this.folder, uuid), { start, end });
  }

  byId(id: string): StoredFile | null {
    const table = this.core.store.table("_storage")!;
    if (tryDecodeId(id)?.tableNumber !== table.number) return null;
    const row = this.core.store.getDocument(table, id);
    return row === null
      ? null
      : this.stored(id, JSON.parse(row.json) as JSONObject);
  }

  byName(uuid: string): StoredFile | null {
    const id = this.byUuid.get(uuid.toLowerCase());
    if (id === undefined) return null;
    const found = this.byId(id);
    if (found === null) this.forget(uuid);
    return found;
  }

  /** The record is gone: the bytes follow. */
  private forget(uuid: string): void {
    this.byUuid.delete(uuid);
    rmSync(join(this.folder, uuid), { force: true });
  }

  /** Removes the bytes of files whose records were deleted. */
  sweep(): void {
    for (const [uuid, id] of this.byUuid) {
      if (this.byId(id) === null) this.forget(uuid);
    }
  }

  async bytes(
    id: string,
  ): Promise<{ bytes: Uint8Array; contentType: string | null } | null> {
    const file = this.byId(id);
    if (file === null) return null;
    const chunks: Uint8Array[] = [];
    for await (const chunk of file.read()) chunks.push(chunk as Uint8Array);
    return {
      bytes: new Uint8Array(Buffer.concat(chunks)),
      contentType: file.contentType,
    };
  }
}
