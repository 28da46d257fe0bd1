// ShareManager.tsx - for operators: links with which anybody may read, until they end.

import { useAction, useMutation, useQuery } from "convex/react";
import type { FunctionReturnType } from "convex/server";
import { useState } from "react";
import { api } from "../app/api";
import { Badge, type Tone } from "../ui/Badge";
import { Button } from "../ui/Button";
import { useConfirm } from "../ui/Confirm";
import { CopyText } from "../ui/CopyText";
import { Field, Form, wordsOf } from "../ui/Field";
import { Table, type Column } from "../ui/Table";
import { PointInTime } from "../ui/time";
import { useToast } from "../ui/Toast";
import "./share.css";

type Share = FunctionReturnType<typeof api.shares.list>[number];

const HOUR = 3_600_000;
const SPANS = [
  { label: "1 hour", ms: HOUR },
  { label: "1 day", ms: 24 * HOUR },
  { label: "7 days", ms: 7 * 24 * HOUR },
  { label: "30 days", ms: 30 * 24 * HOUR },
];
const STATES: Record<Share["state"], { words: string; tone: Tone }> = {
  live: { words: "Live", tone: "good" },
  expired: { words: "Expired", tone: "neutral" },
  revoked: { words: "Withdrawn", tone: "neutral" },
};

export function ShareManager({ community }: { community: string }) {
  const [made, setMade] = useState<string | null>(null);
  return (
    <div className="share-manager">
      <NewShare community={community} onMade={setMade} />
      {made !== null && (
        <div className="share-made" role="status">
          <p>
            This is the link. It is shown only now: copy it before you leave.
          </p>
          <CopyText text={made} what="Link" />
        </div>
      )}
      <Shares community={community} />
    </div>
  );
}

function NewShare(props: { community: string; onMade: (url: string) => void }) {
  const { community, onMade } = props;
  const create = useAction(api.shares.create);
  const channels = useQuery(api.feed.channels, { community });

  async function make(given: FormData, form: HTMLFormElement) {
    const chosen = String(given.get("channel"));
    const channelId = channels?.find(({ id }) => id === chosen)?.id;
    const messageId = String(given.get("signal")).trim();
    const { token } = await create({
      community,
      ...(channelId ? { channelId } : {}),
      ...(messageId ? { messageId } : {}),
      label: String(given.get("label")),
      expiresAt: Date.now() + Number(given.get("span")),
    });
    const page = window.location.href.split("#")[0]!;
    onMade(`${page}#/share/${token}`);
    form.reset();
  }

  return (
    <Form submit="Make a link" onSubmit={make}>
      <div className="share-fields">
        <Field label="For whom or what">
          {(control) => (
            <input {...control} name="label" maxLength={100} required />
          )}
        </Field>
        <Field label="Opens">
          {(control) => (
            <select {...control} name="channel">
              <option value="">All channels</option>
              {channels?.map(({ id, name }) => (
                <option key={id} value={id}>
                  {name}
                </option>
              ))}
            </select>
          )}
        </Field>
        <Field label="One signal only" hint="Its number; it ends its address.">
          {(control) => (
            <input
              {...control}
              name="signal"
              inputMode="numeric"
              pattern="\s*[0-9]{1,20}\s*"
            />
          )}
        </Field>
        <Field label="For">
          {(control) => (
            <select {...control} name="span" defaultValue={SPANS[1]!.ms}>
              {SPANS.map(({ label, ms }) => (
                <option key={ms} value={ms}>
                  {label}
                </option>
              ))}
            </select>
          )}
        </Field>
      </div>
    </Form>
  );
}

function Shares({ community }: { community: string }) {
  const shares = useQuery(api.shares.list, { community });
  const revoke = useMutation(api.shares.revoke);
  const confirm = useConfirm();
  const toast = useToast();

  async function withdraw({ id, label }: Share) {
    const yes = await confirm({
      title: "Withdraw this link?",
      body: `“${label}” ends at once, for those too who are reading.`,
      action: "Withdraw",
      danger: true,
    });
    if (!yes) return;
    try {
      await revoke({ id });
    } catch (error) {
      toast(wordsOf(error), "bad");
    }
  }

  const columns: Column<Share>[] = [
    { title: "For", cell: ({ label }) => <span dir="auto">{label}</span> },
    { title: "Opens", cell: opens },
    {
      title: "State",
      cell: ({ state }) => (
        <Badge tone={STATES[state].tone}>{STATES[state].words}</Badge>
      ),
    },
    {
      title: "Until",
      cell: ({ expiresAt }) => <PointInTime at={expiresAt} />,
    },
    {
      title: "Withdraw",
      align: "end",
      cell: (share) =>
        share.state === "live" && (
          <Button
            size="small"
            kind="danger"
            aria-label={`Withdraw ${share.label}`}
            onClick={() => void withdraw(share)}
          >
            Withdraw
          </Button>
        ),
    },
  ];
  return (
    <Table
      caption="Links that were made"
      columns={columns}
      rows={shares}
      rowKey={({ id }) => id}
      empty="There are no links."
    />
  );
}

function opens({ channel, messageId }: Share): string {
  if (messageId !== null) return "One signal";
  return channel ?? "All channels";
}
