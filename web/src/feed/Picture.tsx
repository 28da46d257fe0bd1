// Picture.tsx - an image whose place is kept, so that nothing jumps.

import { useState } from "react";
import { safeUrl } from "./markup";

export function Picture(props: {
  url: string;
  label: string;
  small?: boolean;
}) {
  const [failed, setFailed] = useState(false);
  const url = safeUrl(props.url);
  if (url === null) return null;
  return (
    <a
      className={props.small ? "picture small" : "picture"}
      href={url}
      target="_blank"
      rel="noopener noreferrer nofollow"
      aria-label={`${props.label} (opens the image)`}
    >
      {failed ? (
        <span className="picture-failed">Image not available</span>
      ) : (
        <img
          src={url}
          alt={props.label}
          loading="lazy"
          decoding="async"
          referrerPolicy="no-referrer"
          onError={() => setFailed(true)}
        />
      )}
    </a>
  );
}
