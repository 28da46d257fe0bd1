// FeedPage.tsx - the live signals of the community.

import { usePaginatedQuery, useQuery } from "convex/react";
import { api, type Channel } from "../app/api";
import { href, Link } from "../app/router";
import type { PageProps } from "../app/routes";
import { useCommunity, useConfig } from "../app/session";
import { Time } from "../ui/time";
import { Feed } from "./Feed";
import { useSightings } from "./sightings";
import "./feed.css";

// Small: an update resends the page it falls in.
const PAGE = 25;

export function FeedPage({ query }: PageProps) {
  const { slug } = useCommunity();
  const { sampling } = useConfig();
  const channels = useQuery(api.feed.channels, { community: slug });
  const channel = channels?.find(({ id }) => id === query.get("channel"));
  const { results, status, loadMore } = usePaginatedQuery(
    api.feed.list,
    { community: slug, ...(channel ? { channelId: channel.id } : {}) },
    { initialNumItems: PAGE },
  );
  const loaded = status !== "LoadingFirstPage";
  useSightings(slug, results, loaded, sampling);

  return (
    <div className="feed-page">
      <div className="feed-head">
        <h1 dir="auto">{channel?.name ?? "All signals"}</h1>
        <span className="feed-age">
          {results[0] && (
            <>
              last signal <Time at={results[0].sentAt} />
            </>
          )}
        </span>
      </div>
      <Channels all={channels ?? []} chosen={channel ?? null} />
      <Feed
        key={channel?.id ?? "all"}
        signals={results}
        loaded={loaded}
        showChannel={channel === undefined}
        more={status === "CanLoadMore" ? () => loadMore(PAGE) : null}
        loadingMore={status === "LoadingMore"}
      />
    </div>
  );
}

function Channels(props: { all: Channel[]; chosen: Channel | null }) {
  const { all, chosen } = props;
  return (
    <nav className="channels" aria-label="Channels">
      <Link
        to={href("/", {})}
        aria-current={chosen === null ? "true" : undefined}
      >
        All
      </Link>
      {all.map(({ id, name }) => (
        <Link
          key={id}
          className="channel-name"
          to={href("/", {}, { channel: id })}
          aria-current={chosen?.id === id ? "true" : undefined}
        >
          <span dir="auto">{name}</span>
        </Link>
      ))}
    </nav>
  );
}
