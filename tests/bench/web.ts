// web.ts - how fast the built page is there, by Lighthouse's measures and scoring curves.
//
// Its measures are taken in Chromium itself, each the median of RUNS cold visits: of the
// sign-in page, and of the feed by somebody who is signed in. Then every page's score for
// accessibility. Speed index is not taken; its
// weight goes to the largest paint, which is never earlier.
import type { CDPSession } from "playwright-core";
import { MEMBER, PHONE, World, writeSample, type Reader } from "../web-harness";
import { accessibilityOf } from "./accessibility";

const RUNS = 5;

// Lighthouse's: what gets a score of 0.9, what gets 0.5, and the weight.
type Curve = { p10: number; median: number; weight: number };
type Measures = { fcp: number; lcp: number; tbt: number; cls: number };
type Look = {
  name: string;
  cpu: number; // times slower
  network: { latency: number; bitsPerSecond: number };
  curves: Record<keyof Measures, Curve>;
};

const LOOKS: Look[] = [
  {
    name: "desktop",
    cpu: 1,
    network: { latency: 40, bitsPerSecond: 10_240_000 },
    curves: {
      fcp: { p10: 934, median: 1600, weight: 10 },
      lcp: { p10: 1200, median: 2400, weight: 35 },
      tbt: { p10: 150, median: 350, weight: 30 },
      cls: { p10: 0.1, median: 0.25, weight: 25 },
    },
  },
  {
    name: "phone",
    cpu: 4,
    network: { latency: 150, bitsPerSecond: 1_638_400 },
    curves: {
      fcp: { p10: 1800, median: 3000, weight: 10 },
      lcp: { p10: 2500, median: 4000, weight: 35 },
      tbt: { p10: 200, median: 600, weight: 30 },
      cls: { p10: 0.1, median: 0.25, weight: 25 },
    },
  },
];

/** The share of a log-normal distribution that is slower. */
function scoreOf(value: number, { p10, median }: Curve): number {
  if (value <= 0) return 1;
  const sigma = Math.log(median / p10) / 1.2815515655446004;
  return 1 - phi((Math.log(value) - Math.log(median)) / sigma);
}

