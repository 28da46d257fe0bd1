// schema.ts - every table, what one row is, who writes and who reads it.
//
// Tenants: a row with customer or signal data carries communityId and every
// index on it starts with it. The exceptions are the look-ups that find the
// tenant in the first place (communities; attachments by their stored bytes),
// accounts and operators, which are above tenants, and the daemons, which
// serve all of them.

import { authTables } from "@convex-dev/auth/server";
import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";
import { fact, phase } from "./model/billing/facts";
import { preferences as preferenceFields } from "./model/preferences";
import {
  body,
  eventState,
  layer,
  serviceRole,
  stamp,
  trade,
  checkFinding,
  findingKind,
  postIdentity,
  revision,
} from "./model/fields";
import { histogram } from "./model/histogram";
import { fileKind, fileState } from "./model/files";
import { lease } from "./model/leases";

// A tenant. Written by the operator's set-up; read by everything.
const communities = defineTable({
  slug: v.string(),
  name: v.string(),
  sourceGuildId: v.string(), // snowflakes are strings: 64 bits
  customerGuildId: v.string(),
  memberRoleIds: v.optional(v.array(v.string())), // Discord roles of everybody with access
  graceDays: v.optional(v.number()), // access after a period's end, for a late renewal; absent: 3
  partialRefundEnds: v.optional(v.boolean()), // a partial refund ends access; absent: no
  acceptsTestPurchases: v.optional(v.boolean()), // for trying things out; absent: no
  joinsAllowed: v.optional(v.boolean()), // customers who link Discord may be added to the guild; absent: no
})
  .index("by_slug", ["slug"])
  .index("by_sourceGuildId", ["sourceGuildId"])
  .index("by_customerGuildId", ["customerGuildId"]);

// A source channel and where it is mirrored to.
const channels = defineTable({
  communityId: v.id("communities"),
  sourceChannelId: v.string(),
  mirrorChannelId: v.string(),
  name: v.string(),
  enabled: v.boolean(),
  identity: v.optional(postIdentity), // of the posts; absent: bot
  recreates: v.optional(v.boolean()), // a post that was deleted by hand is made again; absent: no
  since: v.optional(v.number()), // ms: on since then; older messages are not imported
}).index("by_communityId_and_sourceChannelId", [
  "communityId",
  "sourceChannelId",
]);

// A source message in its latest state. Written by signals:record only; read
// by the feed and by mirrors:claim. A deleted one keeps nothing but its key and its place.
const signals = defineTable({
  communityId: v.id("communities"),
  channelId: v.id("channels"),
  threadId: v.optional(v.string()), // of the channel; absent: in the channel itself
  messageId: v.string(),
  order: v.string(), // messageId, zero-padded: sorts like the number
  state: v.union(v.literal("live"), v.literal("deleted")),
  body: v.union(body, v.null()), // null when deleted
  version: v.string(),
  stamp: v.union(stamp, v.null()), // of the base layer; null when deleted
  layers: v.optional(v.array(layer)), // only while partial events matter
  // What follows from the body, for the indexes; see model/trades.ts.
  trade: v.optional(trade), // the better of the text's and the embeds'
  symbol: v.optional(v.string()), // what that one trades, without the quote: "BTC"
  repliesTo: v.optional(v.string()), // source message id
  text: v.optional(v.string()), // all its words, to be searched; absent when deleted
  sourceAt: v.number(), // ms: when Discord says this version was made
  capturedAt: v.number(), // ms: when the collector got it
  committedAt: v.number(), // ms: when this table got it
})
  .index("by_communityId_and_messageId", ["communityId", "messageId"])
  .index("by_communityId_and_order", ["communityId", "order"])
  .index("by_communityId_and_channelId_and_order", [
    "communityId",
    "channelId",
    "order",
  ])
  .index("by_communityId_and_state_and_order", [
    "communityId",
    "state",
    "order",
  ])
  .index("by_communityId_and_channelId_and_state_and_order", [
    "communityId",
    "channelId",
    "state",
    "order",
  ])
  .index("by_communityId_and_channelId_and_threadId_and_state_and_order", [
    "communityId",
    "channelId",
    "threadId",
    "state",
    "order",
  ])
  .index("by_communityId_and_state_and_committedAt", [
    "communityId",
    "state",
    "committedAt",
  ])
  .index("by_communityId_and_repliesTo_and_order", [
    "communityId",
    "repliesTo",
    "order",
  ])
  .searchIndex("by_text", {
    searchField: "text",
    filterFields: ["communityId", "channelId", "symbol"],
  });

