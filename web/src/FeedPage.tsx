// FeedPage.tsx - the live signals of one community.

import { useAuthActions } from "@convex-dev/auth/react";
import { usePaginatedQuery, useQuery } from "convex/react";
import { useState } from "react";
import { api, type Channel, type Standing } from "./api";
import { Connection } from "./Connection";
import { Feed } from "./Feed";
import { Mark } from "./Notice";
import { useSightings } from "./sightings";

// Small: an update resends the page it falls in.
const PAGE = 25;

export function FeedPage(props: {
  community: Standing;
  email: string;
  sampling: number;
}) {
  const { slug, name } = props.community;
  const [channel, setChannel] = useState<Channel | null>(null);
  const channels = useQuery(api.feed.channels, { community: slug });
  const { results, status, loadMore } = usePaginatedQuery(
    api.feed.list,
    { community: slug, ...(channel ? { channelId: channel.id } : {}) },
    { initialNumItems: PAGE },
  );
  const loaded = status !== "LoadingFirstPage";
  useSightings(slug, results, loaded, props.sampling);

  return (
    <div className="app">
      <a className="skip" href="#signals">
        Skip to the signals
      </a>
      <header className="side">
        <p className="brand">
          <Mark /> <span dir="auto">{name}</span>
        </p>
        <Channels all={channels ?? []} chosen={channel} choose={setChannel} />
        <Account email={props.email} />
      </header>
      <main id="signals" tabIndex={-1}>
        <div className="bar">
          <h1 dir="auto">{channel?.name ?? "All signals"}</h1>
          <Connection newestAt={results[0]?.sentAt ?? null} />
        </div>
        <Feed
          key={channel?.id ?? "all"}
          signals={results}
          loaded={loaded}
          showChannel={channel === null}
          more={status === "CanLoadMore" ? () => loadMore(PAGE) : null}
          loadingMore={status === "LoadingMore"}
        />
      </main>
    </div>
  );
}

function Channels(props: {
  all: Channel[];
  chosen: Channel | null;
  choose: (channel: Channel | null) => void;
}) {
  const { all, chosen, choose } = props;
  return (
    <nav className="channels" aria-label="Channels">
      <button
        aria-current={chosen === null ? "true" : undefined}
        onClick={() => choose(null)}
      >
        All signals
      </button>
      {all.map((channel) => (
        <button
          key={channel.id}
          className="channel-name"
          aria-current={chosen?.id === channel.id ? "true" : undefined}
          onClick={() => choose(channel)}
        >
          <span dir="auto">{channel.name}</span>
        </button>
      ))}
    </nav>
  );
}

function Account({ email }: { email: string }) {
  const { signOut } = useAuthActions();
  return (
    <div className="account">
      <span className="account-email" title={email}>
        {email}
      </span>
      <button className="inline-button" onClick={() => void signOut()}>
        Sign out
      </button>
    </div>
  );
}
