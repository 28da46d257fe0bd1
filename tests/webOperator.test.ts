// The operator's pages in a real browser, against the development backend, a fake Discord and
// real daemons: the first run from nothing to a live signal, and then every page in use.
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { after, afterEach, before, test as nodeTest } from "node:test";
import { fileURLToPath } from "node:url";
import { ConvexHttpClient } from "convex/browser";
import { importPKCS8, SignJWT } from "jose";
import type { Locator, Page } from "playwright-core";
import { api } from "../schema/convex/_generated/api";
import { deploySchema, Daemon, FakeDiscord, tempDir, until } from "./harness";
import { MEMBER, PHONE, Reader, World, eventually, reads } from "./web-harness";

const SLUG = "first";
const SOURCE_GUILD = "1100000000000000001";
const GUILD = "1200000000000000001";
const SOURCE = "1100000000000000101";
const MIRROR = "1200000000000000101";
const ANALYST = "1400000000000000001";
const COLLECTOR = "1300000000000000001"; // its bot
const READ_MESSAGE_HISTORY = "65536";
const OPERATOR = MEMBER; // signs up like everybody; the command line makes it one

let world: World;
let discord: FakeDiscord;
let url: string; // of the dashboard
let env: Record<string, string>;
let operator: Reader; // stays open from test to test, as an operator's page does
const daemons = new Map<string, Daemon>();

before(
  async () => {
    [world, discord] = await Promise.all([World.start(), FakeDiscord.start()]);
    url = await world.site({ convexUrl: world.backend.url, community: SLUG });
    env = {
      CONVEX_URL: world.backend.url,
      SERVICE_KEY_FILE: keyFile(),
      INSTANCE: "test",
      DISCORD_API_URL: `${discord.url}/api/v10`,
    };
    operator = await Reader.open(world, url, {});
    operator.expect(/CONVEX M\(communities:create\)/); // a wrong id, on purpose
    await operator.signIn(OPERATOR);
  },
  { timeout: 600_000 },
);
afterEach(async () => {
  await world.closeReaders();
  operator.assertClean();
});
after(async () => {
  await operator.close();
  for (const daemon of daemons.values()) await daemon.stop();
  await world.close();
  await discord.close();
});

const test = (name: string, run: () => Promise<void>) =>
  nodeTest(name, { timeout: 1_800_000 }, run);

const keyFile = () => `${world.backend.dir}/service-key.pem`;

function start(name: "collector" | "bot"): void {
  daemons.set(
    name,
    new Daemon(name, {
      ...env,
      STATE_DIRECTORY: tempDir(),
      DISCORD_TOKEN: `${name}-token`,
    }),
  );
}

/** A client with the token of a daemon. */
async function service(role: "bot" | "webhook-proxy") {
  const key = await importPKCS8(readFileSync(keyFile(), "utf8"), "ES256");
  const client = new ConvexHttpClient(world.backend.url, { logger: false });
  client.setAuth(
    await new SignJWT({ role })
      .setProtectedHeader({ alg: "ES256", kid: "service-1", typ: "JWT" })
      .setIssuer("https://services.signals.invalid")
      .setAudience("signals-services")
      .setSubject(`${role}/test`)
      .setIssuedAt()
      .setExpirationTime("2h")
      .sign(key),
  );
  return client;
}

const write = (content: string): Promise<{ id: string }> =>
  discord.control("POST", `/channels/${SOURCE}/messages`, {
    author_id: ANALYST,
    content,
  });
const mirrored = async (): Promise<string[]> =>
  (
    await discord.control<{ content: string }[]>(
      "GET",
      `/channels/${MIRROR}/messages`,
    )
  ).map(({ content }) => content);

let orders = 0;

/** What Sell.app says of an order, as the proxy forwards it. */
async function paid(order: string, email: string, type = "order.paid") {
  const proxy = await service("webhook-proxy");
  const time = new Date().toISOString();
  const body = JSON.stringify({
    event: type,
    data: {
      id: order,
      created_at: time,
      updated_at: time,
      customer_information: { email },
      product_variants: [{ id: "77" }],
    },
  });
  await proxy.mutation(api.webhooks.ingest, {
    community: SLUG,
    source: "shop",
    provider: "sellapp",
    key: `key-${++orders}`,
    type,
    receivedAt: Date.now(),
    occurredAt: Date.now(),
    subject: `order:${order}`,
    body,
    bodySha256: createHash("sha256").update(body).digest("hex"),
    headers: [{ name: "content-type", value: "application/json" }],
    verdict: "verified",
  });
}

