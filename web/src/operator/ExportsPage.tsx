// ExportsPage.tsx - whole tables as CSV, put together in this page from bounded queries.

import { useConvex } from "convex/react";
import type { ConvexReactClient } from "convex/react";
import { useRef, useState } from "react";
import { api } from "../app/api";
import { Button } from "../ui/Button";
import { csv, type Cell } from "../ui/csv";
import { saveFile } from "../ui/DownloadCsv";
import { wordsOf } from "../ui/Field";
import { Panel } from "../ui/Panel";
import { OperatorPage } from "./community";
import { count } from "./words";

type Page = { page: Cell[][]; isDone: boolean; continueCursor: string };
type Fetch = (
  client: ConvexReactClient,
  community: string,
  paginationOpts: { numItems: number; cursor: string | null },
) => Promise<Page>;

type Table = {
  name: string;
  title: string;
  lead: string;
  head: string[];
  size: number; // rows asked for at once
  fetch: Fetch;
};

function time(at: number | null): string {
  return at === null ? "" : new Date(at).toISOString();
}

export const TABLES: Table[] = [
  {
    name: "signals",
    title: "Signals",
    lead: "Every live signal, the oldest first.",
    head: [
      "message_id",
      "channel",
      "author",
      "sent_at",
      "edited_at",
      "symbol",
      "side",
      "attachments",
      "content",
    ],
    size: 100,
    fetch: async (client, community, paginationOpts) => {
      const args = { community, paginationOpts };
      const found = await client.query(api.exports.signals, args);
      return {
        ...found,
        page: found.page.map((row) => [
          row.messageId,
          row.channel,
          row.author,
          time(row.sentAt),
          time(row.editedAt),
          row.symbol,
          row.side,
          row.attachments,
          row.content,
        ]),
      };
    },
  },
  {
    name: "people",
    title: "People",
    lead: "Everybody who ever had access: one row for each time it was given or bought.",
    head: [
      "email",
      "account",
      "discord_id",
      "discord_name",
      "live",
      "until",
      "reason",
      "purchase",
      "since",
      "revoked_at",
      "ended_at",
    ],
    size: 100,
    fetch: async (client, community, paginationOpts) => {
      const args = { community, paginationOpts };
      const found = await client.query(api.exports.people, args);
      return {
        ...found,
        page: found.page.map((row) => [
          row.email,
          row.account,
          row.discordId,
          row.discordName,
          row.live,
          time(row.until),
          row.reason,
          row.bought,
          time(row.since),
          time(row.revokedAt),
          time(row.endedAt),
        ]),
      };
    },
  },
  {
    name: "events",
    title: "Events",
    lead: "What the payment providers said, the newest first, without bodies.",
    head: [
      "source",
      "provider",
      "key",
      "type",
      "subject",
      "received_at",
      "occurred_at",
      "state",
      "detail",
    ],
    size: 20,
    fetch: async (client, community, paginationOpts) => {
      const args = { community, filter: {}, paginationOpts };
      const found = await client.query(api.events.list, args);
      return {
        ...found,
        page: found.page.map((row) => [
          row.source,
          row.provider,
          row.key,
          row.type,
          row.subject,
          time(row.receivedAt),
          time(row.occurredAt),
          row.state,
          row.detail,
        ]),
      };
    },
  },
];

export function ExportsPage() {
  return (
    <OperatorPage title="Exports">
      {({ slug }) =>
        TABLES.map((table) => (
          <Panel key={table.name} title={table.title} lead={table.lead}>
            <Export community={slug} table={table} />
          </Panel>
        ))
      }
    </OperatorPage>
  );
}

type State =
  | { is: "idle" }
  | { is: "running"; rows: number }
  | { is: "done"; rows: number }
  | { is: "cancelled"; rows: number }
  | { is: "failed"; why: string };

function Export({ community, table }: { community: string; table: Table }) {
  const client = useConvex();
  const [state, setState] = useState<State>({ is: "idle" });
  const cancelled = useRef(false);

  async function run() {
    cancelled.current = false;
    const rows: Cell[][] = [];
    setState({ is: "running", rows: 0 });
    try {
      let cursor: string | null = null;
      for (;;) {
        const page: Page = await table.fetch(client, community, {
          numItems: table.size,
          cursor,
        });
        if (cancelled.current)
          return setState({ is: "cancelled", rows: rows.length });
        rows.push(...page.page);
        setState({ is: "running", rows: rows.length });
        if (page.isDone) break;
        cursor = page.continueCursor;
      }
    } catch (error) {
      return setState({ is: "failed", why: wordsOf(error) });
    }
    const day = new Date().toISOString().slice(0, 10);
    saveFile(
      `${community}-${table.name}-${day}.csv`,
      "text/csv;charset=utf-8",
      csv(table.head, rows),
    );
    setState({ is: "done", rows: rows.length });
  }

  return (
    <div className="export">
      {state.is === "running" ? (
        <Button onClick={() => (cancelled.current = true)}>Cancel</Button>
      ) : (
        <Button icon="download" onClick={() => void run()}>
          Download {table.name}.csv
        </Button>
      )}
      <p role="status" className="hint">
        {wordsFor(state)}
      </p>
    </div>
  );
}

function wordsFor(state: State): string {
  switch (state.is) {
    case "idle":
      return "";
    case "running":
      return `${count(state.rows)} rows so far…`;
    case "done":
      return `${count(state.rows)} rows downloaded.`;
    case "cancelled":
      return `Cancelled after ${count(state.rows)} rows; nothing was saved.`;
    case "failed":
      return state.why;
  }
}
