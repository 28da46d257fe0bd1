// docs/discord-traps.md names a test for each trap: they are there, and all traps are.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const read = (file: string) => readFileSync(`${ROOT}/${file}`, "utf8");

/** The tests of a cell: "`file`: name, name; `file`: name". Names of C have no comma. */
function named(cell: string): [file: string, name: string][] {
  return cell.split("; `").flatMap((part) => {
    const [, file, names] = /^`?([^`]+)`: (.+)$/.exec(part.trim()) ?? [];
    assert.ok(file && names, `not a file and its test: ${part}`);
    const each = file.endsWith(".c") ? names.split(", ") : [names];
    return each.map((name): [string, string] => [file, name.trim()]);
  });
}

test("each of Discord's 39 traps is watched by tests that exist", () => {
  const rows = [
    ...read("docs/discord-traps.md").matchAll(
      /^\| *(\d+) *\|[^|]*\|([^|]*)\|$/gm,
    ),
  ];
  assert.deepEqual(
    rows.map(([, number]) => Number(number)),
    Array.from({ length: 39 }, (_, i) => i + 1),
  );
  const missing = rows
    .flatMap(([, , cell]) => named(cell!))
    .filter(([file, name]) => {
      const text = read(file);
      const quoted = [`"${name}"`, `'${name}'`, `\`${name}\``];
      return file.endsWith(".c")
        ? !new RegExp(`\\b${name}\\(void \\*\\*state\\)`).test(text)
        : !quoted.some((words) => text.includes(words));
    });
  assert.deepEqual(missing, []);
});
