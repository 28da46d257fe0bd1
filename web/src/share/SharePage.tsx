// SharePage.tsx - what a link opens to whoever has it: words only, nothing to do, no account.

import { usePaginatedQuery, useQueries } from "convex/react";
import type { FunctionReturnType } from "convex/server";
import { useMemo } from "react";
import { api, refusalOf } from "../app/api";
import type { PageProps } from "../app/routes";
import { Waiting } from "../app/Waiting";
import { InlineMarkup, Markup } from "../feed/Markup";
import { tradesOf } from "../feed/trade";
import { Badge } from "../ui/Badge";
import { Button } from "../ui/Button";
import { EmptyState } from "../ui/EmptyState";
import { Mark } from "../ui/Notice";
import { PointInTime, Time } from "../ui/time";
import "./share.css";

type About = FunctionReturnType<typeof api.shares.about>;
type Item = FunctionReturnType<typeof api.shares.feed>["page"][number];
type SharedEmbed = Item["embeds"][number];

const PAGE = 25;

export default function SharePage({ params }: PageProps) {
  const token = params.token!;
  // As a value, not thrown: that a link ends is no error of the page.
  const queries = useMemo(
    () => ({ about: { query: api.shares.about, args: { token } } }),
    [token],
  );
  const about = useQueries(queries).about as About | Error | undefined;
  if (about === undefined) return <Waiting />;
  if (about instanceof Error) {
    const refusal = refusalOf(about);
    if (refusal?.code !== "share_over") throw about;
    return (
      <EmptyState title="Nothing is shared here">
        <p>{refusal.message}. Ask whoever gave you the link for a new one.</p>
      </EmptyState>
    );
  }
  return <Shared token={token} about={about} />;
}

function Shared({ token, about }: { token: string; about: About }) {
  const { results, status, loadMore } = usePaginatedQuery(
    api.shares.feed,
    { token },
    { initialNumItems: PAGE },
  );
  const what = about.one ? "One signal" : (about.channel ?? "All signals");
  return (
    <div className="page narrow share">
      <header className="share-head">
        <p className="brand">
          <Mark /> <span dir="auto">{about.community}</span>
        </p>
        <h1 dir="auto">{what}</h1>
        <p className="share-soft">
          Shared with you, to read, until <PointInTime at={about.expiresAt} />.
        </p>
      </header>
      {status !== "LoadingFirstPage" && results.length === 0 && (
        <p className="share-soft">
          {about.one
            ? "This signal was deleted."
            : "Nothing has been posted yet."}
        </p>
      )}
      <ol className="share-list">
        {results.map((item) => (
          <li key={item.messageId}>
            <SharedSignal item={item} />
          </li>
        ))}
      </ol>
      {status === "CanLoadMore" && (
        <Button onClick={() => loadMore(PAGE)}>Earlier signals</Button>
      )}
    </div>
  );
}

function SharedSignal({ item }: { item: Item }) {
  const { author, channel, content, embeds, files } = item;
  return (
    <article className="panel share-signal" data-shared={item.messageId}>
      <header>
        <strong dir="auto">{author}</strong>
        <span className="share-soft" dir="auto">
          {channel}
        </span>
        <Time at={item.sentAt} className="share-soft" />
        {item.editedAt !== null && <Badge>Edited</Badge>}
        {tradesOf(item).map(
          ({ symbol, side }, i) =>
            symbol && (
              <Badge key={i} tone="accent">
                {[symbol, side].filter(Boolean).join(" · ")}
              </Badge>
            ),
        )}
      </header>
      {content !== "" && (
        <div className="prose">
          <Markup text={content} />
        </div>
      )}
      {embeds.map((embed, i) => (
        <Card key={i} embed={embed} />
      ))}
      {files > 0 && (
        <p className="share-soft">
          {files === 1 ? "A file" : `${files} files`} with it: for members.
        </p>
      )}
    </article>
  );
}

function Card({
  embed: { title, description, fields },
}: {
  embed: SharedEmbed;
}) {
  return (
    <div className="share-embed">
      {title && (
        <p>
          <strong dir="auto">
            <InlineMarkup text={title} />
          </strong>
        </p>
      )}
      {description && (
        <div className="prose">
          <Markup text={description} />
        </div>
      )}
      {fields && fields.length > 0 && (
        <dl className="facts">
          {fields.map(({ name, value }, i) => (
            <div key={i} className="share-field">
              <dt dir="auto">
                <InlineMarkup text={name} />
              </dt>
              <dd className="prose">
                <Markup text={value} />
              </dd>
            </div>
          ))}
        </dl>
      )}
    </div>
  );
}
