// Unmodified discord.js against the fake.
import assert from "node:assert/strict";
import test, { type TestContext } from "node:test";
import {
  Client,
  DiscordAPIError,
  GatewayIntentBits as Bits,
  MessageFlags,
  Partials,
  RateLimitError,
  WebhookClient,
  type ClientEvents,
  type ContainerComponent,
  type TextChannel,
  type TextDisplayComponent,
} from "discord.js";
import {
  bench as plainBench,
  COLLECTOR,
  CUSTOMERS,
  MIRROR,
  MIRROR_VIP,
  OTTO,
  PREMIUM,
  SOURCE,
  VIP,
  type Bench,
} from "./harness.js";

// discord.js takes a leading "bot" off every token, so "bot-token" would not do.
const MIRROR_TOKEN = "mirror-token";

async function bench(t: TestContext): Promise<Bench> {
  const b = await plainBench(t);
  await b.control("POST", "/users", {
    id: MIRROR,
    username: "mirror",
    token: MIRROR_TOKEN,
    intents: ["GUILD_MEMBERS"],
  });
  return b;
}

const READING = [
  Bits.Guilds,
  Bits.GuildMembers,
  Bits.GuildMessages,
  Bits.MessageContent,
];
const POSTING = [Bits.Guilds, Bits.GuildMembers, Bits.GuildMessages];

function client(b: Bench, intents = READING, rest = {}): Client {
  const made = new Client({
    intents,
    partials: [Partials.Message],
    rest: { api: `${b.url}/api`, ...rest },
  });
  b.beforeEnd(() => made.destroy());
  return made;
}

async function loggedIn(
  b: Bench,
  token: string,
  intents = READING,
  rest = {},
): Promise<Client> {
  const made = client(b, intents, rest);
  const ready = next(made, "clientReady");
  await made.login(token);
  await ready;
  return made;
}

function next<E extends keyof ClientEvents>(
  from: Client,
  event: E,
  want: (...args: ClientEvents[E]) => boolean = () => true,
) {
  return new Promise<ClientEvents[E]>((resolve) => {
    const listen = (...args: ClientEvents[E]) => {
      if (!want(...args)) return;
      from.off(event, listen as never);
      resolve(args);
    };
    from.on(event, listen as never);
  });
}

test("discord.js logs in and knows the guild, its channels, roles and itself", async (t) => {
  const b = await bench(t);
  const reader = await loggedIn(b, "collector-token");
  const guild = reader.guilds.cache.get(SOURCE);
  assert.equal(reader.user?.id, COLLECTOR);
  assert.deepEqual(
    guild?.channels.cache.map((c) => c.name),
    ["vip-signals", "scalps", "market-talk"],
  );
  assert.ok(guild?.roles.cache.some((role) => role.name === "VIP"));
  assert.equal(guild?.members.me?.id, COLLECTOR);
  const everyone = await guild.members.fetch();
  assert.equal(everyone.size, 6);
});

test("discord.js receives create, edit, delete and bulk delete", async (t) => {
  const b = await bench(t);
  const reader = await loggedIn(b, "collector-token");
  const created = next(reader, "messageCreate");
  const { id } = await b.say("BTC long 64000");
  assert.equal((await created)[0].content, "BTC long 64000");

  const updated = next(reader, "messageUpdate");
  await b.control("PATCH", `/channels/${VIP}/messages/${id}`, {
    content: "BTC long 64100",
  });
  const [, after] = await updated;
  assert.equal(after.content, "BTC long 64100");
  assert.ok(after.editedTimestamp! > after.createdTimestamp);

  const deleted = next(reader, "messageDelete");
  await b.control("DELETE", `/channels/${VIP}/messages/${id}`);
  assert.equal((await deleted)[0].id, id);

  const ids = [];
  for (const word of ["one", "two", "three"])
    ids.push((await b.say(word))["id"]);
  const purged = next(reader, "messageDeleteBulk");
  await b.control("POST", `/channels/${VIP}/bulk-delete`, { messages: ids });
  assert.deepEqual([...(await purged)[0].keys()].sort(), ids);
});

test("discord.js posts text, embed, file and reply, edits and deletes", async (t) => {
  const b = await bench(t);
  const poster = await loggedIn(b, MIRROR_TOKEN, POSTING);
  const channel = (await poster.channels.fetch(MIRROR_VIP)) as TextChannel;
  const plain = await channel.send({
    content: "TP1 hit ✅",
    allowedMentions: { parse: [] },
  });
  const embed = await channel.send({
    embeds: [
      {
        title: "ETH/USDT",
        fields: [{ name: "Entry", value: "3 100", inline: true }],
        color: 0xff00aa,
      },
    ],
  });
  const file = await channel.send({
    content: "chart",
    files: [
      {
        attachment: Buffer.from("pixels"),
        name: "chart.png",
        description: "4h",
      },
    ],
  });
  const reply = await plain.reply("stop to entry");
  assert.equal(embed.embeds[0]?.title, "ETH/USDT");
  assert.equal(reply.reference?.messageId, plain.id);
  const attachment = file.attachments.first()!;
  assert.deepEqual(
    [attachment.name, attachment.description, attachment.size],
    ["chart.png", "4h", 6],
  );
  assert.equal(await (await fetch(attachment.url)).text(), "pixels");

  const edited = await plain.edit({
    content: "TP2 hit ✅",
    allowedMentions: { parse: [] },
  });
  assert.equal(edited.content, "TP2 hit ✅");
  await reply.delete();
  const left = await b.control("GET", `/channels/${MIRROR_VIP}/messages`);
  assert.deepEqual(
    left.map((m: any) => m.id),
    [plain.id, embed.id, file.id],
  );
});

