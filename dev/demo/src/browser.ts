// The dashboard in a real browser, driven as a customer would.
import { existsSync } from "node:fs";
import { chromium, type Browser, type Page } from "playwright-core";
import { LOGIN, type Stack } from "./stack";
import type { Row } from "./compare";

const CANDIDATES = [
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/snap/bin/chromium",
];

/** A guard against hanging only. */
const PATIENCE_MS = 300_000;

export function browserPath(): string {
  const path =
    process.env.CHROMIUM ??
    CANDIDATES.find((candidate) => existsSync(candidate));
  if (!path || !existsSync(path))
    throw new Error(
      "no Chromium found: install it, or name it in CHROMIUM=/path/to/chromium",
    );
  return path;
}

export async function launch(): Promise<Browser> {
  return await chromium.launch({
    executablePath: browserPath(),
    timeout: PATIENCE_MS,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

export class Dashboard {
  readonly problems: string[] = []; // what the page's console and network complained of

  private constructor(readonly page: Page) {}

  /** Opens the page, signs in through its form and waits for the feed. */
  static async open(browser: Browser, stack: Stack): Promise<Dashboard> {
    const page = await browser.newPage();
    page.setDefaultTimeout(PATIENCE_MS);
    const self = new Dashboard(page);
    page.on("console", (message) => {
      if (message.type() === "error") self.problems.push(message.text());
    });
    page.on("pageerror", (error) => self.problems.push(String(error)));
    await page.addInitScript(notePaints);
    await page.goto(stack.webUrl);
    await page.locator('input[type="email"]').fill(LOGIN.email);
    await page.locator('input[type="password"]').fill(LOGIN.password);
    await page.locator("form button.primary").click();
    await page.locator(".feed, .empty").waitFor();
    return self;
  }

  /** All rows, newest first; scrolls through them, which loads the older pages. */
  async rows(): Promise<Row[]> {
    const rows = new Map<string, Row>();
    await scrollThrough(this.page, async () => {
      for (const row of await this.shown()) rows.set(row.messageId, row);
    });
    return [...rows.values()];
  }

  // Those that are in the document: what is far from the window is not.
  private async shown(): Promise<Row[]> {
    return await this.page.evaluate(() =>
      [...document.querySelectorAll<HTMLElement>("[data-message-id]")].map(
        (element) => ({
          messageId: element.dataset.messageId!,
          content:
            element.querySelector<HTMLElement>("[data-text]")?.dataset.text ??
            "",
          text: element.querySelector("[data-text]")?.textContent ?? "",
        }),
      ),
    );
  }

  /** When each message was first painted, ms since 1970. */
  async paints(): Promise<Map<string, number>> {
    return new Map(
      await this.page.evaluate(() => [
        ...(window as unknown as PaintWindow).__paints,
      ]),
    );
  }
}

/** From the top of the feed to its end, `visit` at every step; then back to the top. */
export async function scrollThrough(
  page: Page,
  visit: () => Promise<void>,
): Promise<void> {
  await scroll(page, "top");
  for (let ended = false; !ended;) {
    ended = await page.evaluate(
      () =>
        document.querySelector(".empty") !== null ||
        (window.scrollY + window.innerHeight >=
          document.documentElement.scrollHeight - 2 &&
          /everything/.test(
            document.querySelector(".older")?.textContent ?? "",
          )),
    );
    await visit();
    await scroll(page, "on");
  }
  await scroll(page, "top");
}

// Two frames later the list has followed.
async function scroll(page: Page, to: "top" | "on"): Promise<void> {
  await page.evaluate(
    (to) =>
      new Promise<void>((resolve) => {
        if (to === "top") window.scrollTo(0, 0);
        else window.scrollBy(0, Math.round(window.innerHeight * 0.8));
        requestAnimationFrame(() => requestAnimationFrame(() => resolve()));
      }),
    to,
  );
}

interface PaintWindow {
  __paints: Map<string, number>;
}

// Runs in the page before it: the time of the first frame that shows a message.
function notePaints(): void {
  const paints = new Map<string, number>();
  (window as unknown as PaintWindow).__paints = paints;
  const note = (element: Element) => {
    const id = (element as HTMLElement).dataset.messageId;
    if (!id || paints.has(id)) return;
    paints.set(id, Infinity);
    requestAnimationFrame(() => {
      const channel = new MessageChannel(); // after the frame was produced
      channel.port1.onmessage = () => paints.set(id, Date.now());
      channel.port2.postMessage(null);
    });
  };
  new MutationObserver((records) => {
    for (const record of records)
      for (const node of record.addedNodes)
        if (node instanceof Element) {
          if (node.matches("[data-message-id]")) note(node);
          for (const inner of node.querySelectorAll("[data-message-id]"))
            note(inner);
        }
  }).observe(document, { childList: true, subtree: true });
}
