// fields.ts - the shapes that tables, arguments and results share.

import { v, type Infer } from "convex/values";

// A picture by its address, and where Discord has its own copy of one of another host.
const picture = v.object({
  url: v.string(),
  proxyUrl: v.optional(v.string()),
});

export const embed = v.object({
  title: v.optional(v.string()),
  description: v.optional(v.string()),
  url: v.optional(v.string()),
  color: v.optional(v.number()),
  author: v.optional(
    v.object({
      name: v.string(),
      url: v.optional(v.string()),
      iconUrl: v.optional(v.string()),
      proxyIconUrl: v.optional(v.string()),
    }),
  ),
  footer: v.optional(
    v.object({
      text: v.string(),
      iconUrl: v.optional(v.string()),
      proxyIconUrl: v.optional(v.string()),
    }),
  ),
  fields: v.optional(
    v.array(
      v.object({ name: v.string(), value: v.string(), inline: v.boolean() }),
    ),
  ),
  image: v.optional(picture),
  thumbnail: v.optional(picture),
  timestamp: v.optional(v.string()), // ISO 8601, shown, never computed with
});

export const attachment = v.object({
  id: v.string(), // snowflake; "url-" and a digest for media that is no upload
  filename: v.string(),
  url: v.string(), // signed by Discord: the query part changes, the file does not
  contentType: v.optional(v.string()),
  size: v.number(), // bytes; 0: Discord does not say
  description: v.optional(v.string()),
  spoiler: v.optional(v.boolean()), // shown when clicked; absent: no
});

export const sticker = v.object({
  id: v.string(),
  name: v.string(),
  format: v.union(
    v.literal("png"),
    v.literal("apng"),
    v.literal("lottie"), // an animation in JSON: no picture
    v.literal("gif"),
  ),
  url: v.optional(v.string()),
});

// Votes are not kept: they change nothing of what was asked.
export const poll = v.object({
  question: v.string(),
  answers: v.array(v.string()),
  multiple: v.boolean(), // may one choose several
  endsAt: v.optional(v.number()), // ms; absent: no end
});

export const author = v.object({
  id: v.string(),
  name: v.string(),
  avatarUrl: v.optional(v.string()),
  bot: v.boolean(),
});

export const messageKind = v.union(
  v.literal("default"),
  v.literal("reply"),
  v.literal("forward"),
);

// A trade as the collector read it out of a text; collector/trades.md says how.
// Prices are decimal strings, exact. What is not certain enough is absent.
export const trade = v.object({
  kind: v.union(v.literal("entry"), v.literal("update")),
  symbol: v.optional(v.string()), // "BTC/USDT", or "BTC" where no quote is named
  base: v.optional(v.string()),
  quote: v.optional(v.string()),
  side: v.optional(v.union(v.literal("long"), v.literal("short"))),
  leverage: v.optional(
    v.object({
      min: v.number(),
      max: v.number(),
      mode: v.optional(v.union(v.literal("cross"), v.literal("isolated"))),
    }),
  ),
  order: v.optional(v.union(v.literal("market"), v.literal("limit"))),
  entries: v.optional(
    v.object({
      type: v.union(v.literal("range"), v.literal("list")),
      values: v.array(v.string()),
    }),
  ),
  targets: v.optional(v.array(v.string())),
  stop: v.optional(v.string()),
  // What has become of it. In an entry: what an edit of the entry itself says.
  update: v.optional(
    v.object({
      type: v.union(
        v.literal("target_hit"),
        v.literal("stop_hit"),
        v.literal("entered"),
        v.literal("closed"),
        v.literal("cancelled"),
        v.literal("stop_moved"),
        v.literal("partial_close"),
      ),
      targets: v.optional(v.array(v.number())), // from 1
      all: v.optional(v.boolean()), // every target
      price: v.optional(v.string()),
      percent: v.optional(v.string()), // signed
    }),
  ),
  // Where a value stands: as JavaScript slices. The nth span of a field is its nth value's.
  spans: v.array(
    v.object({
      field: v.union(
        v.literal("symbol"),
        v.literal("side"),
        v.literal("leverage"),
        v.literal("order"),
        v.literal("entry"),
        v.literal("target"),
        v.literal("stop"),
        v.literal("update"),
        v.literal("price"),
        v.literal("percent"),
      ),
      part: v.string(), // "content", "embeds[0].fields[1].value"
      start: v.number(),
      end: v.number(),
    }),
  ),
  confidence: v.number(), // 0 to 1
});

// What a source message says. A tombstone has none.
export const body = v.object({
  author,
  content: v.string(),
  embeds: v.array(embed),
  attachments: v.array(attachment),
  stickers: v.optional(v.array(sticker)), // absent: none
  poll: v.optional(poll),
  replyToId: v.optional(v.string()), // source message id
  kind: messageKind,
  sentAt: v.number(), // ms, Discord's clock
  editedAt: v.union(v.number(), v.null()),
  contentTrade: v.optional(trade), // read out of content
  embedsTrade: v.optional(trade), // read out of embeds
  contentTrades: v.optional(v.array(trade)), // two or more, then instead of one
  embedsTrades: v.optional(v.array(trade)),
});

