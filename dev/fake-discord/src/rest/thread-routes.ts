// thread-routes.ts - threads, and what may be changed of a channel.
import { Form, refuse } from "../errors.js";
import { checkKind, parseMessage } from "../message-input.js";
import type { Channel } from "../model.js";
import { channelPermissions, Permission } from "../permissions.js";
import {
  ARCHIVE_MINUTES,
  CHANNEL,
  ThreadType,
  type ThreadInput,
} from "../threads.js";
import * as v from "../validate.js";
import { checkUploads } from "./message-routes.js";
import { done, ok, type Call, type Reply, type Route } from "./route.js";

const limit = "channel";

export const threadRoutes: readonly Route[] = [
  {
    method: "POST",
    path: "/channels/:channel/messages/:message/threads",
    limit,
    run: startFromMessage,
  },
  { method: "POST", path: "/channels/:channel/threads", limit, run: start },
  { method: "PATCH", path: "/channels/:channel", limit, run: change },
  { method: "DELETE", path: "/channels/:channel", limit, run: remove },
  {
    method: "GET",
    path: "/guilds/:guild/threads/active",
    limit: "guild",
    run: active,
  },
  {
    method: "GET",
    path: "/channels/:channel/threads/archived/public",
    limit,
    run: archived,
  },
  {
    method: "PUT",
    path: "/channels/:channel/thread-members/@me",
    limit,
    run: (call) => join(call, true),
  },
  {
    method: "DELETE",
    path: "/channels/:channel/thread-members/@me",
    limit,
    run: (call) => join(call, false),
  },
];

function nameIn(form: Form, body: v.Json, required: boolean) {
  return v.text(form, ["name"], body["name"], { min: 1, max: 100, required });
}

function archiveMinutes(form: Form, body: v.Json): number | undefined {
  const key = "auto_archive_duration";
  const given = v.whole(form, [key], body[key], { min: 0, max: 10080 });
  if (given !== undefined && !ARCHIVE_MINUTES.includes(given))
    form.add(
      [key],
      "BASE_TYPE_CHOICES",
      `Value must be one of (${ARCHIVE_MINUTES.join(", ")}).`,
    );
  return given;
}

function input(call: Call, type: number): ThreadInput {
  const form = new Form();
  const name = nameIn(form, call.body, true);
  const minutes = archiveMinutes(form, call.body);
  form.check();
  return { name: name!, type, archiveMinutes: minutes ?? 4320 };
}

function startFromMessage(call: Call): Reply {
  const channel = call.channel(Permission.CREATE_PUBLIC_THREADS);
  const news = channel.type === CHANNEL.NEWS;
  if (channel.type !== CHANNEL.TEXT && !news) throw refuse(50024);
  const message = call.fake.messages.need(channel.id, call.id("message"));
  const type = news ? ThreadType.NEWS : ThreadType.PUBLIC;
  const made = { ...input(call, type), message };
  return created(call, call.fake.threads.start(call.self, channel, made));
}

function created(call: Call, thread: Channel): Reply {
  return { status: 201, body: call.fake.render.channel(thread) };
}

function start(call: Call): Reply {
  const channel = call.channel();
  if (channel.type === CHANNEL.FORUM) return startPost(call, channel);
  if (channel.type !== CHANNEL.TEXT && channel.type !== CHANNEL.NEWS)
    throw refuse(50024);
  const form = new Form();
  const { type = ThreadType.PRIVATE } = call.body; // as API 10 has it
  const kinds: unknown[] = Object.values(ThreadType);
  if (!kinds.includes(type))
    form.add(
      ["type"],
      "BASE_TYPE_CHOICES",
      "Value must be one of (10, 11, 12).",
    );
  form.check();
  const bit =
    type === ThreadType.PRIVATE
      ? Permission.CREATE_PRIVATE_THREADS
      : Permission.CREATE_PUBLIC_THREADS;
  if (!call.may(channel, bit)) throw refuse(50013);
  const made = input(call, type as number);
  return created(call, call.fake.threads.start(call.self, channel, made));
}

