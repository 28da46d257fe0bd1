// walkTable.ts - who may call what: one row for every public function and HTTP action.
//
// A new function gets a row here, in the order of the alphabet; walk.ts fails without one.
// `args` are valid and name things of community A. Where a success would do too much to the
// callers, they are such that whoever may call is answered `answers`, a code of failure.ts.

import type { FailureCode } from "../../convex/model/failure";
import { beat, webhook } from "./roles";
import { newId, type Source } from "./source";
import { ACCOUNT_ROWS } from "./walkAccount";
import { OPERATOR_ROWS } from "./walkOperator";

export const CALLERS = [
  "anonymous",
  "unpaid", // signed in, never had anything
  "expired", // had access to A until a moment ago
  "revoked", // had it taken away
  "elsewhere", // a paying customer of community B
  "member", // a paying customer of community A
  "operator",
  "collector",
  "bot",
  "webhook-proxy",
] as const;
export type Caller = (typeof CALLERS)[number];

const DAEMONS: Caller[] = ["collector", "bot", "webhook-proxy"];
const PEOPLE: Caller[] = [
  "unpaid",
  "expired",
  "revoked",
  "elsewhere",
  "member",
  "operator",
];

/** For whom a function is. */
export const MAY = {
  everybody: [...CALLERS] as Caller[],
  visitor: ["anonymous", ...PEOPLE] as Caller[], // whoever sits at a browser
  person: PEOPLE,
  member: ["member", "operator"] as Caller[], // of A
  operator: ["operator"] as Caller[],
  staff: ["operator", ...DAEMONS] as Caller[],
  collector: ["collector"] as Caller[],
  bot: ["bot"] as Caller[],
  "webhook-proxy": ["webhook-proxy"] as Caller[],
};
export type Group = keyof typeof MAY;

/** The code with which somebody is refused who may not. */
export function refusalOf(group: Group, caller: Caller): FailureCode {
  if (caller === "anonymous") return "unauthenticated";
  return group === "member" && PEOPLE.includes(caller)
    ? "no_access"
    : "forbidden";
}

/** Community A and what is in it. */
export type Place = {
  community: string; // A's slug
  channelId: string; // the id in `channels` of its first channel
  messageId: string; // of a signal in it
  eventId: string; // of a provider's event about it
  shareId: string; // of a link to it
  customerGuildId: string;
  source: Source;
};

export type Row = {
  for: Group;
  args: (place: Place) => Record<string, unknown>;
  answers?: FailureCode;
  last?: true; // it ends the caller's session
};

export type Route = {
  for: Group;
  path: (place: Place) => string;
  status: number; // to those who may
  refused?: (caller: Caller) => number; // absent: 401 without an identity, else 403
};

const none = () => ({});
const page = { numItems: 5, cursor: null };
const instance = "walk";

