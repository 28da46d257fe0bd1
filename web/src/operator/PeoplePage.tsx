// PeoplePage.tsx - finds somebody by what they say of themselves.

import { useQuery } from "convex/react";
import { useEffect, useState } from "react";
import { api } from "../app/api";
import { href, Link, navigate } from "../app/router";
import type { PageProps } from "../app/routes";
import { Badge } from "../ui/Badge";
import { Field } from "../ui/Field";
import { Panel } from "../ui/Panel";
import { Table } from "../ui/Table";
import { OperatorPage } from "./community";

const PAUSE_MS = 200; // of typing

export function PeoplePage({ query }: PageProps) {
  const asked = query.get("q") ?? "";
  const [text, setText] = useState(asked);
  useEffect(() => {
    if (text === asked) return;
    const timer = setTimeout(
      () =>
        navigate(href("/operator/people", {}, { q: text.trim() }), {
          replace: true,
        }),
      PAUSE_MS,
    );
    return () => clearTimeout(timer);
  }, [text]);
  return (
    <OperatorPage title="People">
      {({ slug }) => (
        <Panel title="Find somebody">
          <Field
            label="Who"
            hint="The beginning of an e-mail address or a Discord name, or a whole Discord, order or subscription id."
          >
            {(control) => (
              <input
                {...control}
                type="search"
                value={text}
                autoComplete="off"
                onChange={(event) => setText(event.target.value)}
              />
            )}
          </Field>
          {asked !== "" && <Found community={slug} text={asked} />}
        </Panel>
      )}
    </OperatorPage>
  );
}

function Found({ community, text }: { community: string; text: string }) {
  const found = useQuery(api.people.find, { community, text });
  return (
    <>
      <p className="unseen" role="status">
        {found && `${found.length} found`}
      </p>
      <Table
        caption="People found"
        rows={found}
        rowKey={(one) => one.email}
        empty={
          <>
            Nobody is found. Access can be granted to any address:{" "}
            {/@/.test(text) && (
              <Link to={href("/operator/people/:email", { email: text })}>
                open {text}
              </Link>
            )}
          </>
        }
        columns={[
          {
            title: "E-mail",
            cell: ({ email }) => (
              <Link to={href("/operator/people/:email", { email })}>
                {email}
              </Link>
            ),
          },
          {
            title: "Account",
            cell: ({ account }) =>
              account ? <Badge tone="good">yes</Badge> : <Badge>none</Badge>,
          },
          {
            title: "Discord",
            cell: ({ discord }) =>
              discord === null ? "–" : discord.name || discord.id,
          },
          { title: "Found by", cell: ({ by }) => by },
        ]}
      />
    </>
  );
}
