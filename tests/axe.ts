// What axe-core finds wrong with a page.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { AxeResults } from "axe-core";
import type { Page } from "playwright-core";

const source = readFileSync(
  createRequire(import.meta.url).resolve("axe-core/axe.min.js"),
  "utf8",
);

/** Throws with every violation and what it is of. */
export async function assertAccessible(page: Page): Promise<void> {
  // By the debugger, which is under no policy of the page.
  await page.evaluate(source);
  const { violations } = await page.evaluate(async () => {
    const { axe } = window as unknown as {
      axe: { run(): Promise<AxeResults> };
    };
    // What is fading in has half its colour.
    await Promise.all(
      document.getAnimations().map((one) => one.finished.catch(() => null)),
    );
    return await axe.run();
  });
  assert.deepEqual(
    violations.flatMap(({ id, nodes }) =>
      nodes.map(
        ({ html, failureSummary }) =>
          `${id}: ${html.slice(0, 160)} ${failureSummary}`,
      ),
    ),
    [],
    `accessibility of ${page.url()}`,
  );
}
