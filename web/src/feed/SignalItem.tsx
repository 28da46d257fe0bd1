// SignalItem.tsx - one signal of the feed.

import { memo } from "react";
import type { Signal } from "../app/api";
import { href, Link } from "../app/router";
import { Badge } from "../ui/Badge";
import { Button } from "../ui/Button";
import { useCopy } from "../ui/CopyText";
import { clock, exactTime, Time, when, whenElsewhere } from "../ui/time";
import { Attachments, Stickers } from "./Attachments";
import { EmbedCard } from "./EmbedCard";
import { Markup } from "./Markup";
import { plain } from "./markup";
import { Text } from "./terms";
import { tradesOf } from "./trade";
import { TradeCard } from "./TradeCard";

type Props = {
  signal: Signal;
  showChannel: boolean;
  withoutTrade?: boolean; // it is shown at length beside it
};

// data-message-id, data-version and data-text are what the page shows, for
// anybody who compares it with the source.
export const SignalItem = memo(function SignalItem(props: Props) {
  const { signal, showChannel } = props;
  const { author, replyTo, messageId } = signal;
  if (signal.state === "deleted") return <Deleted {...props} />;
  return (
    <article
      className="signal"
      tabIndex={-1}
      data-message-id={messageId}
      data-version={signal.version}
      aria-labelledby={`by-${messageId}`}
    >
      <Avatar name={author.name} id={author.id} />
      <div className="signal-main">
        <header className="signal-head">
          <span className="author" id={`by-${messageId}`} dir="auto">
            <Text text={author.name} />
          </span>
          {author.bot && <Badge>Bot</Badge>}
          {showChannel && (
            <span className="channel">{signal.channel.name}</span>
          )}
          <Permalink signal={signal} />
          {signal.editedAt !== null && <Edited at={signal.editedAt} />}
        </header>
        {replyTo && <Reply {...replyTo} />}
        {!props.withoutTrade &&
          tradesOf(signal).map((trade, i) => (
            <TradeCard key={i} trade={trade} />
          ))}
        <div className="prose" data-text={signal.content} dir="auto">
          <Markup text={signal.content} />
        </div>
        {signal.embeds.map((embed, i) => (
          <EmbedCard key={i} messageId={messageId} embed={embed} />
        ))}
        {signal.attachments.length > 0 && (
          <Attachments messageId={messageId} files={signal.attachments} />
        )}
        {signal.stickers && signal.stickers.length > 0 && (
          <Stickers messageId={messageId} stickers={signal.stickers} />
        )}
        {signal.poll && <Poll poll={signal.poll} />}
      </div>
      <CopyLink messageId={messageId} />
    </article>
  );
}, sameSignal);

// Every update brings new objects; what they say is mostly what they said. A version
// is of everything that is written in a signal; the rest is compared.
function sameSignal(a: Props, b: Props): boolean {
  const rest = ({ signal, showChannel }: Props) =>
    JSON.stringify([
      showChannel,
      signal.author.name,
      signal.channel.name,
      signal.replyTo,
      tradesOf(signal),
      signal.attachments,
      signal.embeds,
      signal.stickers,
    ]);
  return (
    a.signal === b.signal ||
    (a.signal._id === b.signal._id &&
      a.signal.version === b.signal.version &&
      a.signal.state === b.signal.state &&
      rest(a) === rest(b))
  );
}

/** Where a signal can be found, whoever is sent there. */
export function addressOf(messageId: string): string {
  return new URL(
    href("/signal/:messageId", { messageId }),
    window.location.href,
  ).href;
}

function Permalink({ signal: { messageId, sentAt } }: { signal: Signal }) {
  return (
    <Link className="when" to={href("/signal/:messageId", { messageId })}>
      <span className="unseen">Open the signal, posted </span>
      <Time at={sentAt} words={when} />
    </Link>
  );
}

function CopyLink({ messageId }: { messageId: string }) {
  const copy = useCopy();
  return (
    <Button
      className="copy-link"
      kind="quiet"
      size="small"
      icon="link"
      aria-label="Copy the link to this signal"
      onClick={() => copy(addressOf(messageId), "Link")}
    />
  );
}

function Deleted({ signal, showChannel }: Props) {
  return (
    <article
      className="signal deleted"
      tabIndex={-1}
      data-message-id={signal.messageId}
      data-version={signal.version}
    >
      <p data-text="">
        <Badge>Deleted</Badge>{" "}
        {showChannel && <span className="channel">{signal.channel.name}</span>}{" "}
        posted <Time at={signal.sentAt} words={whenElsewhere} />, deleted{" "}
        <Time at={signal.sourceAt} words={whenElsewhere} />
      </p>
    </article>
  );
}

// A colour that stays with the author; the picture would ask another host.
export function Avatar({ name, id }: { name: string; id: string }) {
  const [initial = "?"] = [...name.trim()];
  const hue = Number(id.slice(-4)) % 8;
  return (
    <span className={`avatar hue-${hue || 0}`} aria-hidden="true">
      {initial.toUpperCase()}
    </span>
  );
}

// The clock and not the age: words that grow would push what is beside them.
function Edited({ at }: { at: number }) {
  return (
    <span className="edited" title={`Edited ${exactTime(at)}`}>
      edited {clock(at)}
    </span>
  );
}

function Reply(props: NonNullable<Signal["replyTo"]>) {
  const { messageId, authorName, excerpt } = props;
  if (authorName === null)
    return <p className="reply">Reply to a message that is no longer here</p>;
  return (
    <p className="reply" dir="auto">
      <Link to={href("/signal/:messageId", { messageId })}>
        <span className="reply-author">{authorName}</span>{" "}
        {plain(excerpt ?? "") || "a picture or a file"}
      </Link>
    </p>
  );
}

function Poll({ poll }: { poll: NonNullable<Signal["poll"]> }) {
  const { question, answers, multiple, endsAt } = poll;
  return (
    <div className="poll" dir="auto">
      <p className="poll-question">{question}</p>
      <ul>
        {answers.map((answer, i) => (
          <li key={i}>{answer}</li>
        ))}
      </ul>
      <p className="poll-foot">
        Poll{multiple && ", several answers"}
        {endsAt !== undefined && (
          <>
            , until <Time at={endsAt} words={whenElsewhere} />
          </>
        )}
        . Votes are given in Discord.
      </p>
    </div>
  );
}