test("discord.js deduplicates by nonce", async (t) => {
  const b = await bench(t);
  const poster = await loggedIn(b, MIRROR_TOKEN, POSTING);
  const channel = (await poster.channels.fetch(MIRROR_VIP)) as TextChannel;
  const once = await channel.send({
    content: "a",
    nonce: "n1",
    enforceNonce: true,
  });
  const twice = await channel.send({
    content: "a",
    nonce: "n1",
    enforceNonce: true,
  });
  assert.equal(once.id, twice.id);
});

test("discord.js gives and takes a role, and is told of it", async (t) => {
  const b = await bench(t);
  const poster = await loggedIn(b, MIRROR_TOKEN, POSTING);
  const guild = poster.guilds.cache.get(CUSTOMERS)!;
  const member = await guild.members.fetch(OTTO);
  const given = next(poster, "guildMemberUpdate", (_, after) =>
    after.roles.cache.has(PREMIUM),
  );
  await member.roles.add(PREMIUM, "paid until märz");
  await given;
  const taken = next(
    poster,
    "guildMemberUpdate",
    (_, after) => !after.roles.cache.has(PREMIUM),
  );
  await member.roles.remove(PREMIUM);
  await taken;
  const { entries } = await b.control("GET", "/journal");
  assert.ok(entries.some((e: any) => e.reason === "paid until märz"));
});

test("discord.js obeys a 429 and succeeds after it", async (t) => {
  const b = await bench(t);
  const poster = await loggedIn(b, MIRROR_TOKEN, POSTING);
  const channel = (await poster.channels.fetch(MIRROR_VIP)) as TextChannel;
  await b.fault("rest_429", {
    retry_after: 0.2,
    route: "POST /channels/:channel/messages",
  });
  const sent = await channel.send("after the wait");
  const { entries } = await b.control("GET", "/journal");
  const posts = entries.filter((e: any) => e.method === "POST");
  assert.deepEqual(
    posts.map((e: any) => e.status),
    [429, 200],
  );
  assert.equal(sent.content, "after the wait");
});

test("discord.js never exceeds a bucket, and a refusal reaches who wants it", async (t) => {
  const b = await bench(t);
  await b.control("POST", "/settings", {
    rates: { "message-create": [2, 0.3] },
  });
  const poster = await loggedIn(b, MIRROR_TOKEN, POSTING);
  const channel = (await poster.channels.fetch(MIRROR_VIP)) as TextChannel;
  await Promise.all(
    ["a", "b", "c", "d", "e"].map((word) => channel.send(word)),
  );
  const { entries } = await b.control("GET", "/journal");
  assert.ok(entries.every((e: any) => e.status !== 429));

  const eager = await loggedIn(b, MIRROR_TOKEN, POSTING, {
    rejectOnRateLimit: ["/channels"],
  });
  await b.fault("rest_429", {
    retry_after: 1,
    route: "POST /channels/:channel/messages",
  });
  const same = (await eager.channels.fetch(MIRROR_VIP)) as TextChannel;
  await assert.rejects(same.send("refused"), RateLimitError);
});

test("discord.js resumes after a lost connection without losing an event", async (t) => {
  const b = await bench(t);
  const reader = await loggedIn(b, "collector-token");
  const seen: string[] = [];
  const last = next(reader, "messageCreate", (m) => m.content === "last");
  reader.on("messageCreate", (m) => seen.push(m.content));
  await b.say("before");
  await b.fault("drop_gateway");
  for (const word of ["away 1", "away 2", "last"]) await b.say(word);
  await last;
  assert.deepEqual(seen, ["before", "away 1", "away 2", "last"]);
  const { entries } = await b.control("GET", "/gateway");
  const count = (event: string) =>
    entries.filter((e: any) => e.event === event).length;
  assert.deepEqual(
    [count("identify"), count("resume"), count("resumed")],
    [1, 1, 1],
  );
  assert.equal(
    entries.find((e: any) => e.event === "resume").path,
    "/gateway-resume",
  );
});

test("discord.js follows a reconnect request and a lost session", async (t) => {
  const b = await bench(t);
  const reader = await loggedIn(b, "collector-token");
  const back = next(reader, "shardResume");
  await b.fault("reconnect");
  await back;
  const anew = next(reader, "shardReady");
  await b.fault("invalidate_sessions");
  await anew;
  const heard = next(reader, "messageCreate");
  await b.say("after all that");
  assert.equal((await heard)[0].content, "after all that");
});

