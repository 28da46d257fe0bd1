// QueuesPage.tsx - what waits for the daemons, what was given up and why, and another try.

import { useMutation, useQuery } from "convex/react";
import type { FunctionReturnType } from "convex/server";
import { useState } from "react";
import { api } from "../app/api";
import { Button } from "../ui/Button";
import { Panel } from "../ui/Panel";
import { Table } from "../ui/Table";
import { Tabs } from "../ui/Tabs";
import { Time } from "../ui/time";
import { OperatorPage, useRun } from "./community";
import { count } from "./words";

type Overview = FunctionReturnType<typeof api.queues.overview>[number];
type Name = Overview["queue"];

export const QUEUE_NAMES: Record<Name, string> = {
  mirrors: "Posts",
  roles: "Roles",
  attachments: "Files",
  checks: "Checks",
};
const LEADS: Record<Name, string> = {
  mirrors: "Signals to post, edit or delete in the customers' guild.",
  roles: "Roles to give to customers and to take away.",
  attachments: "Files of signals to fetch from Discord and store.",
  checks:
    "What operators asked the bot to try. One that fails says why to who asked.",
};
const COLUMNS: Record<Name, [subject: string, place: string]> = {
  mirrors: ["Message", "Channel"],
  roles: ["Person", "Role"],
  attachments: ["Message", "File"],
  checks: ["Channel", "Posted in"],
};

export function QueuesPage() {
  return (
    <OperatorPage title="Queues">
      {({ slug }) =>
        (Object.keys(QUEUE_NAMES) as Name[]).map((queue) => (
          <Panel key={queue} title={QUEUE_NAMES[queue]} lead={LEADS[queue]}>
            <Queue community={slug} queue={queue} />
          </Panel>
        ))
      }
    </OperatorPage>
  );
}

function Queue({ community, queue }: { community: string; queue: Name }) {
  const all = useQuery(api.queues.overview, { community });
  const [state, setState] = useState<"waiting" | "dead">("dead");
  const rows = useQuery(api.queues.list, { community, queue, state });
  const retry = useMutation(api.queues.retry);
  const retryAll = useMutation(api.queues.retryAll);
  const { busy, run } = useRun();
  const own = all?.find((one) => one.queue === queue);
  const number = (value: number | undefined) =>
    value === undefined ? "" : ` ${count(value)}`;
  return (
    <>
      <Tabs
        label={QUEUE_NAMES[queue]}
        chosen={state}
        onChoose={setState}
        tabs={[
          { name: "dead", label: `Given up${number(own?.dead)}` },
          { name: "waiting", label: `Waiting${number(own?.waiting)}` },
        ]}
      >
        {state === "dead" && (rows?.length ?? 0) > 1 && (
          <div className="buttons above-table">
            <Button
              size="small"
              icon="refresh"
              busy={busy === "all"}
              onClick={() =>
                run("all", async () => {
                  const { retried, left } = await retryAll({
                    community,
                    queue,
                  });
                  return `${count(retried)} are tried again${left ? "; there are more" : ""}`;
                })
              }
            >
              Retry all
            </Button>
          </div>
        )}
        <Table
          caption={`${QUEUE_NAMES[queue]}: ${state === "dead" ? "given up" : "waiting"}`}
          rows={rows}
          rowKey={(row) => row.id}
          empty={
            state === "dead" ? "Nothing was given up." : "Nothing is waiting."
          }
          columns={[
            { title: "To do", cell: (row) => row.what },
            {
              title: COLUMNS[queue][0],
              cell: (row) => <code>{row.subject}</code>,
            },
            {
              title: COLUMNS[queue][1],
              cell: (row) => <code>{row.place}</code>,
            },
            { title: "Wanted", cell: (row) => <Time at={row.wantedAt} /> },
            {
              title: "Attempts",
              align: "end",
              cell: (row) => count(row.attempts),
            },
            {
              title: "Why",
              cell: (row) => <span className="reason">{row.error ?? "–"}</span>,
            },
            {
              title: "Action",
              align: "end",
              cell: (row) => (
                <Button
                  size="small"
                  busy={busy === row.id}
                  onClick={() =>
                    run(row.id, async () => {
                      await retry({ community, queue, id: row.id });
                      return "It is tried again";
                    })
                  }
                >
                  Retry
                </Button>
              ),
            },
          ]}
        />
      </Tabs>
    </>
  );
}