// ---- finding one's way on a page ----

async function go(path: string): Promise<Page> {
  await operator.page.evaluate((to) => {
    window.location.hash = to;
  }, `#/operator${path}`);
  return operator.page;
}

const panel = (page: Page, title: string): Locator =>
  page.locator("section.panel").filter({
    has: page.getByRole("heading", { name: title, exact: true, level: 2 }),
  });
const step = (name: string): Locator =>
  operator.page.locator(`[data-step="${name}"]`);
const stepIs = (name: string, state: string): Promise<void> =>
  operator.page
    .locator(`[data-step="${name}"][data-state="${state}"]`)
    .waitFor();
const button = (within: Locator | Page, name: string | RegExp): Locator =>
  within.getByRole("button", { name, exact: typeof name === "string" });
const says = (page: Page, words: string | RegExp): Promise<void> =>
  page.locator(".toast").filter({ hasText: words }).first().waitFor();

async function fill(
  form: Locator,
  values: Record<string, string>,
): Promise<void> {
  for (const [name, value] of Object.entries(values))
    await form.locator(`[name="${name}"]`).fill(value);
}

// ---- the stories, in the order in which a service comes to life ----

test("the first run leads from an empty backend to a live signal, each step seen by the system", async () => {
  const link = (name: string) => operator.page.getByRole("link", { name });
  await operator.page.getByText("This service has no operator yet").waitFor();
  await link("How to begin").click();
  await stepIs("backend", "done");
  await stepIs("operator", "now");
  const command = await step("operator").locator("code").innerText();
  assert.equal(
    command,
    `npx convex run access:makeOperator '{"email":"${OPERATOR.email}"}'`,
  );
  await world.run("access:makeOperator", { email: OPERATOR.email });
  await stepIs("operator", "done");
  await link("Signals").click();
  await operator.page.getByText(`There is no community ${SLUG}`).waitFor();
  await link("Set it up").click();

  await stepIs("community", "now");
  const community = step("community");
  assert.equal(await community.locator('[name="slug"]').inputValue(), SLUG);
  await fill(community, {
    name: "The first community",
    sourceGuildId: "the guild",
    customerGuildId: GUILD,
  });
  await button(community, "Make the community").click();
  await community
    .getByRole("alert")
    .filter({ hasText: 'sourceGuildId: "the guild" is no Discord id' })
    .waitFor();
  await fill(community, { sourceGuildId: SOURCE_GUILD });
  await button(community, "Make the community").click();
  await stepIs("community", "done");

  await stepIs("collector", "now");
  await step("collector")
    .getByText("systemctl start collector")
    .first()
    .waitFor();
  start("collector");
  await stepIs("channel", "now");
  await fill(step("channel"), {
    name: "vip-signals",
    sourceChannelId: SOURCE,
    mirrorChannelId: MIRROR,
  });
  await button(step("channel"), "Map the channel").click();
  await stepIs("channel", "done");
  await stepIs("source", "done");
  const deny = (bits: string) =>
    discord.control("PATCH", `/channels/${SOURCE}`, {
      permission_overwrites:
        bits === "" ? [] : [{ id: COLLECTOR, type: 1, allow: "0", deny: bits }],
    });
  await deny(READ_MESSAGE_HISTORY);
  await step("source").getByText('lacks "Read Message History"').waitFor();
  await stepIs("source", "now");
  await deny("");
  await stepIs("source", "done");
  start("bot");
  await stepIs("collector", "done");
  await stepIs("bot", "done");

  await button(step("permissions"), "Check permissions").click();
  await stepIs("permissions", "done");
  await stepIs("plan", "optional");

  // Left and taken up again.
  await operator.page.reload();
  await stepIs("permissions", "done");
  await button(step("signal"), "Begin").click();
  await step("signal").getByText("Write something in").waitFor();
  await write("BUY BTC at 64,000, a test");
  for (const hop of ["Written", "Captured", "Stored", "Posted"])
    await step("signal")
      .locator(`[data-hop="${hop}"][data-done="true"]`)
      .waitFor();
  await stepIs("signal", "done");
  await step("signal").getByText("BUY BTC at 64,000, a test").waitFor();
  await step("signal")
    .getByText(/On this screen\s*after/)
    .waitFor();
  assert.deepEqual(await mirrored(), ["BUY BTC at 64,000, a test"]);
});

