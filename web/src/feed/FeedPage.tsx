// FeedPage.tsx - the live signals of the community: what to show of them, and how.

import { useQuery } from "convex/react";
import { useEffect, useState } from "react";
import { api, type Channel } from "../app/api";
import { useConnection } from "../app/Connection";
import { href, Link, navigate } from "../app/router";
import type { PageProps } from "../app/routes";
import { useCommunity, useConfig } from "../app/session";
import { useShortcuts } from "../app/shortcuts";
import { useTitle } from "../app/title";
import { Button } from "../ui/Button";
import { Checkbox } from "../ui/Field";
import { Time } from "../ui/time";
import { Feed, useAtTop } from "./Feed";
import { Found, SEARCH_ID, SearchField, useSettled } from "./Search";
import { useAlerts } from "./alerts";
import { useSightings } from "./sightings";
import { useFeed, type FeedState, type Filter } from "./useFeed";
import { usePreferences } from "./usePreferences";
import { useReading } from "./useReading";
import "./feed.css";

export function FeedPage({ query, active }: PageProps) {
  const { slug } = useCommunity();
  const { sampling } = useConfig();
  const channels = useQuery(api.feed.channels, { community: slug });
  const symbols = useQuery(api.feed.symbols, { community: slug });
  const channel = channels?.find(({ id }) => id === query.get("channel"));
  const symbol = query.get("pair");
  const [preferences, setPreferences] = usePreferences();
  const hideDeleted = preferences?.hideDeleted ?? true;
  const [text, setText] = useState("");
  const asked = useSettled(text);
  const filter = { channelId: channel?.id ?? null, symbol, hideDeleted };
  const feed = useFeed(slug, filter);
  const { signals, loaded, paused } = feed;
  useSightings(slug, feed.live, loaded, sampling);
  useAlerts(feed.live, loaded, preferences);
  const searching = asked !== "";
  const readTo = useReading({
    community: slug,
    newest: feed.live[0],
    active,
    whole: !channel && symbol === null && !paused && !searching && loaded,
    atTop: useAtTop(),
  });
  useTopOf(`${channel?.id} ${symbol} ${searching}`, active);
  useTitle(active ? (channel?.name ?? "Signals") : null);
  useFeedKeys(feed, active);
  const showChannel = channel === undefined;

  return (
    <div className="feed-page">
      <div className="feed-head">
        <h1 dir="auto">{channel?.name ?? "All signals"}</h1>
        <Age feed={feed} />
        <PauseButton feed={feed} />
        <Options
          hideDeleted={hideDeleted}
          setHideDeleted={(hide) => setPreferences({ hideDeleted: hide })}
        />
      </div>
      <div className="feed-filters">
        <Channels
          all={channels ?? []}
          chosen={channel ?? null}
          symbol={symbol}
        />
        <div className="feed-find">
          <SearchField text={text} onChange={setText} />
          <Symbols
            all={symbols ?? []}
            chosen={symbol}
            choose={(pair) =>
              navigate(href("/", {}, { channel: channel?.id, pair }))
            }
          />
        </div>
      </div>
      {searching ? (
        <Found
          community={slug}
          text={asked}
          filter={filter}
          showChannel={showChannel}
        />
      ) : (
        <Feed
          key={`${channel?.id} ${symbol}`}
          signals={signals}
          loaded={loaded}
          showChannel={showChannel}
          readTo={readTo}
          more={feed.more}
          loadingMore={feed.loadingMore}
          active={active}
        />
      )}
    </div>
  );
}

// Another selection begins at its top.
function useTopOf(selection: string, active: boolean): void {
  const [shown, setShown] = useState(selection);
  useEffect(() => {
    if (!active || shown === selection) return;
    setShown(selection);
    window.scrollTo({ top: 0, behavior: "instant" });
  }, [selection, shown, active]);
}

function useFeedKeys(feed: FeedState, active: boolean): void {
  useShortcuts(
    "Feed",
    [
      {
        keys: "/",
        label: "Search",
        run: () => document.getElementById(SEARCH_ID)?.focus(),
      },
      {
        keys: "p",
        label: "Pause, go on",
        run: () => (feed.paused ? feed.resume() : feed.pause()),
      },
    ],
    active,
  );
}

function Age({ feed }: { feed: FeedState }) {
  const connected = useConnection() === "connected";
  const newest = feed.live[0];
  return (
    <span className="feed-age">
      {newest && connected && (
        <>
          <span className="feed-age-what">last signal </span>
          <Time at={newest.sentAt} />
        </>
      )}
    </span>
  );
}

function PauseButton({ feed }: { feed: FeedState }) {
  const { paused, held, pause, resume } = feed;
  return (
    <Button
      size="small"
      kind={paused ? undefined : "quiet"}
      icon={paused ? "play" : "pause"}
      aria-pressed={paused}
      aria-label={paused ? `Go on: ${held} held` : "Pause"}
      className="pause"
      onClick={paused ? resume : pause}
    >
      <span>{paused ? `${held} held` : "Pause"}</span>
    </Button>
  );
}

function Options(props: {
  hideDeleted: boolean;
  setHideDeleted: (hide: boolean) => void;
}) {
  return (
    <div className="options">
      <Button
        size="small"
        kind="quiet"
        icon="filter"
        popoverTarget="feed-options"
        aria-label="What to show"
      />
      <div
        id="feed-options"
        popover="auto"
        className="options-menu"
        onBeforeToggle={placeBelow}
      >
        <Checkbox
          label="Show deleted signals"
          hint="in their places, without their text"
          checked={!props.hideDeleted}
          onChange={(shown) => props.setHideDeleted(!shown)}
        />
      </div>
    </div>
  );
}

// Popovers are above everything and know nothing of their button's place.
function placeBelow({ currentTarget }: { currentTarget: HTMLElement }): void {
  const { bottom, right } =
    currentTarget.previousElementSibling!.getBoundingClientRect();
  currentTarget.style.top = `${bottom + 4}px`;
  currentTarget.style.right = `${document.documentElement.clientWidth - right}px`;
}

function Symbols(props: {
  all: string[];
  chosen: string | null;
  choose: (symbol: string | null) => void;
}) {
  const { all, chosen, choose } = props;
  if (all.length === 0 && chosen === null) return null;
  const options =
    chosen === null || all.includes(chosen) ? all : [chosen, ...all];
  return (
    <select
      className="input symbols"
      aria-label="Pair"
      value={chosen ?? ""}
      onChange={(event) => choose(event.target.value || null)}
    >
      <option value="">All pairs</option>
      {options.map((symbol) => (
        <option key={symbol}>{symbol}</option>
      ))}
    </select>
  );
}

function Channels(props: {
  all: Channel[];
  chosen: Channel | null;
  symbol: Filter["symbol"];
}) {
  const { all, chosen, symbol } = props;
  return (
    <nav className="channels" aria-label="Channels">
      <Link
        to={href("/", {}, { pair: symbol })}
        aria-current={chosen === null ? "true" : undefined}
      >
        All
      </Link>
      {all.map(({ id, name }) => (
        <Link
          key={id}
          className="channel-name"
          to={href("/", {}, { channel: id, pair: symbol })}
          aria-current={chosen?.id === id ? "true" : undefined}
        >
          <span dir="auto">{name}</span>
        </Link>
      ))}
    </nav>
  );
}
