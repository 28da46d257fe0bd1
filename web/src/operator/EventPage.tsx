// EventPage.tsx - one event of a provider: as received, each attempt, and another one.

import { useMutation, useQuery } from "convex/react";
import type { FunctionReturnType } from "convex/server";
import { useState } from "react";
import { api } from "../app/api";
import { href, Link } from "../app/router";
import type { PageProps } from "../app/routes";
import { Button } from "../ui/Button";
import { CopyText, useCopy } from "../ui/CopyText";
import { Panel, PanelWaiting } from "../ui/Panel";
import { Segmented } from "../ui/Segmented";
import { Table } from "../ui/Table";
import { longDate, Time } from "../ui/time";
import { OperatorPage, useRun } from "./community";
import { EventBadge } from "./EventsPage";
import { EVENT_STATES, took } from "./words";

type DryRun = FunctionReturnType<typeof api.events.dryRun>;
type Standing = NonNullable<DryRun["after"]>;
type Id = FunctionReturnType<typeof api.events.get>["id"];

export function EventPage({ params }: PageProps) {
  const id = params.id as Id; // the backend refuses what is none
  return (
    <OperatorPage
      title="Event"
      actions={
        <Link className="button small" to={href("/operator/events", {})}>
          All events
        </Link>
      }
    >
      {() => (
        <>
          <Panel title="What became of it">
            <Summary id={id} />
          </Panel>
          <Panel title="Attempts">
            <Attempts id={id} />
          </Panel>
          <Panel title="As received">
            <Received id={id} />
          </Panel>
        </>
      )}
    </OperatorPage>
  );
}

function Summary({ id }: { id: Id }) {
  const event = useQuery(api.events.get, { id });
  const replay = useMutation(api.events.replay);
  const [trying, setTrying] = useState(false);
  const tried = useQuery(api.events.dryRun, trying ? { id } : "skip"); // live
  const { busy, run } = useRun();
  if (event === undefined) return <PanelWaiting />;
  return (
    <>
      <p className="verdict">
        <EventBadge state={event.state} /> {EVENT_STATES[event.state].about}
      </p>
      <dl className="facts">
        <dt>Type</dt>
        <dd>{event.type}</dd>
        <dt>Why</dt>
        <dd>{event.detail || "–"}</dd>
        <dt>Subject</dt>
        <dd>
          {event.subject === null ? (
            "–"
          ) : (
            <Link to={href("/operator/events", {}, { subject: event.subject })}>
              {event.subject}
            </Link>
          )}
        </dd>
        <dt>Provider</dt>
        <dd>
          {event.provider}, source {event.source}
          {event.polled && ", asked for"}
        </dd>
        <dt>Received</dt>
        <dd>
          <Time at={event.receivedAt} />, stored{" "}
          {took(event.storedAt - event.receivedAt)} later
        </dd>
        {event.occurredAt !== null && (
          <>
            <dt>Occurred</dt>
            <dd>
              <Time at={event.occurredAt} />, by the provider's clock
            </dd>
          </>
        )}
        <dt>Key</dt>
        <dd>
          <CopyText text={event.key} what="key" />
        </dd>
      </dl>
      <div className="buttons">
        <Button
          size="small"
          icon="eye"
          busy={trying && tried === undefined}
          onClick={() => setTrying(true)}
        >
          Dry run
        </Button>
        <Button
          size="small"
          kind="primary"
          icon="refresh"
          busy={busy === "replay"}
          onClick={() =>
            run("replay", async () => {
              const { state } = await replay({ id });
              setTrying(false);
              return `Replayed: ${state}`;
            })
          }
        >
          Replay
        </Button>
      </div>
      {tried && <Outcome tried={tried} />}
    </>
  );
}

const ROWS: { title: string; cell: (one: Standing) => string }[] = [
  { title: "Purchase", cell: ({ subject }) => subject.replace(":", " ") },
  { title: "E-mail", cell: ({ email }) => email ?? "not known" },
  { title: "Plan", cell: ({ plan }) => plan ?? "none" },
  { title: "State", cell: ({ phase }) => phase },
  { title: "Paid until", cell: ({ paidUntil }) => until(paidUntil) },
  { title: "Parked for want of", cell: ({ parked }) => parked ?? "nothing" },
  {
    title: "Gives access",
    cell: ({ access }) =>
      access === null
        ? "no"
        : access.until === null
          ? "yes, without an end"
          : `until ${longDate(access.until)}`,
  },
];

function until(at: number | null): string {
  return at === null ? "–" : longDate(at);
}

function Outcome({ tried }: { tried: DryRun }) {
  const { state, detail, before, after } = tried;
  const cell = (one: Standing | null, row: (typeof ROWS)[number]) =>
    one === null ? "–" : row.cell(one);
  return (
    <div className="dry-run" role="status">
      <p>
        A replay would leave it <EventBadge state={state} />: {detail}. Nothing
        was changed.
      </p>
      {after !== null && (
        <Table
          caption="What a replay would change"
          rows={ROWS}
          rowKey={(row) => row.title}
          columns={[
            { title: "", cell: (row) => row.title },
            { title: "Now", cell: (row) => cell(before, row) },
            {
              title: "After a replay",
              cell: (row) =>
                cell(before, row) === cell(after, row) ? (
                  cell(after, row)
                ) : (
                  <strong>{cell(after, row)}</strong>
                ),
            },
          ]}
        />
      )}
    </div>
  );
}

function Attempts({ id }: { id: Id }) {
  const event = useQuery(api.events.get, { id });
  return (
    <Table
      caption="Every attempt"
      rows={event?.attempts}
      rowKey={({ at, by }) => `${at} ${by}`}
      columns={[
        { title: "At", cell: ({ at }) => <Time at={at} /> },
        { title: "By", cell: ({ by }) => by },
        {
          title: "Outcome",
          cell: ({ state }) => <EventBadge state={state} />,
        },
        {
          title: "Why",
          cell: ({ detail }) => <span className="reason">{detail}</span>,
        },
        {
          title: "Took",
          align: "end",
          cell: ({ latencyMs }) => took(latencyMs),
        },
      ]}
    />
  );
}

function Received({ id }: { id: Id }) {
  const event = useQuery(api.events.get, { id });
  const [view, setView] = useState<"pretty" | "raw">("pretty");
  const copy = useCopy();
  if (event === undefined) return <PanelWaiting />;
  return (
    <>
      <Table
        caption="Headers"
        rows={event.headers}
        rowKey={({ name, value }) => `${name} ${value}`}
        empty="No headers were kept: it was asked for."
        columns={[
          { title: "Header", cell: ({ name }) => <code>{name}</code> },
          {
            title: "Value",
            cell: ({ value }) => <code className="reason">{value}</code>,
          },
        ]}
      />
      <div className="panel-head">
        <h3>Body</h3>
        <div className="buttons">
          <Segmented
            label="Body shown"
            options={[
              { value: "pretty", label: "Readable" },
              { value: "raw", label: "Raw" },
            ]}
            value={view}
            onChange={setView}
          />
          <Button
            size="small"
            icon="copy"
            onClick={() => copy(event.body, "Body")}
          >
            Copy
          </Button>
        </div>
      </div>
      <pre className="body" tabIndex={0} aria-label="Body">
        {view === "raw" ? event.body : pretty(event.body)}
      </pre>
      <p className="hint">
        SHA-256 <code className="reason">{event.bodySha256}</code>
      </p>
    </>
  );
}

function pretty(body: string): string {
  try {
    return JSON.stringify(JSON.parse(body), null, 2);
  } catch {
    return body; // not JSON: as it is
  }
}