// What the live signals trade: a row for each signal and symbol, for a message may tell of several
// trades. Written with its signal; read by the feed's pair filter and where trades are linked.
const signalSymbols = defineTable({
  communityId: v.id("communities"),
  channelId: v.id("channels"),
  symbol: v.string(), // without the quote: "BTC"
  order: v.string(), // of the signal
  signalId: v.id("signals"),
  text: v.optional(v.string()), // of a message with several: all its words, to be searched
})
  .index("by_communityId_and_symbol_and_order", [
    "communityId",
    "symbol",
    "order",
  ])
  .index("by_communityId_and_channelId_and_symbol_and_order", [
    "communityId",
    "channelId",
    "symbol",
    "order",
  ])
  .searchIndex("by_text", {
    searchField: "text",
    filterFields: ["communityId", "channelId", "symbol"],
  });

// What a live signal said before its author edited it: its words and trades. Written with the
// edit, gone with the signal. See model/revisions.ts.
const revisions = defineTable({
  communityId: v.id("communities"),
  messageId: v.string(),
  ...revision.fields,
}).index("by_communityId_and_messageId", ["communityId", "messageId"]);

// Up to which creation time older signals have their rows in signalSymbols; one row.
const symbolSweeps = defineTable({ until: v.number(), done: v.boolean() });

// Partial events of a message that no whole event told of yet. Written by
// signals:record; the collector sees them in signals:held and fetches the message.
const heldUpdates = defineTable({
  communityId: v.id("communities"),
  channelId: v.id("channels"),
  threadId: v.optional(v.string()),
  messageId: v.string(),
  layers: v.array(layer),
  heldAt: v.number(), // ms: since when
})
  .index("by_communityId_and_messageId", ["communityId", "messageId"])
  .index("by_communityId_and_heldAt", ["communityId", "heldAt"]);

// A source channel or thread that was deleted: whatever is or will be recorded
// of it is deleted too. Discord never uses an id again.
const goneChannels = defineTable({
  communityId: v.id("communities"),
  channelId: v.id("channels"),
  goneId: v.string(), // of the thread, or of the channel itself
  capturedAt: v.number(),
}).index("by_communityId_and_goneId", ["communityId", "goneId"]);

// A file that a live signal names, and the copy of it. Written with its signal and by the
// collectors' reports; read by the feed. Goes with its signal. See model/attachments.ts.
const attachments = defineTable({
  communityId: v.id("communities"),
  messageId: v.string(),
  attachmentId: v.string(), // Discord's; of an embed's picture a name of its address
  order: v.string(), // of the message
  kind: fileKind,
  filename: v.string(),
  size: v.number(), // bytes; of what is not stored as Discord says, 0: it does not
  state: fileState,
  reason: v.optional(v.string()), // why it is refused or failed
  // Of what is stored:
  storageId: v.optional(v.id("_storage")),
  contentType: v.optional(v.string()), // by its content
  sha256: v.optional(v.string()), // hexadecimal
})
  .index("by_communityId_and_messageId_and_attachmentId", [
    "communityId",
    "messageId",
    "attachmentId",
  ])
  .index("by_communityId_and_state_and_order", [
    "communityId",
    "state",
    "order",
  ])
  .index("by_storageId", ["storageId"]);

