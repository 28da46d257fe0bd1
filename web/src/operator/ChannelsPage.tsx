// ChannelsPage.tsx - communities, what is mirrored where, and what products buy.

import { useMutation, useQuery } from "convex/react";
import { Fragment, useState } from "react";
import { api } from "../app/api";
import { Badge } from "../ui/Badge";
import { Button } from "../ui/Button";
import { useConfirm } from "../ui/Confirm";
import { CopyText } from "../ui/CopyText";
import { Dialog } from "../ui/Dialog";
import { Panel, PanelWaiting } from "../ui/Panel";
import { Table } from "../ui/Table";
import { Time } from "../ui/time";
import { ChannelChecks } from "./Checks";
import { choose, OperatorPage, useRun, type Community } from "./community";
import {
  ChannelForm,
  CommunityForm,
  PlanForm,
  type Channel,
  type Plan,
} from "./forms";
import { count } from "./words";

export function ChannelsPage() {
  const [making, setMaking] = useState(false);
  return (
    <OperatorPage
      title="Channels"
      actions={
        <Button size="small" icon="plus" onClick={() => setMaking(true)}>
          New community
        </Button>
      }
    >
      {(community) => (
        <>
          <CommunityPanel key={community.slug} community={community} />
          <ChannelsPanel community={community.slug} />
          <PlansPanel community={community.slug} />
          {making && (
            <Dialog title="New community" onClose={() => setMaking(false)}>
              <CommunityForm
                done={(slug) => {
                  choose(slug);
                  setMaking(false);
                }}
              />
            </Dialog>
          )}
        </>
      )}
    </OperatorPage>
  );
}

function CommunityPanel({ community }: { community: Community }) {
  const [editing, setEditing] = useState(false);
  const roles = community.memberRoleIds ?? [];
  const yes = (value: boolean | undefined) => (value ? "yes" : "no");
  return (
    <Panel
      title={community.name}
      actions={
        <Button size="small" onClick={() => setEditing(true)}>
          Edit the community
        </Button>
      }
    >
      <dl className="facts">
        <dt>Short name</dt>
        <dd>
          <code>{community.slug}</code>
        </dd>
        <dt>Source guild</dt>
        <dd>
          <CopyText text={community.sourceGuildId} what="source guild id" />
        </dd>
        <dt>Customer guild</dt>
        <dd>
          <CopyText text={community.customerGuildId} what="customer guild id" />
        </dd>
        <dt>Member roles</dt>
        <dd>{roles.length === 0 ? "none" : roles.join(", ")}</dd>
        <dt>Days of grace</dt>
        <dd>{community.graceDays ?? 3}</dd>
        <dt>Partial refund ends access</dt>
        <dd>{yes(community.partialRefundEnds)}</dd>
        <dt>Test purchases count</dt>
        <dd>{yes(community.acceptsTestPurchases)}</dd>
        <dt>Customers may be added to the guild</dt>
        <dd>{yes(community.joinsAllowed)}</dd>
      </dl>
      {editing && (
        <Dialog
          title={`Edit ${community.name}`}
          onClose={() => setEditing(false)}
        >
          <CommunityForm known={community} done={() => setEditing(false)} />
        </Dialog>
      )}
    </Panel>
  );
}

function ChannelsPanel({ community }: { community: string }) {
  const [adding, setAdding] = useState(false);
  return (
    <Panel
      title="Channels"
      lead="Each source channel, and where the bot posts what is written there."
      actions={
        <Button size="small" icon="plus" onClick={() => setAdding(true)}>
          Map a channel
        </Button>
      }
    >
      <Channels community={community} />
      {adding && (
        <Dialog title="Map a channel" onClose={() => setAdding(false)}>
          <ChannelForm community={community} done={() => setAdding(false)} />
        </Dialog>
      )}
    </Panel>
  );
}

function Channels({ community }: { community: string }) {
  const channels = useQuery(api.channels.list, { community });
  if (channels === undefined) return <PanelWaiting />;
  if (channels.length === 0)
    return (
      <p className="table-empty">
        No channel is mapped, so nothing is captured.
      </p>
    );
  return (
    <ul className="channels-list">
      {channels.map((channel) => (
        <ChannelItem key={channel.id} community={community} channel={channel} />
      ))}
    </ul>
  );
}

