// AuditPage.tsx - who did what to whom, and when.

import { usePaginatedQuery } from "convex/react";
import { useState } from "react";
import { api } from "../app/api";
import { href, Link } from "../app/router";
import { Button } from "../ui/Button";
import { Panel } from "../ui/Panel";
import { Segmented } from "../ui/Segmented";
import { Table } from "../ui/Table";
import { Time } from "../ui/time";
import { OperatorPage } from "./community";

const PAGE = 50;

export function AuditPage() {
  const [above, setAbove] = useState(false);
  return (
    <OperatorPage title="Audit log">
      {({ slug, name }) => (
        <Panel
          title="What was done"
          lead="Every change by an operator, here or by command line."
          actions={
            <Segmented
              label="Of what"
              options={[
                { value: "community", label: name },
                { value: "service", label: "The whole service" },
              ]}
              value={above ? "service" : "community"}
              onChange={(value) => setAbove(value === "service")}
            />
          }
        >
          <Log community={above ? null : slug} />
        </Panel>
      )}
    </OperatorPage>
  );
}

/** Words, or the fields of what was set, each by its name. */
function Detail({ text }: { text: string }) {
  const fields = fieldsOf(text);
  if (fields === null) return <span className="reason">{text}</span>;
  return (
    <dl className="detail-fields">
      {fields.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>{" "}
          <dd>{typeof value === "string" ? value : JSON.stringify(value)}</dd>
        </div>
      ))}
    </dl>
  );
}

function fieldsOf(text: string): [string, unknown][] | null {
  if (!text.startsWith("{")) return null;
  try {
    return Object.entries(JSON.parse(text) as Record<string, unknown>);
  } catch {
    return null; // words that begin so, or cut off
  }
}

function Log({ community }: { community: string | null }) {
  const { results, status, loadMore } = usePaginatedQuery(
    api.audit.list,
    { community },
    { initialNumItems: PAGE },
  );
  return (
    <>
      <Table
        caption="Audit log"
        rows={status === "LoadingFirstPage" ? undefined : results}
        rowKey={(row) => row.id}
        empty="Nothing was done yet."
        columns={[
          { title: "When", cell: (row) => <Time at={row.at} /> },
          { title: "Who", cell: (row) => row.actor },
          { title: "What", cell: (row) => <code>{row.action}</code> },
          {
            title: "To whom",
            cell: (row) =>
              row.subject.includes("@") ? (
                <Link
                  to={href("/operator/people/:email", { email: row.subject })}
                >
                  {row.subject}
                </Link>
              ) : (
                row.subject
              ),
          },
          {
            title: "Details",
            cell: (row) => <Detail text={row.detail} />,
          },
        ]}
      />
      {status !== "Exhausted" && status !== "LoadingFirstPage" && (
        <div className="buttons">
          <Button
            busy={status === "LoadingMore"}
            onClick={() => loadMore(PAGE)}
          >
            Load older entries
          </Button>
        </div>
      )}
    </>
  );
}
