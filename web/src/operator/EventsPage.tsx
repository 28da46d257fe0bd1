// EventsPage.tsx - what payment providers said, and what became of it. The filters are in
// the address, so that a list can be linked to.

import { usePaginatedQuery } from "convex/react";
import type { FunctionReturnType } from "convex/server";
import { useEffect } from "react";
import { api } from "../app/api";
import { href, Link, navigate } from "../app/router";
import type { PageProps } from "../app/routes";
import { Badge } from "../ui/Badge";
import { Button } from "../ui/Button";
import { Field } from "../ui/Field";
import { Panel } from "../ui/Panel";
import { Table } from "../ui/Table";
import { Time } from "../ui/time";
import { OperatorPage } from "./community";
import { EVENT_STATES, isEventState, type EventState } from "./words";

type Event = FunctionReturnType<typeof api.events.list>["page"][number];
const PAGE = 20;
const DAY = 24 * 3_600_000;

export function EventsPage({ query }: PageProps) {
  return (
    <OperatorPage title="Payments">
      {({ slug }) => (
        <Panel
          title="Events"
          lead="Every event as the providers signed it, and what became of it."
        >
          <Filters query={query} />
          <Events community={slug} query={query} />
        </Panel>
      )}
    </OperatorPage>
  );
}

const FIELDS = ["state", "type", "source", "subject", "from", "to"] as const;
type FieldName = (typeof FIELDS)[number];

function Filters({ query }: { query: URLSearchParams }) {
  const value = (name: FieldName) => query.get(name) ?? "";
  return (
    <form
      className="filters"
      key={query.toString()}
      onSubmit={(event) => {
        event.preventDefault();
        const given = new FormData(event.currentTarget);
        const wanted = FIELDS.map((name) => [
          name,
          String(given.get(name) ?? "").trim(),
        ]);
        navigate(
          href(
            "/operator/events",
            {},
            Object.fromEntries(wanted) as Record<string, string>,
          ),
        );
      }}
    >
      <Field label="State">
        {(control) => (
          <select {...control} name="state" defaultValue={value("state")}>
            <option value="">any</option>
            {Object.keys(EVENT_STATES).map((state) => (
              <option key={state}>{state}</option>
            ))}
          </select>
        )}
      </Field>
      <Field label="Type">
        {(control) => (
          <input {...control} name="type" defaultValue={value("type")} />
        )}
      </Field>
      <Field label="Source">
        {(control) => (
          <input {...control} name="source" defaultValue={value("source")} />
        )}
      </Field>
      <Field label="Subject">
        {(control) => (
          <input
            {...control}
            name="subject"
            placeholder="order:123"
            defaultValue={value("subject")}
          />
        )}
      </Field>
      <Field label="From">
        {(control) => (
          <input
            {...control}
            type="date"
            name="from"
            defaultValue={value("from")}
          />
        )}
      </Field>
      <Field label="To">
        {(control) => (
          <input
            {...control}
            type="date"
            name="to"
            defaultValue={value("to")}
          />
        )}
      </Field>
      <div className="buttons">
        <Button type="submit" icon="filter">
          Filter
        </Button>
        {[...query.keys()].length > 0 && (
          <Link className="button quiet" to={href("/operator/events", {})}>
            Clear
          </Link>
        )}
      </div>
    </form>
  );
}

function filterOf(query: URLSearchParams) {
  const text = (name: FieldName) => query.get(name) || undefined;
  const day = (name: "from" | "to") => {
    const at = Date.parse(`${query.get(name) ?? ""}T00:00:00`);
    return Number.isNaN(at) ? undefined : at;
  };
  const state = query.get("state") ?? "";
  const to = day("to");
  return {
    state: isEventState(state) ? state : undefined,
    type: text("type"),
    source: text("source"),
    subject: text("subject"),
    from: day("from"),
    to: to === undefined ? undefined : to + DAY, // that day too
  };
}

function Events(props: { community: string; query: URLSearchParams }) {
  const { community, query } = props;
  const { results, status, loadMore } = usePaginatedQuery(
    api.events.list,
    { community, filter: filterOf(query) },
    { initialNumItems: PAGE },
  );
  // Filters may leave nothing of a page with more behind it.
  const short = status === "CanLoadMore" && results.length < PAGE / 2;
  useEffect(() => {
    if (short) loadMore(PAGE);
  }, [short, results.length]);
  return (
    <>
      <Table<Event>
        caption="Events found"
        rows={status === "LoadingFirstPage" ? undefined : results}
        rowKey={(event) => event.id}
        empty={
          [...query.keys()].length === 0
            ? "No event has come yet."
            : "No event fits."
        }
        columns={[
          {
            title: "Event",
            cell: (event) => (
              <Link to={href("/operator/events/:id", { id: event.id })}>
                {event.type}
              </Link>
            ),
          },
          {
            title: "State",
            cell: (event) => <EventBadge state={event.state} />,
          },
          {
            title: "Subject",
            cell: (event) =>
              event.subject === null ? (
                "–"
              ) : (
                <Link
                  to={href("/operator/events", {}, { subject: event.subject })}
                >
                  {event.subject}
                </Link>
              ),
          },
          {
            title: "Source",
            cell: (event) =>
              `${event.source}${event.polled ? ", asked for" : ""}`,
          },
          {
            title: "Received",
            cell: (event) => <Time at={event.receivedAt} />,
          },
          {
            title: "Why",
            cell: (event) => <span className="reason">{event.detail}</span>,
          },
        ]}
      />
      {status === "CanLoadMore" && (
        <div className="buttons">
          <Button onClick={() => loadMore(PAGE)}>Load older events</Button>
        </div>
      )}
      {status === "LoadingMore" && (
        <p className="hint" role="status">
          Loading older events…
        </p>
      )}
    </>
  );
}

export function EventBadge({ state }: { state: EventState }) {
  return <Badge tone={EVENT_STATES[state].tone}>{state}</Badge>;
}