// A file to be fetched: one for each pending row above. See model/fetches.ts.
const attachmentJobs = defineTable({
  communityId: v.id("communities"),
  rowId: v.id("attachments"),
  wantedAt: v.number(),
  readyAt: v.number(), // ms: not handed out before
  fence: v.number(), // counts leases: an older one may no longer report
  lease,
  attempts: v.number(), // handed out so far
  error: v.optional(v.string()), // why the last attempt failed
})
  .index("by_communityId_and_rowId", ["communityId", "rowId"])
  .index("by_communityId_and_readyAt", ["communityId", "readyAt"])
  .index("by_communityId_and_wantedAt", ["communityId", "wantedAt"]);

// Up to which creation time stored files were looked at once they lay for a while; one row.
const attachmentSweeps = defineTable({ until: v.number() });

// The desired and the actual post of a signal in the customer guild. Desired:
// written by signals:record; actual, lease and attempts: by the bot.
const mirrors = defineTable({
  communityId: v.id("communities"),
  messageId: v.string(), // source
  order: v.string(),
  mirrorChannelId: v.string(), // the lane: one order of posts
  desired: v.union(
    v.object({ state: v.literal("present"), version: v.string() }),
    v.object({ state: v.literal("absent") }),
  ),
  actual: v.union(
    v.object({
      messageIds: v.array(v.string()), // ours, in order; a long text has several
      webhookId: v.optional(v.string()), // through which they were posted; absent: as the bot
      version: v.string(),
      postedAt: v.number(), // ms: when Discord had this version
    }),
    v.null(),
  ),
  wants: v.boolean(), // is there work; the queue's index holds only these
  wantedAt: v.number(), // ms: when it last began to want something else
  generation: v.number(), // part of the nonce
  fence: v.number(), // counts leases: an older one may no longer report
  lease,
  attempts: v.number(), // handed out for the present want so far
  firstAttemptAt: v.union(v.number(), v.null()), // null: nothing unanswered
  attempted: v.union(v.string(), v.null()), // version of the unanswered attempts
  attemptedAs: v.optional(postIdentity), // how they would have posted
  lastPost: v.optional(v.string()), // the newest of actual.messageIds, zero-padded
  nextAttemptAt: v.union(v.number(), v.null()), // ms: not before
  error: v.optional(v.string()), // why the last attempt failed
  dead: v.boolean(), // given up until the signal changes
  remakes: v.optional(v.number()), // times it was made again because somebody had deleted it
  reportedAt: v.optional(v.number()), // ms: when the bot last said that it had posted or edited
})
  .index("by_communityId_and_messageId", ["communityId", "messageId"])
  .index("by_communityId_and_reportedAt", ["communityId", "reportedAt"])
  .index("by_communityId_and_wants_and_dead_and_wantedAt", [
    "communityId",
    "wants",
    "dead",
    "wantedAt",
  ])
  .index("by_communityId_and_wants_and_lane", [
    "communityId",
    "wants",
    "mirrorChannelId",
    "order",
  ])
  .index("by_communityId_and_mirrorChannelId_and_lastPost", [
    "communityId",
    "mirrorChannelId",
    "lastPost",
  ]);

// How far a person has read in a community. Written and read by that person only.
const readingMarks = defineTable({
  communityId: v.id("communities"),
  userId: v.id("users"),
  messageId: v.string(), // everything up to it is read
  order: v.string(),
  at: v.number(),
}).index("by_communityId_and_userId", ["communityId", "userId"]);

// When a viewer first saw a version. Apart from signals, so that a report
// does not rerun the feeds that it is about.
const sightings = defineTable({
  communityId: v.id("communities"),
  messageId: v.string(),
  version: v.string(),
  seenAt: v.number(),
  reportedAt: v.optional(v.number()), // ms: when the viewer said so
})
  .index("by_communityId_and_messageId", ["communityId", "messageId"])
  .index("by_communityId_and_reportedAt", ["communityId", "reportedAt"]);

