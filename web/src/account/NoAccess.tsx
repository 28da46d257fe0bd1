// NoAccess.tsx - says plainly what is missing and what to do about it.

import { useQuery } from "convex/react";
import { api, type Standing } from "../app/api";
import { href, Link } from "../app/router";
import { useConfig, useSession } from "../app/session";
import { EmptyState } from "../ui/EmptyState";
import { longDate, useTimed } from "../ui/time";
import { accessWords } from "./words";

export function NoAccess() {
  const { me, standing } = useSession();
  const run = useQuery(api.setup.standing, {});
  if (run === undefined)
    return <div className="page-loading" aria-busy="true" />;
  const begun = me.operator ? standing !== undefined : run.communities;
  return begun ? <Refused /> : <NotBegun operators={run.operators} />;
}

/** There is no community yet, or for an operator not this one. */
function NotBegun({ operators }: { operators: boolean }) {
  const { me, community } = useSession();
  return (
    <EmptyState title="Nothing is set up yet">
      {me.operator ? (
        <p>
          There is no community <code>{community}</code>, which is what{" "}
          <code>config.json</code> says that this page is for. The first run
          leads from here to a live signal.
        </p>
      ) : (
        <p>
          {operators
            ? "The people who run this service have not finished setting it up."
            : "This service has no operator yet."}{" "}
          If you are to run it, the next page says how you become{" "}
          {operators ? "an operator" : "the first one"}, from the command line
          of the deployment.
        </p>
      )}
      <Link className="button primary" to={href("/operator/setup", {})}>
        {me.operator ? "Set it up" : "How to begin"}
      </Link>
      <p>
        You are signed in as <strong>{me.email}</strong>.
      </p>
    </EmptyState>
  );
}

function Refused() {
  const { me, standing, community } = useSession();
  const { buyUrl } = useConfig();
  const account = useQuery(api.account.me);
  const now = useTimed((now) => now - (now % 60_000));
  const known = account?.communities.find(({ slug }) => slug === community);
  return (
    <EmptyState title={standing ? "Your access has ended" : "No access yet"}>
      <p>
        {known && !known.live ? accessWords(known, now).text : reason(standing)}
      </p>
      {buyUrl !== null && (
        <a
          className="button primary"
          href={buyUrl}
          target="_blank"
          rel="noopener noreferrer"
        >
          Get access
        </a>
      )}
      <p>
        You are signed in as <strong>{me.email}</strong>. If you bought access
        with another address, sign in with that one. Otherwise ask the
        community’s team. This page opens by itself as soon as you have access.
      </p>
      {account && !account.emailVerified && (
        <p>
          Your address is not verified: purchases made with it count once the
          community’s team has confirmed that it is yours.
        </p>
      )}
      <p>
        <Link to={href("/account", {})}>Your account and purchases</Link>
      </p>
    </EmptyState>
  );
}

function reason(standing: Standing | undefined): string {
  if (standing === undefined)
    return "This account has no access to the signals of this community.";
  const { name, until } = standing;
  return until !== null && until <= Date.now()
    ? `Your access to ${name} ended on ${longDate(until)}.`
    : `Your access to ${name} has ended.`;
}
