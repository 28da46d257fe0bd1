// SignalPage.tsx - one signal with all that is known of it: its trade, what became of it, its
// text with what was read where, and when each hop had it.

import { useQuery } from "convex/react";
import { lazy, useState } from "react";
import { api, type Detail, type Signal, type Trade } from "../app/api";
import { href, Link } from "../app/router";
import type { PageProps } from "../app/routes";
import { useCommunity } from "../app/session";
import { useTitle } from "../app/title";
import { Side, TradeCard } from "../feed/TradeCard";
import { SignalItem, addressOf } from "../feed/SignalItem";
import {
  confidenceText,
  leverageText,
  tradesOf,
  updateText,
  updateTone,
} from "../feed/trade";
import { plain } from "../feed/markup";
import { Badge } from "../ui/Badge";
import { Button } from "../ui/Button";
import { useCopy } from "../ui/CopyText";
import { EmptyState } from "../ui/EmptyState";
import { Icon } from "../ui/Icon";
import { Panel, PanelWaiting } from "../ui/Panel";
import { Segmented } from "../ui/Segmented";
import { Time, whenElsewhere } from "../ui/time";
import { Hops } from "./Hops";
import { LadderPicture, LadderTable } from "./Ladder";
import { Reading } from "./Reading";
import "./signal.css";

const Edits = lazy(() => import("./Edits"));

type Linked = Detail["entries"][number];

export function SignalPage({ params }: PageProps) {
  const { slug } = useCommunity();
  const detail = useQuery(api.feed.get, {
    community: slug,
    messageId: params.messageId!,
  });
  useTitle(detail ? titleOf(detail.signal) : "Signal");
  if (detail === undefined)
    return (
      <div className="page narrow">
        <PanelWaiting />
      </div>
    );
  if (detail === null)
    return (
      <EmptyState title="There is no such signal">
        <p>It may never have been captured, or the link is incomplete.</p>
        <Link className="button" to={href("/", {})}>
          Go to the signals
        </Link>
      </EmptyState>
    );
  return <Shown detail={detail} />;
}

function titleOf(signal: Signal): string {
  if (signal.state === "deleted") return "Deleted signal";
  const named = tradesOf(signal).filter(({ symbol }) => symbol !== undefined);
  if (named.length === 0) return `Signal of ${signal.author.name}`;
  return named
    .map(({ symbol, side }) => [symbol, side].filter(Boolean).join(" "))
    .join(", ");
}

// Of an entry that tells of several trades: the one that an update is about.
function tradeOf(entry: Linked | undefined, update: Trade | undefined) {
  const trades = entry ? tradesOf(entry.signal) : [];
  return trades.length === 1
    ? trades[0]
    : trades.find(
        ({ kind, base }) =>
          kind === "entry" && base !== undefined && base === update?.base,
      );
}

function Shown({ detail }: { detail: Detail }) {
  const { signal, entries, updates } = detail;
  const { trade } = signal;
  const of = tradeOf(entries[0], trade) ?? trade;
  const calls = (signal.trades ?? (of ? [of] : [])).filter(isEntry);
  return (
    <div className="page signal-page">
      <Head signal={signal} />
      {signal.state === "deleted" ? (
        <p className="gone">
          This signal was deleted{" "}
          <Time at={signal.sourceAt} words={whenElsewhere} />. What it said is
          not kept.
        </p>
      ) : (
        <>
          {entries.map((entry) => (
            <EntryLink key={entry.signal._id} entry={entry} />
          ))}
          {signal.trades && <News trades={signal.trades} />}
          {calls.map((call, i) => (
            <TradePanel
              key={i}
              trade={call}
              updates={updates}
              title={
                signal.trades
                  ? (call.symbol ?? `Trade ${i + 1}`)
                  : call === trade
                    ? "Trade"
                    : "The trade it is about"
              }
              side={signal.trades !== undefined}
            />
          ))}
          {(updates.length > 0 || calls.length > 0) && (
            <Updates
              updates={updates}
              current={signal.messageId}
              named={calls.length > 1}
            />
          )}
          <TextPanel signal={signal} />
          {signal.editedAt !== null && (
            <Panel title="Edits">
              <Edits messageId={signal.messageId} />
            </Panel>
          )}
        </>
      )}
      <Panel title="On its way">
        <Hops detail={detail} />
      </Panel>
    </div>
  );
}

const isEntry = ({ kind }: Trade) => kind === "entry";

// What a message says of several trades; those that it calls have panels of their own.
function News({ trades }: { trades: Trade[] }) {
  const news = trades.filter((trade) => !isEntry(trade));
  if (news.length === 0) return null;
  return (
    <Panel title="What it says">
      {news.map((trade, i) => (
        <TradeCard key={i} trade={trade} />
      ))}
    </Panel>
  );
}

