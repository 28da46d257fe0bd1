// StoredFile.tsx - a stored file of a signal: a picture in its place, anything else to keep.
//
// Shown are only types that cannot carry anything active, by what the stored bytes are and not
// by what somebody called them; all else is handed over as a file and never opened here.

import { useRef, useState } from "react";
import type { Attachment } from "../app/api";
import { Button } from "../ui/Button";
import { Dialog } from "../ui/Dialog";
import { Icon } from "../ui/Icon";
import { useFile, useOnScreen } from "../ui/files";

const PICTURES = new Set([
  "image/png",
  "image/jpeg",
  "image/gif",
  "image/webp",
  "image/avif",
]);

/** Is it a picture, or, while nobody has looked at it yet, called one? */
export function isPicture(file: Attachment): boolean {
  if (file.state === "stored") return PICTURES.has(file.contentType ?? "");
  return (
    file.state === "pending" &&
    /\.(png|jpe?g|gif|webp|avif)$|^picture$/i.test(file.filename)
  );
}

type Props = {
  messageId: string;
  file: Attachment;
  label?: string;
  small?: boolean;
};

/** An image whose place is kept before its bytes are there, so that nothing jumps. */
export function StoredPicture(props: Props) {
  const { messageId, file, small } = props;
  const label = props.label ?? (file.description || file.filename);
  const place = useRef<HTMLDivElement>(null);
  const near = useOnScreen(place);
  const stored = file.state === "stored";
  const shown = useFile(messageId, file.id, stored && near);
  const [broken, setBroken] = useState(false);
  const [open, setOpen] = useState(false);
  const [veiled, setVeiled] = useState(file.spoiler === true);
  const failed = broken
    ? "This picture cannot be shown"
    : shown.state === "failed"
      ? shown.reason
      : !stored
        ? stateText(file)
        : null;
  return (
    <div ref={place} className={small ? "picture small" : "picture"}>
      {failed !== null ? (
        <p className="picture-failed">{failed}</p>
      ) : shown.state !== "ready" ? (
        <div className="picture-waiting" role="img" aria-label={label} />
      ) : (
        <button
          type="button"
          className={veiled ? "picture-button veiled" : "picture-button"}
          aria-label={
            veiled ? "Spoiler picture, show it" : `${label}, open larger`
          }
          onClick={() => (veiled ? setVeiled(false) : setOpen(true))}
        >
          <img
            src={shown.url}
            alt={veiled ? "" : label}
            decoding="async"
            onError={() => setBroken(true)}
          />
        </button>
      )}
      {open && shown.state === "ready" && (
        <Dialog
          title={label}
          wide
          onClose={() => setOpen(false)}
          actions={
            <Button
              icon="download"
              onClick={() => save(shown.url, file.filename)}
            >
              Save
            </Button>
          }
        >
          <img className="picture-large" src={shown.url} alt={label} />
        </Dialog>
      )}
    </div>
  );
}

/** A file to keep. It is asked for when it is wanted, not before. */
export function StoredFile({ messageId, file }: Props) {
  const [wanted, setWanted] = useState(false);
  const text = (
    <>
      <Icon name="file" />
      <span className="file-name" dir="auto">
        {file.filename}
      </span>
      {file.state === "stored" ? (
        <span className="file-size">{size(file.size)}</span>
      ) : (
        <span className="file-why">{stateText(file)}</span>
      )}
    </>
  );
  if (file.state !== "stored") return <span className="file">{text}</span>;
  return (
    <>
      <button
        type="button"
        className="file"
        aria-label={`Save ${file.filename}, ${size(file.size)}`}
        onClick={() => setWanted(true)}
      >
        {text}
      </button>
      {wanted && (
        <Saving
          messageId={messageId}
          file={file}
          done={() => setWanted(false)}
        />
      )}
    </>
  );
}

function Saving(props: Props & { done: () => void }) {
  const { messageId, file, done } = props;
  const shown = useFile(messageId, file.id, true);
  const saved = useRef(false);
  if (shown.state === "failed")
    return (
      <span className="field-error" role="alert">
        {shown.reason}
      </span>
    );
  if (shown.state === "waiting")
    return (
      <span className="hint" role="status">
        Fetching…
      </span>
    );
  return (
    <span
      ref={(element) => {
        if (element === null || saved.current) return;
        saved.current = true;
        save(shown.url, file.filename);
        done();
      }}
    />
  );
}

function save(url: string, name: string): void {
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
}

function stateText({ state, reason }: Attachment): string {
  if (state === "pending") return "being fetched…";
  const words = reason ?? "not available";
  return state === "refused" ? `was refused: ${words}` : words;
}

function size(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  if (bytes < 1024 * 1024) return `${Math.round(bytes / 1024)} KB`;
  return `${(bytes / 1024 / 1024).toFixed(1)} MB`;
}
