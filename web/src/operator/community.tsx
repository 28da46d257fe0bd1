// community.tsx - which community the operator's pages are about, and the frame around them.
//
// An operator runs all of them; the one of config.json comes first. The choice lasts as long
// as the window.

import { useQuery } from "convex/react";
import type { FunctionReturnType } from "convex/server";
import {
  useCallback,
  useState,
  useSyncExternalStore,
  type ReactNode,
} from "react";
import { api } from "../app/api";
import { href, Link } from "../app/router";
import { useConfig } from "../app/session";
import { EmptyState } from "../ui/EmptyState";
import { wordsOf } from "../ui/Field";
import { PanelWaiting } from "../ui/Panel";
import { useToast } from "../ui/Toast";
import "./operator.css";

export type Community = FunctionReturnType<typeof api.communities.list>[number];

let chosen: string | null = null;
const listeners = new Set<() => void>();

export function choose(slug: string): void {
  chosen = slug;
  for (const listener of listeners) listener();
}

export function useChosen(): string {
  const config = useConfig();
  const slug = useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => chosen,
  );
  return slug ?? config.community;
}

/** A page of the operator's: its title, the community it is about, its panels. */
export function OperatorPage(props: {
  title: string;
  actions?: ReactNode;
  children: (community: Community) => ReactNode;
}) {
  const slug = useChosen();
  const all = useQuery(api.communities.list, {});
  const community = all?.find((one) => one.slug === slug) ?? all?.[0];
  return (
    <div className="page operator">
      <header className="page-head">
        <h1>{props.title}</h1>
        <div className="buttons">
          {all !== undefined && all.length > 1 && (
            <select
              className="input community-choice"
              aria-label="Community"
              value={community?.slug}
              onChange={(event) => choose(event.target.value)}
            >
              {all.map((one) => (
                <option key={one.slug} value={one.slug}>
                  {one.name}
                </option>
              ))}
            </select>
          )}
          {props.actions}
        </div>
      </header>
      {all === undefined ? (
        <PanelWaiting />
      ) : community === undefined ? (
        <EmptyState title="Nothing is set up yet" level={2}>
          <p>The first run leads from here to a live signal.</p>
          <Link className="button primary" to={href("/operator/setup", {})}>
            Set it up
          </Link>
        </EmptyState>
      ) : (
        props.children(community)
      )}
    </div>
  );
}

/** Runs what a button does: says in passing how it ended, and is busy until then. */
export function useRun(): {
  busy: string | null; // the name of what runs
  run: (name: string, work: () => Promise<string | void>) => void;
} {
  const toast = useToast();
  const [busy, setBusy] = useState<string | null>(null);
  const run = useCallback(
    (name: string, work: () => Promise<string | void>) => {
      setBusy(name);
      work()
        .then(
          (words) => words && toast(words),
          (error: unknown) => toast(wordsOf(error), "bad"),
        )
        .finally(() => setBusy(null));
    },
    [toast],
  );
  return { busy, run };
}
