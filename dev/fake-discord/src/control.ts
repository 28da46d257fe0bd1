// control.ts - /control/*: plays the people of the guilds, arms faults, looks inside.
// No token and no rate limit; the server listens on loopback only. Bodies are
// checked as strictly as a bot's, and refused with the same errors.
import type { IncomingMessage, ServerResponse } from "node:http";
import { isRealId, isSnowflake } from "./clock.js";
import { changeSettings, describeState, takeFault } from "./control-knobs.js";
import { ApiError, invalid, notFound, refuse } from "./errors.js";
import type { Fake } from "./fake.js";
import { numberOf } from "./faults.js";
import { checkKind, LIMITS, parseMessage } from "./message-input.js";
import type { Upload } from "./attachments.js";
import type { Special } from "./messages.js";
import {
  MessageFlag,
  MessageType,
  type Channel,
  type Embed,
  type Guild,
  type Message,
  type Overwrite,
  type User,
} from "./model.js";
import { tokenAnswer } from "./oauth.js";
import { collect } from "./rest/body.js";
import * as scenario from "./scenario.js";
import { ThreadType } from "./threads.js";
import { isObject, type Json } from "./validate.js";

interface Request {
  fake: Fake;
  ids: string[];
  query: URLSearchParams;
  body: Json;
}
type Action = (request: Request) => unknown;

const MOST_BYTES = 64 * 1024 * 1024;

// Method and path, with an id in each pair of parentheses.
const ACTIONS: readonly [string, RegExp, Action][] = [
  ["GET", /^\/health$/, () => ({ status: "ok" })],
  ["GET", /^\/state$/, ({ fake }) => describeState(fake)],
  ["GET", /^\/journal$/, ({ fake, query }) => page(fake.journal, query)],
  ["GET", /^\/gateway$/, ({ fake, query }) => page(fake.gatewayLog, query)],
  ["GET", /^\/faults$/, ({ fake }) => ({ armed: fake.faults.list() })],
  ["GET", /^\/faults\/plan$/, planOfFaults],
  ["POST", /^\/faults$/, ({ fake, body }) => takeFault(fake, body)],
  ["POST", /^\/settings$/, ({ fake, body }) => changeSettings(fake, body)],
  ["POST", /^\/channels\/(\d+)\/messages$/, createMessage],
  ["GET", /^\/channels\/(\d+)\/messages$/, listMessages],
  ["PATCH", /^\/channels\/(\d+)\/messages\/(\d+)$/, editMessage],
  ["DELETE", /^\/channels\/(\d+)\/messages\/(\d+)$/, deleteMessage],
  ["POST", /^\/channels\/(\d+)\/bulk-delete$/, bulkDelete],
  ["POST", /^\/channels\/(\d+)\/typing$/, typing],
  ["POST", /^\/channels\/(\d+)\/messages\/(\d+)\/end-poll$/, endPoll],
  ["POST", /^\/channels\/(\d+)\/threads$/, startThread],
  ["PATCH", /^\/channels\/(\d+)$/, editChannel],
  ["DELETE", /^\/channels\/(\d+)$/, deleteChannel],
  ["POST", /^\/stickers$/, addSticker],
  ["POST", /^\/channels$/, addChannel],
  ["POST", /^\/guilds$/, addGuild],
  ["POST", /^\/roles$/, addRole],
  ["POST", /^\/users$/, addUser],
  ["PUT", /^\/guilds\/(\d+)\/members\/(\d+)$/, putMember],
  ["DELETE", /^\/guilds\/(\d+)\/members\/(\d+)$/, removeMember],
  ["POST", /^\/guilds\/(\d+)\/members\/(\d+)\/announce$/, announceMember],
  ["PUT", /^\/guilds\/(\d+)\/bans\/(\d+)$/, (r) => setBan(r, true)],
  ["DELETE", /^\/guilds\/(\d+)\/bans\/(\d+)$/, (r) => setBan(r, false)],
  ["PUT", /^\/applications\/(\d+)$/, changeApplication],
  ["POST", /^\/grants$/, giveGrant],
];

export class Control {
  readonly #fake: Fake;

  constructor(fake: Fake) {
    this.#fake = fake;
  }

  async handle(
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    let status = 200;
    let answer: unknown;
    try {
      answer = this.#act(request, await collect(request, MOST_BYTES));
      if (answer === undefined) status = 204;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      status = error.status;
      answer = error.body();
    }
    const bytes = Buffer.from(
      answer === undefined ? "" : JSON.stringify(answer),
    );
    response.writeHead(status, {
      "content-type": "application/json",
      ...(status !== 204 && { "content-length": bytes.length }),
    });
    response.end(bytes);
  }

