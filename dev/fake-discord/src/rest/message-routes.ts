// message-routes.ts - channels and their messages, for bots.
import { snowflakeMs } from "../clock.js";
import { Form, refuse, invalid, tooOld } from "../errors.js";
import { numberOf } from "../faults.js";
import {
  checkKind,
  parseMessage,
  type MessageInput,
} from "../message-input.js";
import { MessageFlag, type Channel, type Message } from "../model.js";
import { Permission } from "../permissions.js";
import { CHANNEL } from "../threads.js";
import * as v from "../validate.js";
import { done, ok, type Call, type Reply, type Route } from "./route.js";
import type { LimitName } from "./limits.js";

const TEXT_CHANNELS = [0, 5, 10, 11, 12];

export const messageRoutes: readonly Route[] = [
  {
    method: "GET",
    path: "/channels/:channel",
    limit: "channel",
    run: getChannel,
  },
  {
    method: "GET",
    path: "/channels/:channel/messages",
    limit: "message-list",
    run: list,
  },
  {
    method: "POST",
    path: "/channels/:channel/messages",
    limit: "message-create",
    run: create,
  },
  // Before the routes with an id in its place.
  {
    method: "POST",
    path: "/channels/:channel/messages/bulk-delete",
    limit: "bulk-delete",
    run: bulkDelete,
  },
  {
    method: "GET",
    path: "/channels/:channel/messages/:message",
    limit: "message-get",
    run: get,
  },
  {
    method: "PATCH",
    path: "/channels/:channel/messages/:message",
    limit: "message-edit",
    run: edit,
  },
  {
    method: "DELETE",
    path: "/channels/:channel/messages/:message",
    limit: deleteLimit,
    run: remove,
  },
  {
    method: "POST",
    path: "/channels/:channel/messages/:message/crosspost",
    limit: "crosspost",
    run: crosspost,
  },
  {
    method: "POST",
    path: "/channels/:channel/polls/:message/expire",
    limit: "message-edit",
    run: expirePoll,
  },
  {
    method: "POST",
    path: "/channels/:channel/typing",
    limit: "typing",
    run: typing,
  },
  {
    method: "POST",
    path: "/attachments/refresh-urls",
    limit: "channel",
    run: refreshUrls,
  },
];

function getChannel(call: Call): Reply {
  return ok(call.fake.render.channel(call.channel()));
}

function list(call: Call): Reply {
  const channel = call.channel();
  const form = new Form();
  const limit =
    v.whole(form, ["limit"], call.query.get("limit"), { min: 1, max: 100 }) ??
    50;
  const edge = (name: string) =>
    v.snowflake(form, [name], call.query.get(name));
  const page = {
    before: edge("before"),
    after: edge("after"),
    around: edge("around"),
    limit,
  };
  form.check();
  if (!call.may(channel, Permission.READ_MESSAGE_HISTORY)) return ok([]);
  const ago = staleMs(call);
  const { messages } = call.fake;
  const found =
    ago > 0
      ? messages.pageAgo(channel.id, page, ago)
      : messages.page(channel.id, page);
  return ok(found.map((m) => call.fake.render.message(m, call.viewer)));
}

function get(call: Call): Reply {
  const channel = call.channel();
  if (!call.may(channel, Permission.READ_MESSAGE_HISTORY)) throw refuse(50013);
  return ok(
    shown(
      call,
      call.fake.messages.need(channel.id, call.id("message"), staleMs(call)),
    ),
  );
}

/** A replica that lags answers now and then. */
function staleMs(call: Call): number {
  const stale = call.fake.faults.take("stale_get", { bot: call.bot.id });
  return stale ? numberOf(stale, "ms", 5000) : 0;
}

function shown(call: Call, message: Message) {
  return {
    ...call.fake.render.message(message, call.viewer),
    ...(message.nonce !== undefined && { nonce: message.nonce }),
  };
}

function create(call: Call): Reply {
  const channel = call.sendable();
  if (!TEXT_CHANNELS.includes(channel.type)) throw refuse(50008);
  const input = parseMessage(call.body);
  checkKind(input, input.flags ?? 0);
  checkUploads(call, input);
  const { nonce, enforceNonce } = input;
  const again =
    nonce !== undefined && enforceNonce
      ? call.fake.messages.byNonce(call.bot.id, nonce)
      : undefined;
  if (again) return ok(shown(call, again));
  checkPermissions(call, channel, input);
  call.fake.threads.wake(channel, call.may(channel, Permission.MANAGE_THREADS));
  return ok(
    shown(
      call,
      call.fake.messages.create(call.self, channel, input, call.uploads),
    ),
  );
}

/** Each attachment said to be new must come with its file. */
export function checkUploads(
  call: Call,
  input: MessageInput,
  kept: string[] = [],
): void {
  (input.attachments ?? []).forEach(({ id }, i) => {
    const known =
      kept.includes(id) || call.uploads.some((upload) => upload.key === id);
    if (!known)
      throw invalid(
        ["attachments", i],
        "ATTACHMENT_NOT_FOUND",
        `Attachment data for attachment with id ${id} not found in payload.`,
      );
  });
}

