// webhook-routes.ts - webhooks: for bots that manage them, and for whoever has a token.
// A webhook's message knows no nonce and no reply; what a client says of them is not read.
import { createHash, randomBytes } from "node:crypto";
import { isSnowflake } from "../clock.js";
import { Form, refuse } from "../errors.js";
import {
  checkKind,
  parseMessage,
  type MessageInput,
} from "../message-input.js";
import type {
  Author,
  Channel,
  Message,
  Webhook,
  WebhookFace,
} from "../model.js";
import { Permission } from "../permissions.js";
import * as render from "../render.js";
import { CHANNEL, ThreadType } from "../threads.js";
import * as v from "../validate.js";
import { checkAge, checkUploads } from "./message-routes.js";
import { done, ok, type Call, type Reply, type Route } from "./route.js";

const ONE = "/webhooks/:webhook";
const OPEN = "/webhooks/:webhook/:token";
const MESSAGE = `${OPEN}/messages/:message`;
const MOST = 15;

const managing = { limit: "webhook" } as const;
const token = { limit: "webhook", auth: "open" } as const;
const message = { limit: "webhook-message", auth: "open" } as const;

export const webhookRoutes: readonly Route[] = [
  {
    method: "POST",
    path: "/channels/:channel/webhooks",
    ...managing,
    run: create,
  },
  {
    method: "GET",
    path: "/channels/:channel/webhooks",
    ...managing,
    run: ofChannel,
  },
  { method: "GET", path: "/guilds/:guild/webhooks", ...managing, run: ofGuild },
  { method: "GET", path: ONE, ...managing, run: get },
  { method: "PATCH", path: ONE, ...managing, run: change },
  { method: "DELETE", path: ONE, ...managing, run: remove },
  { method: "GET", path: OPEN, ...token, run: getByToken },
  { method: "PATCH", path: OPEN, ...token, run: changeByToken },
  { method: "DELETE", path: OPEN, ...token, run: removeByToken },
  {
    method: "POST",
    path: OPEN,
    limit: "webhook-execute",
    shared: (call) => ["webhook-channel", call.webhook().channel_id],
    auth: "open",
    run: execute,
  },
  { method: "GET", path: MESSAGE, ...message, run: getMessage },
  { method: "PATCH", path: MESSAGE, ...message, run: editMessage },
  { method: "DELETE", path: MESSAGE, ...message, run: deleteMessage },
];

// -- managing --

const TABOO = ["clyde", "discord"];

/** A name for a webhook, or for one message of it. */
function name(form: Form, key: string, value: unknown): string | undefined {
  const given = v.text(form, [key], value, { max: 80, min: 1 });
  const bad = TABOO.find((word) => given?.toLowerCase().includes(word));
  if (bad)
    form.add(
      [key],
      "USERNAME_INVALID_CONTAINS",
      `Username cannot contain "${bad}"`,
    );
  return given;
}

function avatar(form: Form, value: unknown): string | null | undefined {
  if (value === undefined || value === null) return value;
  if (
    typeof value === "string" &&
    /^data:image\/(png|jpeg|gif);base64,/.test(value)
  )
    return randomBytes(16).toString("hex");
  form.add(["avatar"], "IMAGE_INVALID", "Invalid image data");
  return undefined;
}

function create(call: Call): Reply {
  const channel = call.channel(Permission.MANAGE_WEBHOOKS);
  const form = new Form();
  const called = name(form, "name", call.body["name"]);
  if (called === undefined && !form.failed)
    form.add(["name"], "BASE_TYPE_REQUIRED", "This field is required");
  const face = avatar(form, call.body["avatar"]);
  form.check();
  const { world, clock } = call.fake;
  if (world.webhooksOf(channel.id).length >= MOST) throw refuse(30007);
  const id = clock.nextId();
  const made = call.fake.changeWebhook({
    id,
    token: randomBytes(51).toString("base64url"),
    guild_id: channel.guild_id,
    channel_id: channel.id,
    name: called!,
    avatar: face ?? null,
    application_id: call.bot.id,
    user_id: call.bot.id,
  });
  return ok(shown(call, made));
}

function shown(call: Call, webhook: Webhook) {
  const user = call.fake.render.user(webhook.user_id);
  return { ...render.webhook(webhook, call.bot), user };
}

function ofChannel(call: Call): Reply {
  const channel = call.channel(Permission.MANAGE_WEBHOOKS);
  return ok(call.fake.world.webhooksOf(channel.id).map((w) => shown(call, w)));
}

function ofGuild(call: Call): Reply {
  const { id } = call.guild();
  if (!call.mayInGuild(Permission.MANAGE_WEBHOOKS)) throw refuse(50013);
  const all = call.fake.world.webhooks.values();
  return ok(all.filter((w) => w.guild_id === id).map((w) => shown(call, w)));
}

/** A webhook by its id alone: for bots that may manage those of its channel. */
function managed(call: Call): Webhook {
  const found = call.fake.world.webhooks.get(call.id("webhook"));
  if (!found) throw refuse(10015);
  const channel = call.fake.world.channels.get(found.channel_id)!;
  if (!call.may(channel, Permission.MANAGE_WEBHOOKS)) throw refuse(50013);
  return found;
}