  #act(request: IncomingMessage, bytes: Buffer): unknown {
    const { pathname, searchParams: query } = new URL(
      request.url ?? "/",
      "http://fake",
    );
    const path = pathname.slice("/control".length);
    for (const [method, pattern, action] of ACTIONS) {
      const ids = method === request.method && pattern.exec(path)?.slice(1);
      if (!ids) continue;
      return action({ fake: this.#fake, ids, query, body: parse(bytes) });
    }
    throw notFound();
  }
}

function parse(bytes: Buffer): Json {
  if (bytes.length === 0) return {};
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString("utf8"));
  } catch {
    throw refuse(50109);
  }
  if (!isObject(value)) throw refuse(50109);
  return value;
}

function page<T extends { n: number }>(
  journal: { since(n: number): T[]; last: number },
  query: URLSearchParams,
) {
  const entries = journal.since(Number(query.get("since") ?? 0));
  return { entries, last: journal.last };
}

function channelOf({ fake, ids }: Request): Channel {
  const channel = fake.world.channels.get(ids[0]!);
  if (!channel) throw refuse(10003);
  return channel;
}

function messageOf(request: Request): Message {
  return request.fake.messages.need(channelOf(request).id, request.ids[1]!);
}

function guildOf({ fake, ids, body }: Request): Guild {
  const guild = fake.world.guilds.get(ids[0] ?? String(body["guild_id"]));
  if (!guild) throw refuse(10004);
  return guild;
}

function userOf(fake: Fake, id: unknown): User {
  const user = fake.world.users.get(String(id));
  if (!user) throw refuse(10013);
  return user;
}

/** What a test may look at: the wire form, and who was rung. */
function inspect(fake: Fake, message: Message): Json {
  const { pings, allowed_mentions } = message;
  return { ...fake.render.message(message, null), pings, allowed_mentions };
}

function contentLimit(user: User): number {
  return user.nitro ? LIMITS.nitroContent : LIMITS.content;
}

/** Files come in the body as base64; they become uploads, as multipart's do. */
function takeUploads(body: Json): { body: Json; uploads: Upload[] } {
  const given = body["attachments"];
  if (!Array.isArray(given)) return { body, uploads: [] };
  const uploads: Upload[] = [];
  const attachments = (given as unknown[]).map((item, i) => {
    if (!isObject(item) || typeof item["content_base64"] !== "string")
      return item;
    const { content_base64, content_type, ...rest } = item;
    uploads.push({
      key: String(i),
      filename: String(item["filename"] ?? "unknown"),
      bytes: Buffer.from(content_base64 as string, "base64"),
      ...(typeof content_type === "string" && { contentType: content_type }),
    });
    return { ...rest, id: String(i) };
  });
  return { body: { ...body, attachments }, uploads };
}

function createMessage(request: Request): Json {
  const { fake } = request;
  const channel = channelOf(request);
  const author = userOf(fake, request.body["author_id"]);
  const { body, uploads } = takeUploads(request.body);
  const input = parseMessage(body, contentLimit(author));
  checkKind(input, input.flags ?? 0);
  fake.threads.wake(channel, true);
  const message = fake.messages.create(
    author,
    channel,
    input,
    uploads,
    specialOf(body),
  );
  const unfurl = fake.faults.take("unfurl", { event: "MESSAGE_CREATE" });
  if (unfurl) {
    const embed = {
      ...PREVIEW,
      ...(isObject(unfurl["embed"]) && unfurl["embed"]),
    };
    const show = () => {
      if (fake.messages.find(message.id))
        fake.messages.unfurl(message.id, embed);
    };
    setTimeout(show, numberOf(unfurl, "ms", 500)).unref();
  }
  return inspect(fake, message);
}

/** `type` and `flags` that a client cannot choose; `loading`: a deferred answer. */
function specialOf(body: Json): Special {
  const { type, system_flags: flags, loading } = body;
  if (loading === true)
    return { type: MessageType.COMMAND, flags: MessageFlag.LOADING };
  return {
    ...(typeof type === "number" && { type }),
    ...(typeof flags === "number" && { flags }),
  };
}

const PREVIEW: Embed = {
  type: "article",
  url: "https://example.com/chart",
  title: "BTC/USDT chart",
  description: "A preview made by Discord, not by the author.",
};

function listMessages(request: Request): Json[] {
  const { fake } = request;
  return fake.messages.all(channelOf(request).id).map((m) => inspect(fake, m));
}

