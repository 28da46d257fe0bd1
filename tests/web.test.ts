// The dashboard in a real browser against the development backend. After each test
// every page it opened must have asked only our own hosts for anything, and must have
// complained of nothing but what the test brought about.
import assert from "node:assert/strict";
import { after, afterEach, before, test as nodeTest } from "node:test";
import { chart } from "../dev/demo/feed/chart";
import { scrollThrough } from "../dev/demo/src/browser";
import { comparePage } from "../dev/demo/src/compare";
import { until } from "./harness";
import {
  MARA,
  MEMBER,
  PHONE,
  World,
  eventually,
  writeSample,
  type Embed,
  type Reader,
  type Row,
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

const test = (name: string, run: () => Promise<void>) =>
  nodeTest(name, { timeout: 1_800_000 }, run);

// ---- signing in ----

const MISMATCH = "That e-mail and password do not match an account.";
const REFUSED_CALL = /CONVEX A\(auth:signIn\)/; // the client library's own word on it

test("a wrong password is said plainly, and the e-mail stays", async () => {
  const community = await world.community();
  const reader = await community.open();
  reader.expect(REFUSED_CALL);
  await reader.signIn({ ...MEMBER, password: "not the password" });
  await reader.says(MISMATCH);
  assert.equal(await email(reader).inputValue(), MEMBER.email);
  await focused(reader, "password"); // to be typed again
  await community.grant(MEMBER.email);
  await reader.page.keyboard.type(MEMBER.password);
  await reader.page.keyboard.press("Enter");
  await reader.empty.waitFor();
});

test("an unknown account gets the same words, so that nobody can find out who has one", async () => {
  const community = await world.community();
  const reader = await community.open();
  reader.expect(REFUSED_CALL);
  await reader.signIn({ ...MEMBER, email: "nobody@test.example" });
  await reader.says(MISMATCH);
  assert.equal(await email(reader).inputValue(), "nobody@test.example");
});

test("an address that has an account cannot be signed up again", async () => {
  const community = await world.community();
  const reader = await community.open();
  reader.expect(REFUSED_CALL);
  await toSignUp(reader);
  await reader.signIn({ ...MEMBER, password: "another password" });
  await reader.says(/already have one, sign in instead/);
  assert.equal(await email(reader).inputValue(), MEMBER.email);
});

test("who signs up is told what is missing, and the page opens by itself with access", async () => {
  const community = await world.community();
  const id = await community.write("for members only");
  const reader = await community.open();
  await toSignUp(reader);
  await reader.signIn({ email: "New@Test.example", password: "long enough" });
  await heading(reader, "No access yet");
  const words = await reader.page.locator("main").innerText();
  assert.match(words, /no access to the signals of this community/);
  assert.match(words, /signed in as new@test\.example/);
  assert.match(words, /ask the community’s team/);
  assert.match(words, /opens by itself/);
  assert.doesNotMatch(await reader.page.content(), /for members only/);
  await community.grant("new@test.example");
  await reader.shows([id]);
});

test("the keyboard alone signs in, skips to the signals and picks a channel", async () => {
  const community = await world.community(["alpha", "beta"]);
  await community.grant(MEMBER.email);
  const reader = await community.open();
  const { keyboard } = reader.page;
  await email(reader).waitFor();
  await focused(reader, "email");
  await keyboard.type(MEMBER.email);
  await keyboard.press("Tab");
  await keyboard.type(MEMBER.password);
  await keyboard.press("Enter");
  await reader.empty.waitFor();
  await reader.page.getByRole("link", { name: "beta" }).waitFor();
  await keyboard.press("Tab");
  await keyboard.press("Enter"); // skip link
  await focused(reader, "main");
  for (let i = 0; i < 5; i++) await keyboard.press("Tab"); // pause, options, all, alpha, beta
  await keyboard.press("Enter");
  await heading(reader, "beta");
});

test("a reload stays signed in; signing out stays signed out", async () => {
  const community = await world.community();
  const id = await community.write("still here");
  const reader = await community.reader();
  await reader.page.reload();
  await reader.shows([id]);
  await reader.page.getByRole("button", { name: "Your menu" }).click();
  await reader.page.getByRole("button", { name: "Sign out" }).click();
  await email(reader).waitFor();
  assert.deepEqual(await reader.page.locator("article").count(), 0);
  await eventually(async () => {
    const kept = await reader.page.evaluate(() => Object.values(localStorage));
    assert.deepEqual(
      kept.filter((value) => String(value).startsWith("eyJ")),
      [],
      "tokens that are left",
    );
  });
  await reader.page.reload();
  await email(reader).waitFor();
});

test("revoked access empties an open page at once; given again, it fills again", async () => {
  const community = await world.community();
  const id = await community.write("secret entry 64,000");
  const reader = await community.reader();
  await reader.shows([id]);
  await community.revoke(MEMBER.email);
  await heading(reader, "Your access has ended");
  assert.doesNotMatch(await reader.page.content(), /secret entry/);
  await community.grant(MEMBER.email);
  await reader.shows([id]);
});

test("a page that is not set up says which setting is wrong", async () => {
  const reader = await world.open(
    await world.site({ convexUrl: "nonsense", community: "x" }),
  );
  await heading(reader, "This page is not set up");
  const words = await reader.page.locator("main").innerText();
  assert.match(words, /convexUrl must be an http\(s\) URL/);
});

// ---- the feed ----

test("the sample feed arrives while it is watched: newest first, text exact, nothing twice", async () => {
  const community = await world.community([
    "vip-signals",
    "scalps",
    "market-talk",
  ]);
  const reader = await community.reader();
  const written = await writeSample(community);
  await reader.signal([...written.keys()][0]!).waitFor();
  const source = [...written].reverse().map(([id, final]) => ({
    id,
    content: final.content,
  }));
  let rows: Row[] = [];
  await eventually(async () => {
    rows = await reader.all();
    assert.deepEqual(
      rows.map((row) => row.id),
      [...written.keys()],
    );
    const page = rows.map((row) => ({
      messageId: row.id,
      content: row.text,
      text: row.shown,
    }));
    assert.deepEqual(comparePage(source as never, page), []);
  });
  for (const row of rows) {
    const final = written.get(row.id)!;
    assert.equal(row.channel, final.channel);
    assert.equal(row.edited, final.edited, row.text);
    assert.equal(row.reply !== null, final.replyTo !== null, row.text);
    assert.notEqual(row.version, "");
  }
  assert.equal(new Set(rows.map((row) => row.version)).size, rows.length);
});

test("an edit changes a signal in its place and marks it; a delete takes it away", async () => {
  const community = await world.community();
  const [first, second, third] = (await community.writeAll([
    { content: "LONG BTC 64,000" },
    { content: "LONG ETH 3,100" },
    { content: "LONG SOL 148" },
  ])) as [string, string, string];
  const reader = await community.reader();
  await reader.shows([third, second, first]);
  const before = await reader.rows();
  const article = reader.signal(second);
  await article.evaluate((node) => node.setAttribute("data-mark", "same"));
  await community.edit(second, { content: "LONG ETH 3,100 ✅ TP1 hit" });
  await article.getByText("TP1 hit").waitFor();
  const edited = (await reader.rows())[1]!;
  assert.equal(edited.text, "LONG ETH 3,100 ✅ TP1 hit");
  assert.equal(edited.edited, true);
  assert.notEqual(edited.version, before[1]!.version);
  assert.equal(await article.getAttribute("data-mark"), "same");
  assert.deepEqual((await reader.rows())[0], before[0]);
  await community.remove(second);
  await reader.shows([third, first]);
  await community.remove(third, first);
  await reader.empty.waitFor();
});

test("a channel shows only its own signals, new ones too", async () => {
  const community = await world.community(["alpha", "beta"]);
  const a1 = await community.write("a1", "alpha");
  const b1 = await community.write("b1", "beta");
  const reader = await community.reader();
  await reader.shows([b1, a1]);
  assert.deepEqual(
    (await reader.rows()).map((row) => row.channel),
    ["beta", "alpha"],
  );
  const link = (name: string) =>
    reader.page
      .getByRole("navigation", { name: "Channels" })
      .getByRole("link", { name });
  await link("alpha").click();
  await reader.shows([a1]);
  await eventually(async () =>
    assert.equal(await link("alpha").getAttribute("aria-current"), "true"),
  );
  const b2 = await community.write("b2", "beta");
  const a2 = await community.write("a2", "alpha");
  await reader.shows([a2, a1]);
  await link("All").click();
  await reader.shows([a2, b2, b1, a1]);
});

test("older pages follow without doubles or holes while the feed moves", async () => {
  const community = await world.community(["alpha", "beta"]);
  const start = Date.now() - 200_000;
  const ids: string[] = [];
  for (let i = 0; i < 120; i += 60)
    ids.push(
      ...(await community.writeAll(
        Array.from({ length: 60 }, (_, j) => ({
          content: `signal ${i + j}`,
          sentAt: start + (i + j) * 1000,
        })),
        i === 0 ? "alpha" : "beta",
      )),
    );
  const reader = await community.reader();
  await reader.signal(ids[119]!).waitFor();
  assert.equal(await reader.signal(ids[0]!).count(), 0); // not all at once
  const gone = [ids[118]!, ids[60]!, ids[3]!]; // on the first page, further down, at the end
  const [late] = await Promise.all([
    community.writeAll([{ content: "late 1" }, { content: "late 2" }]),
    community.remove(...gone),
    community.edit(ids[30]!, { content: "changed" }),
    reader.all(),
  ]);
  const left = [...ids, ...late].filter((id) => !gone.includes(id)).reverse();
  await eventually(async () => {
    const rows = await reader.all();
    assert.deepEqual(
      rows.map((row) => row.id),
      left,
    );
    const changed = rows.find((row) => row.id === ids[30])!;
    assert.equal(changed.text, "changed");
  });
});

test("what arrives while one reads further down moves nothing and is offered above", async () => {
  const community = await world.community();
  const ids = await community.writeAll(
    Array.from({ length: 40 }, (_, i) => ({ content: `signal ${i}` })),
  );
  const reader = await community.reader({ reducedMotion: "reduce" });
  const article = reader.signal(ids[20]!);
  await article.evaluate((node) => node.scrollIntoView({ block: "center" }));
  const offer = reader.page.locator(".new-above");
  await community.write("first news");
  await offer.filter({ hasText: "1 new signal" }).waitFor();
  const top = async () => Math.round((await article.boundingBox())!.y);
  const before = await top();
  const newest = await community.write("second news");
  await offer.filter({ hasText: "2 new signals" }).waitFor();
  assert.equal(await top(), before);
  await offer.click();
  await offer.waitFor({ state: "detached" });
  await eventually(async () => {
    assert.equal(await reader.page.evaluate(() => window.scrollY), 0);
    assert.equal((await reader.rows())[0]!.id, newest);
  });
});

test("a reply quotes what it answers in plain words, until that is gone", async () => {
  const community = await world.community();
  const target = await community.write({
    content: "**Pair:** ETHUSDT\n__Short__ ||3226|| <@99>",
    author: { id: "1400000000000000007", name: "Yusuf", bot: false },
  });
  const reply = await community.write({ content: "hit", replyToId: target });
  const lost = await community.write({ content: "eh?", replyToId: "1000" });
  const reader = await community.reader();
  await reader.shows([lost, reply, target]);
  const quote = async (id: string) =>
    (await reader.rows()).find((row) => row.id === id)!.reply;
  const gone = "Reply to a message that is no longer here";
  assert.equal(await quote(reply), "Yusuf Pair: ETHUSDT Short ▒▒▒ @member");
  assert.equal(await quote(lost), gone);
  assert.equal(await quote(target), null);
  await community.remove(target);
  await reader.shows([lost, reply]);
  await eventually(async () => assert.equal(await quote(reply), gone));
});

test("embeds, pictures and files are shown; what cannot be loaded says so", async () => {
  const community = await world.community();
  const { files } = world;
  const picture = chartFile(7);
  const embed: Embed = {
    title: "DOGE/USDT · LONG",
    url: "https://example.com/signals/1",
    description: "**Momentum** breakout",
    color: 0x2ecc71,
    author: { name: "Signal Bot" },
    footer: { text: "id 20481" },
    fields: [
      { name: "Entry", value: "0.1582", inline: true },
      { name: "Stop", value: "0.1551", inline: true },
    ],
    image: { url: picture.url },
  };
  const id = await community.write({
    content: "",
    author: { ...MARA, bot: true },
    embeds: [embed],
    attachments: [
      { ...picture, description: "four hours, range low reclaimed" },
      files.add("journal.csv", "text/csv", Buffer.alloc(20_000)),
      files.add("logo.svg", "image/svg+xml", Buffer.from("<svg/>")),
      { ...picture, id: "5", url: `${files.url}/gone.png` },
      files.add("page.html", "text/html", Buffer.from("<script>")),
    ],
  });
  const reader = await community.reader();
  await reader.shows([id]);
  const signal = reader.signal(id);
  await signal.getByText("being fetched").first().waitFor();
  await world.fetchFiles();
  await reader.page.waitForFunction(
    () =>
      [...document.images].filter(
        (one) => one.naturalWidth > 0 && one.src.startsWith("blob:"),
      ).length === 2,
  );
  assert.equal(await signal.locator(".badge").innerText(), "Bot");
  const card = signal.locator(".embed");
  const title = card.getByRole("link", { name: embed.title, exact: true });
  assert.equal(await title.getAttribute("href"), embed.url);
  assert.match((await title.getAttribute("rel"))!, /noopener/);
  assert.equal(
    (await card.innerText()).replace(/\s+/g, " "),
    "Signal Bot DOGE/USDT · LONG Momentum breakout Entry 0.1582 Stop 0.1551 id 20481",
  );
  assert.equal(
    await card.evaluate((node) => getComputedStyle(node).borderLeftColor),
    "rgb(46, 204, 113)",
  );
  await signal.getByText("the file is gone (404)").waitFor();
  const attached = signal.locator(".attachments");
  await attached
    .locator(".file", { hasText: "page.html" })
    .getByText("was refused: it is a web page")
    .waitFor();
  await attached
    .getByRole("button", { name: "four hours, range low reclaimed" })
    .click();
  const dialog = reader.page.getByRole("dialog");
  await dialog.getByAltText("four hours, range low reclaimed").waitFor();
  await reader.page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
  // Whatever is no picture is saved, never shown: SVG can run scripts.
  for (const [name, size] of [
    ["journal.csv", "20 KB"],
    ["logo.svg", "6 B"],
  ] as const) {
    const saved = reader.page.waitForEvent("download");
    await attached
      .getByRole("button", { name: `Save ${name}, ${size}` })
      .click();
    assert.equal((await saved).suggestedFilename(), name);
  }
});

// ---- what people write ----

const LONG_WORD = "Pneumonoultramicroscopic".repeat(30);
const LONG_LINE = "pair side entry tp1 tp2 tp3 sl ".repeat(12);
const AWKWARD: Said[] = [
  { content: LONG_WORD },
  { content: `https://example.com/${"path/".repeat(60)}` },
  { content: "```\n" + LONG_LINE + "\n```" },
  { content: "`" + LONG_WORD + "`\n> " + LONG_WORD + "\n# " + LONG_WORD },
  { content: "||" + LONG_WORD + "||" },
  { content: "x", author: { ...MARA, name: LONG_WORD.slice(0, 80) } },
  { content: "🚀".repeat(400) },
  { content: Array.from({ length: 60 }, (_, i) => `line ${i}`).join("\n") },
  {
    content: "wide",
    embeds: [
      {
        title: LONG_WORD,
        description: LONG_WORD,
        footer: { text: LONG_WORD },
        author: { name: LONG_WORD },
        fields: [1, 2, 3].map(() => ({
          name: LONG_WORD,
          value: LONG_WORD,
          inline: true,
        })),
      },
    ],
    attachments: [
      {
        id: "1",
        filename: LONG_WORD,
        url: "https://example.com/x",
        size: 1,
      },
    ],
  },
];

test("nothing anybody writes makes a phone's page wider than its screen", async () => {
  const community = await world.community(["signals", LONG_WORD.slice(0, 90)]);
  const ids = await community.writeAll(AWKWARD);
  const [picture, small] = [chartFile(1), chartFile(2)];
  ids.push(
    await community.write({
      content: "",
      attachments: [picture],
      embeds: [
        {
          title: "x",
          thumbnail: { url: small.url },
          image: { url: picture.url },
        },
      ],
    }),
  );
  ids.push(
    await community.write({ content: "", attachments: [picture, small] }),
  );
  const target = await community.write({ content: LONG_WORD });
  ids.push(target);
  ids.push(await community.write({ content: "re", replyToId: target }));
  await world.fetchFiles();
  const reader = await community.reader(PHONE);
  await reader.signal(ids.at(-1)!).waitFor();
  const seen = new Set<string>();
  await scrollThrough(reader.page, async () => {
    assert.equal(await reader.overflow(), 0);
    for (const { id, isWithin, out } of await reader.protruding()) {
      seen.add(id);
      assert.ok(isWithin, id);
      assert.deepEqual(out, []);
    }
  });
  assert.deepEqual([...seen].sort(), ids.sort());
});

test("text from right to left runs from right to left", async () => {
  const community = await world.community();
  const [hebrew, arabic, english] = (await community.writeAll([
    { content: "לונג **ביטקוין** כניסה 64,000\nסטופ 62,950" },
    { content: "شراء ETH عند 3120 🚀" },
    { content: "LONG first, then שלום" },
  ])) as [string, string, string];
  const reader = await community.reader(PHONE);
  await reader.shows([english, arabic, hebrew]);
  const direction = (id: string) =>
    reader
      .signal(id)
      .locator("[data-text] p")
      .first()
      .evaluate((node) => getComputedStyle(node).direction);
  assert.equal(await direction(hebrew), "rtl");
  assert.equal(await direction(arabic), "rtl");
  assert.equal(await direction(english), "ltr");
  assert.equal(
    (await reader.rows())[2]!.shown,
    "לונג ביטקוין כניסה 64,000\nסטופ 62,950",
  );
  assert.equal(await reader.overflow(), 0);
});

test("mentions are words: they call nobody and lead nowhere", async () => {
  const community = await world.community();
  const id = await community.write(
    "@everyone @here <@123> <@&456> <#789> <:rocket:1>",
  );
  const reader = await community.reader();
  await reader.shows([id]);
  const [row] = await reader.rows();
  assert.equal(row!.shown, "@everyone @here @member @role #channel :rocket:");
  const text = reader.signal(id).locator("[data-text]");
  assert.equal(await text.locator("a, img").count(), 0);
});

const RUN = "window.ran = true";
const HTML = `<script>${RUN}</script><img src=x onerror="${RUN}"><svg onload="${RUN}"><iframe srcdoc="<script>parent.ran = true</script>">`;
const SCRIPT_URL = `javascript:${RUN}`;

test("HTML in a message is text everywhere, and is never run", async () => {
  const community = await world.community([`<b onclick="${RUN}">x</b>`]);
  const target = await community.write({ content: HTML });
  const id = await community.write({
    content: `${HTML} [click](${SCRIPT_URL}) <${SCRIPT_URL}>`,
    author: { ...MARA, name: HTML },
    replyToId: target,
    embeds: [
      {
        title: HTML,
        url: SCRIPT_URL,
        description: `${HTML} [click](${SCRIPT_URL})`,
        author: { name: HTML, url: SCRIPT_URL },
        footer: { text: HTML },
        fields: [{ name: HTML, value: HTML, inline: false }],
        image: { url: SCRIPT_URL },
        thumbnail: { url: "data:image/svg+xml,<svg/>" },
      },
    ],
    attachments: [
      { id: "1", filename: HTML, url: SCRIPT_URL, size: 1 },
      {
        id: "2",
        filename: "x.png",
        contentType: "image/png",
        url: `data:text/html,${HTML}`,
        size: 1,
      },
    ],
  });
  const reader = await community.reader();
  await reader.shows([id, target]);
  const [row, quoted] = await reader.rows();
  assert.equal(quoted!.shown, HTML);
  assert.equal(
    row!.shown,
    `${HTML} [click](${SCRIPT_URL}) <${SCRIPT_URL}>`,
    "what looks like a link to a script is text",
  );
  assert.equal(row!.author, HTML);
  const { page } = reader;
  const bad = page.locator(
    "#root script, #root iframe, #root [onclick], article svg:not(.icon), article img, nav b",
  );
  assert.equal(await bad.count(), 0);
  const links = await page
    .locator("#root a")
    .evaluateAll((all) => all.map((one) => one.getAttribute("href")!));
  assert.deepEqual(
    links.filter((link) => !link.startsWith("#")),
    [],
  );
  assert.equal(await page.evaluate(() => "ran" in window), false);
});

test("the page's policy stops a script that got in anyway", async () => {
  const community = await world.community();
  const reader = await community.reader();
  reader.expect(/policy|Trusted/i);
  // From a timer: what a debugger evaluates is under no policy.
  const ran = await reader.page.evaluate(
    (html) =>
      new Promise((resolve) =>
        setTimeout(() => {
          const attempts = [
            () => document.body.insertAdjacentHTML("beforeend", html),
            () =>
              document.body
                .appendChild(document.createElement("script"))
                .append("window.ran = true"),
            () => document.body.setAttribute("onclick", "window.ran = true"),
            () => document.body.click(),
            () => new Function("window.ran = true")() as unknown,
          ];
          for (const attempt of attempts)
            try {
              attempt();
            } catch {
              continue; // stopped before it began
            }
          resolve("ran" in window);
        }),
      ),
    HTML,
  );
  assert.equal(ran, false);
  await until("the browser to report it", () =>
    reader.problems.some((one) => one.startsWith("error: policy:")),
  );
});

// ---- connection ----

test("two browsers at once show the same, whatever happens", async () => {
  const community = await world.community(["alpha", "beta"]);
  const readers = await Promise.all([
    community.reader(),
    community.reader(PHONE),
  ]);
  const ids: string[] = [];
  for (let i = 0; i < 12; i++)
    ids.push(await community.write(`signal ${i}`, i % 2 ? "alpha" : "beta"));
  await community.edit(ids[2]!, { content: "signal 2, changed" });
  await community.remove(ids[5]!, ids[7]!);
  const last = await community.write("the last");
  const left = ids.filter((id) => id !== ids[5] && id !== ids[7]).reverse();
  for (const reader of readers) await reader.shows([last, ...left]);
  const [one, two] = await Promise.all(readers.map((reader) => reader.rows()));
  assert.deepEqual(one, two);
  assert.equal(
    one!.find((row) => row.id === ids[2])!.text,
    "signal 2, changed",
  );
});

test("a backend that dies is said, with the age of the data; back, the page goes on by itself", async () => {
  const community = await world.community();
  const old = await community.write("before");
  const reader = await community.reader();
  const visitor = await community.open();
  for (const one of [reader, visitor])
    one.expect(/WebSocket connection to .* failed/);
  await reader.shows([old]);
  await reader.connected("connected", /^Live$/);
  await email(visitor).waitFor();

  await world.backend.end("SIGKILL");
  await reader.connected(
    "reconnecting",
    /^Reconnecting…\s*data from (just now|\d+ (s|min) ago)$/,
  );
  await reader.page.clock.setFixedTime(Date.now() + 5 * 60_000);
  await reader.connected("reconnecting", /data from [5-9] min ago$/);
  await reader.shows([old]); // what was read stays readable
  await reader.page.clock.resume();

  await visitor.signIn();
  await visitor.page
    .getByText("The server cannot be reached. Trying again…")
    .waitFor();
  assert.equal(await email(visitor).inputValue(), MEMBER.email);

  await world.backend.open();
  await reader.connected("connected", /^Live/);
  const fresh = await community.write("after");
  await reader.shows([fresh, old]);
  await visitor.shows([fresh, old]); // signed in as soon as it could be
});

// ---- small helpers ----

function chartFile(seed: number) {
  const { content_base64 } = chart("", seed, "");
  const png = Buffer.from(content_base64, "base64");
  return world.files.add("btc 4h.png", "image/png", png);
}

const email = (reader: Reader) => reader.page.getByLabel("E-mail");

async function heading(reader: Reader, name: string): Promise<void> {
  await reader.page.getByRole("heading", { name, exact: true }).waitFor();
}

async function toSignUp(reader: Reader): Promise<void> {
  await reader.page.getByRole("button", { name: "Create an account" }).click();
  await heading(reader, "Create your account");
}

/** Until a field of this name, or what has this id, has the focus. */
async function focused(reader: Reader, wanted: string): Promise<void> {
  await eventually(async () =>
    assert.equal(
      await reader.page.evaluate(() => {
        const { activeElement } = document;
        return activeElement!.getAttribute("name") ?? activeElement!.id;
      }),
      wanted,
    ),
  );
}
