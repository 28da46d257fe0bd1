// PersonPage.tsx - one person: what they have, why, and what an operator can do about it.

import { useMutation, useQuery } from "convex/react";
import type { FunctionReturnType } from "convex/server";
import { useState } from "react";
import { api } from "../app/api";
import { href, Link } from "../app/router";
import type { PageProps } from "../app/routes";
import { useTitle } from "../app/title";
import { Badge, type Tone } from "../ui/Badge";
import { Button } from "../ui/Button";
import { useConfirm } from "../ui/Confirm";
import { Dialog } from "../ui/Dialog";
import { Field, Form } from "../ui/Field";
import { Panel, PanelWaiting } from "../ui/Panel";
import { Table } from "../ui/Table";
import { longDate, Time } from "../ui/time";
import { OperatorPage, useRun } from "./community";

type Person = FunctionReturnType<typeof api.people.get>;
type Step = FunctionReturnType<typeof api.people.timeline>[number];
type Whom = { community: string; email: string };

export function PersonPage({ params }: PageProps) {
  const email = params.email!;
  useTitle(email);
  return (
    <OperatorPage
      title={email}
      actions={
        <Link className="button small" to={href("/operator/people", {})}>
          All people
        </Link>
      }
    >
      {({ slug }) => {
        const whom = { community: slug, email };
        return (
          <>
            <div className="columns">
              <Panel title="Access">
                <Access {...whom} />
              </Panel>
              <div className="stack">
                <Panel title="Account">
                  <Account {...whom} />
                </Panel>
                <Panel
                  title="Roles"
                  lead="What they should have in the guild, and what the bot saw."
                >
                  <Roles {...whom} />
                </Panel>
              </div>
            </div>
            <Panel title="Purchases">
              <Purchases {...whom} />
            </Panel>
            <Panel
              title="Why"
              lead="Everything that led to what they have now, the newest first."
            >
              <Timeline {...whom} />
            </Panel>
          </>
        );
      }}
    </OperatorPage>
  );
}

const STATES: Record<Person["entitlements"][number]["state"], Tone> = {
  live: "good",
  waiting: "warn",
  over: "neutral",
  revoked: "bad",
};

function Access(whom: Whom) {
  const person = useQuery(api.people.get, whom);
  const revoke = useMutation(api.people.revoke);
  const restore = useMutation(api.people.restore);
  const resync = useMutation(api.people.resync);
  const [asking, setAsking] = useState<"grant" | "revoke" | "restore" | null>(
    null,
  );
  const { busy, run } = useRun();
  if (person === undefined) return <PanelWaiting />;
  const { access, entitlements } = person;
  const revoked = entitlements.some(({ state }) => state === "revoked");
  const close = () => setAsking(null);
  return (
    <>
      <p className="verdict">
        {access.live ? (
          <Badge tone="good">has access</Badge>
        ) : (
          <Badge tone="bad">no access</Badge>
        )}{" "}
        {access.live &&
          (access.until === null
            ? "without an end"
            : `until ${longDate(access.until)}`)}
      </p>
      <p>{access.why}</p>
      <div className="buttons">
        <Button size="small" kind="primary" onClick={() => setAsking("grant")}>
          Grant
        </Button>
        {entitlements.length > 0 && (
          <Button
            size="small"
            kind="danger"
            onClick={() => setAsking("revoke")}
          >
            Revoke
          </Button>
        )}
        {revoked && (
          <Button size="small" onClick={() => setAsking("restore")}>
            Restore
          </Button>
        )}
        <Button
          size="small"
          icon="refresh"
          busy={busy === "resync"}
          onClick={() =>
            run("resync", async () => {
              const { purchases, roles } = await resync(whom);
              return `Worked out again: ${purchases} purchases, ${roles} roles`;
            })
          }
        >
          Resync
        </Button>
      </div>
      {entitlements.length > 0 && (
        <Table
          caption="What they were given"
          rows={entitlements}
          rowKey={(row) => row.id}
          columns={[
            { title: "For", cell: (row) => row.reason || "–" },
            {
              title: "State",
              cell: (row) => (
                <Badge tone={STATES[row.state]}>{row.state}</Badge>
              ),
            },
            { title: "By", cell: (row) => row.bought ?? "hand" },
            {
              title: "Until",
              cell: (row) =>
                row.until === null ? "no end" : longDate(row.until),
            },
          ]}
        />
      )}
      {asking === "grant" && <Grant {...whom} close={close} />}
      {asking === "revoke" && (
        <Reason
          title="Revoke all access"
          lead="What they paid for ends too, and renewals do not bring it back until you restore it."
          submit="Revoke"
          danger
          close={close}
          act={async (reason) => void (await revoke({ ...whom, reason }))}
        />
      )}
      {asking === "restore" && (
        <Reason
          title="Restore access"
          lead="What was revoked counts again, as far as its time is not over."
          submit="Restore"
          close={close}
          act={async (reason) => void (await restore({ ...whom, reason }))}
        />
      )}
    </>
  );
}