// What a version of a message says in words, and since when.
export const revision = v.object({
  at: v.number(), // ms, Discord's clock
  text: v.string(), // of the message, its embeds and its poll
  trades: v.array(trade), // without spans
});

// The same keys, any of them absent: what a partial event carries.
export const bodyPatch = v.object({
  author: v.optional(author),
  content: v.optional(v.string()),
  embeds: v.optional(v.array(embed)),
  attachments: v.optional(v.array(attachment)),
  stickers: v.optional(v.array(sticker)),
  poll: v.optional(poll),
  replyToId: v.optional(v.string()),
  kind: v.optional(messageKind),
  sentAt: v.optional(v.number()),
  editedAt: v.optional(v.union(v.number(), v.null())),
  // Beside content and embeds, never without them; null and absent: no trade.
  contentTrade: v.optional(v.union(trade, v.null())),
  embedsTrade: v.optional(v.union(trade, v.null())),
  contentTrades: v.optional(v.array(trade)),
  embedsTrades: v.optional(v.array(trade)),
});

// Where an event stands among the events of its message; see versions.ts.
export const stamp = v.object({
  at: v.union(v.number(), v.null()), // editedAt ?? sentAt; null: not known
  capturedAt: v.number(),
  digest: v.string(),
});

export const layer = v.object({
  stamp,
  whole: v.boolean(),
  fields: bodyPatch,
});

// channelId is always a channel that may be captured. What is written in a
// thread of it says so with threadId.
export const upsertEvent = v.object({
  type: v.literal("upsert"),
  guildId: v.string(),
  channelId: v.string(),
  threadId: v.optional(v.string()),
  messageId: v.string(),
  ...bodyPatch.fields,
  partial: v.boolean(), // true: merge only the keys that are present
  capturedAt: v.number(),
});

export const deleteEvent = v.object({
  type: v.literal("delete"),
  guildId: v.string(),
  channelId: v.string(),
  threadId: v.optional(v.string()),
  messageId: v.string(),
  capturedAt: v.number(),
});

// The channel is gone, or only its thread: Discord names no message of it.
export const channelDeleteEvent = v.object({
  type: v.literal("channel_delete"),
  guildId: v.string(),
  channelId: v.string(),
  threadId: v.optional(v.string()),
  capturedAt: v.number(),
});

export const sourceEvent = v.union(
  upsertEvent,
  deleteEvent,
  channelDeleteEvent,
);

export const recordResult = v.union(
  v.literal("recorded"),
  v.literal("held"), // partial, and the message is not known yet
  v.literal("unchanged"),
  v.literal("ignored"),
);

export type Author = Infer<typeof author>;
export type Embed = Infer<typeof embed>;
export type Attachment = Infer<typeof attachment>;
export type Trade = Infer<typeof trade>;
export type Body = Infer<typeof body>;
export type Revision = Infer<typeof revision>;
export type BodyPatch = Infer<typeof bodyPatch>;
export type Stamp = Infer<typeof stamp>;
export type Layer = Infer<typeof layer>;
export type UpsertEvent = Infer<typeof upsertEvent>;
export type DeleteEvent = Infer<typeof deleteEvent>;
export type ChannelDeleteEvent = Infer<typeof channelDeleteEvent>;
export type SourceEvent = Infer<typeof sourceEvent>;
export type RecordResult = Infer<typeof recordResult>;

export const serviceRole = v.union(
  v.literal("collector"),
  v.literal("bot"),
  v.literal("webhook-proxy"),
);
export type ServiceRole = Infer<typeof serviceRole>;

// What became of a provider's event.
export const eventState = v.union(
  v.literal("applied"),
  v.literal("ignored"), // it is about nobody's access
  v.literal("parked"), // nobody knows yet what was bought, or by whom
  v.literal("test"), // no real money
  v.literal("conflict"), // its key came before, with another body
  v.literal("unparsable"),
);
export type EventState = Infer<typeof eventState>;

// How a mirror channel shows its posts: as the bot's own, or, through a webhook, under the
// name and picture of who wrote the source message.
export const postIdentity = v.union(v.literal("bot"), v.literal("webhook"));
export type PostIdentity = Infer<typeof postIdentity>;

// What operators may ask the bot to try in a mirror channel.
export const checkKind = v.union(
  v.literal("permissions"),
  v.literal("test_post"),
);
// That, and what the collector says by itself of a source channel.
export const findingKind = v.union(...checkKind.members, v.literal("source"));

// One thing that a check found: what it is, in words, and what a person should do about it
// ("" when nothing).
export const checkFinding = v.object({
  code: v.string(),
  detail: v.string(),
  instruction: v.string(),
});
