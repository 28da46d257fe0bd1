// symbols.test.ts - the rows that say what signals trade, on tables in memory.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { MutationCtx } from "../convex/_generated/server";
import type { Body, Trade } from "../convex/model/fields";
import { follow, sweep, symbolsOf } from "../convex/model/symbols";
import { random } from "./random";

type Row = Record<string, unknown> & { _id: string; _creationTime: number };
type Ctx = MutationCtx;

/** What these functions use of a database, and how often they wrote to it. */
class Tables {
  writes = 0;
  scheduled = 0;
  #next = 1;
  readonly rows = new Map<string, Row[]>();

  of(table: string): Row[] {
    if (!this.rows.has(table)) this.rows.set(table, []);
    return this.rows.get(table)!;
  }

  get ctx(): Ctx {
    const find = (id: string) =>
      [...this.rows.values()].flat().find(({ _id }) => _id === id)!;
    const db = {
      insert: async (table: string, value: object) => {
        this.writes++;
        const row = { ...value, _id: `${table}${this.#next}` } as Row;
        row._creationTime = this.#next++;
        this.of(table).push(row);
        return row._id;
      },
      patch: async (id: string, change: object) => {
        this.writes++;
        Object.assign(find(id), change);
      },
      delete: async (id: string) => {
        this.writes++;
        for (const [table, rows] of this.rows)
          this.rows.set(
            table,
            rows.filter(({ _id }) => _id !== id),
          );
      },
      query: (table: string) => results(this.of(table)),
    };
    const scheduler = { runAfter: async () => void this.scheduled++ };
    return { db, scheduler } as unknown as Ctx;
  }
}

function results(rows: Row[]): object {
  return {
    withIndex: (_: string, range: (q: object) => unknown) => {
      let found = rows;
      const keep = (test: (row: Row) => boolean) => {
        found = found.filter(test);
        return q;
      };
      const q = {
        eq: (key: string, value: unknown) => keep((row) => row[key] === value),
        gt: (key: string, value: number) =>
          keep((row) => (row[key] as number) > value),
      };
      range(q);
      return results(found);
    },
    take: async (limit: number) => rows.slice(0, limit),
    first: async () => rows[0] ?? null,
    unique: async () => {
      assert.ok(rows.length < 2, "not unique");
      return rows[0] ?? null;
    },
  };
}

const PLACE = { communityId: "c", channelId: "ch", order: "1" } as never;
const BASES = ["BTC", "ETH", "SOL"];

function trading(bases: (string | undefined)[], text = "words") {
  const trades = bases.map((base): Trade => ({
    kind: "entry",
    base,
    spans: [],
    confidence: 1,
  }));
  const [one] = trades;
  const body = {
    content: text,
    ...(trades.length > 1 ? { contentTrades: trades } : { contentTrade: one }),
  } as Body;
  return { body, text };
}
const NOTHING = { body: null, text: undefined };

async function writesOf(
  tables: Tables,
  ...[before, after]: [ReturnType<typeof trading> | null, object]
): Promise<number> {
  const from = tables.writes;
  await follow(tables.ctx, "s" as never, PLACE, before, after as never);
  return tables.writes - from;
}

test("a message without a trade writes no row, one trade one, and an edit that keeps it none", async () => {
  const tables = new Tables();
  assert.equal(await writesOf(tables, null, trading([])), 0);
  const one = trading(["BTC"]);
  assert.equal(await writesOf(tables, trading([]), one), 1);
  assert.equal(await writesOf(tables, one, trading(["BTC"], "other")), 0);
  assert.equal(tables.of("signalSymbols")[0]!.text, undefined);
  const two = trading(["BTC", "ETH", "BTC", undefined]);
  assert.equal(await writesOf(tables, one, two), 2); // one more, and words for both
  assert.equal(await writesOf(tables, two, two), 0);
  assert.equal(await writesOf(tables, two, NOTHING), 2);
  assert.deepEqual(tables.of("signalSymbols"), []);
});

test("whatever edits come, a signal has exactly the rows of what it trades", async () => {
  for (let seed = 1; seed <= 50; seed++) {
    const tables = new Tables();
    const next = random(seed);
    let said: ReturnType<typeof trading> | null = null;
    for (let step = 0; step < 20; step++) {
      const bases = BASES.filter(() => next() < 0.5);
      const after = trading(bases, `text ${Math.floor(next() * 2)}`);
      await writesOf(tables, said, after);
      said = after;
      const rows = tables.of("signalSymbols");
      assert.deepEqual(rows.map(({ symbol }) => symbol).sort(), bases);
      const text = bases.length > 1 ? after.text : undefined;
      for (const row of rows) assert.equal(row.text, text);
    }
  }
});

test("older signals get the rows that they lack, in batches, once", async () => {
  const tables = new Tables();
  const { ctx } = tables;
  const add = async (i: number) => {
    const said = i % 5 ? trading(BASES.slice(0, i % 3)) : NOTHING;
    const place = { communityId: "c", channelId: "ch", order: String(i) };
    const row = { ...place, ...said };
    const id = await ctx.db.insert("signals", row as never);
    return { id, row: row as never };
  };
  for (let i = 0; i < 300; i++) {
    const { id, row } = await add(i);
    if (i % 7 === 0) await follow(ctx, id, row, null, row); // recorded since
  }
  const wanted = tables
    .of("signals")
    .flatMap(({ _id, body }) =>
      symbolsOf(body as Body | null).map((symbol) => `${_id} ${symbol}`),
    );
  const found = () =>
    tables.of("signalSymbols").map((row) => `${row.signalId} ${row.symbol}`);
  const lacking = wanted.length - found().length;
  assert.ok(lacking > 100, `${lacking} are too few to tell`);
  const added = [(await sweep(ctx)).added];
  for (let runs = 0; runs < tables.scheduled; runs++)
    added.push((await sweep(ctx)).added);
  assert.equal(tables.scheduled, 2);
  assert.equal(
    added.reduce((sum, one) => sum + one),
    lacking,
  );
  assert.deepEqual(found().sort(), wanted.sort());
  // What comes later writes its own, and is not looked at.
  await add(1);
  assert.deepEqual(await sweep(ctx), { added: 0 });
});
