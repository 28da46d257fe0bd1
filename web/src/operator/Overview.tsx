// Overview.tsx - is everything well, and if not, where to look.

import { useMutation, useQuery } from "convex/react";
import type { FunctionReturnType } from "convex/server";
import { api } from "../app/api";
import { href, Link } from "../app/router";
import { Badge } from "../ui/Badge";
import { Button } from "../ui/Button";
import { useConfirm } from "../ui/Confirm";
import { Panel, PanelWaiting } from "../ui/Panel";
import { Time, useTimed } from "../ui/time";
import { OperatorPage, useRun } from "./community";
import { Connectivity } from "./Connectivity";
import { Pipeline } from "./Pipeline";
import { QUEUE_NAMES } from "./QueuesPage";
import { count, healthOf, STALE_MS } from "./words";

type Instance = FunctionReturnType<typeof api.services.list>[number];

export function Overview() {
  return (
    <OperatorPage
      title="Overview"
      actions={
        <Link className="button small" to={href("/operator/setup", {})}>
          Set-up
        </Link>
      }
    >
      {({ slug }) => (
        <>
          <div className="columns">
            <Panel title="Services" lead="By their own account.">
              <Services />
            </Panel>
            <div className="stack">
              <Panel title="Queues">
                <QueueFigures community={slug} />
              </Panel>
              <Panel title="Backend" lead="Measured in this page.">
                <Connectivity />
              </Panel>
            </div>
          </div>
          <Pipeline community={slug} />
        </>
      )}
    </OperatorPage>
  );
}

const EXPECTED = ["collector", "bot", "webhook-proxy"] as const;

function Services() {
  const instances = useQuery(api.services.list, {});
  if (instances === undefined) return <PanelWaiting />;
  return (
    <ul className="services">
      {EXPECTED.map((service) => {
        const own = instances.filter((one) => one.service === service);
        return own.length === 0 ? (
          <li key={service} className="service">
            <div className="service-head">
              <strong>{service}</strong> <Badge tone="warn">never seen</Badge>
            </div>
            <p className="hint">
              It says that it is there within seconds of its start. See its log
              if it was started.
            </p>
          </li>
        ) : (
          own.map((one) => <Service key={one.instance} instance={one} />)
        );
      })}
    </ul>
  );
}

function Service({ instance }: { instance: Instance }) {
  const { service, instance: name, version, detail, counters } = instance;
  const forget = useMutation(api.services.forget);
  const confirm = useConfirm();
  const { run } = useRun();
  const words = useTimed((now) => healthOf(instance, now).words);
  const tone = useTimed((now) => healthOf(instance, now).tone);
  const stale = useTimed((now) => Number(now - instance.seenAt > STALE_MS));

  async function drop() {
    const yes = await confirm({
      title: `Forget ${name}?`,
      body: "It leaves this list. If it is still running it comes back by itself.",
      action: "Forget it",
    });
    if (yes)
      run("forget", async () => {
        await forget({ service, instance: name });
      });
  }

  return (
    <li className="service" data-service={service}>
      <div className="service-head">
        <strong>{service}</strong> <Badge tone={tone}>{words}</Badge>
        <span className="hint">
          {name} · {version} · seen <Time at={instance.seenAt} />
        </span>
        {stale === 1 && (
          <Button size="small" kind="quiet" onClick={() => void drop()}>
            Forget
          </Button>
        )}
      </div>
      {detail && <p className="service-detail">{detail}</p>}
      {counters.length > 0 && (
        <details className="details">
          <summary>{counters.length} counters</summary>
          <dl className="facts counters">
            {counters.map((one) => (
              <div key={one.name} className="facts-row">
                <dt>{one.name}</dt>
                <dd>{count(one.value)}</dd>
              </div>
            ))}
          </dl>
        </details>
      )}
    </li>
  );
}

function QueueFigures({ community }: { community: string }) {
  const queues = useQuery(api.queues.overview, { community });
  if (queues === undefined) return <PanelWaiting />;
  return (
    <ul className="queue-figures">
      {queues.map(({ queue, waiting, dead, more, oldestAt }) => (
        <li key={queue}>
          <Link to={href("/operator/queues", {})}>{QUEUE_NAMES[queue]}</Link>
          <span>
            {count(waiting)}
            {more && "+"} waiting
            {oldestAt !== null && (
              <>
                , the oldest since <Time at={oldestAt} />
              </>
            )}
          </span>
          {dead > 0 ? (
            <Badge tone="bad">{count(dead)} given up</Badge>
          ) : (
            <Badge tone="good">none given up</Badge>
          )}
        </li>
      ))}
    </ul>
  );
}