function get(call: Call): Reply {
  return ok(shown(call, managed(call)));
}

function changed(call: Call, webhook: Webhook): Webhook {
  const form = new Form();
  const called = name(form, "name", call.body["name"]) ?? webhook.name;
  const face = avatar(form, call.body["avatar"]);
  form.check();
  return call.fake.changeWebhook({
    ...webhook,
    name: called,
    avatar: face === undefined ? webhook.avatar : face,
  });
}

function change(call: Call): Reply {
  const webhook = managed(call);
  const to = call.body["channel_id"];
  if (to === undefined) return ok(shown(call, changed(call, webhook)));
  const channel = call.fake.world.channels.get(String(to));
  if (channel?.guild_id !== webhook.guild_id) throw refuse(10003);
  if (!call.may(channel, Permission.MANAGE_WEBHOOKS)) throw refuse(50013);
  const moved = { ...webhook, channel_id: channel.id };
  return ok(shown(call, changed(call, moved)));
}

function remove(call: Call): Reply {
  call.fake.removeWebhook(managed(call));
  return done;
}

// -- by token --

function getByToken(call: Call): Reply {
  return ok(open(call.webhook()));
}

function open(webhook: Webhook) {
  return { ...render.webhook(webhook, null), token: webhook.token };
}

function changeByToken(call: Call): Reply {
  return ok(open(changed(call, call.webhook())));
}

function removeByToken(call: Call): Reply {
  call.fake.removeWebhook(call.webhook());
  return done;
}

/** The face of one message: the webhook's, unless the body says another. */
function faceOf(call: Call, webhook: Webhook): WebhookFace {
  const form = new Form();
  const { username, avatar_url } = call.body;
  const called = name(form, "username", username) ?? webhook.name;
  const picture = v.url(form, ["avatar_url"], avatar_url);
  form.check();
  const { id, application_id } = webhook;
  // Discord stores a copy and shows its hash.
  const shown = picture === undefined ? webhook.avatar : hashOf(picture);
  return { id, username: called, avatar: shown, application_id };
}

function hashOf(text: string): string {
  return createHash("md5").update(text).digest("hex");
}

/** A message without what only bots can say. */
function inputOf(call: Call): MessageInput {
  const { nonce, enforce_nonce, message_reference, ...body } = call.body;
  return parseMessage(body);
}

function execute(call: Call): Reply {
  const webhook = call.webhook();
  const face = faceOf(call, webhook);
  const input = inputOf(call);
  checkKind(input, input.flags ?? 0);
  checkUploads(call, input);
  const author = { id: webhook.id, webhook: face };
  const channel = place(call, webhook, author);
  const made = call.fake.messages.create(author, channel, input, call.uploads);
  if (call.query.get("wait") !== "true") return done;
  return ok(call.fake.render.message(made, null));
}

/** Where a new message goes: the channel, a thread of it, or a new one in a forum. */
function place(call: Call, webhook: Webhook, author: Author): Channel {
  const { threads, world } = call.fake;
  const parent = world.channels.get(webhook.channel_id)!;
  const forum = parent.type === CHANNEL.FORUM;
  const called = call.body["thread_name"];
  if (call.query.has("thread_id")) {
    const thread = threadOf(call, webhook);
    threads.wake(thread, false);
    return thread;
  }
  if (called === undefined) {
    if (forum) throw refuse(220001);
    return parent;
  }
  if (!forum) throw refuse(220003);
  const form = new Form();
  const name = v.text(form, ["thread_name"], called, { min: 1, max: 100 });
  form.check();
  const type = ThreadType.PUBLIC;
  const input = { name: name ?? "", type, archiveMinutes: 4320 };
  return threads.start(author, parent, input);
}

/** The thread that the query names, when it is one of the webhook's channel. */
function threadOf(call: Call, webhook: Webhook): Channel {
  const id = call.query.get("thread_id") ?? "";
  const thread = isSnowflake(id) ? call.fake.world.channels.get(id) : undefined;
  if (!thread?.thread || thread.parent_id !== webhook.channel_id)
    throw refuse(10003);
  return thread;
}

/** A message of this very webhook, in the channel or in the thread that is named. */
function own(call: Call): Message {
  const webhook = call.webhook();
  const where = call.query.has("thread_id")
    ? threadOf(call, webhook).id
    : webhook.channel_id;
  const found = call.fake.messages.find(call.id("message"));
  if (found?.webhook?.id !== webhook.id || found.channel_id !== where)
    throw refuse(10008);
  return found;
}

function getMessage(call: Call): Reply {
  return ok(call.fake.render.message(own(call), null));
}

function editMessage(call: Call): Reply {
  const old = own(call);
  call.fake.threads.checkOpen(call.fake.world.channels.get(old.channel_id)!);
  const input = inputOf(call);
  checkKind(input, old.flags | (input.flags ?? 0));
  checkUploads(
    call,
    input,
    old.attachments.map((a) => a.id),
  );
  checkAge(call, old);
  const author = { id: old.author_id, webhook: old.webhook };
  const edited = call.fake.messages.edit(author, old, input, call.uploads);
  return ok(call.fake.render.message(edited, null));
}

function deleteMessage(call: Call): Reply {
  call.fake.messages.delete(own(call));
  return done;
}