export const ROWS: Record<string, Row> = {
  ...OPERATOR_ROWS,
  ...ACCOUNT_ROWS,
  "attachments:claim": {
    for: "collector",
    args: () => ({ instance, limit: 0 }),
  },
  "attachments:queue": { for: "collector", args: none },
  "attachments:release": { for: "collector", args: () => ({ instance }) },
  "attachments:report": {
    for: "collector",
    args: () => ({ instance, results: [] }),
  },

  "auth:isAuthenticated": { for: "everybody", args: none },
  "auth:signIn": {
    for: "visitor",
    args: () => ({
      provider: "password",
      params: { email: "no address", password: "x", flow: "signIn" },
    }),
    answers: "bad_email",
  },
  "auth:signOut": { for: "everybody", args: none, last: true },

  "channels:captured": { for: "collector", args: none },

  "checks:claim": { for: "bot", args: () => ({ instance, limit: 0 }) },
  "checks:latest": {
    for: "operator",
    args: ({ community }) => ({ community }),
  },
  "checks:queue": { for: "bot", args: none },
  "checks:release": { for: "bot", args: () => ({ instance }) },
  "checks:report": { for: "bot", args: () => ({ instance, results: [] }) },
  "checks:request": {
    for: "operator",
    args: ({ community, channelId }) => ({
      community,
      channelId,
      kind: "permissions",
    }),
  },
  "checks:source": {
    for: "collector",
    args: () => ({
      ...{ guildId: "1", channelId: "1" }, // nobody's
      ...{ passed: true, findings: [] },
    }),
  },

  "feed:channels": {
    for: "member",
    args: ({ community }) => ({ community }),
  },
  "feed:get": {
    for: "member",
    args: ({ community, messageId }) => ({ community, messageId }),
  },
  "feed:list": {
    for: "member",
    args: ({ community, channelId }) => ({
      community,
      channelId,
      paginationOpts: page,
    }),
  },
  "feed:markRead": {
    for: "member",
    args: ({ community, messageId }) => ({ community, messageId }),
  },
  "feed:mine": { for: "person", args: none },
  "feed:search": {
    for: "member",
    args: ({ community }) => ({ community, text: "walkcoin" }),
  },
  "feed:symbols": {
    for: "member",
    args: ({ community }) => ({ community }),
  },
  "feed:unread": {
    for: "member",
    args: ({ community }) => ({ community }),
  },
  "feed:versions": {
    for: "member",
    args: ({ community, messageId }) => ({ community, messageId }),
  },

  "latency:recent": {
    for: "staff",
    args: ({ community }) => ({ community, limit: 5 }),
  },
  "latency:seen": {
    for: "member",
    args: ({ community, messageId }) => ({
      community,
      samples: [{ messageId, version: "1", seenAt: 1 }],
    }),
  },

  "mirrors:claim": { for: "bot", args: () => ({ instance, limit: 0 }) },
  "mirrors:lost": {
    for: "bot",
    args: () => ({ channelId: "1", messageIds: [] }),
  },
  "mirrors:posts": { for: "bot", args: () => ({ after: null }) },
  "mirrors:queue": { for: "bot", args: none },
  "mirrors:release": { for: "bot", args: () => ({ instance }) },
  "mirrors:report": { for: "bot", args: () => ({ instance, results: [] }) },

  "roles:claim": { for: "bot", args: () => ({ instance, limit: 0 }) },
  "roles:guilds": { for: "bot", args: none },
  "roles:observe": {
    for: "bot",
    args: ({ customerGuildId }) => ({ guildId: customerGuildId, seen: [] }),
  },
  "roles:pending": { for: "bot", args: () => ({ limit: 5 }) },
  "roles:people": {
    for: "bot",
    args: ({ customerGuildId }) => ({
      guildId: customerGuildId,
      after: null,
      limit: 1,
    }),
  },
  "roles:queue": { for: "bot", args: none },
  "roles:release": { for: "bot", args: () => ({ instance }) },
  "roles:report": { for: "bot", args: () => ({ instance, results: [] }) },

  "services:heartbeat": { for: "bot", args: () => beat("bot") },

  "signals:drift": {
    for: "collector",
    args: ({ source }) => {
      const { guildId, channelId } = source.place("1");
      const page = { from: "1", to: "2", ids: [], events: [] };
      return { guildId, channelId, ...page, capturedBefore: 1 };
    },
  },
  "signals:held": { for: "collector", args: none },
  "signals:record": {
    for: "collector",
    args: ({ source }) => ({ events: [source.remove(newId())] }),
  },

  "webhooks:ingest": {
    for: "webhook-proxy",
    args: ({ community }) => ({ ...webhook("walk"), community }),
  },
};

export const ROUTES: Record<string, Route> = {
  "GET /attachments/*": {
    for: "member",
    path: ({ community, messageId }) =>
      `/attachments/${community}/${messageId}/1`,
    status: 404, // it has no files
  },
  "OPTIONS /attachments/*": {
    for: "everybody",
    path: () => "/attachments/",
    status: 204,
  },
  "GET /.well-known/jwks.json": {
    for: "everybody",
    path: () => "/.well-known/jwks.json",
    status: 200,
  },
  "GET /.well-known/openid-configuration": {
    for: "everybody",
    path: () => "/.well-known/openid-configuration",
    status: 200,
  },
  // A browser on its way back from Discord; it carries no token. The state is the right.
  "GET /discord/callback": {
    for: "everybody",
    path: () => "/discord/callback?state=none&code=none",
    status: 302,
  },
};