function checkPermissions(
  call: Call,
  channel: Channel,
  input: MessageInput,
): void {
  const files = call.uploads.length > 0;
  if (input.poll && !call.may(channel, Permission.SEND_POLLS))
    throw refuse(50013);
  if (files && !call.may(channel, Permission.ATTACH_FILES)) throw refuse(50013);
  if (input.reference && !call.may(channel, Permission.READ_MESSAGE_HISTORY))
    throw refuse(160002);
  // Without EMBED_LINKS Discord posts the text and drops the embeds.
  if (input.embeds?.length && !call.may(channel, Permission.EMBED_LINKS))
    input.embeds = [];
}

function edit(call: Call): Reply {
  const channel = call.channel();
  const message = call.fake.messages.need(channel.id, call.id("message"));
  const input = parseMessage(call.body);
  call.fake.threads.checkOpen(channel);
  const own = message.author_id === call.bot.id;
  if (!own) {
    const others = Object.keys(call.body).filter((key) => key !== "flags");
    if (others.length > 0 || call.uploads.length > 0) throw refuse(50005);
    if (!call.may(channel, Permission.MANAGE_MESSAGES)) throw refuse(50013);
  }
  checkKind(input, message.flags | (input.flags ?? 0));
  checkAge(call, message);
  checkUploads(
    call,
    input,
    message.attachments.map((a) => a.id),
  );
  return ok(
    shown(
      call,
      call.fake.messages.edit(call.self, message, input, call.uploads),
    ),
  );
}

/** Old messages are edited seldom: a 429 that says so with a code of its own. */
export function checkAge(call: Call, message: Message): void {
  const { clock, limits, settings } = call.fake;
  const now = clock.now();
  if (now - message.sent_ms < settings.oldEditMs) return;
  const name = "message-edit-old";
  const { wait } = limits.takeShared(name, message.channel_id, now);
  if (wait) throw tooOld(wait.seconds);
}

const DAY_MS = 24 * 3600 * 1000;

/** Young, ordinary and old messages have buckets of their own. */
function deleteLimit(call: Call): LimitName {
  const id = call.id("message");
  const known = call.fake.messages.find(id);
  const age = known ? call.fake.clock.now() - snowflakeMs(id) : 0;
  if (age < 10_000) return "message-delete-fresh";
  return age > 14 * DAY_MS ? "message-delete-old" : "message-delete";
}

function remove(call: Call): Reply {
  const channel = call.channel();
  const message = call.fake.messages.need(channel.id, call.id("message"));
  const own = message.author_id === call.bot.id;
  if (!own && !call.may(channel, Permission.MANAGE_MESSAGES))
    throw refuse(50013);
  call.fake.messages.delete(message);
  return done;
}

function bulkDelete(call: Call): Reply {
  const channel = call.channel(Permission.MANAGE_MESSAGES);
  const form = new Form();
  const given = v.list(form, ["messages"], call.body["messages"], Infinity);
  if (!given)
    form.add(["messages"], "BASE_TYPE_REQUIRED", "This field is required");
  given?.forEach((id, i) => v.snowflake(form, ["messages", i], id, true));
  form.check();
  call.fake.messages.bulkDelete(channel, (given ?? []) as string[]);
  return done;
}

/** Publishes a message of an announcement channel: an update that is no edit. */
function crosspost(call: Call): Reply {
  const channel = call.sendable();
  if (channel.type !== CHANNEL.NEWS) throw refuse(50024);
  const message = call.fake.messages.need(channel.id, call.id("message"));
  const own = message.author_id === call.bot.id;
  if (!own && !call.may(channel, Permission.MANAGE_MESSAGES))
    throw refuse(50013);
  if (message.flags & MessageFlag.CROSSPOSTED) throw refuse(40033);
  const flags = message.flags | MessageFlag.CROSSPOSTED;
  return ok(shown(call, call.fake.messages.mark(message.id, { flags })));
}

function expirePoll(call: Call): Reply {
  const channel = call.channel();
  const message = call.fake.messages.need(channel.id, call.id("message"));
  if (message.author_id !== call.bot.id) throw refuse(50005);
  return ok(shown(call, call.fake.messages.endPoll(message)));
}

function typing(call: Call): Reply {
  const channel = call.sendable();
  call.fake.announceTyping(channel, call.bot.id);
  return done;
}

/** Signs links anew; undocumented by Discord. */
function refreshUrls(call: Call): Reply {
  const given = call.body["attachment_urls"];
  const urls = Array.isArray(given) ? given.map(String) : [];
  if (urls.length === 0 || urls.length > 50)
    throw invalid(
      ["attachment_urls"],
      "BASE_TYPE_BAD_LENGTH",
      "Must be between 1 and 50 in length.",
    );
  const refreshed = urls.map((original) => {
    const at = /\/attachments\/(\d+)\/(\d+)\/([^?]+)/.exec(original);
    const file = at && call.fake.files.get(at[2]!);
    const link = file && call.fake.files.link(at[1]!, at[2]!, file.filename);
    return { original, refreshed: link ?? null };
  });
  return ok({ refreshed_urls: refreshed });
}