test("the overview shows services, queues, the way to the backend, and figures over time", async () => {
  await world.run("stats:tick", { lagMs: 0 });
  const page = await go("");
  await page
    .locator('[data-service="collector"]')
    .getByText("ready", { exact: true })
    .waitFor();
  await page
    .locator('[data-service="bot"]')
    .getByText("ready", { exact: true })
    .waitFor();
  await panel(page, "Services").getByText("never seen").waitFor(); // the proxy
  await panel(page, "Queues").getByText("none given up").first().waitFor();
  const trip = page.getByTestId("round-trip");
  await trip.filter({ hasText: /^[\d.]+ (ms|s)$/ }).waitFor();
  const posted = panel(page, "Latency")
    .getByRole("row")
    .filter({ hasText: "Written to posted" });
  await posted.filter({ hasText: /[\d.]+ m?s.*1$/ }).waitFor();
  await eventually(async () =>
    assert.equal(await page.locator(".chart canvas").count(), 2),
  );
  await panel(page, "Volume").getByText("Signals").first().waitFor();
  const signals = panel(page, "Volume")
    .locator(".figures div")
    .filter({ hasText: "Signals" });
  await reads(signals, /Signals\s*1/);
  await panel(page, "Latency").getByText("24h").click();
  await posted.filter({ hasText: /[\d.]+ m?s.*1$/ }).waitFor();
});

test("one panel that fails says so and can be tried again, while the others go on", async () => {
  const broken = await world.open(url);
  const { page } = broken;
  broken.expect(/CONVEX Q\(stats:range\)/, /stats:range/);
  let breaks = true;
  const asked = new Set<number>();
  await page.routeWebSocket(/\/sync$/, (socket) => {
    const server = socket.connectToServer();
    socket.onMessage((text) => {
      const message = JSON.parse(String(text)) as {
        modifications?: { type: string; queryId: number; udfPath?: string }[];
      };
      for (const { udfPath, queryId } of message.modifications ?? [])
        if (udfPath === "stats:range") asked.add(queryId);
      server.send(text);
    });
    server.onMessage((text) => {
      const message = JSON.parse(String(text)) as {
        type: string;
        modifications?: { type: string; queryId: number }[];
      };
      if (message.type === "Transition" && breaks)
        message.modifications = message.modifications!.map((one) =>
          asked.has(one.queryId) && one.type === "QueryUpdated"
            ? {
                type: "QueryFailed",
                queryId: one.queryId,
                errorMessage: "stats:range was broken on purpose",
                logLines: [],
                journal: null,
              }
            : one,
        );
      socket.send(JSON.stringify(message));
    });
  });
  await page.goto(`${url}#/operator`);
  await page.reload(); // now through the route
  await broken.signIn(OPERATOR);
  for (const title of ["Latency", "Volume"])
    await panel(page, title).getByRole("alert").waitFor();
  await page
    .locator('[data-service="bot"]')
    .getByText("ready", { exact: true })
    .waitFor();
  await panel(page, "Queues").getByText("none given up").first().waitFor();
  await page
    .getByTestId("round-trip")
    .filter({ hasText: /^[\d.]+ (ms|s)$/ })
    .waitFor();
  breaks = false;
  for (const title of ["Latency", "Volume"]) {
    await button(panel(page, title), "Try again").click();
    await panel(page, title).locator("canvas").waitFor();
  }
});

test("a channel is turned off and on, mapped elsewhere, and its checks say what to do", async () => {
  const page = await go("/channels");
  const channel = page.locator(`[data-channel="${SOURCE}"]`);
  await button(channel, "Turn off").click();
  await channel.getByText("off", { exact: true }).waitFor();
  await button(channel, "Turn on").click();
  await channel.getByText("on", { exact: true }).waitFor();

  const map = async (mirrorChannelId: string) => {
    await button(channel, "Edit").click();
    await fill(page.getByRole("dialog"), { mirrorChannelId });
    await button(page.getByRole("dialog"), "Save").click();
    await page.getByRole("dialog").waitFor({ state: "detached" });
  };
  await map("1299999999999999999");
  await button(channel, "Check permissions").click();
  await channel.getByText("failed", { exact: true }).waitFor();
  assert.notEqual(
    (await channel.locator(".instruction").first().innerText()).trim(),
    "",
  );
  await map(MIRROR);
  await button(channel, "Check permissions").click();
  await channel.getByText("passed", { exact: true }).waitFor();
  await button(channel, "Send a test post").click();
  await channel
    .locator(".check-list li")
    .filter({ hasText: "Test post" })
    .getByText("passed", { exact: true })
    .waitFor();

  await button(page, "Map a product").click();
  await fill(page.getByRole("dialog"), {
    source: "other",
    product: "1",
    name: "Other plan",
    days: "30",
  });
  await button(page.getByRole("dialog"), "Map the product").click();
  await button(page, "Unmap Other plan").click();
  await button(page.getByRole("dialog"), "Unmap it").click();
  await says(page, "Other plan is unmapped");
  await panel(page, "Plans").getByText("No product is mapped yet.").waitFor();
});

