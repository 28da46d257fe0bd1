// attachments.ts - what a message's files become. Pure, but for the ids it asks for.
import { attachedNames } from "./components.js";
import { contentTypeOf, imageSize, safeFilename } from "./files.js";
import type { AttachmentInput, MessageInput } from "./message-input.js";
import type { Attachment, Embed } from "./model.js";

export interface Upload {
  key: string; // the n of files[n]
  filename: string;
  contentType?: string;
  bytes: Buffer;
}

const SPOILER = 1 << 3;

/** Attachments for new files, in the words of the client where it has some. */
export function described(
  uploads: readonly Upload[],
  said: readonly AttachmentInput[],
  nextId: () => string,
): Attachment[] {
  return uploads.map((upload) =>
    attachmentOf(
      upload,
      said.find((a) => a.id === upload.key),
      nextId(),
    ),
  );
}

function attachmentOf(
  { filename, contentType, bytes }: Upload,
  said: AttachmentInput | undefined,
  id: string,
): Attachment {
  const name = said?.filename ?? filename;
  const safe = safeFilename(name);
  const spoiler = said?.spoiler === true || /^SPOILER_/.test(name);
  const title =
    said?.title ?? (safe === name ? undefined : name.replace(/\.[^.]*$/, ""));
  const type = contentType ?? contentTypeOf(safe);
  return {
    id,
    filename: safe,
    size: bytes.length,
    flags: spoiler ? SPOILER : 0,
    embedded: false,
    ...imageSize(bytes),
    ...(title !== undefined && { title }),
    ...(said?.description !== undefined && { description: said.description }),
    ...(type !== undefined && { content_type: type }),
  };
}

/** An edit's `attachments` is the complete list of those to keep. */
export function kept(old: Attachment[], input: MessageInput): Attachment[] {
  if (input.attachments === undefined) return old;
  const listed = input.attachments ?? [];
  return old.flatMap((a) => {
    const said = listed.find((b) => b.id === a.id);
    if (!said) return [];
    return said.description === undefined
      ? [a]
      : [{ ...a, description: said.description }];
  });
}

/** Marks those that an embed or a component shows, which the message does not list. */
export function placed(
  attachments: Attachment[],
  embeds: Embed[],
  components: unknown[],
): Attachment[] {
  const shown = new Set([
    ...attachedNames(components),
    ...embeds.flatMap(linked),
  ]);
  return attachments.map((a) => ({ ...a, embedded: shown.has(a.filename) }));
}

function linked(e: Embed): string[] {
  const links = [
    e.image?.url,
    e.thumbnail?.url,
    e.author?.icon_url,
    e.footer?.icon_url,
  ];
  return links.flatMap((link) => {
    const name = /^attachment:\/\/(.+)$/.exec(link ?? "")?.[1];
    return name === undefined ? [] : [name];
  });
}