// A provider's event as received, and what became of it. Written by webhooks:ingest once
// per key; read by operators. `state` says what they must look at.
const webhookEvents = defineTable({
  communityId: v.id("communities"),
  source: v.string(),
  provider: v.string(),
  key: v.string(),
  type: v.string(),
  receivedAt: v.number(),
  occurredAt: v.optional(v.number()),
  subject: v.optional(v.string()),
  body: v.string(), // as received; a long one's beginning, the rest is in webhookBodies
  bodySha256: v.string(),
  headers: v.array(v.object({ name: v.string(), value: v.string() })),
  verdict: v.union(v.literal("verified"), v.literal("unparsable")),
  polled: v.optional(v.boolean()),
  storedAt: v.number(),
  state: eventState,
  detail: v.string(), // in words, why it is in that state
})
  .index("by_communityId_and_source_and_key", ["communityId", "source", "key"])
  .index("by_communityId_and_receivedAt", ["communityId", "receivedAt"])
  .index("by_communityId_and_state_and_receivedAt", [
    "communityId",
    "state",
    "receivedAt",
  ])
  .index("by_communityId_and_source_and_receivedAt", [
    "communityId",
    "source",
    "receivedAt",
  ])
  .index("by_communityId_and_type_and_receivedAt", [
    "communityId",
    "type",
    "receivedAt",
  ])
  .index("by_communityId_and_subject", ["communityId", "subject"]);

// The parts of a body that is too long for one row.
const webhookBodies = defineTable({
  communityId: v.id("communities"),
  eventId: v.id("webhookEvents"),
  part: v.number(), // from 1
  text: v.string(),
}).index("by_communityId_and_eventId_and_part", [
  "communityId",
  "eventId",
  "part",
]);

// Every time an event was applied or tried again, and what came of it.
const webhookAttempts = defineTable({
  communityId: v.id("communities"),
  eventId: v.id("webhookEvents"),
  by: v.string(), // "webhook-proxy", or who asked for a replay
  at: v.number(),
  latencyMs: v.number(), // since it was received, or asked for
  state: eventState,
  detail: v.string(),
}).index("by_communityId_and_eventId", ["communityId", "eventId"]);

// What a provider's product buys. Written by operators.
const plans = defineTable({
  communityId: v.id("communities"),
  source: v.string(), // of the webhooks
  product: v.string(), // the provider's id
  name: v.string(),
  days: v.union(v.number(), v.null()), // what one payment buys, where the provider does not say
  roleIds: v.array(v.string()), // Discord's
}).index("by_communityId_and_source_and_product", [
  "communityId",
  "source",
  "product",
]);

// A subscription or a single order, with all that was said of it. Written with its events.
const purchases = defineTable({
  communityId: v.id("communities"),
  source: v.string(),
  provider: v.string(),
  subject: v.string(), // "subscription:sub_1", "order:12"
  aliasOf: v.union(v.id("purchases"), v.null()), // it turned out to be part of this one
  facts: v.array(fact),
  renews: v.boolean(),
  test: v.boolean(),
  // What follows from the above.
  email: v.union(v.string(), v.null()), // lower case
  planId: v.union(v.id("plans"), v.null()),
  parked: v.union(v.literal("product"), v.literal("customer"), v.null()), // what is not known
  phase,
  paidUntil: v.union(v.number(), v.null()),
})
  .index("by_communityId_and_source_and_subject", [
    "communityId",
    "source",
    "subject",
  ])
  .index("by_communityId_and_subject", ["communityId", "subject"])
  .index("by_communityId_and_email", ["communityId", "email"])
  .index("by_communityId_and_parked", ["communityId", "parked"]);

