// Attachments.tsx - the files and stickers of a message.

import type { Attachment, Signal } from "../app/api";
import { isPicture, StoredFile, StoredPicture } from "./StoredFile";

export function Attachments(props: { messageId: string; files: Attachment[] }) {
  const { messageId, files } = props;
  return (
    <ul className="attachments">
      {files.map((file) => (
        <li key={file.id}>
          {isPicture(file) ? (
            <StoredPicture messageId={messageId} file={file} />
          ) : (
            <StoredFile messageId={messageId} file={file} />
          )}
        </li>
      ))}
    </ul>
  );
}

export function Stickers(props: {
  messageId: string;
  stickers: NonNullable<Signal["stickers"]>;
}) {
  return (
    <ul className="attachments">
      {props.stickers.map(({ name, file }, i) => (
        <li key={i}>
          {file && isPicture(file) ? (
            <StoredPicture
              messageId={props.messageId}
              file={file}
              label={`Sticker: ${name}`}
              small
            />
          ) : (
            <span className="file">Sticker: {name}</span>
          )}
        </li>
      ))}
    </ul>
  );
}