function Grant({ close, ...whom }: Whom & { close: () => void }) {
  const grant = useMutation(api.people.grant);
  return (
    <Dialog title="Grant access" onClose={close}>
      <Form
        submit="Grant access"
        onSubmit={async (given) => {
          const day = String(given.get("until"));
          await grant({
            ...whom,
            // To the end of that day, where the operator is.
            until: day === "" ? null : new Date(`${day}T23:59:59`).getTime(),
            reason: String(given.get("reason")).trim(),
          });
          close();
        }}
      >
        <Field label="Reason" hint="It is in the audit log.">
          {(control) => <input {...control} name="reason" required />}
        </Field>
        <Field label="Until" hint="Empty: without an end.">
          {(control) => <input {...control} name="until" type="date" />}
        </Field>
      </Form>
    </Dialog>
  );
}

function Reason(props: {
  title: string;
  lead: string;
  submit: string;
  danger?: boolean;
  close: () => void;
  act: (reason: string) => Promise<void>;
}) {
  return (
    <Dialog title={props.title} onClose={props.close}>
      <Form
        submit={props.submit}
        kind={props.danger ? "danger" : "primary"}
        onSubmit={async (given) => {
          await props.act(String(given.get("reason")).trim());
          props.close();
        }}
      >
        <p>{props.lead}</p>
        <Field label="Reason" hint="It is in the audit log.">
          {(control) => <input {...control} name="reason" required />}
        </Field>
      </Form>
    </Dialog>
  );
}

function Account(whom: Whom) {
  const person = useQuery(api.people.get, whom);
  const link = useMutation(api.people.linkDiscord);
  const unlink = useMutation(api.people.unlinkDiscord);
  const prove = useMutation(api.people.proveEmail);
  const [linking, setLinking] = useState(false);
  const confirm = useConfirm();
  const { busy, run } = useRun();
  if (person === undefined) return <PanelWaiting />;
  const { account, discord, email } = person;
  if (account === null)
    return (
      <p>
        There is no account with this address. A grant waits for it, and binds
        when it is given again after they signed up.
      </p>
    );

  async function cut() {
    const yes = await confirm({
      title: "Unlink the Discord account?",
      body: "The bot takes back every role that it had through us.",
      action: "Unlink it",
      danger: true,
    });
    if (yes)
      run("unlink", async () => {
        await unlink({ email });
        return "Unlinked";
      });
  }

  async function vouch() {
    const yes = await confirm({
      title: `Is ${email} theirs?`,
      body: "Whoever has this account gets all that was bought with the address, now and later. Be sure that it is the same person.",
      action: "It is theirs",
    });
    if (yes)
      run("prove", async () => {
        await prove({ email });
        return "Confirmed";
      });
  }

  return (
    <>
      <dl className="facts">
        <dt>Signed up</dt>
        <dd>
          <Time at={account.since} />
        </dd>
        <dt>Address proved</dt>
        <dd>{account.verified ? "yes" : "no"}</dd>
        {account.operator && (
          <>
            <dt>Operator</dt>
            <dd>yes</dd>
          </>
        )}
        <dt>Discord</dt>
        <dd>
          {discord === null ? (
            "not linked"
          ) : (
            <>
              {discord.name} <code>{discord.id}</code>, since{" "}
              <Time at={discord.linkedAt} />
            </>
          )}
        </dd>
      </dl>
      <div className="buttons">
        <Button size="small" icon="link" onClick={() => setLinking(true)}>
          {discord === null ? "Link Discord" : "Link another"}
        </Button>
        {!account.verified && (
          <Button
            size="small"
            icon="check"
            busy={busy === "prove"}
            onClick={() => void vouch()}
          >
            Confirm the address
          </Button>
        )}
        {discord !== null && (
          <Button
            size="small"
            kind="danger"
            busy={busy === "unlink"}
            onClick={() => void cut()}
          >
            Unlink
          </Button>
        )}
      </div>
      {linking && (
        <Dialog
          title="Link a Discord account"
          onClose={() => setLinking(false)}
        >
          <Form
            submit="Link it"
            onSubmit={async (given) => {
              const discordId = String(given.get("discordId")).trim();
              await link({ email, discordId });
              setLinking(false);
            }}
          >
            <p>You vouch that it is theirs. Whoever had it loses it.</p>
            <Field label="Discord user id">
              {(control) => (
                <input
                  {...control}
                  name="discordId"
                  inputMode="numeric"
                  required
                />
              )}
            </Field>
          </Form>
        </Dialog>
      )}
    </>
  );
}

