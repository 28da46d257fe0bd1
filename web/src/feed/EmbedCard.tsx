// EmbedCard.tsx - a card that a bot or a link put below a message.

import type { CSSProperties } from "react";
import type { Embed } from "../app/api";
import { InlineMarkup, Markup } from "./Markup";
import { safeUrl } from "./markup";
import { StoredPicture } from "./StoredFile";
import { clock, longDate } from "../ui/time";

export function EmbedCard(props: { messageId: string; embed: Embed }) {
  const { messageId, embed } = props;
  const { author, title, description, fields } = embed;
  const { imageFile, thumbnailFile } = embed;
  const bar = { "--bar": colour(embed.color) } as CSSProperties;
  return (
    <div className="embed" style={bar} dir="auto">
      <div className="embed-body">
        {author && <Linked className="embed-author" {...author} />}
        {title && (
          <Linked className="embed-title" name={title} url={embed.url} />
        )}
        {description && (
          <div className="prose embed-description">
            <Markup text={description} />
          </div>
        )}
        {fields && fields.length > 0 && (
          <dl className="embed-fields">
            {fields.map((field, i) => (
              <div key={i} className={field.inline ? "inline" : undefined}>
                <dt>
                  <InlineMarkup text={field.name} />
                </dt>
                <dd className="prose">
                  <Markup text={field.value} />
                </dd>
              </div>
            ))}
          </dl>
        )}
        {imageFile && (
          <StoredPicture
            messageId={messageId}
            file={imageFile}
            label={title ?? "Picture"}
          />
        )}
        <Foot embed={embed} />
      </div>
      {thumbnailFile && (
        <StoredPicture
          messageId={messageId}
          file={thumbnailFile}
          label={title ?? "Thumbnail"}
          small
        />
      )}
    </div>
  );
}

function Linked(props: { className: string; name: string; url?: string }) {
  const url = safeUrl(props.url);
  return (
    <p className={props.className}>
      {url === null ? (
        <InlineMarkup text={props.name} />
      ) : (
        <a href={url} target="_blank" rel="noopener noreferrer nofollow">
          {props.name}
        </a>
      )}
    </p>
  );
}

function Foot({ embed: { footer, timestamp } }: { embed: Embed }) {
  const at = timestamp === undefined ? NaN : Date.parse(timestamp);
  const time = Number.isNaN(at) ? null : `${longDate(at)}, ${clock(at)}`;
  const parts = [footer?.text, time].filter(Boolean);
  if (parts.length === 0) return null;
  return <p className="embed-foot">{parts.join(" · ")}</p>;
}

function colour(value: number | undefined): string {
  if (value === undefined || !(value > 0 && value <= 0xffffff))
    return "var(--line-strong)";
  return `#${Math.floor(value).toString(16).padStart(6, "0")}`;
}
