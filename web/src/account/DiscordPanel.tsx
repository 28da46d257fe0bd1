// DiscordPanel.tsx - linking a Discord account and unlinking it, and the roles that follow.
//
// The way to Discord's page and back ends here: the address carries a ticket, which only the
// person who began may spend.

import { useAction, useMutation, useQuery } from "convex/react";
import type { FunctionReturnType } from "convex/server";
import { useEffect, useRef, useState } from "react";
import { api, refusalOf } from "../app/api";
import { href, navigate } from "../app/router";
import { useConfig } from "../app/session";
import { Badge } from "../ui/Badge";
import { Button } from "../ui/Button";
import { useConfirm } from "../ui/Confirm";
import { wordsOf } from "../ui/Field";
import { PanelWaiting } from "../ui/Panel";
import { longDate } from "../ui/time";
import { useToast } from "../ui/Toast";
import { againstWords, linkProblem, ROLES } from "./words";

type State = FunctionReturnType<typeof api.account.discord>;

export function DiscordPanel({ query }: { query: URLSearchParams }) {
  const state = useQuery(api.account.discord);
  const problem = useReturn(query);
  if (state === undefined) return <PanelWaiting />;
  return (
    <>
      {problem !== null && (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
      {state.link === null ? (
        <NotLinked available={state.available} />
      ) : (
        <Linked state={state} link={state.link} />
      )}
    </>
  );
}

/** Spends the ticket that the address has, once; what is wrong, in words. */
function useReturn(query: URLSearchParams): string | null {
  const confirm = useMutation(api.account.confirmDiscordLink);
  const toast = useToast();
  const reason = query.get("discord");
  const ticket = query.get("ticket");
  const spent = useRef<string | null>(null);
  const [problem, setProblem] = useState<string | null>(null);

  useEffect(() => {
    if (reason !== "confirm" || ticket === null || spent.current === ticket)
      return;
    spent.current = ticket;
    const to = (discord: string) =>
      navigate(href("/account", {}, { discord }), { replace: true });
    confirm({ ticket }).then(
      ({ name }) => {
        setProblem(null);
        toast(`Discord is linked: ${name}`);
        to("linked");
      },
      (error: unknown) => {
        setProblem(wordsOf(error));
        to(refusalOf(error)?.code ?? "failed");
      },
    );
  }, [confirm, reason, ticket, toast]);

  return problem ?? (reason === null ? null : linkProblem(reason));
}

function NotLinked({ available }: { available: boolean }) {
  const start = useAction(api.account.startDiscordLink);
  const { community } = useConfig();
  const toast = useToast();
  const [busy, setBusy] = useState(false);

  async function go() {
    setBusy(true);
    try {
      const { url } = await start({ community });
      window.location.assign(url);
    } catch (error) {
      toast(wordsOf(error), "bad");
      setBusy(false);
    }
  }

  if (!available)
    return (
      <p className="account-none">
        Linking Discord is not set up here. Ask the community’s team if you
        expected roles in its server.
      </p>
    );
  return (
    <>
      <p className="account-soft">
        Discord will ask whether this page may know who you are. Nothing else is
        read, and nothing is kept but your Discord name and number.
      </p>
      <div className="buttons">
        <Button
          kind="primary"
          icon="link"
          busy={busy}
          onClick={() => void go()}
        >
          {busy ? "To Discord…" : "Link Discord"}
        </Button>
      </div>
    </>
  );
}

function Linked(props: { state: State; link: NonNullable<State["link"]> }) {
  const { discordId, name, linkedAt } = props.link;
  const unlink = useMutation(api.account.unlinkDiscord);
  const confirm = useConfirm();
  const toast = useToast();

  async function ask() {
    const yes = await confirm({
      title: "Unlink Discord?",
      body: "The roles that you have through this account are taken back. You can link it again at any time.",
      action: "Unlink",
      danger: true,
    });
    if (!yes) return;
    try {
      await unlink({});
      navigate(href("/account", {}), { replace: true });
      toast("Discord is unlinked");
    } catch (error) {
      toast(wordsOf(error), "bad");
    }
  }

  return (
    <>
      <p>
        Linked to <strong dir="auto">{name || discordId}</strong> since{" "}
        {longDate(linkedAt)}.
      </p>
      {props.state.communities.map((community) => (
        <div key={community.slug}>
          <h3 className="account-sub" dir="auto">
            Roles in {community.name}
          </h3>
          <ul className="roles">
            {community.roles.map((role) => (
              <li key={role.roleId} data-role={role.roleId}>
                <span>
                  <span dir="auto">{role.name ?? "Member"}</span>
                  <span className="hint"> {againstWords(role)}</span>
                </span>
                <Badge tone={ROLES[role.state].tone}>
                  {ROLES[role.state].words}
                </Badge>
              </li>
            ))}
          </ul>
        </div>
      ))}
      {props.state.communities.length === 0 && (
        <p className="account-soft">
          No roles come with your access at the moment.
        </p>
      )}
      <div className="buttons">
        <Button onClick={() => void ask()}>Unlink Discord</Button>
      </div>
    </>
  );
}
