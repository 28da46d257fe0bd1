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

type Args = Row["args"];

function row(args: Args, answers?: FailureCode): Row {
  return answers === undefined
    ? { for: "operator", args }
    : { for: "operator", args, answers };
}

export const OPERATOR_ROWS: Record<string, Row> = {
  "audit:list": row(({ community }) => ({ community, paginationOpts })),

  "channels:create": row(channel, "bad_argument"),
  "channels:list": row(inA),
  "channels:update": row(channel),

  "communities:create": row(
    (place) => ({ ...settings(place), ...guilds }),
    "bad_argument",
  ),
  "communities:list": row(() => ({})),
  "communities:update": row(settings),

  "plans:ofCommunity": row(inA),
  "plans:set": row(({ community }) => ({
    community,
    ...plan,
    name: "walk",
    days: 1,
    roleIds: [],
  })),
  "plans:unset": row(({ community }) => ({ community, ...plan })),

  "services:forget": row(() => ({ service: "bot", instance: "nobody" })),
  "services:list": row(() => ({})),

  "stats:echo": row(() => ({ mark: 1 })),
  "stats:range": row(({ community }) => ({ community, from: 0, to: 1 })),
};
