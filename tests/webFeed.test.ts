// The feed and a signal's page in a real browser: finding, reading along, going back, keys,
// what is said to whom, and that none of it moves or slows down.
import assert from "node:assert/strict";
import {
  after,
  afterEach,
  before,
  test as nodeTest,
  type TestContext,
} from "node:test";
import { api } from "../schema/convex/_generated/api";
import { assertAccessible } from "./axe";
import { until } from "./harness";
import {
  MARA,
  PHONE,
  World,
  eventually,
  reads,
  type Reader,
  type Said,
} from "./web-harness";

let world: World;
before(
  async () => {
    world = await World.start();
  },
  { timeout: 600_000 },
);
afterEach(async () => await world.closeReaders());
after(async () => await world.close());

const test = (name: string, run: (t: TestContext) => Promise<void>) =>
  nodeTest(name, { timeout: 1_800_000 }, run);

type Trade = NonNullable<Said["contentTrade"]>;

const TEXT = "LONG BTC/USDT 64000 - 64200, TP 65000 / 67000, SL 63100";
const ENTRY: Trade = {
  kind: "entry",
  symbol: "BTC/USDT",
  base: "BTC",
  quote: "USDT",
  side: "long",
  entries: { type: "range", values: ["64000", "64200"] },
  targets: ["65000", "67000"],
  stop: "63100",
  spans: [
    { field: "side", part: "content", start: 0, end: 4 },
    { field: "symbol", part: "content", start: 5, end: 13 },
    { field: "entry", part: "content", start: 14, end: 19 },
    { field: "stop", part: "content", start: 50, end: 55 },
  ],
  confidence: 0.93,
};
const HIT: Trade = {
  kind: "update",
  update: { type: "target_hit", targets: [1] },
  spans: [],
  confidence: 0.9,
};