test("discord.js is told that a token is wrong and that an intent is disallowed", async (t) => {
  const b = await bench(t);
  await assert.rejects(client(b).login("wrong-token"), /invalid token/i);
  await assert.rejects(
    client(b, [Bits.Guilds, Bits.MessageContent]).login(MIRROR_TOKEN),
    /disallowed intents/i,
  );
});

test("discord.js gets Discord's own error for an unknown message", async (t) => {
  const b = await bench(t);
  const poster = await loggedIn(b, MIRROR_TOKEN, POSTING);
  const channel = (await poster.channels.fetch(MIRROR_VIP)) as TextChannel;
  await assert.rejects(
    channel.messages.fetch("1500000000000000000"),
    (error: DiscordAPIError) => error.code === 10008 && error.status === 404,
  );
});

test("discord.js makes a webhook, and posts, edits and deletes through it", async (t) => {
  const b = await bench(t);
  const poster = await loggedIn(b, MIRROR_TOKEN, POSTING);
  const channel = (await poster.channels.fetch(MIRROR_VIP)) as TextChannel;
  const made = await channel.createWebhook({ name: "Signals" });
  const hook = new WebhookClient(
    { id: made.id, token: made.token! },
    { rest: { api: `${b.url}/api` } },
  );
  const posted = await hook.send({
    content: "BTC long",
    username: "Mara",
    files: [{ attachment: Buffer.from("pixels"), name: "chart.png" }],
    allowedMentions: { parse: [] },
  });
  assert.equal(posted.author.username, "Mara");
  const edited = await hook.editMessage(posted.id, { content: "TP1" });
  assert.equal(edited.content, "TP1");
  await hook.deleteMessage(posted.id);
  assert.deepEqual(
    await b.control("GET", `/channels/${MIRROR_VIP}/messages`),
    [],
  );
  await assert.rejects(
    hook.editMessage(posted.id, { content: "too late" }),
    (error: DiscordAPIError) => error.code === 10008,
  );
  assert.equal((await channel.fetchWebhooks()).size, 1);
  await hook.delete();
  await assert.rejects(
    hook.send("gone"),
    (error: DiscordAPIError) => error.code === 10015,
  );
});

test("discord.js begins a thread, posts in it, archives it and is told of it all", async (t) => {
  const b = await bench(t);
  const poster = await loggedIn(b, MIRROR_TOKEN, POSTING);
  const channel = (await poster.channels.fetch(MIRROR_VIP)) as TextChannel;
  const first = await channel.send("ETH long");
  const told = next(poster, "threadCreate");
  const thread = await first.startThread({ name: "updates" });
  assert.deepEqual([(await told)[0].id, thread.id], [first.id, first.id]);
  const heard = next(poster, "messageCreate", (m) => m.content === "TP1 hit");
  const inside = await thread.send("TP1 hit");
  assert.equal((await heard)[0].channelId, thread.id);
  const archived = next(poster, "threadUpdate", (_, c) => c.archived === true);
  await thread.setArchived(true);
  await archived;
  await assert.rejects(
    inside.edit("TP2 hit"),
    (error: DiscordAPIError) => error.code === 50083,
  );
  await thread.setArchived(false);
  assert.equal((await inside.edit("TP2 hit")).content, "TP2 hit");
  const gone = next(poster, "threadDelete");
  await b.control("DELETE", `/channels/${thread.id}`);
  assert.equal((await gone)[0].id, thread.id);
});

test("discord.js reads polls, stickers, components and forwards as it does Discord's", async (t) => {
  const b = await bench(t);
  const sticker = await b.control("POST", "/stickers", {
    guild_id: SOURCE,
    name: "moon",
  });
  const reader = await loggedIn(b, "collector-token");
  const read = async (content: string, more: object) => {
    const heard = next(reader, "messageCreate");
    const { id } = await b.say(content, more);
    const [message] = await heard;
    assert.equal(message.id, id);
    return message;
  };
  const poll = await read("", {
    poll: {
      question: { text: "Next?" },
      answers: [{ poll_media: { text: "BTC" } }],
    },
  });
  assert.equal(poll.poll?.answers.first()?.text, "BTC");
  const stuck = await read("", { sticker_ids: [sticker.id] });
  assert.equal(stuck.stickers.first()?.name, "moon");
  const shown = await read("", {
    content: undefined,
    flags: MessageFlags.IsComponentsV2,
    components: [
      { type: 17, components: [{ type: 10, content: "Entry 64000" }] },
    ],
  });
  const [container] = shown.components as ContainerComponent[];
  assert.equal(
    (container!.components[0] as TextDisplayComponent).content,
    "Entry 64000",
  );
  const origin = await read("the original", {});
  const forward = await read("", {
    message_reference: { type: 1, message_id: origin.id, channel_id: VIP },
  });
  assert.equal(forward.messageSnapshots.first()?.content, "the original");
});
