// AccountPage.tsx - a person's own account: access, purchases, Discord, preferences, data.

import { useQuery } from "convex/react";
import type { PageProps } from "../app/routes";
import { api } from "../app/api";
import { useConfig } from "../app/session";
import { Badge } from "../ui/Badge";
import { Panel, PanelWaiting } from "../ui/Panel";
import { Time, longDate, useTimed } from "../ui/time";
import { DataPanel } from "./DataPanel";
import { DiscordPanel } from "./DiscordPanel";
import { PreferencesPanel } from "./PreferencesPanel";
import { SignInPanel } from "./SignInPanel";
import {
  accessWords,
  EVENTS,
  groundWords,
  purchaseWords,
  type Bought,
} from "./words";
import "./account.css";

export default function AccountPage({ query }: PageProps) {
  return (
    <div className="page narrow account">
      <header className="page-head">
        <h1>Account</h1>
      </header>
      <Panel title="Access">
        <Access />
      </Panel>
      <Panel title="Purchases">
        <Purchases />
      </Panel>
      <Panel
        title="Discord"
        lead="Link your Discord account to get your roles in the community’s server."
      >
        <DiscordPanel query={query} />
      </Panel>
      <Panel title="Preferences" lead="For all your devices.">
        <PreferencesPanel />
      </Panel>
      <Panel title="Sign-in">
        <SignInPanel />
      </Panel>
      <Panel title="Your data">
        <DataPanel />
      </Panel>
    </div>
  );
}

function Access() {
  const me = useQuery(api.account.me);
  const { buyUrl } = useConfig();
  // Once a minute is enough: an end of access comes by itself.
  const now = useTimed((now) => now - (now % 60_000));
  if (me === undefined) return <PanelWaiting />;
  if (me.communities.length === 0)
    return (
      <>
        <p>You have no access to anything yet.</p>
        <BuyLink url={buyUrl} />
      </>
    );
  return (
    <ul className="standings">
      {me.communities.map((one) => {
        const { state, tone, text } = accessWords(one, now);
        const others = one.operator ? [] : one.grounds.slice(1);
        return (
          <li key={one.slug} data-community={one.slug} data-live={one.live}>
            <p className="standing-head">
              <strong dir="auto">{one.name}</strong>
              <Badge tone={tone}>{state}</Badge>
            </p>
            <p>{text}</p>
            {!one.live && <BuyLink url={buyUrl} />}
            {others.length > 0 && (
              <details className="details">
                <summary>Earlier and other access</summary>
                <ul className="standing-others">
                  {others.map((ground, i) => (
                    <li key={i}>{groundWords(ground, now).text}</li>
                  ))}
                </ul>
              </details>
            )}
          </li>
        );
      })}
    </ul>
  );
}

/** Where access is sold, if the page was told. */
export function BuyLink({ url }: { url: string | null }) {
  if (url === null) return null;
  return (
    <a
      className="button primary"
      href={url}
      target="_blank"
      rel="noopener noreferrer"
    >
      Get access
    </a>
  );
}

function Purchases() {
  const bought = useQuery(api.account.history);
  if (bought === undefined) return <PanelWaiting />;
  if (bought.length === 0)
    return (
      <p className="account-none">
        Nothing yet. What you buy with your address appears here.
      </p>
    );
  return (
    <ul className="purchases">
      {bought.map((one) => (
        <Purchase key={one.id} bought={one} />
      ))}
    </ul>
  );
}

function Purchase({ bought }: { bought: Bought }) {
  const now = useTimed((now) => now - (now % 60_000));
  const { state, tone } = purchaseWords(bought, now);
  const { plan, community, paidUntil, renews, test, events } = bought;
  const until = paidUntil === null ? null : `paid until ${longDate(paidUntil)}`;
  const kind = renews ? "subscription" : "single purchase";
  return (
    <li data-purchase={bought.reference}>
      <p className="standing-head">
        <strong dir="auto">{plan ?? "Not matched to a plan yet"}</strong>
        <Badge tone={tone}>{state}</Badge>
        {test && <Badge>Test</Badge>}
      </p>
      <p className="account-soft">
        <span dir="auto">{community.name}</span> · {kind}
        {until && ` · ${until}`}
      </p>
      <details className="details">
        <summary>What happened</summary>
        <ol className="purchase-events">
          {events.map((event, i) => (
            <li key={i}>
              <Time at={event.at} words={longDate} /> {EVENTS[event.kind]}
            </li>
          ))}
        </ol>
        <p className="account-soft">
          {bought.provider} · {bought.reference}
        </p>
      </details>
    </li>
  );
}