const CUSTOMER = { email: "customer@test.example", password: "long enough" };

test("a grant and its end reach a customer's open page at once, and the timeline says why", async () => {
  const customer = await world.open(url);
  await customer.page
    .getByRole("button", { name: /Create|sign up/i })
    .first()
    .click();
  await customer.signIn(CUSTOMER);
  await customer.page.getByRole("heading", { name: "No access yet" }).waitFor();

  const page = await go("/people");
  await page.getByLabel("Who").fill("customer@");
  await page.getByRole("link", { name: CUSTOMER.email }).click();
  const access = panel(page, "Access");
  await access.getByText("They never had any.").waitFor();
  await button(access, "Grant").click();
  await fill(page.getByRole("dialog"), { reason: "guest of the house" });
  await button(page.getByRole("dialog"), "Grant access").click();
  await access.getByText("has access", { exact: true }).waitFor();
  await customer.page.getByText("BUY BTC at 64,000, a test").first().waitFor();

  await button(access, "Revoke").click();
  await fill(page.getByRole("dialog"), { reason: "abuse" });
  await button(page.getByRole("dialog"), "Revoke").click();
  await access.getByText("no access", { exact: true }).waitFor();
  await customer.page
    .getByText("BUY BTC at 64,000, a test")
    .first()
    .waitFor({ state: "detached" });
  await button(access, "Restore").click();
  await fill(page.getByRole("dialog"), { reason: "cleared up" });
  await button(page.getByRole("dialog"), "Restore").click();
  await customer.page.getByText("BUY BTC at 64,000, a test").first().waitFor();
  await button(access, "Resync").click();
  await says(page, /Worked out again/);

  for (const words of [
    "Signed up",
    `${OPERATOR.email} granted access`,
    `${OPERATOR.email} revoked access`,
    `${OPERATOR.email} restored access`,
  ])
    await panel(page, "Why")
      .locator("li")
      .filter({ hasText: words })
      .first()
      .waitFor();
  await go("/audit");
  for (const words of ["guest of the house", "abuse", "cleared up"])
    await page.getByRole("row").filter({ hasText: words }).first().waitFor();
});

test("a payment that nobody mapped is found, tried out, and replayed once its product is", async () => {
  await paid("4711", CUSTOMER.email);
  await paid("4712", "other@test.example", "order.created");
  const page = await go("/events");
  await page.getByRole("link", { name: "order.created" }).waitFor();
  await page.getByLabel("State").selectOption("parked");
  await button(page, "Filter").click();
  await page.getByRole("link", { name: "order.paid" }).waitFor();
  await page
    .getByRole("link", { name: "order.created" })
    .waitFor({ state: "detached" });
  await page.getByRole("link", { name: "order.paid" }).click();
  const became = panel(page, "What became of it");
  await became.getByText("parked", { exact: true }).waitFor();
  const body = page.getByLabel("Body", { exact: true });
  assert.equal(JSON.parse(await body.innerText()).data.id, "4711");
  await button(became, "Dry run").click();
  await became.getByText(/A replay would leave it parked/).waitFor();

  // Mapped by an operator whose settling this event has still to see.
  await world.run("plans:map", {
    community: SLUG,
    source: "shop",
    product: "77",
    name: "VIP monthly",
    days: 30,
  });
  await button(became, "Dry run").click();
  await became.getByText(/A replay would leave it applied/).waitFor();
  await became.getByRole("row").filter({ hasText: "VIP monthly" }).waitFor();
  await became.getByText("parked", { exact: true }).first().waitFor(); // unchanged
  await button(became, "Replay").click();
  await says(page, "Replayed: applied");
  await panel(page, "Attempts")
    .getByRole("row")
    .filter({ hasText: OPERATOR.email })
    .waitFor();
  await go("/people?q=4711");
  await page.getByRole("link", { name: CUSTOMER.email }).click();
  await panel(page, "Purchases").getByText("VIP monthly").waitFor();
  await button(panel(page, "Account"), "Confirm the address").click();
  await button(page.getByRole("dialog"), "It is theirs").click();
  await says(page, "Confirmed");
  await panel(page, "Access")
    .getByRole("row")
    .filter({ hasText: "VIP monthly" })
    .getByText("live")
    .waitFor();
  await panel(page, "Why").getByText("Paid (order 4711)").first().waitFor();
});