test("signals are found by words, pair and channel, and one comes back to where one was", async () => {
  const community = await world.community(["alpha", "beta"]);
  const older = await community.writeAll(
    Array.from({ length: 60 }, (_, i) => ({
      content: `market note ${i}`,
      sentAt: Date.now() - (100 - i) * 60_000,
    })),
  );
  const entry = await community.write({ content: TEXT, contentTrade: ENTRY });
  const other = await community.write("Momentum in **btc** fades", "beta");
  const reader = await community.reader();
  const { page } = reader;
  const search = page.getByLabel("Search the signals");
  const found = page.locator(".found [data-message-id]");
  const ids = async () =>
    await found.evaluateAll((all) =>
      all.map((one) => (one as HTMLElement).dataset.messageId),
    );
  await reader.signal(other).waitFor();

  await search.fill("btc");
  await page.getByRole("status").getByText("2 signals").waitFor();
  await eventually(async () => {
    assert.deepEqual(await ids(), [other, entry]);
    const marks = await page.locator(".found mark").allInnerTexts();
    assert.deepEqual(marks, ["btc", "BTC"]);
  });
  const late = await community.write("BTC again"); // what is found is live too
  await page.getByRole("status").getByText("3 signals").waitFor();
  await eventually(async () => assert.equal((await ids())[0], late));
  await search.fill("no such words at all");
  await page.getByText("Nothing has these words.").waitFor();
  await search.press("Escape");

  await page.getByLabel("Pair").selectOption("BTC");
  await reader.shows([entry]);
  assert.match(page.url(), /#\/\?pair=BTC$/);
  await page.goBack();
  await reader.signal(late).waitFor();

  // Far down, into a signal, and back.
  await reader.signal(other).waitFor();
  const target = older[12]!;
  await until("the signal to be near", async () => {
    await page.evaluate(() => window.scrollBy(0, window.innerHeight));
    return (await reader.signal(target).count()) > 0;
  });
  await reader.signal(target).scrollIntoViewIfNeeded();
  const place = async () =>
    Math.round((await reader.signal(target).boundingBox())!.y);
  let before = NaN;
  await until("the list to stand still", async () => {
    const last = before;
    before = await place();
    return before === last;
  });
  await reader.signal(target).locator("a.when").click();
  await page.getByRole("heading", { name: "Original text" }).waitFor();
  assert.match(page.url(), new RegExp(`#/signal/${target}$`));
  await eventually(async () => {
    assert.equal(await page.evaluate(() => window.scrollY), 0);
    assert.equal(await page.evaluate(() => document.activeElement!.id), "main");
  });
  await page.goBack();
  await reader.signal(target).waitFor();
  await eventually(async () => assert.equal(await place(), before));
});

test("what came while one was away is counted, marked and read, on every device", async () => {
  const community = await world.community();
  const first = await community.write("before");
  const reader = await community.reader();
  const { page } = reader;
  const read = async () =>
    (
      await Promise.all([reader, elsewhere].map((one) => one.page.title()))
    ).join();
  const elsewhere = await community.reader(PHONE);
  await reader.shows([first]);
  await until("the mark", async () => (await marked(community)) === first);

  for (const one of [reader, elsewhere]) await hide(one, true);
  const [second, third] = (await community.writeAll([
    { content: "one" },
    { content: "two" },
  ])) as [string, string];
  await until("the count", async () => /^\(2\) .*,\(2\) /.test(await read()));
  await reads(
    page.getByRole("link", { name: /Signals/ }).first(),
    /2\s*unread/,
  );
  await hide(reader, false);
  await page.locator(".new-line").waitFor();
  const order = await page.locator(".row-new, .row-signal").evaluateAll((all) =>
    all
      .map((one) => ({ y: one.getBoundingClientRect().y, one }))
      .sort((a, b) => a.y - b.y)
      .map(
        ({ one }) =>
          one.querySelector<HTMLElement>("[data-message-id]")?.dataset
            .messageId ?? "new",
      ),
  );
  assert.deepEqual(order, [third, second, "new", first]);
  await until(
    "it to be read everywhere",
    async () => !/\(2\)/.test(await read()),
  );
  await until("the mark", async () => (await marked(community)) === third);
  assert.equal(await page.locator(".new-line").count(), 1); // while one is here

  // Filtered, one sees only a part: nothing is marked.
  await page.goto(`${community.url}#/?pair=XRP`);
  await reader.empty.waitFor();
  const fourth = await community.write("three");
  await until("the count", async () => /^\(1\)/.test(await page.title()));
  await page.getByLabel("Pair").selectOption("All pairs");
  await until("the mark", async () => (await marked(community)) === fourth);
});

async function marked(community: { slug: string }): Promise<string | null> {
  const member = await world.member();
  const { readTo } = await member.query(api.feed.unread, {
    community: community.slug,
  });
  return readTo;
}

async function hide({ page }: Reader, hidden: boolean): Promise<void> {
  await page.evaluate((hidden) => {
    const state = hidden ? "hidden" : "visible";
    Object.defineProperty(document, "visibilityState", {
      configurable: true,
      get: () => state,
    });
    document.dispatchEvent(new Event("visibilitychange"));
  }, hidden);
}

test("a pause holds what changes, counts it, and lets it go at once", async () => {
  const community = await world.community();
  const [one, two] = (await community.writeAll([
    { content: "one" },
    { content: "two" },
  ])) as [string, string];
  const reader = await community.reader();
  const { page } = reader;
  await reader.shows([two, one]);
  await page.getByRole("button", { name: "Pause" }).click();
  const three = await community.write("three");
  await community.edit(one, { content: "one, edited" });
  await community.remove(two);
  await page.getByRole("button", { name: "Go on: 3 held" }).waitFor();
  await reader.shows([two, one]);
  assert.equal((await reader.rows())[1]!.text, "one");
  await page.keyboard.press("p");
  await reader.shows([three, one]);
  const [, edited] = await reader.rows();
  assert.equal(edited!.text, "one, edited");
  assert.equal(edited!.edited, true);
});

test("deleted signals are shown as such to those who want that, on all their devices", async () => {
  const community = await world.community();
  const [kept, gone] = (await community.writeAll([
    { content: "kept" },
    { content: "gone with its words" },
  ])) as [string, string];
  const reader = await community.reader();
  const elsewhere = await community.reader();
  await community.remove(gone);
  await reader.shows([kept]);
  await reader.page.getByRole("button", { name: "What to show" }).click();
  await reader.page.getByLabel("Show deleted signals").check();
  for (const one of [reader, elsewhere]) {
    await one.shows([gone, kept]);
    await one.signal(gone).getByText("Deleted").waitFor();
    assert.doesNotMatch(await one.page.content(), /gone with its words/);
  }
  await reader.page.goto(`${community.url}#/signal/${gone}`);
  await reader.page.getByText(/What it said is not kept/).waitFor();
  await elsewhere.page.getByRole("button", { name: "What to show" }).click();
  await elsewhere.page.getByLabel("Show deleted signals").uncheck();
  await elsewhere.shows([kept]);
});

test("a signal's page shows its trade, what became of it, and where each value was read", async () => {
  const community = await world.community();
  const entry = await community.write({ content: TEXT, contentTrade: ENTRY });
  const hit = await community.write({
    content: "TP1 ✅",
    replyToId: entry,
    contentTrade: HIT,
  });
  const reader = await community.reader();
  const { page } = reader;
  const card = reader.signal(entry).locator(".trade-card");
  await eventually(async () =>
    assert.equal(
      (await card.innerText()).replace(/\s+/g, " "),
      "Long BTC/USDT Entry 64,000 – 64,200 Targets 65,000 · 67,000 Stop 63,100 R : R 1 : 2.9",
    ),
  );
  await reader.signal(hit).getByText("Target 1 hit").waitFor();

  await page.goto(`${community.url}#/signal/${entry}`);
  const rows = page.locator(".ladder tbody tr");
  await eventually(async () => {
    const shown = await rows.allInnerTexts();
    assert.deepEqual(
      shown.map((row) => row.split(/\s*\t\s*/).join("|")),
      [
        "Target 2|67,000|+4.52 %|1 : 2.9|",
        "Target 1|65,000|+1.40 %|1 : 0.9|Hit",
        "Entry 2|64,200|",
        "Entry 1|64,000|",
        "Stop|63,100|−1.56 %|",
      ],
    );
    assert.match(await page.title(), /^BTC\/USDT long · The community$/);
  });
  const updates = page.locator(".updates li");
  await updates.getByText("Answers the signal").waitFor();
  const closed = await community.write({
    content: "BTC closed",
    contentTrade: {
      ...HIT,
      symbol: "BTC",
      base: "BTC",
      update: { type: "closed", price: "64900" },
    },
  });
  await updates.getByText("Closed at 64,900").waitFor(); // live
  await updates.getByText(/Linked by its pair/).waitFor();

  await page.getByLabel("As read").check();
  await eventually(async () =>
    assert.deepEqual(await page.locator("mark.span").allInnerTexts(), [
      ...["LONG", "BTC/USDT", "64000", "63100"],
    ]),
  );
  assert.equal(await page.locator(".read-text").innerText(), TEXT);
  await page.getByText("Captured").waitFor();

  await updates.getByRole("link", { name: "BTC closed" }).click();
  await page.getByText("An update of").waitFor();
  assert.match(page.url(), new RegExp(`${closed}$`));

  const eth = { symbol: "ETH/USDT", base: "ETH", side: "short" } as const;
  const both = await community.write({
    content: "two setups for tonight",
    contentTrades: [ENTRY, { ...ENTRY, ...eth }],
  });
  const out = { ...HIT, ...eth, update: { type: "closed" } } as const;
  const over = await community.write({
    content: "out of ETH",
    replyToId: both,
    contentTrade: out,
  });
  await community.write({
    content: "BTC stopped",
    contentTrade: {
      ...{ ...HIT, symbol: "BTC", base: "BTC" },
      update: { type: "stop_hit" },
    },
  });
  await page.goto(`${community.url}#/signal/${both}`);
  const panel = (name: string) => page.getByRole("region", { name });
  await panel("BTC/USDT").getByText("Long").waitFor();
  await panel("ETH/USDT").getByText("Short").waitFor();
  // Each trade has its own prices, and what was said of it alone.
  await panel("BTC/USDT")
    .getByRole("row", { name: "Stop" })
    .getByText("Hit")
    .waitFor();
  assert.equal(await panel("ETH/USDT").getByText("Hit").count(), 0);
  assert.match(await page.title(), /^BTC\/USDT long, ETH\/USDT short ·/);
  await updates.getByText("ETH/USDT: Closed").waitFor();
  await updates.getByRole("link", { name: "out of ETH" }).waitFor();
  await updates.getByRole("link", { name: "BTC stopped" }).click();
  await page
    .locator(".entry-link")
    .getByRole("link", { name: "BTC/USDT, ETH/USDT" })
    .waitFor();
  await panel("The trade it is about").getByText("64,200").first().waitFor();
  await page.goto(`${community.url}#/?pair=ETH`);
  await reader.shows([over, both]);

  // What an edit changed: in words, and in the trade.
  await page.goto(`${community.url}#/signal/${entry}`);
  await page.getByRole("heading", { name: "Original text" }).waitFor();
  await community.edit(entry, {
    content: TEXT.replace("63100", "62800 ⚠️"),
    contentTrade: { ...ENTRY, stop: "62800" },
  });
  const edits = panel("Edits");
  await edits.getByText("Stop").waitFor();
  await eventually(async () => {
    assert.deepEqual(await edits.locator("del").allInnerTexts(), [
      ...["63,100", "63100"],
    ]);
    assert.deepEqual(await edits.locator("ins").allInnerTexts(), [
      ...["62,800", "62800 ⚠️"],
    ]);
  });
  await assertAccessible(page);

  await page.goto(`${community.url}#/signal/12345`);
  await page
    .getByRole("heading", { name: "There is no such signal" })
    .waitFor();
  await page.goto(`${community.url}#/no/such/page`);
  await page.getByRole("heading", { name: "There is no such page" }).waitFor();
});

test("keys alone lead through the feed, into a signal and back, and can be turned off", async () => {
  const community = await world.community();
  // One page: no key has to wait for the next.
  const ids = await community.writeAll(
    Array.from({ length: 24 }, (_, i) => ({ content: `signal ${i}` })),
  );
  const [c, b] = [ids[23]!, ids[22]!];
  const reader = await community.reader();
  const { page } = reader;
  const { keyboard } = page;
  await reader.signal(c).waitFor();
  const current = () =>
    page.evaluate(
      () => (document.activeElement as HTMLElement).dataset.messageId ?? null,
    );
  await keyboard.press("j");
  await until("the focus", async () => (await current()) === c);
  await keyboard.press("j");
  await until("the focus to follow", async () => (await current()) === b);
  for (let i = 0; i < 19; i++) await keyboard.press("j");
  await until("the focus to follow", async () => (await current()) === ids[3]);
  const { height } = page.viewportSize()!;
  await eventually(async () => {
    const box = (await reader.signal(ids[3]!).boundingBox())!;
    assert.ok(box.y >= 0 && box.y + box.height <= height, "it is in sight");
  });
  for (let i = 0; i < 19; i++) await keyboard.press("k");
  await until("the focus to follow", async () => (await current()) === b);
  await keyboard.press("o");
  await page.getByRole("heading", { name: "Original text" }).waitFor();
  assert.match(page.url(), new RegExp(`#/signal/${b}$`));
  await keyboard.press("g");
  await keyboard.press("f");
  await reader.signal(b).waitFor();
  await keyboard.press("/");
  const search = page.getByLabel("Search the signals");
  await until("the field to have the focus", () =>
    search.evaluate((one) => one === document.activeElement),
  );
  await keyboard.type("jjkk?"); // in a field keys are letters
  assert.equal(await search.inputValue(), "jjkk?");
  await keyboard.press("Escape");
  await keyboard.press("Escape");
  await keyboard.press("?");
  const help = page.getByRole("dialog", { name: "Keyboard" });
  await help.getByText("Next signal").waitFor();
  await assertAccessible(page);
  await help.getByLabel("Use these keys").uncheck();
  await keyboard.press("Escape");
  await help.waitFor({ state: "detached" });
  await keyboard.press("?");
  await keyboard.press("j");
  assert.equal(await current(), null);
  assert.equal(await help.count(), 0);
});

test("every page is accessible, light and dark, wide and narrow, and the theme is kept", async () => {
  const community = await world.community(["alpha", "beta"]);
  const entry = await community.write({ content: TEXT, contentTrade: ENTRY });
  await community.write({
    content: "> quoted\n`code` **bold** ||hidden|| https://a.example",
    author: { ...MARA, bot: true },
    replyToId: entry,
    embeds: [
      {
        title: "Card",
        url: "https://a.example",
        description: "words",
        fields: [{ name: "Entry", value: "1", inline: true }],
        footer: { text: "foot" },
      },
    ],
    attachments: [world.files.add("gone.csv", "text/html", Buffer.from("x"))],
    stickers: [{ id: "1", name: "rocket", format: "lottie" }],
    poll: { question: "Up?", answers: ["yes", "no"], multiple: false },
  });
  const edited = await community.write("edited");
  await community.edit(edited, { content: "edited once" });
  await world.fetchFiles();
  const visitor = await community.open();
  await visitor.page.getByLabel("E-mail").waitFor();
  await assertAccessible(visitor.page);
  for (const view of [{}, PHONE]) {
    const reader = await community.reader(view);
    const { page } = reader;
    await reader.signal(edited).waitFor();
    for (const theme of ["Light", "Dark"]) {
      await page.getByRole("button", { name: "Your menu" }).click();
      await page.getByRole("radio", { name: theme }).check();
      await assertAccessible(page);
      await page.keyboard.press("Escape");
      await assertAccessible(page);
      await page.evaluate((id) => (location.hash = `#/signal/${id}`), entry);
      await page.locator(".ladder").waitFor();
      await page.getByLabel("As read").check();
      await assertAccessible(page);
      await page.evaluate(() => (location.hash = "#/nowhere"));
      await page.getByText("There is no such page").waitFor();
      await assertAccessible(page);
      await page.evaluate(() => (location.hash = "#/"));
      await reader.signal(edited).waitFor();
    }
    await page.reload();
    await reader.signal(edited).waitFor();
    const { theme } = await page.evaluate(() => ({
      theme: document.documentElement.dataset.theme,
    }));
    assert.equal(theme, "dark");
  }
});

test("5,000 signals and ten updates a second: few rows in the document, nothing shifts", async (t) => {
  const COUNT = 5_000;
  const community = await world.community();
  const start = Date.now() - COUNT * 60_000;
  const ids = await community.writeAll(
    Array.from({ length: COUNT }, (_, i) => ({
      content: `signal ${i}\n${"and more words ".repeat(i % 7)}`,
      sentAt: start + i * 60_000,
    })),
  );
  const reader = await community.reader();
  const { page } = reader;
  await reader.signal(ids.at(-1)!).waitFor();
  await page.evaluate(watch);
  // To the very end, page by page.
  let most = 0;
  await until(
    "the oldest",
    async () => {
      most = Math.max(most, await page.locator("[data-message-id]").count());
      await page.evaluate(() =>
        window.scrollTo(0, document.documentElement.scrollHeight),
      );
      return (await reader.signal(ids[0]!).count()) > 0;
    },
    1_200_000,
  );
  await page.evaluate(() => window.scrollTo(0, 0));
  await reader.signal(ids.at(-1)!).waitFor();
  await page.evaluate(twoFrames);

  const written: string[] = [];
  const began = Date.now();
  await page.evaluate(watch);
  for (let i = 0; i < 50; i++) {
    const due = began + i * 100;
    await new Promise((resolve) => setTimeout(resolve, due - Date.now()));
    if (i % 2 === 0) written.push(await community.write(`update ${i}`));
    else
      await community.edit(written.at(-1)!, { content: `update ${i}, edited` });
    most = Math.max(most, await page.locator("[data-message-id]").count());
  }
  await reader.signal(written.at(-1)!).getByText("edited").first().waitFor();
  const seen = await page.evaluate(seenSince);
  const rows = await reader.rows();
  assert.ok(rows.length > 12, `${rows.length} rows are shown`);
  assert.deepEqual(
    rows.map((row) => row.id),
    [...ids, ...written].slice(-rows.length).reverse(),
  );
  assert.ok(most < 60, `${most} rows in the document`);
  assert.deepEqual(seen.shifts, [], "layout shifts");
  t.diagnostic(
    `over ${seen.seconds.toFixed(1)} s: ${seen.frames} frames, ` +
      `the longest ${seen.longest.toFixed(0)} ms, ` +
      `${seen.longTasks} tasks over 50 ms`,
  );
});

const twoFrames = () =>
  new Promise<void>((resolve) =>
    requestAnimationFrame(() => requestAnimationFrame(() => resolve())),
  );

type Watch = { frames: number[]; shifts: string[]; tasks: number };

// Notes frames, long tasks and shifts from now on.
function watch(): void {
  const holder = window as unknown as { __watch?: Watch };
  const noted: Watch = { frames: [performance.now()], shifts: [], tasks: 0 };
  holder.__watch = noted;
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries() as unknown as {
      value: number;
      hadRecentInput: boolean;
      sources: { node: Element | null }[];
    }[])
      if (!entry.hadRecentInput)
        noted.shifts.push(
          `${entry.value} ${entry.sources.map(({ node }) => node?.outerHTML?.slice(0, 80) ?? node?.textContent).join()}`,
        );
  }).observe({ type: "layout-shift" });
  new PerformanceObserver((list) => {
    noted.tasks += list.getEntries().length;
  }).observe({ type: "longtask" });
  const frame = () => {
    noted.frames.push(performance.now());
    if (holder.__watch === noted) requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}

function seenSince() {
  const { frames, shifts, tasks } = (window as unknown as { __watch: Watch })
    .__watch;
  let longest = 0;
  for (const [i, at] of frames.entries())
    if (i > 0) longest = Math.max(longest, at - frames[i - 1]!);
  return {
    seconds: (frames.at(-1)! - frames[0]!) / 1000,
    frames: frames.length,
    longest,
    longTasks: tasks,
    shifts,
  };
}
