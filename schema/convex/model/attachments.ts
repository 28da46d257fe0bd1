// attachments.ts - copies of the files that signals name, as readers see them.
//
// A row for each file of a live signal, written in the transaction of the signal; what is under way
// with it is in attachmentJobs (fetches.ts), so that readers are not disturbed by that.
//
// Invariants: a row is pending exactly while it has a job; the bytes of a file that no signal names
// any more are deleted in the transaction that says so, or, when they arrive later, by whoever
// reports them; whatever else lies in the storage is an upload that nobody reported, and swept.

import { v, type Infer } from "convex/values";
import { internal } from "../_generated/api";
import type { Doc, Id } from "../_generated/dataModel";
import type { MutationCtx, QueryCtx } from "../_generated/server";
import { failure } from "./failure";
import * as Fetches from "./fetches";
import { embed, sticker, type Body, type Embed } from "./fields";
import { filesOf, fileState, pictureId } from "./files";
import { orderOf } from "./versions";

const MAX_ROWS = 128; // of one signal: twice what it may name
const SWEEP_BATCH = 100;
// An upload's address is good for an hour, and an upload may take five minutes.
const SWEEP_AFTER_MS = 90 * 60 * 1000;

type Row = Doc<"attachments">;
type Community = Id<"communities">;

// ---- following signals ----

/** Has the rows of a signal be those that `after` names. */
export async function follow(
  ctx: MutationCtx,
  signal: { communityId: Community; messageId: string },
  before: Body | null,
  after: Body | null,
  now: number,
): Promise<void> {
  const wanted = filesOf(after);
  if (wanted.length === 0 && filesOf(before).length === 0) return;
  const { communityId, messageId } = signal;
  const rows = await ofMessage(ctx, communityId, messageId);
  const named = new Set(wanted.map(({ id }) => id));
  for (const row of rows)
    if (!named.has(row.attachmentId)) await forget(ctx, row);
  const known = new Set(rows.map((row) => row.attachmentId));
  for (const { id, kind, filename, size } of wanted) {
    if (known.has(id)) continue;
    const rowId = await ctx.db.insert("attachments", {
      communityId,
      messageId,
      attachmentId: id,
      order: orderOf(messageId),
      kind,
      filename,
      size,
      state: "pending",
    });
    await Fetches.add(ctx, communityId, rowId, now);
  }
}

async function forget(ctx: MutationCtx, row: Row): Promise<void> {
  await Fetches.drop(ctx, row.communityId, row._id);
  if (row.storageId !== undefined) await erase(ctx, row.storageId);
  await ctx.db.delete(row._id);
}

/** Deletes bytes; none there is fine. */
export async function erase(
  ctx: MutationCtx,
  storageId: Id<"_storage">,
): Promise<void> {
  if ((await ctx.db.system.get(storageId)) !== null)
    await ctx.storage.delete(storageId);
}

async function ofMessage(
  ctx: QueryCtx,
  communityId: Community,
  messageId: string,
): Promise<Row[]> {
  return await ctx.db
    .query("attachments")
    .withIndex("by_communityId_and_messageId_and_attachmentId", (q) =>
      q.eq("communityId", communityId).eq("messageId", messageId),
    )
    .take(MAX_ROWS);
}

/** Is a stored file one of ours? Looked up across tenants, by the file's own id. */
export async function isNamed(
  ctx: QueryCtx,
  storageId: Id<"_storage">,
): Promise<boolean> {
  const row = await ctx.db
    .query("attachments")
    .withIndex("by_storageId", (q) => q.eq("storageId", storageId))
    .first();
  return row !== null;
}

// ---- for readers ----

export const view = v.object({
  id: v.string(),
  filename: v.string(),
  size: v.number(), // bytes; of what is not stored as Discord says, 0: it does not
  contentType: v.optional(v.string()), // of what is stored: by its content
  description: v.optional(v.string()),
  spoiler: v.optional(v.boolean()),
  state: fileState,
  reason: v.optional(v.string()), // in words, why it is refused or failed
});
export type View = Infer<typeof view>;

export const embedView = v.object({
  ...embed.fields,
  imageFile: v.optional(view),
  thumbnailFile: v.optional(view),
  authorIcon: v.optional(view),
  footerIcon: v.optional(view),
});
export type EmbedView = Infer<typeof embedView>;

export const stickerView = v.object({
  id: v.string(),
  name: v.string(),
  format: sticker.fields.format,
  file: v.optional(view),
});
export type StickerView = Infer<typeof stickerView>;