function Head({ signal }: { signal: Signal }) {
  const copy = useCopy();
  const { trade, messageId } = signal;
  const title = signal.trades ? titleOf(signal) : (trade?.symbol ?? "Signal");
  return (
    <header className="signal-page-head">
      <Link className="back" to={href("/", {})}>
        <Icon name="back" /> Signals
      </Link>
      <div className="page-head">
        <h1>
          {trade && <Side trade={trade} />} {title}
          {trade && leverageText(trade) && (
            <span className="trade-more"> {leverageText(trade)}</span>
          )}
        </h1>
        <Button
          icon="link"
          size="small"
          onClick={() => copy(addressOf(messageId), "Link")}
        >
          Copy link
        </Button>
      </div>
      {signal.state === "live" && (
        <p className="signal-by">
          {signal.author.name} in{" "}
          <span className="channel">{signal.channel.name}</span>,{" "}
          <Time at={signal.sentAt} words={whenElsewhere} />
          {signal.editedAt !== null && (
            <>
              , edited <Time at={signal.editedAt} words={whenElsewhere} />
            </>
          )}
        </p>
      )}
    </header>
  );
}

function EntryLink({ entry }: { entry: Linked }) {
  const { messageId, author } = entry.signal;
  const symbols = tradesOf(entry.signal).flatMap(({ symbol }) => symbol ?? []);
  return (
    <p className="entry-link">
      An update of{" "}
      <Link to={href("/signal/:messageId", { messageId })}>
        {symbols.join(", ") || "a signal"} by {author.name}
      </Link>
      , {foundText(entry.found)}.
    </p>
  );
}

function foundText(found: "reply" | "symbol"): string {
  return found === "reply"
    ? "which it answers"
    : "the only open trade of this pair in the channel";
}

function TradePanel(props: {
  trade: Trade;
  updates: Detail["updates"];
  title: string;
  side: boolean; // is it told here
}) {
  const { trade, updates, title, side } = props;
  const said = updateText(trade);
  return (
    <Panel
      title={title}
      lead={confidenceText(trade.confidence)}
      actions={
        <>
          {side && <Side trade={trade} />}
          {said && <Badge tone={updateTone(trade)}>{said}</Badge>}
        </>
      }
    >
      <div className="ladder">
        <LadderPicture trade={trade} updates={updates} />
        <LadderTable trade={trade} updates={updates} />
      </div>
    </Panel>
  );
}

function Updates(props: {
  updates: Detail["updates"];
  current: string;
  named: boolean; // say which trade each is about: there are several
}) {
  const { updates, current, named } = props;
  return (
    <Panel title="What became of it">
      {updates.length === 0 ? (
        <p className="hint">Nothing has been said of it yet.</p>
      ) : (
        <ol className="updates">
          {updates.map(({ signal, found }) => (
            <li
              key={signal._id}
              aria-current={signal.messageId === current || undefined}
            >
              <Time at={signal.sentAt} words={whenElsewhere} />
              <div>
                <UpdateWords signal={signal} named={named} />
                <p className="hint">
                  {found === "reply"
                    ? "Answers the signal"
                    : "Linked by its pair: no other trade of it was open"}
                </p>
              </div>
            </li>
          ))}
        </ol>
      )}
    </Panel>
  );
}

function UpdateWords({ signal, named }: { signal: Signal; named: boolean }) {
  const { messageId, content, embeds } = signal;
  const words = plain(content) || embeds[0]?.title || "a picture or a file";
  return (
    <p>
      {tradesOf(signal).map((trade, i) => {
        const said = updateText(trade);
        return (
          said && (
            <Badge key={i} tone={updateTone(trade)}>
              {(named || signal.trades) && trade.symbol
                ? `${trade.symbol}: ${said}`
                : said}
            </Badge>
          )
        );
      })}{" "}
      <Link to={href("/signal/:messageId", { messageId })} dir="auto">
        {words.length > 120 ? `${words.slice(0, 119)}…` : words}
      </Link>
    </p>
  );
}

function TextPanel({ signal }: { signal: Signal }) {
  const read = tradesOf(signal).some(({ spans }) => spans.length > 0);
  const [as, setAs] = useState<"posted" | "read">("posted");
  return (
    <Panel
      title="Original text"
      actions={
        read && (
          <Segmented
            label="Show the text"
            options={[
              { value: "posted", label: "As posted" },
              { value: "read", label: "As read" },
            ]}
            value={as}
            onChange={setAs}
          />
        )
      }
    >
      {read && as === "read" ? (
        <Reading signal={signal} />
      ) : (
        <SignalItem signal={signal} showChannel={false} withoutTrade />
      )}
    </Panel>
  );
}
