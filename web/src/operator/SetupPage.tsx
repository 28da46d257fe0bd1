// SetupPage.tsx - the first run: from an empty backend to a live signal. Every step is
// verified by the system itself, so it can be left and taken up again anywhere.

import { useConvexConnectionState, useMutation, useQuery } from "convex/react";
import { useEffect, useState, type ReactNode } from "react";
import { api } from "../app/api";
import { href, Link } from "../app/router";
import { useConfig, useSession } from "../app/session";
import { Badge, type Tone } from "../ui/Badge";
import { Button } from "../ui/Button";
import { CopyText } from "../ui/CopyText";
import { ErrorBoundary } from "../ui/ErrorBoundary";
import { Time, useTimed } from "../ui/time";
import { ChannelChecks, CheckResult, useChecks } from "./Checks";
import type { Community } from "./community";
import { ChannelForm, CommunityForm, PlanForm, type Channel } from "./forms";
import { healthOf, took } from "./words";
import "./operator.css";

export function SetupPage() {
  const { me } = useSession();
  return (
    <div className="page narrow operator setup">
      <header className="page-head">
        <h1>First run</h1>
        {me.operator && (
          <Link className="button small" to={href("/operator", {})}>
            Overview
          </Link>
        )}
      </header>
      <p className="lead">
        From an empty backend to a live signal. Each step is checked by the
        system itself; leave and come back whenever you like.
      </p>
      <ErrorBoundary within="panel">
        <ol className="steps">
          <BackendStep />
          <OperatorStep />
          {me.operator && <Steps />}
        </ol>
      </ErrorBoundary>
    </div>
  );
}

type StepState = "done" | "now" | "later" | "optional";

const STEP: Record<StepState, { words: string; tone: Tone }> = {
  done: { words: "done", tone: "good" },
  now: { words: "to do", tone: "warn" },
  later: { words: "later", tone: "neutral" },
  optional: { words: "optional", tone: "info" },
};

function Step(props: {
  name: string;
  title: string;
  state: StepState;
  summary?: ReactNode; // of what was found
  children?: ReactNode; // what to do
}) {
  const { name, title, state, summary, children } = props;
  const { words, tone } = STEP[state];
  return (
    <li className="step" data-step={name} data-state={state}>
      <header>
        <h2>{title}</h2>
        <Badge tone={tone}>{words}</Badge>
      </header>
      {summary && <p className="hint">{summary}</p>}
      {state !== "later" && children}
    </li>
  );
}

function Command({ text, where }: { text: string; where: string }) {
  return (
    <div className="command">
      <p className="hint">{where}</p>
      <CopyText text={text} what="command" />
    </div>
  );
}

function BackendStep() {
  const { convexUrl } = useConfig();
  const { isWebSocketConnected } = useConvexConnectionState();
  return (
    <Step
      name="backend"
      title="The backend answers"
      state={isWebSocketConnected ? "done" : "now"}
      summary={<code>{convexUrl}</code>}
    >
      {!isWebSocketConnected && (
        <p>
          Nothing answers there. Start the backend, and see that{" "}
          <code>convexUrl</code> in <code>config.json</code> beside this page is
          its address, without <code>/http</code>.
        </p>
      )}
    </Step>
  );
}

function OperatorStep() {
  const { me } = useSession();
  const standing = useQuery(api.setup.standing, {});
  if (standing === undefined) return null;
  return (
    <Step
      name="operator"
      title="You run this service"
      state={standing.operator ? "done" : "now"}
      summary={`Signed in as ${me.email}.`}
    >
      {!standing.operator && (
        <>
          <p>
            {standing.operators
              ? "Others are operators; you are not. One who can use the command line of the deployment makes you one:"
              : "Nobody is an operator yet. The first one is made by command line only, so that nobody can take the service over by signing up first:"}
          </p>
          <Command
            where="In schema/, with CONVEX_SELF_HOSTED_URL and CONVEX_SELF_HOSTED_ADMIN_KEY set:"
            text={`npx convex run access:makeOperator '${JSON.stringify({ email: me.email })}'`}
          />
          <p className="hint">This page goes on by itself.</p>
        </>
      )}
    </Step>
  );
}

function Steps() {
  const config = useConfig();
  const communities = useQuery(api.communities.list, {});
  const community = communities?.find(({ slug }) => slug === config.community);
  if (communities === undefined) return null;
  return (
    <>
      <Step
        name="community"
        title="The community"
        state={community ? "done" : "now"}
        summary={
          community && (
            <>
              {community.name}: source guild{" "}
              <code>{community.sourceGuildId}</code>, customer guild{" "}
              <code>{community.customerGuildId}</code>
            </>
          )
        }
      >
        {!community && (
          <>
            <p>
              This page is for <code>{config.community}</code>, as{" "}
              <code>config.json</code> says, so that is its short name.
            </p>
            <CommunityForm slug={config.community} done={() => undefined} />
          </>
        )}
      </Step>
      {community && <Wired community={community} />}
    </>
  );
}