/** A body's files, embeds and stickers, with what became of each file. */
export async function views(
  ctx: QueryCtx,
  signal: { communityId: Community; messageId: string },
  body: Body,
): Promise<{
  attachments: View[];
  embeds: EmbedView[];
  stickers: StickerView[] | undefined;
}> {
  const named = filesOf(body);
  const rows =
    named.length === 0
      ? []
      : await ofMessage(ctx, signal.communityId, signal.messageId);
  const byId = new Map(rows.map((row) => [row.attachmentId, row]));
  const size = new Map(named.map((file) => [file.id, file.size]));
  const one = (id: string, filename: string): View =>
    viewOf(id, filename, size.get(id) ?? 0, byId.get(id));
  const picture = (url: string | undefined): View | undefined =>
    url === undefined ? undefined : one(pictureId(url), "picture");
  return {
    attachments: body.attachments.map(
      ({ id, filename, description, spoiler }) => ({
        ...one(id, filename),
        description,
        spoiler,
      }),
    ),
    embeds: body.embeds.map((said: Embed) => ({
      ...said,
      imageFile: picture(said.image?.url),
      thumbnailFile: picture(said.thumbnail?.url),
      authorIcon: picture(said.author?.iconUrl),
      footerIcon: picture(said.footer?.iconUrl),
    })),
    stickers: body.stickers?.map(({ id, name, format, url }) => ({
      id,
      name,
      format,
      file: url === undefined ? undefined : one(id, name),
    })),
  };
}

function viewOf(
  id: string,
  filename: string,
  size: number,
  row: Row | undefined,
): View {
  if (row === undefined)
    return {
      id,
      filename,
      size,
      state: "failed",
      reason: "the message has more files than are kept",
    };
  const { state, reason, contentType } = row;
  return { id, filename, size: row.size, contentType, state, reason };
}

/** Attachments with the addresses of our copies. Whoever knows such an address can read the file. */
export async function withCopies(
  ctx: QueryCtx,
  signal: { communityId: Community; messageId: string },
  attachments: Body["attachments"],
) {
  if (attachments.length === 0) return [];
  const rows = await ofMessage(ctx, signal.communityId, signal.messageId);
  const stored = new Map(rows.map((row) => [row.attachmentId, row.storageId]));
  return await Promise.all(
    attachments.map(async (attachment) => {
      const storageId = stored.get(attachment.id);
      const storedUrl = storageId && (await ctx.storage.getUrl(storageId));
      return storedUrl ? { ...attachment, storedUrl } : attachment;
    }),
  );
}

/** A stored file of a community's live signal, for whoever may read it. */
export async function requireStored(
  ctx: QueryCtx,
  communityId: Community,
  messageId: string,
  attachmentId: string,
) {
  const row = await ctx.db
    .query("attachments")
    .withIndex("by_communityId_and_messageId_and_attachmentId", (q) =>
      q
        .eq("communityId", communityId)
        .eq("messageId", messageId)
        .eq("attachmentId", attachmentId),
    )
    .unique();
  if (row === null) throw failure("not_found", "There is no such file");
  const { state, storageId, contentType, sha256, filename, size } = row;
  if (state !== "stored" || !storageId || !contentType || !sha256)
    throw failure(
      "not_found",
      state === "pending"
        ? "This file is still being fetched"
        : `This file is not kept: ${row.reason ?? state}`,
    );
  return { storageId, contentType, sha256, filename, size };
}

// ---- uploads that nobody reported ----

/** Looks once at each file that lies long enough, oldest first, and deletes what nobody named. */
export async function sweep(ctx: MutationCtx): Promise<{ deleted: number }> {
  const mark = await ctx.db.query("attachmentSweeps").first();
  const since = mark?.until ?? 0;
  const files = await ctx.db.system
    .query("_storage")
    .withIndex("by_creation_time", (q) =>
      q
        .gte("_creationTime", since)
        .lt("_creationTime", Date.now() - SWEEP_AFTER_MS),
    )
    .take(SWEEP_BATCH);
  let deleted = 0;
  for (const { _id } of files)
    if (!(await isNamed(ctx, _id))) {
      await ctx.storage.delete(_id);
      deleted++;
    }
  const until = files.at(-1)?._creationTime ?? since;
  if (mark === null) await ctx.db.insert("attachmentSweeps", { until });
  else if (mark.until !== until) await ctx.db.patch(mark._id, { until });
  if (files.length === SWEEP_BATCH)
    await ctx.scheduler.runAfter(0, internal.attachments.sweep, {});
  return { deleted };
}
