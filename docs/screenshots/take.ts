// take.ts - makes the pictures beside it: ./run screenshots, or
// node --import tsx docs/screenshots/take.ts [FOLDER [NAME]...]
//
// Two services are played: one in the middle of its day (scene.ts), one that is being set up.
// The pictures look best where Inter and Noto Color Emoji are installed.
import type { BrowserContextOptions, Page } from "playwright-core";
import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Community, PHONE, World, type Reader } from "../../tests/web-harness";
import {
  CUSTOMER,
  FORMER,
  OPERATOR,
  VISITOR,
  answerChecks,
  beat,
  play,
  post,
  type Scene,
} from "./scene";

const HERE = dirname(fileURLToPath(import.meta.url));
const DESK = { viewport: { width: 1200, height: 800 } };
const SIZES: [suffix: string, BrowserContextOptions][] = [
  ["", DESK],
  ["-phone", PHONE],
];
const SCHEMES = ["light", "dark"] as const;

const [folder = HERE, ...wanted] = process.argv.slice(2);
mkdirSync(folder, { recursive: true });

type Shot = {
  name: string;
  address: string;
  phone?: boolean; // there too
  height?: number; // of a desk's window, where more has to be seen
  ready?: string; // what has to be there, beside that nothing loads any more
  act?: (page: Page) => Promise<void>;
};

/** One picture of each shot in every size and scheme, by somebody at one page each. */
async function take(open: () => Promise<Reader>, shots: Shot[]): Promise<void> {
  const some = shots.filter(
    ({ name }) => wanted.length === 0 || wanted.includes(name),
  );
  if (some.length === 0) return;
  const { page } = await open();
  for (const [suffix, { viewport }] of SIZES)
    for (const scheme of SCHEMES) {
      await page.emulateMedia({ colorScheme: scheme, reducedMotion: "reduce" });
      for (const { name, address, phone, height, ready, act } of some) {
        if (suffix !== "" && !phone) continue;
        const { width } = viewport!;
        const tall = (suffix === "" && height) || viewport!.height;
        await page.setViewportSize({ width, height: tall });
        await page.evaluate((to) => {
          location.hash = to;
        }, address);
        if (ready !== undefined) await page.locator(ready).first().waitFor();
        await settled(page);
        await act?.(page);
        const path = join(folder, `${name}-${scheme}${suffix}.png`);
        await page.screenshot({ path });
      }
    }
  await page.context().close();
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

async function day(world: World, scene: Scene): Promise<void> {
  const { community, entry, update, share } = scene;
  const by = (who: typeof OPERATOR) => async () => {
    await beat(world);
    const reader = await community.open(DESK);
    await reader.signIn(who);
    await reader.page.locator(".account-link, .shell").first().waitFor();
    return reader;
  };
  await take(
    () => community.open(DESK),
    [
      { name: "sign-in", address: "#/", phone: true, ready: "form" },
      {
        name: "sign-up",
        address: "#/",
        ready: "form",
        act: async (page) => {
          const other = page.getByRole("button", { name: "Create an account" });
          if (await other.isVisible()) await other.click();
          await page.getByLabel("E-mail").fill("you@example.com");
        },
      },
      {
        name: "share",
        address: `#/share/${share}`,
        phone: true,
        ready: ".share-signal",
      },
    ],
  );
  await take(by(CUSTOMER), [
    { name: "feed", address: "#/", phone: true, ready: "ol.feed" },
    { name: "signal", address: `#/signal/${entry}`, phone: true },
    { name: "update", address: `#/signal/${update}`, phone: true },
    { name: "account", address: "#/account", phone: true },
  ]);
  const refused = { address: "#/", phone: true, ready: ".empty-state" };
  await take(by(VISITOR), [{ name: "no-access", ...refused }]);
  await take(by(FORMER), [{ name: "access-ended", ...refused }]);
  const person = `#/operator/people/${encodeURIComponent(CUSTOMER.email)}`;
  await take(by(OPERATOR), [
    {
      name: "overview",
      address: "#/operator",
      phone: true,
      height: 1150,
      ready: ".chart canvas",
      act: async (page) => {
        const six = page.getByText("6h", { exact: true });
        for (const one of await six.all()) await one.click();
        await settled(page);
      },
    },
    { name: "channels", address: "#/operator/channels", phone: true },
    { name: "people", address: "#/operator/people?q=a" },
    { name: "person", address: person, phone: true },
    { name: "payments", address: "#/operator/events", phone: true },
    {
      name: "payment",
      address: "#/operator/events?state=parked",
      ready: "td a",
      act: async (page) => {
        await page.locator("td a").first().click();
        await page.getByRole("heading", { name: "As received" }).waitFor();
        await settled(page);
      },
    },
    { name: "queues", address: "#/operator/queues", phone: true },
    { name: "shares", address: "#/operator/shares" },
    { name: "audit", address: "#/operator/audit" },
    { name: "exports", address: "#/operator/exports" },
  ]);
}

/** The first run, at several of its steps. */
async function firstRun(world: World): Promise<void> {
  const slug = "northwind";
  const guilds = ["1100000000000000001", "1200000000000000001"] as const;
  const url = await world.site({
    convexUrl: world.backend.url,
    community: slug,
  });
  const operator = async () => {
    const reader = await world.open(url, DESK);
    await reader.signIn(OPERATOR);
    await reader.page.locator(".shell").first().waitFor();
    return reader;
  };
  const at = (name: string, more: Partial<Shot> = {}): Shot => ({
    name: `setup-${name}`,
    address: "#/operator/setup",
    ready: ".step",
    ...more,
  });
  await take(operator, [at("1-operator")]);
  await world.run("access:makeOperator", { email: OPERATOR.email });
  await take(operator, [at("2-community", { ready: '[name="slug"]' })]);
  await world.run("communities:setUp", {
    ...{ slug, name: "Northwind Signals" },
    ...{ sourceGuildId: guilds[0], customerGuildId: guilds[1] },
  });
  const signals = new Community(world, url, slug, guilds[0], ["vip-signals"]);
  await world.run("channels:setUp", {
    ...{ community: slug, name: "vip-signals", enabled: true },
    sourceChannelId: `${guilds[0]}0`,
    mirrorChannelId: `${guilds[1]}0`,
  });
  await take(operator, [
    at("3-daemons", { ready: '[data-step="permissions"]', phone: true }),
  ]);
  await beat(world);
  await answerChecks(signals);
  await signals.grant(OPERATOR.email);
  const last = '[data-step="signal"]';
  const act = async (page: Page) => {
    const begin = page.getByRole("button", { name: "Begin" });
    if (await begin.isVisible()) {
      await begin.click();
      await signals.write("BUY BTC 64000, TP 65000, SL 62900");
      await post(signals);
    }
    await page.locator(`${last}[data-state="done"]`).scrollIntoViewIfNeeded();
  };
  await take(operator, [at("4-signal", { ready: last, phone: true, act })]);
}

const { world, scene } = await play();
try {
  await day(world, scene);
} finally {
  await world.close();
}
const empty = await World.start();
try {
  await firstRun(empty);
} finally {
  await empty.close();
}