test("a post that was given up is shown with its reason and posted after a retry", async () => {
  await daemons.get("bot")!.stop();
  await write("SELL ETH at 3,000");
  const bot = await service("bot");
  await until("the work", async () => {
    const { work } = await bot.mutation(api.mirrors.claim, {
      instance: "other",
      limit: 8,
    });
    if (work.length === 0) return false;
    await bot.mutation(api.mirrors.report, {
      instance: "other",
      results: work.map(({ mirrorId, fence }) => ({
        mirrorId,
        fence,
        outcome: { type: "dead" as const, error: "50013 Missing Permissions" },
      })),
    });
    return true;
  });
  const page = await go("/queues");
  const posts = panel(page, "Posts");
  const row = posts.getByRole("row").filter({ hasText: "50013" });
  await row.waitFor();
  await button(row, "Retry").click();
  await says(page, "It is tried again");
  await posts.getByText("Nothing was given up.").waitFor();
  await posts.getByRole("tab", { name: /Waiting/ }).click();
  await posts.getByRole("row").filter({ hasText: "post a signal" }).waitFor();
  start("bot");
  await posts.getByText("Nothing is waiting.").waitFor();
  assert.equal((await mirrored()).at(-1), "SELL ETH at 3,000");
});

test("an export is RFC 4180, runs nothing in a spreadsheet, and can be cancelled", async () => {
  const text = '=HYPERLINK("http://evil.invalid","x"), said "so"';
  await write(text);
  await until("the post", async () => (await mirrored()).includes(text));
  const page = await go("/exports");
  const csv = await download(page, "Signals");
  assert.ok(csv.startsWith("\uFEFFmessage_id,channel,author,"));
  const lines = csv.slice(1).split("\r\n");
  assert.equal(lines.pop(), "", "the last line ends too");
  assert.equal(lines.length, 4);
  const field = `"'=HYPERLINK(""http://evil.invalid"",""x""), said ""so"""`;
  assert.ok(lines[3]!.endsWith(`,${field}`), lines[3]);
  const people = await download(page, "People");
  assert.match(
    people,
    /customer@test\.example,true,,,true,,guest of the house/,
  );
  const events = await download(page, "Events");
  assert.match(events, /shop,sellapp,key-1,order\.paid,order:4711,/);

  const slow = await world.open(url);
  const held: (() => void)[] = [];
  let holds = false;
  await slow.page.routeWebSocket(/\/sync$/, (socket) => {
    const server = socket.connectToServer();
    socket.onMessage((message) => {
      if (String(message).includes("exports:signals")) holds = true;
      server.send(message);
    });
    server.onMessage((message) => {
      if (holds) held.push(() => socket.send(message));
      else socket.send(message);
    });
  });
  await slow.page.goto(`${url}#/operator/exports`);
  await slow.page.reload(); // now through the route
  await slow.signIn(OPERATOR);
  const signals = panel(slow.page, "Signals");
  await button(signals, "Download signals.csv").click();
  await button(signals, "Cancel").click();
  holds = false;
  for (const send of held) send();
  await signals
    .getByText(/Cancelled after 0 rows; nothing was saved/)
    .waitFor();
  await button(signals, "Download signals.csv").waitFor();
});

async function download(page: Page, title: string): Promise<string> {
  const [file] = await Promise.all([
    page.waitForEvent("download"),
    button(panel(page, title), /^Download/).click(),
  ]);
  assert.match(file.suggestedFilename(), /^first-\w+-\d{4}-\d\d-\d\d\.csv$/);
  return readFileSync(await file.path(), "utf8");
}