function Wired({ community }: { community: Community }) {
  const { slug } = community;
  const channels = useQuery(api.channels.list, { community: slug });
  const [adding, setAdding] = useState(false);
  if (channels === undefined) return null;
  const channel = channels.find(({ enabled }) => enabled);
  return (
    <>
      <DaemonStep
        service="collector"
        title="The collector listens"
        about="It reads the source guild as a bot of that guild."
        settings={[
          "CONVEX_URL, SERVICE_KEY_FILE: the backend, and the key that service-keys.mjs made",
          "DISCORD_TOKEN: of the application that is a member of the source guild",
          "In Discord's developer portal: Bot, Message Content Intent on",
        ]}
      />
      <Step
        name="channel"
        title="A channel is mapped"
        state={channel ? "done" : "now"}
        summary={channel && <>#{channel.name} is on.</>}
      >
        {!channel &&
          (channels.length > 0 && !adding ? (
            <p>
              All channels are off.{" "}
              <Link to={href("/operator/channels", {})}>Turn one on</Link>, or{" "}
              <button className="inline-button" onClick={() => setAdding(true)}>
                map another
              </button>
              .
            </p>
          ) : (
            <ChannelForm community={slug} done={() => setAdding(false)} />
          ))}
      </Step>
      {channel && <SourceStep community={slug} channel={channel} />}
      <DaemonStep
        service="bot"
        title="The bot is there"
        about="It posts in the customers' guild and gives their roles."
        settings={[
          "CONVEX_URL, SERVICE_KEY_FILE: as the collector's",
          "DISCORD_TOKEN: of the application that is a member of the customer guild",
        ]}
      />
      {channel && (
        <>
          <PermissionStep community={slug} channel={channel} />
          <PlanStep community={slug} />
          <SignalStep community={slug} channel={channel} />
        </>
      )}
    </>
  );
}

function DaemonStep(props: {
  service: "collector" | "bot";
  title: string;
  about: string;
  settings: string[];
}) {
  const { service, title, about, settings } = props;
  const instances = useQuery(api.services.list, {});
  const own = instances?.filter((one) => one.service === service);
  const newest = own?.[0];
  const words = useTimed((now) =>
    newest ? healthOf(newest, now).words : "never seen",
  );
  if (own === undefined) return null;
  const ready = words === "ready";
  return (
    <Step
      name={service}
      title={title}
      state={ready ? "done" : "now"}
      summary={
        newest && (
          <>
            {newest.instance}, {newest.version}: {words}, seen{" "}
            <Time at={newest.seenAt} />
          </>
        )
      }
    >
      {!ready && (
        <>
          {newest?.detail && <p className="problem">{newest.detail}</p>}
          <p>
            {newest === undefined
              ? `No ${service} was ever seen. ${about}`
              : `The ${service} is ${words}. Its log says more.`}
          </p>
          <Command where="Start it:" text={`systemctl start ${service}`} />
          <ul className="settings">
            {settings.map((setting) => (
              <li key={setting}>{setting}</li>
            ))}
          </ul>
          <p className="hint">
            <code>{service} --help</code> lists every setting.
          </p>
        </>
      )}
    </Step>
  );
}

/** Told by the collector whenever something changes there, so nothing is to be asked for. */
function SourceStep(props: { community: string; channel: Channel }) {
  const { community, channel } = props;
  const checks = useChecks(community, channel.id);
  const found = checks?.find(({ kind }) => kind === "source");
  if (checks === undefined) return null;
  return (
    <Step
      name="source"
      title={`The collector may read #${channel.name}`}
      state={found?.state === "passed" ? "done" : "now"}
      summary="It looks at its own permissions in the source channel, and again when they change."
    >
      {found ? (
        <CheckResult check={found} />
      ) : (
        <p className="hint">
          It has not said so yet: it does within seconds of its start.
        </p>
      )}
    </Step>
  );
}

function PermissionStep(props: { community: string; channel: Channel }) {
  const { community, channel } = props;
  const checks = useChecks(community, channel.id);
  const permissions = checks?.find(({ kind }) => kind === "permissions");
  const passed = permissions?.state === "passed";
  return (
    <Step
      name="permissions"
      title={`The bot may post in #${channel.name}`}
      state={passed ? "done" : "now"}
      summary="It looks at its own permissions in the mirror channel, and at its roles."
    >
      <ChannelChecks community={community} channel={channel} ofBot />
    </Step>
  );
}

function PlanStep({ community }: { community: string }) {
  const plans = useQuery(api.plans.ofCommunity, { community });
  const [adding, setAdding] = useState(false);
  if (plans === undefined) return null;
  return (
    <Step
      name="plan"
      title="A product is mapped"
      state={plans.length > 0 ? "done" : "optional"}
      summary={
        plans.length > 0
          ? plans.map(({ name }) => name).join(", ")
          : "Only if you sell access: what a payment provider's product buys."
      }
    >
      {plans.length === 0 &&
        (adding ? (
          <PlanForm community={community} done={() => setAdding(false)} />
        ) : (
          <div className="buttons">
            <Button size="small" icon="plus" onClick={() => setAdding(true)}>
              Map a product
            </Button>
          </div>
        ))}
    </Step>
  );
}

const BEGUN = "signals-setup-test-begun";

function SignalStep(props: { community: string; channel: Channel }) {
  const { community, channel } = props;
  const key = `${BEGUN} ${channel.id}`;
  const [since, setSince] = useState(
    () => Number(sessionStorage.getItem(key)) || null,
  );
  const begin = () => {
    const now = Date.now();
    sessionStorage.setItem(key, String(now));
    setSince(now);
  };
  return since === null ? (
    <Step
      name="signal"
      title="A signal goes all the way"
      state="now"
      summary={`You write something in #${channel.name} of the source guild, and watch it arrive.`}
    >
      <div className="buttons">
        <Button kind="primary" icon="play" onClick={begin}>
          Begin
        </Button>
      </div>
    </Step>
  ) : (
    <TestSignal
      community={community}
      channel={channel}
      since={since}
      again={begin}
    />
  );
}

function TestSignal(props: {
  community: string;
  channel: Channel;
  since: number;
  again: () => void;
}) {
  const { community, channel, since, again } = props;
  const channelId = channel.id;
  const signal = useQuery(api.setup.testSignal, {
    community,
    channelId,
    since,
  });
  const seen = useMutation(api.latency.seen);
  const version = signal?.version;
  const waited = useTimed((now) => Math.floor((now - since) / 30_000));

  useEffect(() => {
    if (!signal || signal.seenAt !== undefined) return;
    const { messageId, version } = signal;
    const sample = { messageId, version, seenAt: Date.now() };
    // Told by the query itself, once it is known.
    void seen({ community, samples: [sample] });
  }, [version]);

  const done = signal?.postedAt !== undefined && signal.seenAt !== undefined;
  return (
    <Step
      name="signal"
      title="A signal goes all the way"
      state={done ? "done" : "now"}
    >
      {!signal ? (
        <>
          <p className="waiting-for" role="status">
            Write something in <strong>#{channel.name}</strong> of the source
            guild now. Waiting…
          </p>
          {waited > 0 && (
            <ul className="settings">
              <li>
                Does it have the Message Content Intent? Without it messages
                come empty.
              </li>
              <li>
                Is <code>{channel.sourceChannelId}</code> the id of the channel
                that you wrote in?
              </li>
            </ul>
          )}
        </>
      ) : (
        <>
          <blockquote className="test-signal">
            <strong>{signal.author}</strong> {signal.text || "(no text)"}
          </blockquote>
          <ol className="hops" aria-live="polite">
            <Hop name="Written" at={signal.sourceAt} />
            <Hop
              name="Captured"
              at={signal.capturedAt}
              since={signal.sourceAt}
            />
            <Hop
              name="Stored"
              at={signal.committedAt}
              since={signal.sourceAt}
            />
            <Hop name="Posted" at={signal.postedAt} since={signal.sourceAt} />
            <Hop
              name="On this screen"
              at={signal.seenAt}
              since={signal.sourceAt}
            />
          </ol>
          {signal.postedAt === undefined && waited > 0 && (
            <p>
              It is not posted yet.{" "}
              <Link to={href("/operator/queues", {})}>The queue</Link> says why.
            </p>
          )}
          {done && (
            <div className="buttons">
              <Link className="button primary" to={href("/", {})}>
                See it in the feed
              </Link>
              <Button onClick={again}>Once more</Button>
            </div>
          )}
        </>
      )}
    </Step>
  );
}

function Hop(props: { name: string; at?: number; since?: number }) {
  const { name, at, since } = props;
  return (
    <li data-hop={name} data-done={at !== undefined}>
      <span>{name}</span>
      <span>
        {at === undefined
          ? "…"
          : since === undefined
            ? new Date(at).toLocaleTimeString()
            : `after ${took(at - since)}`}
      </span>
    </li>
  );
}
