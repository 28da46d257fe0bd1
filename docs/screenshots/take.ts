// take.ts - makes the pictures beside it: node --import tsx docs/screenshots/take.ts [FOLDER]
//
// Shows the sample feed as if written over the last hours. The pictures look best
// where Inter and Noto Color Emoji are installed.
import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { PHONE, World, writeSample } from "../../tests/web-harness";

const HERE = dirname(fileURLToPath(import.meta.url));
const SPREAD = 150; // three minutes become seven hours and a half
const DESK = { viewport: { width: 1200, height: 800 } };

const folder = process.argv[2] ?? HERE;
mkdirSync(folder, { recursive: true });
const world = await World.start();
try {
  const channels = ["vip-signals", "scalps", "market-talk"];
  const community = await world.community(channels, "Northwind Signals");
  await writeSample(community, SPREAD);
  const looks = {
    "feed-light": { ...DESK, colorScheme: "light" },
    "feed-dark": { ...DESK, colorScheme: "dark" },
    "feed-phone": { ...PHONE, deviceScaleFactor: 2, colorScheme: "light" },
  } as const;
  for (const [name, look] of Object.entries(looks)) {
    const reader = await community.reader(look);
    if (name !== "feed-light")
      await reader.page.getByRole("button", { name: "vip-signals" }).click();
    await reader.feed.waitFor();
    // Those further down are not asked for before they come near.
    await reader.page.waitForFunction(() =>
      [...document.images].every(
        (image) =>
          image.complete ||
          image.getBoundingClientRect().top > window.innerHeight,
      ),
    );
    await reader.page.screenshot({ path: join(folder, `${name}.png`) });
  }
  const visitor = await community.open({ ...DESK, colorScheme: "light" });
  await visitor.page.getByLabel("E-mail").fill("you@example.com");
  await visitor.page.screenshot({ path: join(folder, "sign-in.png") });
  await world.closeReaders();
} finally {
  await world.close();
}