test("the keyboard alone finds somebody and grants them access", async () => {
  const keys = await world.open(`${url}#/operator`);
  await keys.signIn(OPERATOR);
  const { page } = keys;
  await panel(page, "Services").waitFor();
  await tabTo(page, page.getByRole("link", { name: "People" }));
  await page.keyboard.press("Enter");
  await tabTo(page, page.getByLabel("Who"));
  await page.keyboard.type("nobody-yet@test.example");
  const open = page.getByRole("link", { name: /^open nobody-yet@/ });
  await open.waitFor();
  await tabTo(page, open);
  await page.keyboard.press("Enter");
  const access = panel(page, "Access");
  const grant = button(access, "Grant");
  await grant.waitFor();
  await tabTo(page, grant);
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  await tabTo(page, grant);
  await page.keyboard.press("Enter");
  await tabTo(page, page.getByRole("dialog").getByLabel("Reason"));
  await page.keyboard.type("by keyboard");
  await page.keyboard.press("Enter");
  await access.getByText(/There is access for this address/).waitFor();
});

async function tabTo(page: Page, target: Locator): Promise<void> {
  for (let i = 0; i < 80; i++) {
    if (await target.evaluate((one) => one === document.activeElement)) return;
    await page.keyboard.press("Tab");
  }
  throw new Error("the focus never comes there");
}

const PAGES: [path: string, panel: string][] = [
  ["", "Services"],
  ["/channels", "Plans"],
  ["/people?q=customer", "Find somebody"],
  [`/people/${encodeURIComponent(CUSTOMER.email)}`, "Why"],
  ["/events", "Events"],
  ["/queues", "Roles"],
  ["/audit", "What was done"],
  ["/shares", "Links"],
  ["/exports", "Signals"],
];

test("no page is wider than a phone", async () => {
  const phone = await world.open(`${url}#/operator`, PHONE);
  await phone.signIn(OPERATOR);
  for (const [path, title] of [...PAGES, ["/setup", ""] as const]) {
    await phone.page.evaluate((to) => {
      window.location.hash = to;
    }, `#/operator${path}`);
    if (title !== "") await panel(phone.page, title).waitFor();
    else await phone.page.locator('[data-step="signal"]').waitFor();
    await settled(phone.page);
    assert.ok((await phone.overflow()) <= 0, `${path} is too wide`);
  }
});

test("axe has nothing to say about any page, dark or light", async () => {
  const page = await go("/events");
  const event = page.getByRole("link", { name: "order.paid" });
  const path = (await event.getAttribute("href"))!.replace("#/operator", "");
  const found: string[] = [];
  for (const [at, title] of [
    ...PAGES,
    [path, "As received"] as const,
    ["/setup", ""] as const,
  ]) {
    await go(at);
    if (title !== "") await panel(page, title).waitFor();
    else await page.locator('[data-step="signal"]').waitFor();
    await settled(page);
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      found.push(...(await axe(page, `${at} ${colorScheme}`)));
    }
  }
  await go("/people");
  await go(`/people/${encodeURIComponent(CUSTOMER.email)}`);
  await button(panel(page, "Access"), "Grant").click();
  await page.getByRole("dialog").waitFor();
  found.push(...(await axe(page, "a dialog")));
  await page.keyboard.press("Escape");
  assert.deepEqual(found, []);
});

const AXE = readFileSync(
  fileURLToPath(import.meta.resolve("axe-core/axe.min.js")),
  "utf8",
);

async function axe(page: Page, where: string): Promise<string[]> {
  await page.evaluate(AXE);
  const violations = await page.evaluate(async () => {
    // What is changing its colours has neither.
    await Promise.all(
      document.getAnimations().map((one) => one.finished.catch(() => null)),
    );
    type Result = { id: string; nodes: { html: string }[] };
    const { axe } = window as unknown as {
      axe: { run(): Promise<{ violations: Result[] }> };
    };
    return (await axe.run()).violations;
  });
  return violations.map(
    ({ id, nodes }) => `${where}: ${id}: ${nodes.map((n) => n.html).join(" ")}`,
  );
}

/** Nothing is loading any more. */
async function settled(page: Page): Promise<void> {
  await page
    .locator(".panel-waiting, .page-loading")
    .first()
    .waitFor({ state: "detached" });
}

test("who is no operator finds none of these pages, and is told how one is made", async () => {
  const customer = await world.open(`${url}#/operator`);
  await customer.signIn(CUSTOMER);
  const { page } = customer;
  await page.getByRole("heading", { name: "There is no such page" }).waitFor();
  assert.equal(await page.getByRole("link", { name: "Queues" }).count(), 0);
  await page.evaluate(() => {
    window.location.hash = "#/operator/setup";
  });
  await page.getByText(/Others are operators; you are not/).waitFor();
  assert.equal(await page.locator('[data-step="community"]').count(), 0);
});
