// SignInPanel.tsx - the address somebody signs in with, and their password.

import { useAction, useQuery } from "convex/react";
import { useState } from "react";
import { api } from "../app/api";
import { Badge } from "../ui/Badge";
import { Field, Form } from "../ui/Field";
import { PanelWaiting } from "../ui/Panel";
import { longDate } from "../ui/time";
import { useToast } from "../ui/Toast";

export function SignInPanel() {
  const me = useQuery(api.account.me);
  if (me === undefined) return <PanelWaiting />;
  return (
    <>
      <dl className="facts">
        <dt>E-mail</dt>
        <dd>
          {me.email}{" "}
          <Badge tone={me.emailVerified ? "good" : "neutral"}>
            {me.emailVerified ? "Verified" : "Not verified"}
          </Badge>
        </dd>
        <dt>Member since</dt>
        <dd>{longDate(me.since)}</dd>
      </dl>
      {!me.emailVerified && <Unverified />}
      <ChangePassword />
    </>
  );
}

/** Said as it is: no mail is sent from here, a person does it. */
export function Unverified() {
  return (
    <p className="account-soft">
      This service sends no e-mail, so it cannot check by itself that the
      address is yours. Purchases made with the address count once the
      community’s team has confirmed it.
    </p>
  );
}

function ChangePassword() {
  const change = useAction(api.account.changePassword);
  const toast = useToast();
  const [round, setRound] = useState(0); // a fresh form after each change
  return (
    <div>
      <h3 className="account-sub">Change your password</h3>
      <Form
        key={round}
        submit="Change password"
        onSubmit={async (given) => {
          await change({
            password: String(given.get("password")),
            newPassword: String(given.get("newPassword")),
          });
          setRound(round + 1);
          toast("Your password is changed. Other devices are signed out.");
        }}
      >
        <Field label="Present password">
          {(control) => (
            <input
              {...control}
              name="password"
              type="password"
              autoComplete="current-password"
              required
            />
          )}
        </Field>
        <Field label="New password" hint="At least 8 characters.">
          {(control) => (
            <input
              {...control}
              name="newPassword"
              type="password"
              autoComplete="new-password"
              minLength={8}
              maxLength={200}
              required
            />
          )}
        </Field>
      </Form>
    </div>
  );
}