function ChannelItem(props: { community: string; channel: Channel }) {
  const { community, channel } = props;
  const [editing, setEditing] = useState(false);
  const update = useMutation(api.channels.update);
  const { busy, run } = useRun();
  const { id, signals, lastAt, ...mapping } = channel;
  const turn = () =>
    run("turn", async () => {
      await update({ community, ...mapping, enabled: !channel.enabled });
      return `${channel.name} is ${channel.enabled ? "off" : "on"}`;
    });
  return (
    <li className="channel-item" data-channel={channel.sourceChannelId}>
      <header>
        <h3>#{channel.name}</h3>
        <Badge tone={channel.enabled ? "good" : "neutral"}>
          {channel.enabled ? "on" : "off"}
        </Badge>
        {channel.identity === "webhook" && <Badge>by webhook</Badge>}
        {channel.recreates && <Badge>deleted posts come back</Badge>}
        <span className="hint">
          {count(signals)} signals
          {lastAt !== null && (
            <>
              , the last <Time at={lastAt} />
            </>
          )}
        </span>
        <div className="buttons channel-actions">
          <Button size="small" busy={busy === "turn"} onClick={turn}>
            Turn {channel.enabled ? "off" : "on"}
          </Button>
          <Button size="small" onClick={() => setEditing(true)}>
            Edit
          </Button>
        </div>
      </header>
      <p className="mapping">
        <CopyText text={channel.sourceChannelId} what="source channel id" />
        <span aria-hidden="true">→</span>
        <span className="unseen">is posted in</span>
        <CopyText text={channel.mirrorChannelId} what="mirror channel id" />
      </p>
      <ChannelChecks community={community} channel={channel} />
      {editing && (
        <Dialog
          title={`Edit #${channel.name}`}
          onClose={() => setEditing(false)}
        >
          <ChannelForm
            community={community}
            known={channel}
            done={() => setEditing(false)}
          />
        </Dialog>
      )}
    </li>
  );
}

function PlansPanel({ community }: { community: string }) {
  const [editing, setEditing] = useState<Plan | "new" | null>(null);
  return (
    <Panel
      title="Plans"
      lead="What a provider's product buys. What nobody mapped is parked, never granted."
      actions={
        <Button size="small" icon="plus" onClick={() => setEditing("new")}>
          Map a product
        </Button>
      }
    >
      <Plans community={community} edit={setEditing} />
      {editing !== null && (
        <Dialog
          title={editing === "new" ? "Map a product" : `Edit ${editing.name}`}
          onClose={() => setEditing(null)}
        >
          <PlanForm
            community={community}
            known={editing === "new" ? undefined : editing}
            done={() => setEditing(null)}
          />
        </Dialog>
      )}
    </Panel>
  );
}

function Plans(props: { community: string; edit: (plan: Plan) => void }) {
  const { community, edit } = props;
  const plans = useQuery(api.plans.ofCommunity, { community });
  const unset = useMutation(api.plans.unset);
  const confirm = useConfirm();
  const { run } = useRun();

  async function drop({ source, product, name }: Plan) {
    const yes = await confirm({
      title: `Unmap ${name}?`,
      body: "Access that was bought with this product ends at once, and comes back when the product is mapped again.",
      action: "Unmap it",
      danger: true,
    });
    if (yes)
      run("drop", async () => {
        await unset({ community, source, product });
        return `${name} is unmapped`;
      });
  }

  return (
    <Table
      caption="Mapped products"
      rows={plans}
      rowKey={({ source, product }) => `${source}/${product}`}
      empty="No product is mapped yet."
      columns={[
        { title: "Name", cell: (plan) => plan.name },
        { title: "Source", cell: (plan) => plan.source },
        { title: "Product", cell: (plan) => <code>{plan.product}</code> },
        { title: "Days", cell: (plan) => plan.days ?? "without an end" },
        {
          title: "Roles",
          cell: (plan) => (
            <>
              {plan.roleIds.map((roleId) => (
                <Fragment key={roleId}>
                  <code>{roleId}</code>{" "}
                </Fragment>
              ))}
              {plan.roleIds.length === 0 && "–"}
            </>
          ),
        },
        {
          title: "Actions",
          align: "end",
          cell: (plan) => (
            <div className="buttons row-actions">
              <Button
                size="small"
                aria-label={`Edit ${plan.name}`}
                onClick={() => edit(plan)}
              >
                Edit
              </Button>
              <Button
                size="small"
                kind="danger"
                aria-label={`Unmap ${plan.name}`}
                onClick={() => void drop(plan)}
              >
                Unmap
              </Button>
            </div>
          ),
        },
      ]}
    />
  );
}
