// files.ts - which files a message names. Pure.
//
// A file of the message itself goes by Discord's id. A picture of an embed has none: it goes by
// its address, without the signature, which Discord renews.

import { v, type Infer } from "convex/values";
import { digest } from "./digest";
import type { Body, Embed } from "./fields";
import { withoutSignature } from "./versions";

const MAX_FILES = 64; // Discord: 10 attachments, 10 embeds of 4 pictures, 3 stickers

export const fileKind = v.union(
  v.literal("file"),
  v.literal("embed"), // a picture of an embed
  v.literal("sticker"),
);

export const fileState = v.union(
  v.literal("pending"),
  v.literal("stored"),
  v.literal("refused"), // seen, and not kept: `reason` says why
  v.literal("failed"), // could not be got: `reason` says why
);

export type FileState = Infer<typeof fileState>;

export type NamedFile = {
  id: string;
  kind: Infer<typeof fileKind>;
  filename: string;
  url: string;
  size: number; // as Discord says; 0: it does not
};

/** The files of a body, each once. */
export function filesOf(body: Body | null): NamedFile[] {
  if (body === null) return [];
  const all: NamedFile[] = body.attachments.map(
    ({ id, filename, url, size }) => ({
      id,
      kind: "file",
      filename,
      url,
      size,
    }),
  );
  for (const embed of body.embeds)
    for (const [url, proxyUrl] of picturesOf(embed))
      all.push({
        id: pictureId(url),
        kind: "embed",
        filename: nameIn(url),
        url: proxyUrl ?? url,
        size: 0,
      });
  for (const { id, name, format, url } of body.stickers ?? [])
    if (url !== undefined)
      all.push({
        id,
        kind: "sticker",
        filename: `${name}.${format === "gif" ? "gif" : "png"}`,
        url,
        size: 0,
      });
  const seen = new Set<string>();
  return all
    .filter(({ id }) => !seen.has(id) && seen.add(id))
    .slice(0, MAX_FILES);
}

/** What a picture of an embed is called: the same for a renewed signature. */
export function pictureId(url: string): string {
  return `e${digest(withoutSignature(url)).slice(0, 24)}`;
}

function picturesOf(embed: Embed): [string, string | undefined][] {
  const { image, thumbnail, author, footer } = embed;
  const all: [string | undefined, string | undefined][] = [
    [image?.url, image?.proxyUrl],
    [thumbnail?.url, thumbnail?.proxyUrl],
    [author?.iconUrl, author?.proxyIconUrl],
    [footer?.iconUrl, footer?.proxyIconUrl],
  ];
  return all.filter((one): one is [string, string | undefined] => !!one[0]);
}

function nameIn(url: string): string {
  const path = url.replace(/[?#].*$/, "");
  const last = path.slice(path.lastIndexOf("/") + 1);
  return last === "" || path.split("/").length < 4 ? "picture" : last;
}
