// walkOperator.ts - the rows of walkTable.ts for what only operators may call.

import type { FailureCode } from "../../convex/model/failure";
import type { Place, Row } from "./walkTable";

const paginationOpts = { numItems: 5, cursor: null };
const guilds = {
  sourceGuildId: "1900000000000000001",
  customerGuildId: "1900000000000000002",
};
const plan = { source: "walk", product: "1" };

const settings = ({ community, source }: Place) => ({
  slug: community,
  name: `The ${community} community`,
  sourceGuildId: source.community.guildId,
  customerGuildId: source.community.customerGuildId,
});
const channel = ({ community, source }: Place) => {
  const { id: _, ...mapping } = source.community.channels[0]!;
  return { community, ...mapping, name: "channel-0", enabled: true };
};
const inA = ({ community }: Place) => ({ community });

const NOBODY = "nobody-walks@test.example";
const person = ({ community }: Place) => ({ community, email: NOBODY });
const paged = ({ community }: Place) => ({ community, paginationOpts });
const event = ({ eventId }: Place) => ({ id: eventId });

type Args = Row["args"];

function row(args: Args, answers?: FailureCode): Row {
  return answers === undefined
    ? { for: "operator", args }
    : { for: "operator", args, answers };
}

export const OPERATOR_ROWS: Record<string, Row> = {
  "audit:list": row(paged),

  "channels:create": row(channel, "bad_argument"),
  "channels:list": row(inA),
  "channels:update": row(channel),

  "communities:create": row(
    (place) => ({ ...settings(place), ...guilds }),
    "bad_argument",
  ),
  "communities:list": row(() => ({})),
  "communities:update": row(settings),

  "events:dryRun": row(event),
  "events:get": row(event),
  "events:list": row(({ community }) => ({
    community,
    filter: {},
    paginationOpts,
  })),
  "events:replay": row(event),

  "exports:people": row(paged),
  "exports:signals": row(paged),

  "people:find": row(({ community }) => ({ community, text: "walk" })),
  "people:get": row(person),
  "people:grant": row((place) => ({
    ...person(place),
    until: null,
    reason: "walk",
  })),
  "people:linkDiscord": row(
    () => ({ email: NOBODY, discordId: "1900000000000000005" }),
    "not_found",
  ),
  "people:proveEmail": row(() => ({ email: NOBODY }), "not_found"),
  "people:restore": row((place) => ({ ...person(place), reason: "walk" })),
  "people:resync": row(person),
  "people:revoke": row((place) => ({ ...person(place), reason: "walk" })),
  "people:timeline": row(person),
  "people:unlinkDiscord": row(() => ({ email: NOBODY }), "not_found"),

  "plans:ofCommunity": row(inA),
  "plans:set": row(({ community }) => ({
    community,
    ...plan,
    name: "walk",
    days: 1,
    roleIds: [],
  })),
  "plans:unset": row(({ community }) => ({ community, ...plan })),

  "queues:list": row(({ community }) => ({
    community,
    queue: "mirrors",
    state: "dead",
  })),
  "queues:overview": row(inA),
  "queues:retry": row(
    ({ community }) => ({ community, queue: "mirrors", id: "none" }),
    "not_found",
  ),
  "queues:retryAll": row(({ community }) => ({ community, queue: "roles" })),

  "services:forget": row(() => ({ service: "bot", instance: "nobody" })),
  "services:list": row(() => ({})),

  "setup:standing": { for: "person", args: () => ({}) },
  "setup:testSignal": row(({ community, channelId }) => ({
    community,
    channelId,
    since: 0,
  })),

  "stats:echo": row(() => ({ mark: 1 })),
  "stats:range": row(({ community }) => ({ community, from: 0, to: 1 })),
};
