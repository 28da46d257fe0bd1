// functionSpec.ts - function-spec.json, which the daemons' bindings are made from; and what
// was deployed.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Deployment } from "./deployment";

export const SPEC_FILE = fileURLToPath(
  new URL("../../function-spec.json", import.meta.url),
);

type Spec = { functions: { identifier?: string; path?: string }[] };

/** The same for every deployment: no address, one function a line, in order. */
export function settled(printed: string): string {
  const { functions } = JSON.parse(printed) as Spec;
  const name = (f: Spec["functions"][number]) => f.identifier ?? f.path ?? "";
  const lines = functions
    .sort((a, b) => (name(a) < name(b) ? -1 : 1))
    .map((f) => JSON.stringify(f));
  return `{"url":"","functions":[\n${lines.join(",\n")}\n]}\n`;
}

export function functionSpec(start: () => Promise<Deployment>): void {
  test("function-spec.json is what the deployed functions are", async () => {
    const deployment = await start();
    assert.equal(
      readFileSync(SPEC_FILE, "utf8"),
      settled(await deployment.functionSpec()),
      "out of date: npm run spec -w schema",
    );
  });

  test(
    "no module remembers anything, which would make every call evaluate it anew",
    { timeout: 600_000 },
    async () => {
      const { log } = await start();
      const told = () =>
        /push of \d+ modules, (\d+) of them/.exec(log.join("\n"))?.[1];
      while (told() === undefined) await setTimeout(20);
      assert.equal(told(), "0");
    },
  );
}
