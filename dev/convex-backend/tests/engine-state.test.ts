/* No call sees what another left in variables, and none is harmed by another. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { transformSync } from "esbuild";
import { stateOf } from "../src/engine/deploy/state.js";
import { pushRequest } from "./bundle.js";
import {
  type Bench,
  bench,
  fixture,
  nobody,
  push,
  valueOf,
} from "./harness.js";

let b: Bench;

before(async () => {
  b = await bench("state", { actionSilenceMs: 1500 });
});
after(async () => {
  await b.close();
});

const FIRST = [1, 1, 1, 1];

async function act(path: string, args = {}) {
  const call = { path, args, identity: nobody, requestId: "a" };
  return valueOf((await b.engine.runAction(call)).outcome);
}

test("variables of modules and globals start anew in every query, mutation and action", async () => {
  for (let n = 0; n < 5; n++) {
    assert.deepEqual(await b.query("state:inQuery", { n }), FIRST);
    assert.deepEqual(await b.mutate("state:inMutation"), FIRST);
    assert.deepEqual(await act("state:inAction"), FIRST);
  }
});

test("a function called by another has variables of its own", async () => {
  const [mine, other] = (await b.query("state:nested")) as number[][];
  assert.deepEqual(mine, FIRST);
  assert.deepEqual(other?.slice(0, 3), FIRST.slice(0, 3));
});

test("modules see the same time and chance whenever they are evaluated", async () => {
  const first = await b.query("state:importTime", { n: 1 });
  assert.deepEqual(await b.query("state:importTime", { n: 2 }), first);
});

test("import() works in actions and is refused in queries", async () => {
  assert.equal(await act("state:lateAction"), 1);
  await assert.rejects(
    b.query("state:late"),
    /dynamic module import unsupported/,
  );
});

test("an endless action is ended alone: others before, beside and after it answer", async () => {
  const beside = act("state:wait", { ms: 30 });
  const endless = act("state:spin");
  assert.equal(await beside, 30);
  for (let n = 0; n < 5; n++)
    assert.equal(await act("state:wait", { ms: n }), n);
  await assert.rejects(endless, /The action was stopped/);
});

test("more actions than threads wait their turn", async () => {
  const all = Array.from({ length: 40 }, (_, ms) => act("state:wait", { ms }));
  assert.deepEqual(
    await Promise.all(all),
    Array.from({ length: 40 }, (_, ms) => ms),
  );
});

test("actions that wait for actions do not hold each other up", async () => {
  const all = Array.from({ length: 20 }, () =>
    act("state:parent", { depth: 3 }),
  );
  assert.deepEqual(await Promise.all(all), Array(20).fill(3));
});

test("what an action leaves running ends with it", async () => {
  await act("state:leavesTimer");
  const ts = b.engine.latestTs();
  let calls = 0;
  const off = b.engine.onLog(() => calls++);
  await act("state:wait", { ms: 50 });
  off();
  assert.equal(calls, 1);
  assert.equal(b.engine.latestTs(), ts);
});

test("modules that wait at their top level are loaded all the same", async () => {
  const lines: string[] = [];
  const app = await bench("state", {
    log: (_level, message) => lines.push(message),
  });
  assert.match(lines.join("\n"), /modules, [1-9]\d* of them evaluated anew/);
  const request = await pushRequest(fixture("state"));
  request.appDefinition.changedModules.push({
    path: "waits.js",
    source: "export const soon = await Promise.resolve(1);",
    environment: "isolate",
  });
  await push(app.engine, request);
  const first = (await app.query("state:inQuery", { n: 1 })) as number[];
  assert.equal(first.length, 4);
  await app.close();
});

test("a module with something to remember is told from one without", () => {
  const report = (source: string) =>
    stateOf({ path: "m.js", source, environment: "isolate" });
  const remembers = [
    "let n = 0; export const f = () => ++n;",
    "let n; export const f = () => { n ??= 1; };",
    "var a = 1, n = 0; function f() { n += a; }",
    "const m = new Map(); const f = () => m.set(1, 2);",
    "const m = new Set(); export { m };",
    "const s = { n: 0 }; const f = () => { s.n++; };",
    "const s = { a: { b: [0] } }; const f = () => { s.a.b[0] = 1; };",
    "const l = []; const f = () => l;",
    "const l = [1]; const f = () => l.push(2);",
    "const s = { a: 1 }; const f = () => { delete s.a; };",
    "const c = new Counter();",
    "class C {} const f = () => { C.n = 1; };",
    "let n = 0; const f = () => `${n++}`;",
    "let n = 0; const f = (a) => a / 2 + n++ / 3;",
  ];
  for (const source of remembers)
    assert.equal(report(source).hasState, true, source);
  const forgets = [
    'const a = 1, b = "n = 2", c = /a = 1/g; export const f = () => a;',
    "const m = new Map([[1, 2]]); const f = () => m.get(1);",
    "const fields = { n: 0 }; const f = () => ({ ...fields, n: fields.n + 1 });",
    "const f = (x) => { const n = {}; n.x = x; n.x++; return n; };",
    "const s = `a ${1 + 1} = 2`; // s = 3",
    "const limit = 5; const f = (x) => x.limit === limit ? { limit: 1 } : x / 2;",
    "const at = new Date(0); const f = () => at.getTime();",
  ];
  for (const source of forgets)
    assert.equal(report(source).hasState, false, source);
  const other = 'import { s } from "./s.js"; const f = () => { s.n = 1; };';
  assert.equal(report(other).changesOthers, true);
  assert.equal(report("const g = globalThis;").usesGlobal, true);
  assert.equal(report("const g = 1; export { g as self };").usesGlobal, false);
});

test("a variable of a function is not taken for one of its module", () => {
  const report = (source: string) => {
    const { code, map } = transformSync(source, {
      format: "esm",
      minifyIdentifiers: true,
      sourcefile: "m.ts",
      sourcemap: "external",
    });
    return stateOf({
      path: "m.js",
      source: code,
      sourceMap: map,
      environment: "isolate",
    });
  };
  const local =
    "export const f = () => { const page = {}; page.n = other.n; return page; };";
  const source = `const page = { n: 0 }; const other = page; ${local}`;
  assert.equal(report(source).hasState, false);
  assert.equal(
    report(`${source} export const g = () => page.n++;`).hasState,
    true,
  );
});
