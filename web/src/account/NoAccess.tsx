// NoAccess.tsx - says plainly what is missing and what to do about it.

import type { Standing } from "../app/api";
import { useSession } from "../app/session";
import { EmptyState } from "../ui/EmptyState";
import { longDate } from "../ui/time";

export function NoAccess() {
  const { me, standing } = useSession();
  return (
    <EmptyState title={standing ? "Your access has ended" : "No access yet"}>
      <p>{reason(standing)}</p>
      <p>
        You are signed in as <strong>{me.email}</strong>. If you bought access
        with another address, sign in with that one. Otherwise ask the
        community’s team. This page opens by itself as soon as you have access.
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
