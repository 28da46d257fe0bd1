// download.ts - how stored files leave over HTTP. Pure.
//
// Nothing that is sent can act in a browser: pictures of a few types may be shown, everything else
// is a download, and no type is guessed. Nothing is kept without being asked for again, so access
// that ended ends here too.

// None of them can carry anything active; SVG can.
const SHOWN = new Set([
  "image/png",
  "image/jpeg",
  "image/gif",
  "image/webp",
  "image/avif",
]);

export type Sent = {
  contentType: string;
  sha256: string;
  filename: string;
};

/** The headers of a file's answer, whatever part of it is sent. */
export function headersOf({ contentType, sha256, filename }: Sent) {
  const how = SHOWN.has(contentType) ? "inline" : "attachment";
  return {
    "content-type": contentType,
    "content-disposition": disposition(how, filename),
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; sandbox",
    "cross-origin-resource-policy": "same-site",
    "cache-control": "private, no-cache", // asks again each time, with the ETag
    "accept-ranges": "bytes",
    etag: etagOf(sha256),
  };
}

export function etagOf(sha256: string): string {
  return `"${sha256.slice(0, 32)}"`;
}

/** Content-Disposition for any name: plain ASCII, and all of it as RFC 5987 has it. */
export function disposition(how: string, name: string): string {
  const kept = [...name]
    // No path, no control, nothing that turns the reading direction round, no half characters.
    .filter((char) => !/[\p{Cc}\p{Cf}\p{Cs}/\\]/u.test(char))
    .slice(-120)
    .join("")
    .replace(/^[. ]+|[. ]+$/g, "");
  const safe = kept === "" ? "file" : kept;
  const ascii = safe.replace(/[^\x20-\x7e]|["%;]/g, "_");
  const encoded = encodeURIComponent(safe).replace(
    /['()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `${how}; filename="${ascii}"; filename*=UTF-8''${encoded}`;
}

export type Range = { start: number; end: number }; // both included

/** The one range that is asked for; null: all of it; "none": none that there is. */
export function rangeOf(
  header: string | null,
  size: number,
): Range | null | "none" {
  const [, from = "", to = ""] = /^bytes=(\d*)-(\d*)$/.exec(header ?? "") ?? [];
  if (from === "" && to === "") return null; // no range, several, other units
  const start = from === "" ? Math.max(0, size - Number(to)) : Number(from);
  const end =
    from === "" || to === "" ? size - 1 : Math.min(Number(to), size - 1);
  return start > end || (from === "" && Number(to) === 0)
    ? "none"
    : { start, end };
}