/** A post of a forum: a thread and, with the same id, its first message. */
function startPost(call: Call, forum: Channel): Reply {
  if (!call.may(forum, Permission.SEND_MESSAGES)) throw refuse(50013);
  const made = input(call, ThreadType.PUBLIC);
  const form = new Form();
  const body = v.object(form, ["message"], call.body["message"]);
  if (!body)
    form.add(["message"], "BASE_TYPE_REQUIRED", "This field is required");
  form.check();
  const message = parseMessage(body!);
  checkKind(message, message.flags ?? 0);
  checkUploads(call, message);
  const { fake, self, uploads } = call;
  const thread = fake.threads.start(self, forum, made);
  const first = fake.messages.create(self, thread, message, uploads);
  const wire = fake.render.message(first, call.viewer);
  const { body: shown } = created(call, thread);
  return { status: 201, body: { ...(shown as object), message: wire } };
}

function change(call: Call): Reply {
  const channel = call.channel();
  if (!channel.thread) return changeChannel(call, channel);
  const { body, fake } = call;
  const form = new Form();
  const wanted = {
    name: nameIn(form, body, false),
    archived: v.flag(form, ["archived"], body["archived"]),
    locked: v.flag(form, ["locked"], body["locked"]),
    archiveMinutes: archiveMinutes(form, body),
  };
  form.check();
  const moderator = call.may(channel, Permission.MANAGE_THREADS);
  const own = channel.thread.owner_id === call.bot.id;
  const { archived, locked, name } = wanted;
  const opening = archived === false && channel.thread.archived;
  if (channel.thread.archived && !opening) throw refuse(50083);
  const allowed = opening
    ? !channel.thread.locked &&
      call.may(channel, Permission.SEND_MESSAGES_IN_THREADS)
    : own && locked === undefined;
  if (!moderator && (!allowed || (opening && name !== undefined && !own)))
    throw refuse(50013);
  return ok(fake.render.channel(fake.threads.change(channel, wanted)));
}

function changeChannel(call: Call, channel: Channel): Reply {
  if (!call.may(channel, Permission.MANAGE_CHANNELS)) throw refuse(50013);
  const form = new Form();
  const name = nameIn(form, call.body, false);
  const topic = v.text(form, ["topic"], call.body["topic"], { max: 1024 });
  form.check();
  const changed = {
    ...channel,
    name: name ?? channel.name,
    topic: topic ?? channel.topic,
  };
  return ok(call.fake.render.channel(call.fake.changeChannel(changed)));
}

function remove(call: Call): Reply {
  const channel = call.channel();
  const bit = channel.thread
    ? Permission.MANAGE_THREADS
    : Permission.MANAGE_CHANNELS;
  if (!call.may(channel, bit)) throw refuse(50013);
  const shown = call.fake.render.channel(channel);
  call.fake.removeChannel(channel);
  return ok(shown);
}

function active(call: Call): Reply {
  const { world, render } = call.fake;
  const seen = world
    .threadsOf(call.guild().id)
    .filter((c) => !c.thread!.archived && call.may(c, Permission.VIEW_CHANNEL));
  return ok({ threads: seen.map((c) => render.channel(c)), members: [] });
}

/** Newest archived first. */
function archived(call: Call): Reply {
  const channel = call.channel(Permission.READ_MESSAGE_HISTORY);
  const { world, render } = call.fake;
  const bits = (c: Channel) => channelPermissions(world, c, call.bot.id);
  const found = world
    .threadsOf(channel.guild_id)
    .filter((c) => c.parent_id === channel.id && c.thread!.archived)
    .filter((c) => c.type !== ThreadType.PRIVATE && bits(c) !== 0n)
    .sort((a, b) => b.thread!.archive_ms - a.thread!.archive_ms);
  const threads = found.map((c) => render.channel(c));
  return ok({ threads, members: [], has_more: false });
}

function join(call: Call, joined: boolean): Reply {
  const channel = call.channel();
  if (!channel.thread) throw refuse(50024);
  call.fake.threads.setMember(channel, call.bot.id, joined);
  return done;
}
