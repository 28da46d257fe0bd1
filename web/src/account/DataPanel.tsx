// DataPanel.tsx - taking one's data along, and leaving.

import { useAction, useConvex } from "convex/react";
import { useState } from "react";
import { api } from "../app/api";
import { useSession } from "../app/session";
import { Button } from "../ui/Button";
import { Dialog } from "../ui/Dialog";
import { saveFile } from "../ui/DownloadCsv";
import { Field, Form, wordsOf } from "../ui/Field";
import { useToast } from "../ui/Toast";
import { useSignOut } from "./SessionEnd";

export function DataPanel() {
  const [leaving, setLeaving] = useState(false);
  return (
    <>
      <p className="account-soft">
        All that is kept about you here: account, access, purchases, links,
        preferences, how far you have read, and what the log says about you.
      </p>
      <div className="buttons">
        <Export />
        <Button kind="danger" icon="trash" onClick={() => setLeaving(true)}>
          Delete account
        </Button>
      </div>
      {leaving && <Leave onClose={() => setLeaving(false)} />}
    </>
  );
}

function Export() {
  const convex = useConvex();
  const toast = useToast();
  const [busy, setBusy] = useState(false);

  async function save() {
    setBusy(true);
    try {
      const entries: unknown[] = [];
      let cursor: string | null = null;
      do {
        const page: { entries: unknown[]; next: string | null } =
          await convex.query(api.account.exportPage, { cursor });
        entries.push(...page.entries);
        cursor = page.next;
      } while (cursor !== null);
      const text = JSON.stringify(
        { exportedAt: new Date().toISOString(), entries },
        null,
        2,
      );
      saveFile("my-data.json", "application/json", `${text}\n`);
      toast("Your data is downloaded");
    } catch (error) {
      toast(wordsOf(error), "bad");
    } finally {
      setBusy(false);
    }
  }

  return (
    <Button icon="download" busy={busy} onClick={() => void save()}>
      {busy ? "Collecting…" : "Download my data"}
    </Button>
  );
}

function Leave({ onClose }: { onClose: () => void }) {
  const { me } = useSession();
  const remove = useAction(api.account.deleteAccount);
  const signOut = useSignOut();
  const toast = useToast();
  return (
    <Dialog title="Delete your account?" onClose={onClose}>
      <div className="leave-words">
        <p>
          <strong>This cannot be taken back.</strong> You are signed out
          everywhere, Discord is unlinked and its roles go, and what is yours is
          deleted. The books keep your purchases without your address.
        </p>
        <p>
          <strong>It cancels nothing.</strong> A subscription goes on, and is
          paid for, until you cancel it where you bought it.
        </p>
      </div>
      <Form
        submit="Delete my account"
        kind="danger"
        extra={<Button onClick={onClose}>Keep it</Button>}
        onSubmit={async (given) => {
          await remove({ password: String(given.get("password")) });
          toast("Your account is deleted");
          signOut();
        }}
      >
        <input
          type="hidden"
          name="username"
          autoComplete="username"
          value={me.email}
        />
        <Field label="Your password">
          {(control) => (
            <input
              {...control}
              name="password"
              type="password"
              autoComplete="current-password"
              required
              autoFocus
            />
          )}
        </Field>
      </Form>
    </Dialog>
  );
}
