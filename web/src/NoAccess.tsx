// NoAccess.tsx - says plainly what is missing and what to do about it.

import { useAuthActions } from "@convex-dev/auth/react";
import type { Me, Standing } from "./api";
import { Notice } from "./Notice";
import { longDate } from "./time";

export function NoAccess(props: { me: Me; standing: Standing | undefined }) {
  const { signOut } = useAuthActions();
  return (
    <Notice title={props.standing ? "Your access has ended" : "No access yet"}>
      <p>{reason(props.standing)}</p>
      <p>
        You are signed in as <strong>{props.me.email}</strong>. If you bought
        access with another address, sign in with that one. Otherwise ask the
        community’s team. This page opens by itself as soon as you have access.
      </p>
      <button className="button" onClick={() => void signOut()}>
        Sign out
      </button>
    </Notice>
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
