// forms.tsx - what operators fill in: a community, a channel, a plan.

import { useMutation } from "convex/react";
import type { FunctionReturnType } from "convex/server";
import { api } from "../app/api";
import { Checkbox, Field, Form } from "../ui/Field";
import type { Community } from "./community";
import { idsOf } from "./words";

export type Channel = FunctionReturnType<typeof api.channels.list>[number];
export type Plan = FunctionReturnType<typeof api.plans.ofCommunity>[number];

const ID_HINT =
  "17 to 20 digits. In Discord: Settings, Advanced, Developer mode; then right-click, Copy ID.";

function text(given: FormData, name: string): string {
  return String(given.get(name) ?? "").trim();
}

/** A community to make, or (known) to change. */
export function CommunityForm(props: {
  known?: Community;
  slug?: string; // of the one to make
  done: (slug: string) => void;
}) {
  const { known, done } = props;
  const create = useMutation(api.communities.create);
  const update = useMutation(api.communities.update);
  return (
    <Form
      submit={known ? "Save" : "Make the community"}
      onSubmit={async (given) => {
        const roles = idsOf(given.get("memberRoleIds"));
        const wanted = {
          slug: known?.slug ?? text(given, "slug"),
          name: text(given, "name"),
          sourceGuildId: text(given, "sourceGuildId"),
          customerGuildId: text(given, "customerGuildId"),
          memberRoleIds: roles,
          graceDays: Number(text(given, "graceDays") || 3),
          partialRefundEnds: given.has("partialRefundEnds"),
          acceptsTestPurchases: given.has("acceptsTestPurchases"),
          joinsAllowed: given.has("joinsAllowed"),
        };
        await (known ? update(wanted) : create(wanted));
        done(wanted.slug);
      }}
    >
      {!known && (
        <Field
          label="Short name"
          hint="a-z, 0-9 and -. It is in config.json and in the daemons' settings, and stays."
        >
          {(control) => (
            <input
              {...control}
              name="slug"
              required
              defaultValue={props.slug}
              pattern="[a-z0-9][a-z0-9\-]*"
            />
          )}
        </Field>
      )}
      <Field label="Name" hint="As customers read it.">
        {(control) => (
          <input {...control} name="name" required defaultValue={known?.name} />
        )}
      </Field>
      <Field label="Source guild id" hint={ID_HINT}>
        {(control) => (
          <input
            {...control}
            name="sourceGuildId"
            inputMode="numeric"
            required
            defaultValue={known?.sourceGuildId}
          />
        )}
      </Field>
      <Field label="Customer guild id">
        {(control) => (
          <input
            {...control}
            name="customerGuildId"
            inputMode="numeric"
            required
            defaultValue={known?.customerGuildId}
          />
        )}
      </Field>
      <Field
        label="Member role ids"
        hint="Discord roles of everybody with access, by commas. May be empty."
      >
        {(control) => (
          <input
            {...control}
            name="memberRoleIds"
            defaultValue={known?.memberRoleIds?.join(", ")}
          />
        )}
      </Field>
      <Field
        label="Days of grace"
        hint="Access after the end of a paid period, for a renewal that is late."
      >
        {(control) => (
          <input
            {...control}
            name="graceDays"
            type="number"
            min={0}
            max={90}
            defaultValue={known?.graceDays ?? 3}
          />
        )}
      </Field>
      <Checkbox
        label="A partial refund ends access"
        name="partialRefundEnds"
        defaultChecked={known?.partialRefundEnds}
      />
      <Checkbox
        label="Test purchases count"
        hint="To try things out; turn it off afterwards."
        name="acceptsTestPurchases"
        defaultChecked={known?.acceptsTestPurchases}
      />
      <Checkbox
        label="Customers who link Discord are added to the guild"
        name="joinsAllowed"
        defaultChecked={known?.joinsAllowed}
      />
    </Form>
  );
}

/** A source channel to map, or (known) to change. */
export function ChannelForm(props: {
  community: string;
  known?: Channel;
  done: () => void;
}) {
  const { community, known, done } = props;
  const create = useMutation(api.channels.create);
  const update = useMutation(api.channels.update);
  return (
    <Form
      submit={known ? "Save" : "Map the channel"}
      onSubmit={async (given) => {
        const wanted = {
          community,
          sourceChannelId:
            known?.sourceChannelId ?? text(given, "sourceChannelId"),
          mirrorChannelId: text(given, "mirrorChannelId"),
          name: text(given, "name"),
          enabled: given.has("enabled"),
          identity: given.has("webhook")
            ? ("webhook" as const)
            : ("bot" as const),
          recreates: given.has("recreates"),
        };
        await (known ? update(wanted) : create(wanted));
        done();
      }}
    >
      <Field label="Name" hint="As customers read it.">
        {(control) => (
          <input {...control} name="name" required defaultValue={known?.name} />
        )}
      </Field>
      {!known && (
        <Field label="Source channel id" hint={ID_HINT}>
          {(control) => (
            <input
              {...control}
              name="sourceChannelId"
              inputMode="numeric"
              required
            />
          )}
        </Field>
      )}
      <Field
        label="Mirror channel id"
        hint="Where signals are posted from now on; what was posted stays where it is."
      >
        {(control) => (
          <input
            {...control}
            name="mirrorChannelId"
            inputMode="numeric"
            required
            defaultValue={known?.mirrorChannelId}
          />
        )}
      </Field>
      <Checkbox
        label="On: new messages are captured and posted"
        name="enabled"
        defaultChecked={known?.enabled ?? true}
      />
      <Checkbox
        label="Post under the analyst's name, by a webhook"
        name="webhook"
        defaultChecked={known?.identity === "webhook"}
      />
      <Checkbox
        label="Make a post again that was deleted by hand"
        name="recreates"
        defaultChecked={known?.recreates}
      />
    </Form>
  );
}

/** What a product buys. */
export function PlanForm(props: {
  community: string;
  known?: Plan;
  done: () => void;
}) {
  const { community, known, done } = props;
  const set = useMutation(api.plans.set);
  return (
    <Form
      submit={known ? "Save" : "Map the product"}
      onSubmit={async (given) => {
        const days = text(given, "days");
        await set({
          community,
          source: known?.source ?? text(given, "source"),
          product: known?.product ?? text(given, "product"),
          name: text(given, "name"),
          days: days === "" ? null : Number(days),
          roleIds: idsOf(given.get("roleIds")),
        });
        done();
      }}
    >
      {!known && (
        <>
          <Field
            label="Source"
            hint="Of the webhooks, as the webhook-proxy's settings name it."
          >
            {(control) => <input {...control} name="source" required />}
          </Field>
          <Field label="Product id" hint="The provider's.">
            {(control) => <input {...control} name="product" required />}
          </Field>
        </>
      )}
      <Field label="Name">
        {(control) => (
          <input {...control} name="name" required defaultValue={known?.name} />
        )}
      </Field>
      <Field
        label="Days"
        hint="What one payment buys where the provider names no period. Empty: without an end."
      >
        {(control) => (
          <input
            {...control}
            name="days"
            type="number"
            min={1}
            defaultValue={known?.days ?? ""}
          />
        )}
      </Field>
      <Field label="Role ids" hint="Discord roles of this plan's customers.">
        {(control) => (
          <input
            {...control}
            name="roleIds"
            defaultValue={known?.roleIds.join(", ")}
          />
        )}
      </Field>
    </Form>
  );
}
