// Search.tsx - signals by their words: the field, and what was found.

import { useQuery } from "convex/react";
import { useEffect, useState } from "react";
import { api } from "../app/api";
import { Icon } from "../ui/Icon";
import { SignalItem } from "./SignalItem";
import { Marked } from "./terms";
import type { Filter } from "./useFeed";

const PAUSE_MS = 180; // of typing, before it is asked for
export const SEARCH_ID = "search-signals";

/** The value when it has not changed for a moment. */
export function useSettled(value: string): string {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    if (value.trim() === "") return setSettled("");
    const timer = setTimeout(() => setSettled(value.trim()), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [value]);
  return settled;
}

export function SearchField(props: {
  text: string;
  onChange: (text: string) => void;
}) {
  return (
    <div className="search">
      <Icon name="search" />
      <input
        id={SEARCH_ID}
        type="search"
        className="input"
        aria-label="Search the signals"
        placeholder="Search"
        maxLength={200}
        autoComplete="off"
        enterKeyHint="search"
        value={props.text}
        onChange={(event) => props.onChange(event.target.value)}
        onKeyDown={(event) => {
          if (event.key !== "Escape") return;
          event.preventDefault();
          if (props.text === "") event.currentTarget.blur();
          else props.onChange("");
        }}
      />
    </div>
  );
}

export function Found(props: {
  community: string;
  text: string;
  filter: Filter;
  showChannel: boolean;
}) {
  const { community, text, filter, showChannel } = props;
  const { channelId, symbol } = filter;
  const asked = useQuery(api.feed.search, {
    community,
    text,
    ...(channelId === null ? {} : { channelId }),
    ...(symbol === null ? {} : { symbol }),
  });
  // What was found before stays until the next is there.
  const [shown, setShown] = useState({ text, found: asked });
  if (asked !== undefined && (shown.found !== asked || shown.text !== text))
    setShown({ text, found: asked });
  const { found } = shown;
  if (found === undefined) return <p className="found-count">Searching…</p>;
  return (
    <section aria-label="Found signals" aria-busy={asked === undefined}>
      <p className="found-count" role="status">
        {counted(found.length)}
      </p>
      <Marked query={shown.text}>
        <ol className="found">
          {found.map((signal) => (
            <li key={signal._id} className="row-signal">
              <SignalItem signal={signal} showChannel={showChannel} />
            </li>
          ))}
        </ol>
      </Marked>
    </section>
  );
}

function counted(count: number): string {
  if (count === 0) return "Nothing has these words.";
  if (count === 1) return "1 signal";
  return count === 50
    ? "The 50 that fit best, newest first"
    : `${count} signals`;
}