function phi(z: number): number {
  const t = 1 / (1 + 0.3275911 * (Math.abs(z) / Math.SQRT2));
  const poly =
    t *
    (0.254829592 +
      t *
        (-0.284496736 +
          t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  const erf = 1 - poly * Math.exp((-z * z) / 2);
  return z < 0 ? (1 - erf) / 2 : (1 + erf) / 2;
}

// Runs in the page before it.
function note(): void {
  const noted = { fcp: 0, lcp: 0, tbt: 0, cls: 0 };
  (window as unknown as { __noted: Measures }).__noted = noted;
  const watch = (type: string, take: (entry: never) => void) =>
    new PerformanceObserver((list) =>
      list.getEntries().forEach((entry) => take(entry as never)),
    ).observe({ type, buffered: true });
  watch("paint", (entry: PerformanceEntry) => {
    if (entry.name === "first-contentful-paint") noted.fcp = entry.startTime;
  });
  watch("largest-contentful-paint", (entry: PerformanceEntry) => {
    noted.lcp = entry.startTime;
  });
  watch("longtask", (entry: PerformanceEntry) => {
    noted.tbt += entry.duration - 50;
  });
  watch("layout-shift", (entry: { value: number; hadRecentInput: boolean }) => {
    if (!entry.hadRecentInput) noted.cls += entry.value;
  });
}

async function slowed(session: CDPSession, look: Look): Promise<void> {
  const bytes = look.network.bitsPerSecond / 8;
  await session.send("Network.enable");
  await session.send("Network.clearBrowserCache");
  await session.send("Network.emulateNetworkConditions", {
    offline: false,
    latency: look.network.latency,
    downloadThroughput: bytes,
    uploadThroughput: bytes,
  });
  await session.send("Emulation.setCPUThrottlingRate", { rate: look.cpu });
}

async function visit(reader: Reader, look: Look, until: string) {
  const { page } = reader;
  const session = await page.context().newCDPSession(page);
  await slowed(session, look);
  await page.reload();
  await page.locator(until).first().waitFor();
  await page.waitForTimeout(1_500); // the largest paint may still come
  const measures = await page.evaluate(
    () => (window as unknown as { __noted: Measures }).__noted,
  );
  await session.send("Emulation.setCPUThrottlingRate", { rate: 1 });
  await session.detach();
  return measures;
}

const PAGES: Record<string, [address: string, until: string]> = {
  feed: ["#/", "[data-message-id]"],
  account: ["#/account", ".standings"],
  overview: ["#/operator", ".chart canvas"],
  channels: ["#/operator/channels", ".channel-item"],
  people: ["#/operator/people?q=member", "td a"],
  person: [
    `#/operator/people/${encodeURIComponent(MEMBER.email)}`,
    ".timeline",
  ],
  payments: ["#/operator/events", ".table-empty"],
  queues: ["#/operator/queues", "[role=tab]"],
  "share links": ["#/operator/shares", ".share-manager"],
  "audit log": ["#/operator/audit", "td"],
  exports: ["#/operator/exports", ".export"],
  "first run": ["#/operator/setup", '[data-step="signal"]'],
};

async function judge({ page }: Reader, name: string) {
  const desk = page.viewportSize()!;
  const wide = await accessibilityOf(page);
  await page.setViewportSize(PHONE.viewport);
  const small = await accessibilityOf(page);
  await page.setViewportSize(desk);
  const failed = [...new Set([...wide.failed, ...small.failed])].join(", ");
  return { page: name, desktop: wide.score, phone: small.score, failed };
}

/** Accessibility of each page. */
async function walk(visitor: Reader, reader: Reader) {
  const rows = [await judge(visitor, "sign in")];
  for (const [name, [address, until]] of Object.entries(PAGES)) {
    await reader.page.evaluate((to) => {
      location.hash = to;
    }, address);
    await reader.page.locator(until).first().waitFor();
    await reader.page
      .locator(".panel-waiting, .page-loading")
      .first()
      .waitFor({ state: "detached" });
    rows.push(await judge(reader, name));
  }
  return rows;
}

const median = (all: number[]) =>
  [...all].sort((a, b) => a - b)[Math.floor(all.length / 2)]!;

const world = await World.start();
try {
  const community = await world.community([
    "vip-signals",
    "scalps",
    "market-talk",
  ]);
  await writeSample(community);
  const visitor = await community.open();
  const reader = await community.reader();
  for (const { page } of [visitor, reader]) await page.addInitScript(note);
  const rows: Record<string, string | number>[] = [];
  for (const look of LOOKS)
    for (const [page, who, until] of [
      ["sign in", visitor, "form button.primary"],
      ["feed", reader, "[data-message-id]"],
    ] as const) {
      const all: Measures[] = [];
      for (let i = 0; i < RUNS; i++) all.push(await visit(who, look, until));
      const of = (name: keyof Measures) => median(all.map((one) => one[name]));
      const keys = Object.keys(look.curves) as (keyof Measures)[];
      const score = keys.reduce(
        (sum, key) =>
          sum + scoreOf(of(key), look.curves[key]) * look.curves[key].weight,
        0,
      );
      rows.push({
        page: `${page}, ${look.name}`,
        "first paint ms": Math.round(of("fcp")),
        "largest paint ms": Math.round(of("lcp")),
        "blocked ms": Math.round(of("tbt")),
        shift: Number(of("cls").toFixed(4)),
        score: Math.round(score),
      });
    }
  console.table(rows);
  await world.run("access:makeOperator", { email: MEMBER.email });
  console.table(await walk(visitor, reader));
} finally {
  await world.close();
}
