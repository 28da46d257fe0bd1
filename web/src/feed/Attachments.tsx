// Attachments.tsx - the files of a message: pictures shown, others linked.

import type { Attachment } from "../app/api";
import { safeUrl } from "./markup";
import { Picture } from "./Picture";

// Only types that cannot carry anything active. SVG can.
const PICTURES = new Set([
  "image/png",
  "image/jpeg",
  "image/gif",
  "image/webp",
  "image/avif",
]);

export function Attachments({ files }: { files: Attachment[] }) {
  return (
    <ul className="attachments">
      {files.map((file) => (
        <li key={file.id}>
          {file.url && isPicture(file) ? (
            <Picture url={file.url} label={file.description || file.filename} />
          ) : (
            <FileLink file={file} />
          )}
        </li>
      ))}
    </ul>
  );
}

// What is not stored yet is judged by its name.
function isPicture({ contentType, filename, state }: Attachment): boolean {
  if (state === "pending")
    return /\.(png|jpe?g|gif|webp|avif)$/i.test(filename);
  return PICTURES.has(contentType ?? "");
}

function FileLink({ file }: { file: Attachment }) {
  const url = safeUrl(file.url);
  const text = (
    <>
      <span className="file-name" dir="auto">
        {file.filename}
      </span>
      <span className="file-size">{file.reason ?? size(file.size)}</span>
    </>
  );
  if (url === null) return <span className="file">{text}</span>;
  return (
    <a
      className="file"
      href={url}
      target="_blank"
      rel="noopener noreferrer nofollow"
      download={file.filename}
    >
      {text}
    </a>
  );
}

function size(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  if (bytes < 1024 * 1024) return `${Math.round(bytes / 1024)} KB`;
  return `${(bytes / 1024 / 1024).toFixed(1)} MB`;
}