const ROLES: Record<Person["roles"][number]["state"], [string, Tone]> = {
  right: ["as it should be", "good"],
  waiting: ["the bot is at it", "info"],
  absent: ["not in the guild", "warn"],
  dead: ["given up", "bad"],
};

function Roles(whom: Whom) {
  const person = useQuery(api.people.get, whom);
  const actual = (value: boolean | null) =>
    value === null ? "not seen yet" : value ? "has it" : "has it not";
  return (
    <Table
      caption="Every role"
      rows={person?.roles}
      rowKey={(role) => role.id}
      empty={
        person?.discord === null
          ? "No Discord account is linked, so there are no roles."
          : "They never had a right to a role."
      }
      columns={[
        { title: "Role", cell: (role) => <code>{role.roleId}</code> },
        {
          title: "Expected",
          cell: (role) => (role.desired ? "should have" : "should not have"),
        },
        { title: "Actual", cell: (role) => actual(role.actual) },
        {
          title: "State",
          cell: (role) => {
            const [words, tone] = ROLES[role.state];
            return (
              <>
                <Badge tone={tone}>{words}</Badge>
                {role.error && <span className="reason"> {role.error}</span>}
              </>
            );
          },
        },
      ]}
    />
  );
}

function Purchases(whom: Whom) {
  const person = useQuery(api.people.get, whom);
  return (
    <Table
      caption="All purchases"
      rows={person?.purchases}
      rowKey={(row) => row.id}
      empty="They bought nothing with this address."
      columns={[
        {
          title: "Purchase",
          cell: (row) => (
            <Link to={href("/operator/events", {}, { subject: row.subject })}>
              {row.subject.replace(":", " ")}
            </Link>
          ),
        },
        { title: "At", cell: (row) => `${row.provider} (${row.source})` },
        {
          title: "Plan",
          cell: (row) =>
            row.plan ?? (
              <Badge tone="warn">
                {row.parked === "product"
                  ? `product ${row.products.join(", ") || "unknown"} is not mapped`
                  : "none"}
              </Badge>
            ),
        },
        {
          title: "State",
          cell: (row) => (
            <>
              <Badge tone={PHASES[row.phase]}>{PHASE_WORDS[row.phase]}</Badge>
              {row.test && <Badge tone="info">test</Badge>}
            </>
          ),
        },
        {
          title: "Paid until",
          cell: (row) =>
            row.paidUntil === null ? "–" : longDate(row.paidUntil),
        },
      ]}
    />
  );
}

type Phase = Person["purchases"][number]["phase"];
const PHASES: Record<Phase, Tone> = {
  unpaid: "neutral",
  active: "good",
  cancelling: "warn",
  pastDue: "warn",
  disputed: "bad",
  ended: "neutral",
  refunded: "bad",
};
const PHASE_WORDS: Record<Phase, string> = {
  unpaid: "not paid",
  active: "active",
  cancelling: "cancelled, runs out",
  pastDue: "renewal failed",
  disputed: "disputed",
  ended: "ended",
  refunded: "refunded",
};

const EFFECTS: Record<Step["effect"], string> = {
  gives: "+",
  takes: "−",
  none: "",
};

function Timeline(whom: Whom) {
  const steps = useQuery(api.people.timeline, whom);
  if (steps === undefined) return <PanelWaiting />;
  if (steps.length === 0)
    return <p className="table-empty">Nothing is known about this address.</p>;
  return (
    <ol className="timeline" aria-label="What led here, newest first">
      {steps.map((step, i) => (
        <li key={`${step.at} ${i}`} data-effect={step.effect}>
          <Time at={step.at} className="hint" />
          <div>
            <p>
              <span className="effect" aria-hidden="true">
                {EFFECTS[step.effect]}
              </span>{" "}
              {step.eventId === null ? (
                step.text
              ) : (
                <Link to={href("/operator/events/:id", { id: step.eventId })}>
                  {step.text}
                </Link>
              )}
            </p>
            {step.detail && <p className="hint">{step.detail}</p>}
          </div>
        </li>
      ))}
    </ol>
  );
}