function editMessage(request: Request): Json {
  const { fake } = request;
  const old = messageOf(request);
  const author = userOf(fake, old.author_id);
  const { body, uploads } = takeUploads(request.body);
  const { pinned, published } = body;
  const marks = {
    ...(typeof pinned === "boolean" && { pinned }),
    ...(typeof published === "boolean" && {
      flags: published ? old.flags | 1 : old.flags & ~1,
    }),
  };
  if (Object.keys(marks).length > 0)
    return inspect(fake, fake.messages.mark(old.id, marks));
  const input = parseMessage(body, contentLimit(author));
  checkKind(input, old.flags | (input.flags ?? 0));
  return inspect(fake, fake.messages.edit(author, old, input, uploads));
}

function deleteMessage(request: Request): undefined {
  request.fake.messages.delete(messageOf(request));
}

function bulkDelete(request: Request): undefined {
  const ids = request.body["messages"];
  if (!Array.isArray(ids) || !ids.every(isSnowflake))
    throw invalid(
      ["messages"],
      "LIST_TYPE_CONVERT",
      "Only iterables may be used in a ListType",
    );
  request.fake.messages.bulkDelete(channelOf(request), ids);
}

function typing(request: Request): undefined {
  const user = userOf(request.fake, request.body["author_id"]);
  request.fake.announceTyping(channelOf(request), user.id);
}

function deleteChannel(request: Request): undefined {
  request.fake.removeChannel(channelOf(request));
}

/** A thread: {name, archived, locked}. Else {name, topic, permission_overwrites}. */
function editChannel(request: Request): Json {
  const { fake, body } = request;
  const channel = channelOf(request);
  const name = typeof body["name"] === "string" ? body["name"] : channel.name;
  if (channel.thread) {
    const flag = (key: string) => body[key] as boolean | undefined;
    const archived = flag("archived");
    const change = { name, archived, locked: flag("locked") };
    return fake.render.channel(fake.threads.change(channel, change));
  }
  const { topic, permission_overwrites: overwrites } = body;
  return fake.render.channel(
    fake.changeChannel({
      ...channel,
      name,
      ...(typeof topic === "string" && { topic }),
      ...(Array.isArray(overwrites) && {
        permission_overwrites: overwrites as Overwrite[],
      }),
    }),
  );
}

/** {author_id, name, message_id?, type?} */
function startThread(request: Request): Json {
  const { fake, body } = request;
  const parent = channelOf(request);
  const author = userOf(fake, body["author_id"]);
  const { message_id, type } = body;
  const thread = fake.threads.start(author, parent, {
    name: named(body, "name"),
    type: typeof type === "number" ? type : ThreadType.PUBLIC,
    archiveMinutes: 4320,
    ...(message_id !== undefined && {
      message: fake.messages.need(parent.id, String(message_id)),
    }),
  });
  return fake.render.channel(thread);
}

function endPoll(request: Request): Json {
  const { fake } = request;
  return inspect(fake, fake.messages.endPoll(messageOf(request)));
}

/** {guild_id, name, format_type, content_base64} */
function addSticker(request: Request): Json {
  const { fake, body } = request;
  const guild = guildOf(request);
  const { format_type = 1, content_base64 = "" } = body;
  const id = idFor(request);
  return fake.db.transaction(() => {
    const sticker = fake.world.stickers.set(id, {
      id,
      guild_id: guild.id,
      name: named(body, "name"),
      format_type: Number(format_type),
    });
    fake.files.addSticker(
      sticker,
      Buffer.from(String(content_base64), "base64"),
    );
    return { ...sticker };
  });
}

function idFor({ fake, body }: Request): string {
  if (body["id"] === undefined) return fake.clock.nextId();
  if (isRealId(body["id"])) return body["id"];
  throw invalid(
    ["id"],
    "NUMBER_TYPE_COERCE",
    `Value "${body["id"]}" is not snowflake.`,
  );
}

function named(body: Json, key: string): string {
  const value = body[key];
  if (typeof value === "string" && value !== "") return value;
  throw invalid([key], "BASE_TYPE_REQUIRED", "This field is required");
}

function addChannel(request: Request): Json {
  const { fake, body } = request;
  const spec = { ...body, id: idFor(request), name: named(body, "name") };
  const guild = guildOf(request);
  return fake.db.transaction(() => {
    const position = fake.world.channelsOf(guild.id).length;
    const channel = scenario.putChannel(fake, guild.id, spec, position);
    fake.announceChannel("CHANNEL_CREATE", channel);
    return fake.render.channel(channel);
  });
}

