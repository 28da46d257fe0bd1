// take.ts - makes the pictures beside it: ./run screenshots, or
// node --import tsx docs/screenshots/take.ts [FOLDER]
//
// Shows the sample feed as if written over the last hours, read by a member who is an operator
// too. The pictures look best where Inter and Noto Color Emoji are installed.
import type { Page } from "playwright-core";
import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { MEMBER, PHONE, World, writeSample } from "../../tests/web-harness";

const HERE = dirname(fileURLToPath(import.meta.url));
const SPREAD = 150; // three minutes become seven hours and a half
const DESK = { viewport: { width: 1200, height: 800 } };
const VIEWS = { "": DESK, "-phone": PHONE };

const folder = process.argv[2] ?? HERE;
mkdirSync(folder, { recursive: true });
const world = await World.start();
try {
  const channels = ["vip-signals", "scalps", "market-talk"];
  const community = await world.community(channels, "Northwind Signals");
  await writeSample(community, SPREAD);
  const text =
    "LONG BTC/USDT\nEntry 64000 - 64200\nTP 65000 / 66000 / 68000\nSL 62900";
  const place = (of: string) => {
    const start = text.indexOf(of);
    return { part: "content", start, end: start + of.length };
  };
  const sentAt = Date.now() - 5 * 60_000;
  const entry = await community.write({
    content: text,
    sentAt,
    contentTrade: {
      kind: "entry",
      ...{ symbol: "BTC/USDT", base: "BTC", quote: "USDT", side: "long" },
      leverage: { min: 5, max: 10, mode: "cross" },
      entries: { type: "range", values: ["64000", "64200"] },
      targets: ["65000", "66000", "68000"],
      stop: "62900",
      spans: [
        { field: "side", ...place("LONG") },
        { field: "symbol", ...place("BTC/USDT") },
        { field: "entry", ...place("64000") },
        { field: "entry", ...place("64200") },
        { field: "target", ...place("65000") },
        { field: "target", ...place("66000") },
        { field: "target", ...place("68000") },
        { field: "stop", ...place("62900") },
      ],
      confidence: 0.95,
    },
  });
  await community.write({
    content: "TP1 hit, stop to entry. Letting the rest run.",
    sentAt: sentAt + 4 * 60_000,
    replyToId: entry,
    contentTrade: {
      kind: "update",
      update: { type: "target_hit", targets: [1] },
      spans: [],
      confidence: 0.9,
    },
  });
  for (let i = 0; i < 4; i++) await world.fetchFiles();
  await community.grant(MEMBER.email);
  await world.run("access:makeOperator", { email: MEMBER.email });
  const pages = {
    feed: "#/",
    signal: `#/signal/${entry}`,
    account: "#/account",
    overview: "#/operator",
    channels: "#/operator/channels",
    person: `#/operator/people/${encodeURIComponent(MEMBER.email)}`,
    queues: "#/operator/queues",
    payments: "#/operator/events",
  };
  for (const [size, view] of Object.entries(VIEWS))
    for (const scheme of ["light", "dark"] as const) {
      const reader = await community.reader({ ...view, colorScheme: scheme });
      await reader.feed.waitFor();
      for (const [name, address] of Object.entries(pages)) {
        await reader.page.evaluate((to) => {
          location.hash = to;
        }, address);
        await settled(reader.page);
        const path = join(folder, `${name}-${scheme}${size}.png`);
        await reader.page.screenshot({ path });
      }
    }
  const visitor = await community.open({ ...DESK, colorScheme: "light" });
  await visitor.page.getByLabel("E-mail").fill("you@example.com");
  await visitor.page.screenshot({ path: join(folder, "sign-in.png") });
} finally {
  await world.close();
}

// Until nothing in sight waits any more: no page, no panel, no picture.
async function settled(page: Page): Promise<void> {
  await page.waitForFunction(() =>
    [
      ...document.querySelectorAll(
        ".panel-waiting, .picture-waiting, .page-loading, .skeleton",
      ),
    ].every((one) => {
      const { top, width } = one.getBoundingClientRect();
      return width === 0 || top > window.innerHeight;
    }),
  );
  await page.waitForTimeout(400);
}
