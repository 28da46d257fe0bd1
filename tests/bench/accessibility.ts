// accessibility.ts - the accessibility score of a page as Lighthouse works it out: the share of
// its axe audits that pass, by their weights; those that nothing on the page is subject to
// do not count. Rules and weights are those of Lighthouse 13's default configuration.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { AxeResults } from "axe-core";
import type { Page } from "playwright-core";

const AXE = readFileSync(
  createRequire(import.meta.url).resolve("axe-core/axe.min.js"),
  "utf8",
);

const AUDITS: [weight: number, rules: string][] = [
  [
    10,
    "aria-allowed-attr aria-hidden-body aria-required-attr aria-required-children aria-required-parent aria-roles aria-valid-attr-value aria-valid-attr button-name duplicate-id-aria image-alt input-button-name input-image-alt label meta-refresh meta-viewport select-name video-caption",
  ],
  [
    7,
    "accesskeys aria-command-name aria-conditional-attr aria-dialog-name aria-hidden-focus aria-input-field-name aria-meter-name aria-progressbar-name aria-prohibited-attr aria-text aria-toggle-field-name aria-tooltip-name aria-treeitem-name bypass color-contrast definition-list dlitem document-title frame-title html-has-lang html-lang-valid link-in-text-block link-name list listitem object-alt tabindex target-size td-headers-attr th-has-data-cells valid-lang",
  ],
  [
    3,
    "form-field-multiple-labels heading-order html-xml-lang-mismatch skip-link landmark-one-main",
  ],
  [
    1,
    "aria-deprecated-role autocomplete-valid presentation-role-conflict svg-img-alt",
  ],
];
const WEIGHTS = new Map(
  AUDITS.flatMap(([weight, rules]) =>
    rules.split(" ").map((rule) => [rule, weight] as const),
  ),
);

export type Accessibility = { score: number; failed: string[] };

export async function accessibilityOf(page: Page): Promise<Accessibility> {
  // By the debugger, which is under no policy of the page.
  await page.evaluate(AXE);
  const { violations, inapplicable } = await page.evaluate(
    async (rules) => {
      const { axe } = window as unknown as {
        axe: {
          getRules(): { ruleId: string }[];
          run(options: object): Promise<AxeResults>;
        };
      };
      const known = new Set(axe.getRules().map(({ ruleId }) => ruleId));
      const values = rules.filter((rule) => known.has(rule));
      return await axe.run({ runOnly: { type: "rule", values } });
    },
    [...WEIGHTS.keys()],
  );
  const unasked = new Set(inapplicable.map(({ id }) => id));
  const failed = new Set(violations.map(({ id }) => id));
  let all = 0;
  let passed = 0;
  for (const [rule, weight] of WEIGHTS) {
    if (unasked.has(rule)) continue;
    all += weight;
    if (!failed.has(rule)) passed += weight;
  }
  return { score: Math.round((100 * passed) / all), failed: [...failed] };
}