function addGuild(request: Request): Json {
  const { fake, body } = request;
  const id = idFor(request);
  const owner = userOf(fake, body["owner_id"]);
  const spec = {
    channels: [],
    members: [],
    ...body,
    id,
    name: named(body, "name"),
    owner_id: owner.id,
  };
  const complaint = scenario.guildComplaint(spec);
  if (complaint) throw invalid(["guild"], "MODEL_TYPE_CONVERT", complaint);
  return fake.db.transaction(() => {
    scenario.putGuild(fake, spec as scenario.GuildSpec);
    const guild = fake.world.guilds.get(id)!;
    for (const { user_id } of fake.world.membersOf(id)) {
      const bot = fake.world.bots.get(user_id);
      if (bot) fake.announceGuild(guild, bot);
    }
    return fake.render.guild(guild);
  });
}

function addRole(request: Request): Json {
  const { fake, body } = request;
  const guild = guildOf(request);
  const spec = { ...body, id: idFor(request), name: named(body, "name") };
  return fake.db.transaction(() => {
    const role = scenario.putRole(fake, guild.id, spec);
    fake.announceRole(role.id);
    return { ...role };
  });
}

/** A person; with a token, a bot. */
function addUser(request: Request): Json {
  const { fake, body } = request;
  const spec = {
    ...body,
    id: idFor(request),
    username: named(body, "username"),
  };
  return fake.db.transaction(() => {
    if (typeof body["token"] === "string")
      scenario.putBot(fake, spec as scenario.BotSpec & Json);
    else scenario.putUser(fake, spec);
    return fake.render.user(spec.id);
  });
}

/** Joins, or changes the roles or the name of who has joined. */
function putMember(request: Request): Json {
  const { fake, ids, body } = request;
  const guild = guildOf(request);
  const user = userOf(fake, ids[1]);
  const roles = Array.isArray(body["roles"])
    ? body["roles"].map(String)
    : undefined;
  const present = fake.world.member(guild.id, user.id);
  const member = present
    ? fake.changeMember({ ...present, roles: roles ?? present.roles })
    : fake.addMember(guild.id, user.id, roles);
  return fake.render.member(member);
}

/** GUILD_MEMBER_ADD once more for somebody who is in already. */
function announceMember({ fake, ids }: Request): undefined {
  const member = fake.world.member(ids[0]!, ids[1]!);
  if (!member) throw refuse(10007);
  fake.announceMember("GUILD_MEMBER_ADD", member);
}

function removeMember(request: Request): undefined {
  const { fake, ids } = request;
  const member = fake.world.member(guildOf(request).id, ids[1]!);
  if (!member) throw refuse(10007);
  fake.removeMember(member);
}

/** A banned person is no member any more, and cannot be added. */
function setBan(request: Request, banned: boolean): undefined {
  const { fake, ids } = request;
  const guild = guildOf(request);
  const user = userOf(fake, ids[1]);
  const member = fake.world.member(guild.id, user.id);
  fake.db.transaction(() => {
    fake.world.setBan(guild.id, user.id, banned);
    if (banned && member) fake.removeMember(member);
  });
}

/** What the developer portal holds of an application: secret and redirects. */
function changeApplication({ fake, ids, body }: Request): Json {
  const bot = fake.world.bots.get(ids[0]!);
  if (!bot) throw refuse(10013);
  const { client_secret, redirect_uris } = body;
  const redirects = Array.isArray(redirect_uris)
    ? redirect_uris.map(String)
    : bot.redirects;
  const secret = typeof client_secret === "string" ? client_secret : bot.secret;
  fake.world.bots.set(bot.id, { ...bot, redirects, secret });
  return { client_id: bot.id, client_secret: secret, redirect_uris: redirects };
}

/** What a person's consent would give: {client_id, user_id, scopes: [..]}. */
function giveGrant({ fake, body }: Request): Json {
  const client = userOf(fake, body["client_id"]);
  const user = userOf(fake, body["user_id"]);
  const scopes = Array.isArray(body["scopes"])
    ? body["scopes"].map(String)
    : [];
  return tokenAnswer(fake.oauth.grant(client.id, user.id, scopes));
}

function planOfFaults({ fake, query }: Request): Json {
  const of = Number(query.get("of") ?? 1000);
  if (!Number.isInteger(of) || of < 1 || of > 100_000)
    throw invalid(["of"], "NUMBER_TYPE_COERCE", "Must be from 1 to 100000.");
  return { plan: fake.faults.plan(of) };
}