// Until when a person has access, and why. Belongs to an account once there
// is one; before that it waits for its e-mail address.
const entitlements = defineTable({
  communityId: v.id("communities"),
  email: v.string(), // lower case
  userId: v.union(v.id("users"), v.null()),
  until: v.union(v.number(), v.null()), // ms; null: no end
  reason: v.string(),
  revokedAt: v.union(v.number(), v.null()), // by an operator
  endedAt: v.union(v.number(), v.null()), // its time is over, or its purchase
  purchaseId: v.union(v.id("purchases"), v.null()), // null: granted by hand
})
  .index("by_communityId_and_userId", ["communityId", "userId"])
  .index("by_communityId_and_email", ["communityId", "email"])
  .index("by_communityId_and_purchaseId", ["communityId", "purchaseId"]);

// Whose Discord account is whose. Above tenants, as accounts are.
const discordLinks = defineTable({
  userId: v.id("users"),
  discordId: v.string(),
  name: v.string(), // as Discord showed it when it was linked
  linkedAt: v.number(),
})
  .index("by_userId", ["userId"])
  .index("by_discordId", ["discordId"])
  .index("by_name", ["name"]);

// A person on the way to Discord's page and back, to link their account. Above tenants, gone
// after ten minutes. See model/discordLinking.ts.
const discordAttempts = defineTable({
  userId: v.id("users"),
  stateDigest: v.union(v.string(), v.null()), // null: spent
  verifier: v.string(), // PKCE; empty once spent
  guildId: v.union(v.string(), v.null()), // to bring them into
  expiresAt: v.number(),
  ticketDigest: v.union(v.string(), v.null()), // null: not back yet
  found: v.union(v.object({ id: v.string(), name: v.string() }), v.null()),
})
  .index("by_userId", ["userId"])
  .index("by_stateDigest", ["stateDigest"])
  .index("by_ticketDigest", ["ticketDigest"]);

// How a person wants the dashboard to be. Above tenants.
const preferences = defineTable({
  userId: v.id("users"),
  ...preferenceFields.fields,
}).index("by_userId", ["userId"]);

// A link with which anybody may read some signals. Written by operators; found by its token's
// digest, which leads to the tenant.
const shares = defineTable({
  communityId: v.id("communities"),
  tokenDigest: v.string(),
  label: v.string(),
  channelId: v.union(v.id("channels"), v.null()), // null: all
  messageId: v.union(v.string(), v.null()), // null: all
  createdBy: v.union(v.id("users"), v.null()), // null: deleted their account
  createdAt: v.number(),
  expiresAt: v.number(),
  revokedAt: v.union(v.number(), v.null()),
  endedAt: v.union(v.number(), v.null()), // its time is over
})
  .index("by_tokenDigest", ["tokenDigest"])
  .index("by_createdBy", ["createdBy"])
  .index("by_communityId", ["communityId"]);

// A role that a person should have in the customer guild, or should not. Desired: written
// with entitlements and links; actual, lease and attempts: by the bot. See model/roles.ts.
const roleJobs = defineTable({
  communityId: v.id("communities"),
  discordId: v.string(),
  roleId: v.string(),
  desired: v.boolean(),
  actual: v.union(v.boolean(), v.null()), // null: never seen
  tried: v.boolean(), // an attempt's outcome is not known
  absent: v.boolean(), // not in the guild when last seen
  wants: v.boolean(),
  urgency: v.number(), // 0: take away, 1: give
  wantedAt: v.number(), // ms: when it last began to want something else
  readyAt: v.number(), // ms: not handed out before
  fence: v.number(),
  lease,
  attempts: v.number(),
  error: v.optional(v.string()),
  dead: v.boolean(),
})
  .index("by_communityId_and_discordId_and_roleId", [
    "communityId",
    "discordId",
    "roleId",
  ])
  .index("by_communityId_and_wants_and_urgency_and_readyAt", [
    "communityId",
    "wants",
    "urgency",
    "readyAt",
  ])
  .index("by_communityId_and_wants_and_wantedAt", [
    "communityId",
    "wants",
    "wantedAt",
  ])
  .index("by_communityId_and_dead_and_wantedAt", [
    "communityId",
    "dead",
    "wantedAt",
  ]);

