// walkAccount.ts - the rows of walkTable.ts for people's own accounts and for share links.

import type { Row } from "./walkTable";

const none = () => ({});
const page = { numItems: 5, cursor: null };

export const ACCOUNT_ROWS: Record<string, Row> = {
  "account:changePassword": {
    for: "person",
    args: () => ({ password: "not mine", newPassword: "long enough" }),
    answers: "bad_credentials",
  },
  "account:confirmDiscordLink": {
    for: "person",
    args: () => ({ ticket: "none" }),
    answers: "link_over",
  },
  "account:deleteAccount": {
    for: "person",
    args: () => ({ password: "not mine" }),
    answers: "bad_credentials",
  },
  "account:discord": { for: "person", args: none },
  "account:exportPage": { for: "person", args: () => ({ cursor: null }) },
  "account:history": { for: "person", args: none },
  "account:me": { for: "person", args: none },
  "account:preferences": { for: "person", args: none },
  "account:setPreferences": {
    for: "person",
    args: ({ channelId }) => ({
      hideDeleted: true,
      sound: false,
      notify: false,
      mutedChannels: [channelId],
    }),
  },
  "account:startDiscordLink": {
    for: "person",
    args: ({ community }) => ({ community }),
    answers: "not_configured",
  },
  "account:unlinkDiscord": { for: "person", args: none },

  "shares:about": {
    for: "everybody",
    args: () => ({ token: "none" }),
    answers: "share_over",
  },
  "shares:create": {
    for: "operator",
    args: ({ community, channelId }) => ({
      community,
      channelId,
      expiresAt: Date.now() + 3_600_000,
      label: "walk",
    }),
  },
  "shares:feed": {
    for: "everybody",
    args: () => ({ token: "none", paginationOpts: page }),
    answers: "share_over",
  },
  "shares:list": {
    for: "operator",
    args: ({ community }) => ({ community }),
  },
  "shares:revoke": {
    for: "operator",
    args: ({ shareId }) => ({ id: shareId }),
  },
};
