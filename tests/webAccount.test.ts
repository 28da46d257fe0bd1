// The account pages and share links in a real browser: signing up, passwords, Discord, one's
// own data, and access that comes and goes while somebody watches. One backend, one fake Discord.
/// <reference lib="dom" />
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, test as nodeTest } from "node:test";
import { ConvexHttpClient } from "convex/browser";
import { api } from "../schema/convex/_generated/api";
import { assertAccessible } from "./axe";
import type { Locator } from "playwright-core";
import { FakeDiscord, ROOT, until } from "./harness";
import {
  PHONE,
  eventually,
  reads,
  World,
  type Community,
  type Reader,
} from "./web-harness";

const GUILD = "1200000000000000777";
const ROLE = "1200000000000000201";
const PASSWORD = "correct horse battery";
const CALL = /CONVEX [AM]\(/; // the client library's own word on a refusal

let world: World;
let discord: FakeDiscord;
before(
  async () => {
    [world, discord] = await Promise.all([
      World.start({ control: true }),
      FakeDiscord.start(),
    ]);
    world.otherHosts.push(discord.url);
  },
  { timeout: 600_000 },
);
afterEach(async () => await world.closeReaders());
after(async () => {
  await world.close();
  await discord.close();
});

const test = (name: string, run: () => Promise<void>) =>
  nodeTest(name, { timeout: 1_800_000 }, run);

// ---- what the stories share ----

let people = 0;
const newEmail = () => `person${++people}@test.example`;

async function client(email: string, flow = "signIn", password = PASSWORD) {
  const made = new ConvexHttpClient(world.backend.url, { logger: false });
  const { tokens } = await made.action(api.auth.signIn, {
    provider: "password",
    params: { email, password, flow },
  });
  made.setAuth(tokens!.token);
  return made;
}

/** Somebody with an account, signed in at the account page. */
async function atAccount(community: Community, email: string, options = {}) {
  const reader = await world.open(`${community.url}/#/account`, options);
  await reader.signIn({ email, password: PASSWORD });
  await heading(reader, "Account");
  return reader;
}

async function heading(reader: Reader, words: string): Promise<void> {
  await reader.page
    .getByRole("heading", { name: words, exact: true })
    .waitFor();
}

async function checked(box: Locator): Promise<void> {
  await until("the box to be ticked", async () => await box.isChecked());
}

const panel = (reader: Reader, name: string) =>
  reader.page.getByRole("region", { name, exact: true });

const button = (reader: Reader, name: string) =>
  reader.page.getByRole("button", { name, exact: true });

async function toasted(reader: Reader, words: string | RegExp): Promise<void> {
  await reader.page.locator(".toast").filter({ hasText: words }).waitFor();
}

// ---- signing in ----

test("an account is made, stays signed in, and a new password ends every other session", async () => {
  const community = await world.community();
  const email = newEmail();
  const reader = await community.open();
  await button(reader, "Create an account").click();
  await reader.signIn({ email, password: PASSWORD });
  await heading(reader, "No access yet");
  // The page's code does not come at first.
  reader.expect(/Failed to load resource|net::ERR|dynamically imported/);
  const code = /assets\/AccountPage.*js/;
  await reader.page.route(code, (route) => route.abort());
  await reader.page.getByRole("link", { name: "Your account" }).click();
  await reader.page.getByText(/This page could not be loaded/).waitFor();
  await reader.page.unroute(code);
  await button(reader, "Load it again").click();
  await heading(reader, "Account");
  await reader.page.reload();
  await heading(reader, "Account");
  await reads(panel(reader, "Sign-in"), /Not verified/);

  const other = await atAccount(community, email);
  reader.expect(CALL);
  other.expect(/unauthenticated|session has ended|error occurred|Error/);
  const form = panel(reader, "Sign-in");
  await form.getByLabel("Present password").fill("not this one");
  await form.getByLabel("New password").fill("another good one");
  await button(reader, "Change password").click();
  await reader.says("That is not your password.");
  await form.getByLabel("Present password").fill(PASSWORD);
  await button(reader, "Change password").click();
  await toasted(reader, "Your password is changed");
  await other.page.getByLabel("E-mail").waitFor(); // without a word from us
  await reader.page.reload();
  await heading(reader, "Account"); // this session goes on
  other.expect(CALL);
  await other.signIn({ email, password: PASSWORD });
  await other.says(/do not match an account/);
  await other.signIn({ email, password: "another good one" });
  await heading(other, "Account");
});

test("after too many wrong passwords the right one has to wait, too, and the page says so", async () => {
  const community = await world.community();
  const email = newEmail();
  await client(email, "signUp");
  for (let i = 0; i < 10; i++)
    await assert.rejects(client(email, "signIn", "a wrong one"));
  const reader = await community.open();
  reader.expect(CALL);
  await reader.signIn({ email, password: PASSWORD });
  await reader.says(/Too many attempts with this address\. Wait a few minutes/);
  await button(reader, "Create an account").click();
  await reader.signIn({ email, password: PASSWORD }); // no way around it
  await reader.says(/already have one, sign in instead/);
});

// ---- access ----

test("access is told in plain words, and comes and goes while two browsers watch", async () => {
  const community = await world.community(["signals"], "Alpha Club");
  const email = newEmail();
  await client(email, "signUp");
  await world.run("account:proveEmail", { email });
  const id = await community.write("entry at 64,000");
  const feed = await community.open();
  await feed.signIn({ email, password: PASSWORD });
  await heading(feed, "No access yet");
  const account = await atAccount(community, email, PHONE);
  const access = panel(account, "Access");
  await reads(access, /no access to anything yet/);

  const buys = { community: community.slug, email, product: "vip", days: 30 };
  await world.run("access:createTestSubscription", buys);
  await feed.shows([id]);
  await access.getByText(/is paid until .* and renews then/).waitFor();
  const bought = panel(account, "Purchases");
  await reads(bought, /Active[^]*Alpha Club · subscription/);
  await bought.getByText("What happened").click();
  await bought
    .getByText("Paid", { exact: true })
    .or(bought.getByText(/Paid$/))
    .first()
    .waitFor();

  await community.revoke(email);
  await heading(feed, "Your access has ended");
  assert.doesNotMatch(await feed.page.content(), /64,000/);
  await reads(feed.page.locator("main"), /team ended your access on/);
  await access.getByText(/team ended your access on/).waitFor();
  assert.equal(await account.overflow(), 0);
  for (const { page } of [feed, account]) await assertAccessible(page);
});

// ---- Discord ----

test("Discord is linked on its own page, once, by whoever began, and unlinked again", async () => {
  const community = await withDiscord();
  const [ana, ben] = [newEmail(), newEmail()];
  for (const email of [ana, ben]) await client(email, "signUp");
  await community.grant(ana);
  const discordId = await discordUser("ana");
  const reader = await atAccount(community, ana);
  const icon = /Failed to load resource.* 403/; // the fake has none
  reader.expect(CALL, icon);

  // No, first.
  await leave(reader);
  await reader.page.getByRole("button", { name: "Cancel" }).click();
  await reader.says(/did not agree on Discord’s page/);

  // Then yes; the address that Discord sends the browser to is kept, to play it again.
  await leave(reader);
  const callbacks: string[] = [];
  reader.page.on("request", (request) => {
    if (request.url().includes("/discord/callback"))
      callbacks.push(request.url());
  });
  await reader.page.getByLabel("You are").selectOption(discordId);
  await reader.page.getByRole("button", { name: "Authorize" }).click();
  await toasted(reader, "Discord is linked: ana");
  const linked = panel(reader, "Discord");
  await linked.getByText(/Linked to ana since/).waitFor();
  await linked
    .locator(`[data-role="${ROLE}"]`)
    .getByText("Being given")
    .waitFor();
  await linked.getByText(/Your access gives it; in Discord: not/).waitFor();
  assert.match(reader.page.url(), /#\/account\?discord=linked$/); // no ticket left
  await until("them to be brought into the guild", async () =>
    (await membersOf()).includes(discordId),
  );
  await until("the token to be given back", async () => {
    const { given, revoked } = await tokenCalls();
    assert.equal(given, 1);
    return revoked === 1;
  });

  // The same callback again: its state is spent.
  const again = await fetch(callbacks[0]!, { redirect: "manual" });
  assert.match(again.headers.get("location")!, /#\/account\?discord=expired$/);

  // Somebody else's ticket is nobody's: not even with the right state.
  const other = await atAccount(community, ben);
  other.expect(CALL, icon);
  const ticket = await ticketOf(await client(ana), community, "mallory");
  await other.page.goto(
    `${community.url}/#/account?discord=confirm&ticket=${ticket}`,
  );
  await other.says(/attempt to link Discord is over/);

  // One Discord account, one account here.
  await leave(other);
  await other.page.getByLabel("You are").selectOption(discordId);
  await other.page.getByRole("button", { name: "Authorize" }).click();
  await other.says(/linked to another account here/);

  await button(reader, "Unlink Discord").click();
  await button(reader, "Unlink").click();
  await button(reader, "Link Discord").waitFor();
});

/** A community whose site Discord sends people back to, and who may be brought into its guild. */
async function withDiscord() {
  const community = await world.community();
  const { users } = await discord.control<{
    users: { id: string; username: string }[];
  }>("GET", "/state");
  const bot = users.find(({ username }) => username === "mirror")!;
  await world.backend.convex(
    join(ROOT, "schema"),
    ["env", "set", "--force"],
    `SITE_URL=${community.url}
DISCORD_CLIENT_ID=${bot.id}
DISCORD_CLIENT_SECRET=a secret
DISCORD_BOT_TOKEN=bot-token
DISCORD_API_URL=${discord.url}/api/v10
`,
  );
  await discord.control("POST", "/guilds", {
    id: GUILD,
    name: "Customers",
    owner_id: bot.id, // may do everything there
    members: [{ id: bot.id }],
  });
  await world.run("communities:setUp", {
    slug: community.slug,
    name: "The community",
    sourceGuildId: community.guildId,
    customerGuildId: GUILD,
    memberRoleIds: [ROLE],
    joinsAllowed: true,
  });
  const someone = await client(newEmail(), "signUp");
  const { url } = await someone.action(api.account.startDiscordLink, {
    community: community.slug,
  });
  const callback = new URL(url).searchParams.get("redirect_uri")!;
  assert.equal(new URL(callback).pathname, "/discord/callback");
  await discord.control("PUT", `/applications/${bot.id}`, {
    client_secret: "a secret",
    redirect_uris: [callback],
  });
  world.otherHosts.push(callback);
  return community;
}

async function discordUser(username: string): Promise<string> {
  const made = await discord.control<{ id: string }>("POST", "/users", {
    username,
  });
  return made.id;
}

async function membersOf(): Promise<string[]> {
  const { guilds } = await discord.control<{
    guilds: { id: string; members: { user_id: string }[] }[];
  }>("GET", "/state");
  const { members } = guilds.find(({ id }) => id === GUILD)!;
  return members.map(({ user_id }) => user_id);
}

/** How often a token was given back, and how often one was asked for. */
async function tokenCalls(): Promise<{ given: number; revoked: number }> {
  const { entries } = await discord.control<{
    entries: { path: string; status: number }[];
  }>("GET", "/journal?since=0");
  const count = (end: string) =>
    entries.filter(({ path, status }) => status === 200 && path.endsWith(end))
      .length;
  return { given: count("/oauth2/token"), revoked: count("/token/revoke") };
}

/** To Discord's page. */
async function leave(reader: Reader): Promise<void> {
  await button(reader, "Link Discord").click();
  await reader.page.getByRole("button", { name: "Authorize" }).waitFor();
}

/** The ticket with which `who` would end an attempt, as a thief might have seen it. */
async function ticketOf(
  who: ConvexHttpClient,
  community: Community,
  username: string,
): Promise<string> {
  const { url } = await who.action(api.account.startDiscordLink, {
    community: community.slug,
  });
  const form = new URL(url).searchParams;
  form.set("user_id", await discordUser(username));
  form.set("decision", "authorize");
  const agreed = await fetch(new URL("/oauth2/authorize", discord.url), {
    method: "POST",
    body: form,
    redirect: "manual",
  });
  const back = await fetch(agreed.headers.get("location")!, {
    redirect: "manual",
  });
  const [, ticket] = /ticket=([\w-]+)$/.exec(back.headers.get("location")!)!;
  return ticket!;
}

// ---- one's own data ----

test("preferences are kept; the download has one's own rows and nobody else's; leaving leaves nothing", async () => {
  const community = await world.community(["calls", "chat"]);
  const [email, neighbour] = [newEmail(), newEmail()];
  for (const one of [email, neighbour]) {
    await client(one, "signUp");
    await world.run("account:proveEmail", { email: one });
    await world.run("access:createTestSubscription", {
      community: community.slug,
      email: one,
      product: "vip",
      days: 30,
    });
  }
  const reader = await atAccount(community, email);
  const preferences = panel(reader, "Preferences");
  await preferences.getByLabel("Play a sound").check();
  await preferences.getByLabel("chat").check();
  const mine = await client(email);
  await until("both to be kept", async () => {
    const kept = await mine.query(api.account.preferences);
    return kept.sound && kept.mutedChannels.length === 1;
  });
  await reader.page.reload();
  await checked(preferences.getByLabel("Play a sound"));
  await checked(preferences.getByLabel("chat"));

  // A change that the server refuses is taken back, with words.
  reader.expect(CALL);
  await reader.page.routeWebSocket(/\/sync$/, (socket) => {
    const server = socket.connectToServer();
    socket.onMessage((message) => {
      const sent = JSON.parse(String(message)) as { udfPath?: string };
      const spoilt = sent.udfPath === "account:setPreferences";
      server.send(JSON.stringify(spoilt ? { ...sent, args: [{}] } : sent));
    });
  });
  await reader.page.reload();
  await preferences.getByLabel("Hide deleted signals").click();
  await toasted(reader, "That did not work. Nothing was changed");
  await checked(preferences.getByLabel("Hide deleted signals"));

  const downloading = reader.page.waitForEvent("download");
  await button(reader, "Download my data").click();
  const file = await (await downloading).path();
  const text = readFileSync(file, "utf8");
  const { entries } = JSON.parse(text) as {
    entries: { kind: string; data: Record<string, unknown> }[];
  };
  const kinds = new Set(entries.map(({ kind }) => kind));
  for (const kind of [
    "account",
    "preferences",
    "session",
    "access",
    "purchase",
    "log",
  ])
    assert.ok(kinds.has(kind), kind);
  assert.ok(text.includes(email) && !text.includes(neighbour));

  reader.expect(CALL, /unauthenticated|session has ended|error occurred|Error/);
  await button(reader, "Delete account").click();
  const dialog = reader.page.getByRole("dialog");
  await dialog.getByText("It cancels nothing.").waitFor();
  await dialog.getByLabel("Your password").fill("not mine");
  await button(reader, "Delete my account").click();
  await reader.says("That is not your password.");
  await dialog.getByLabel("Your password").fill(PASSWORD);
  await button(reader, "Delete my account").click();
  await toasted(reader, "Your account is deleted");
  await reader.page.getByLabel("E-mail").waitFor();
  await reader.signIn({ email, password: PASSWORD });
  await reader.says(/do not match an account/);
  await eventually(async () => {
    const left = JSON.stringify(
      await world.run("access:show", { community: community.slug, email }),
    );
    assert.match(left, /"account":null/);
    assert.match(left, /"entitlements":\[\],"purchases":\[\]/);
  });
});

// ---- share links ----

test("a share link shows signals to anybody, live, until it is withdrawn or its time is over", async () => {
  const community = await world.community(["calls", "chat"]);
  const email = newEmail();
  const operator = await client(email, "signUp");
  await world.run("access:makeOperator", { email });
  const share = async (label: string, ms: number) =>
    await operator.action(api.shares.create, {
      community: community.slug,
      expiresAt: Date.now() + ms,
      label,
    });
  await community.write("BTC long", "calls");
  await community.write("not for guests", "chat");
  const open = async (token: string) =>
    await world.open(`${community.url}/#/share/${token}`, PHONE);
  // The operator makes one by hand; its address is shown this once.
  const desk = await world.open(`${community.url}/#/operator/shares`, PHONE);
  await desk.signIn({ email, password: PASSWORD });
  await desk.page.getByLabel("For whom or what").fill("a guest");
  await desk.page.getByLabel("Opens").selectOption({ label: "calls" });
  await button(desk, "Make a link").click();
  const made = desk.page.locator(".share-made code");
  await made.waitFor();
  assert.ok((await desk.overflow()) <= 0, "a link is wider than the screen");
  const guestUrl = (await made.getAttribute("title"))!;
  assert.ok(guestUrl.startsWith(`${community.url}/#/share/`));
  const short = await share("five minutes", 300_000);
  const guest = await world.open(guestUrl, PHONE);
  const brief = await open(short.token);
  for (const one of [guest, brief]) one.expect(CALL);
  await guest.page.getByText("BTC long").waitFor();
  await brief.page.getByText("not for guests").waitFor();
  assert.doesNotMatch(await guest.page.content(), /not for guests/);
  const call = { kind: "entry" as const, spans: [], confidence: 1 };
  await community.write(
    {
      content: "ETH short",
      contentTrades: [
        { ...call, symbol: "ETH/USDT", side: "short" },
        { ...call, symbol: "SOL/USDT" },
      ],
    },
    "calls",
  );
  await guest.page.getByText("ETH short").waitFor();
  for (const badge of ["ETH/USDT · short", "SOL/USDT"])
    await guest.page.getByText(badge, { exact: true }).waitFor();
  assert.equal(await guest.overflow(), 0);
  for (const { page } of [guest, desk]) await assertAccessible(page);

  await world.backend.control("/clock", { advance: 300_000 });
  await heading(brief, "Nothing is shared here"); // its time is over
  assert.match(await brief.page.content(), /This link has expired/);
  await button(desk, "Withdraw a guest").click();
  await button(desk, "Withdraw").click();
  await heading(guest, "Nothing is shared here");
  assert.match(await guest.page.content(), /This link was withdrawn/);
  assert.doesNotMatch(await guest.page.content(), /BTC long|ETH short/);
});

// ---- the end of a token; last, because it moves the clock ----

test("a token that has expired is renewed unseen; a session that has asks to sign in again", async () => {
  const community = await world.community();
  const email = newEmail();
  await client(email, "signUp");
  await community.grant(email);
  const id = await community.write("still here");
  const reader = await community.open();
  await reader.signIn({ email, password: PASSWORD });
  await reader.shows([id]);
  const hours = async (count: number) =>
    await world.backend.control("/clock", { advance: count * 3_600_000 });
  reader.expect(/./); // the library tells of each refused token
  await hours(2);
  await reader.page.reload();
  await reader.shows([id]);
  await hours(31 * 24);
  await reader.page.reload();
  await reader.page.getByLabel("E-mail").waitFor();
});