// What an operator asked the bot to try in a mirror channel, and what it found: one row for
// each channel and kind. See model/checks.ts.
const checks = defineTable({
  communityId: v.id("communities"),
  channelId: v.id("channels"),
  kind: findingKind,
  state: v.union(
    v.literal("waiting"),
    v.literal("running"),
    v.literal("passed"),
    v.literal("failed"),
  ),
  findings: v.array(checkFinding),
  at: v.number(), // ms: when it came into this state
  wants: v.boolean(), // it waits or runs
  readyAt: v.number(), // ms: not handed out before
  fence: v.number(),
  lease,
  attempts: v.number(),
})
  .index("by_communityId_and_channelId_and_kind", [
    "communityId",
    "channelId",
    "kind",
  ])
  .index("by_communityId_and_wants_and_readyAt", [
    "communityId",
    "wants",
    "readyAt",
  ]);

// A daemon's instance and how it says it is doing. Serves all tenants.
const services = defineTable({
  service: serviceRole,
  instance: v.string(),
  version: v.string(),
  state: v.union(
    v.literal("starting"),
    v.literal("ready"),
    v.literal("degraded"),
    v.literal("stopping"),
  ),
  counters: v.array(v.object({ name: v.string(), value: v.number() })),
  detail: v.optional(v.string()),
  seenAt: v.number(),
}).index("by_service_and_instance", ["service", "instance"]);

// Who did what to whom, and when. communityId is null for what is above
// tenants.
const auditLog = defineTable({
  communityId: v.union(v.id("communities"), v.null()),
  actor: v.string(),
  action: v.string(),
  subject: v.string(),
  detail: v.string(),
  at: v.number(),
})
  .index("by_communityId_and_at", ["communityId", "at"])
  .index("by_communityId_and_subject_and_at", ["communityId", "subject", "at"]);

// What happened in a minute or an hour: counts, and the times of each hop. Written by
// stats:tick from what is new; read by operators. A span without anything has no row.
const stats = defineTable({
  communityId: v.id("communities"),
  step: v.union(v.literal("minute"), v.literal("hour")),
  at: v.number(), // ms: its beginning
  counts: v.object({
    signals: v.number(), // first seen
    edits: v.number(),
    deletes: v.number(),
    posts: v.number(), // posted or edited in the customer guild
    sightings: v.number(),
  }),
  hops: v.object({
    capture: histogram, // written at Discord -> captured
    commit: histogram, // captured -> in the backend
    post: histogram, // in the backend -> in the customer guild
    seen: histogram, // in the backend -> on a screen
    whole: histogram, // written at Discord -> in the customer guild
  }),
}).index("by_communityId_and_step_and_at", ["communityId", "step", "at"]);

// Up to when a community's statistics are made.
const statsMarks = defineTable({
  communityId: v.id("communities"),
  until: v.number(),
}).index("by_communityId", ["communityId"]);

// How many signals a channel ever had, up to its community's mark.
const channelCounts = defineTable({
  communityId: v.id("communities"),
  channelId: v.id("channels"),
  signals: v.number(),
}).index("by_communityId_and_channelId", ["communityId", "channelId"]);

// A signed-in person who runs the service; given by command line only.
const operators = defineTable({
  userId: v.id("users"),
  since: v.number(),
}).index("by_userId", ["userId"]);

export default defineSchema({
  ...authTables,
  communities,
  channels,
  signals,
  signalSymbols,
  symbolSweeps,
  revisions,
  heldUpdates,
  goneChannels,
  attachments,
  attachmentJobs,
  attachmentSweeps,
  mirrors,
  readingMarks,
  sightings,
  webhookEvents,
  webhookBodies,
  webhookAttempts,
  plans,
  purchases,
  entitlements,
  discordLinks,
  discordAttempts,
  preferences,
  shares,
  roleJobs,
  checks,
  services,
  auditLog,
  stats,
  statsMarks,
  channelCounts,
  operators,
});
