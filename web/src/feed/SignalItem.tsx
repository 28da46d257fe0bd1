// SignalItem.tsx - one signal of the feed.

import { memo } from "react";
import type { Signal } from "../app/api";
import { Attachments } from "./Attachments";
import { EmbedCard } from "./EmbedCard";
import { Markup } from "./Markup";
import { plain } from "./markup";
import { Time, when, whenElsewhere } from "../ui/time";

// data-message-id, data-version and data-text are what the page shows, for
// anybody who compares it with the source.
export const SignalItem = memo(function SignalItem(props: {
  signal: Signal;
  showChannel: boolean;
}) {
  const { signal, showChannel } = props;
  const { author, replyTo, messageId } = signal;
  return (
    <article
      className="signal"
      data-message-id={messageId}
      data-version={signal.version}
      aria-labelledby={`by-${messageId}`}
    >
      <Avatar name={author.name} id={author.id} />
      <div className="signal-main">
        <header className="signal-head">
          <span className="author" id={`by-${messageId}`} dir="auto">
            {author.name}
          </span>
          {author.bot && <span className="badge">Bot</span>}
          {showChannel && (
            <span className="channel">{signal.channel.name}</span>
          )}
          <Time at={signal.sentAt} words={when} className="when" />
          {signal.editedAt !== null && <Edited at={signal.editedAt} />}
        </header>
        {replyTo && <Reply {...replyTo} />}
        <div className="prose" data-text={signal.content} dir="auto">
          <Markup text={signal.content} />
        </div>
        {signal.embeds.map((embed, i) => (
          <EmbedCard key={i} embed={embed} />
        ))}
        {signal.attachments.length > 0 && (
          <Attachments files={signal.attachments} />
        )}
      </div>
    </article>
  );
}, sameSignal);

// Every update brings new objects; what they say is mostly what they said.
function sameSignal(
  a: { signal: Signal; showChannel: boolean },
  b: { signal: Signal; showChannel: boolean },
): boolean {
  return (
    a.showChannel === b.showChannel &&
    a.signal._id === b.signal._id &&
    a.signal.version === b.signal.version &&
    a.signal.author.name === b.signal.author.name &&
    a.signal.channel.name === b.signal.channel.name &&
    a.signal.replyTo?.authorName === b.signal.replyTo?.authorName &&
    a.signal.replyTo?.excerpt === b.signal.replyTo?.excerpt &&
    a.signal.attachments.every((file, i) => {
      const other = b.signal.attachments[i];
      return file.url === other?.url && file.state === other?.state;
    })
  );
}

// A colour that stays with the author; the picture would ask another host.
function Avatar({ name, id }: { name: string; id: string }) {
  const [initial = "?"] = [...name.trim()];
  const hue = Number(id.slice(-4)) % 8;
  return (
    <span className={`avatar hue-${hue || 0}`} aria-hidden="true">
      {initial.toUpperCase()}
    </span>
  );
}

function Edited({ at }: { at: number }) {
  return (
    <span className="edited">
      edited <Time at={at} words={whenElsewhere} />
    </span>
  );
}

function Reply({ authorName, excerpt }: NonNullable<Signal["replyTo"]>) {
  return (
    <p className="reply" dir="auto">
      {authorName === null ? (
        "Reply to a message that is no longer here"
      ) : (
        <>
          <span className="reply-author">{authorName}</span>{" "}
          {plain(excerpt ?? "") || "a picture or a file"}
        </>
      )}
    </p>
  );
}
