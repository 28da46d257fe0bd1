/* stream.ts - a query as it is consumed: index range, own writes, filters, limits.
 *
 * Reads ahead from SQLite, but what counts as read (limits, read set) is what was taken.
 */

import type { JSONObject, JSONValue } from "../api.js";
import type { Interval } from "../store/format.js";
import type { Order, Row } from "../store/reader.js";
import { KEY_END, prefixEnd, sortKey } from "../values/sortkey.js";
import type { Index, Table } from "./catalog.js";
import { SyscallError } from "./failure.js";
import { type Expression, isTrue } from "./filter.js";
import {
  indexNotFound,
  type SearchSource,
  SearchStream,
  stagedIndex,
} from "./search.js";
import { position, type Transaction } from "./transaction.js";

export type RangeBound = {
  type: "Eq" | "Gt" | "Gte" | "Lt" | "Lte";
  fieldPath: string;
  value: JSONValue;
};

export type QueryJson = {
  source:
    | { type: "FullTableScan"; tableName: string; order: Order | null }
    | {
        type: "IndexRange";
        indexName: string;
        range: RangeBound[];
        order: Order | null;
      }
    | SearchSource;
  operators: ({ filter: Expression } | { limit: number })[];
};

const MAX_OPERATORS = 256;
export const WHOLE = { lower: "", upper: KEY_END };

export type Taken = { key: string; text: string };

/** Documents in order, each with a key that says where it stands. */
export interface Documents {
  /** The next document, or null at the end. */
  next(): Taken | null;
}

/** Where to read; null when the table does not exist. */
export type Range = {
  table: Table;
  index: Index;
  lower: string;
  upper: string;
  order: Order;
};

function indexNamed(table: Table, indexName: string): Index {
  const name = indexName.slice(table.name.length + 1);
  const index = table.indexes.find((candidate) => candidate.name === name);
  if (index === undefined) throw indexNotFound(indexName);
  if (index.staged) throw stagedIndex(indexName);
  return index;
}

/** Every table has these, one that does not exist yet, too. */
function isBuiltIn(indexName: string): boolean {
  return /\.by_(id|creation_time)$/.test(indexName);
}

/** Finds the range of a query's source. */
export function resolveRange(
  transaction: Transaction,
  source: Exclude<QueryJson["source"], SearchSource>,
): Range | null {
  const tableName =
    source.type === "FullTableScan"
      ? source.tableName
      : source.indexName.split(".")[0]!;
  const table = transaction.table(tableName);
  if (table === undefined) {
    if (source.type === "FullTableScan" || isBuiltIn(source.indexName))
      return null;
    throw indexNotFound(source.indexName);
  }
  const order = source.order ?? "asc";
  if (source.type === "FullTableScan")
    return {
      table,
      index: table.indexes[1]!,
      lower: "",
      upper: KEY_END,
      order,
    };
  const index = indexNamed(table, source.indexName);
  return {
    table,
    index,
    ...keyRange(source.indexName, index, source.range),
    order,
  };
}

function keyRange(
  indexName: string,
  index: Index,
  range: RangeBound[],
): { lower: string; upper: string } {
  const fields = index.paths.map((path) => path.join("."));
  const equal = new Map<string, JSONValue>();
  let from: RangeBound | undefined;
  let to: RangeBound | undefined;
  for (const bound of range) {
    if (!fields.includes(bound.fieldPath))
      throw new SyscallError(
        "FieldNotInIndex",
        `The index range included a comparison with "${bound.fieldPath}", but ${indexName} with fields [${fields
          .slice(0, -1)
          .map((f) => `"${f}"`)
          .join(
            ", ",
          )}] doesn't index this field. For more information see https://docs.convex.dev/using/indexes.`,
      );
    if (bound.type === "Eq") equal.set(bound.fieldPath, bound.value);
    else if (bound.type.startsWith("G")) from = only(from, bound);
    else to = only(to, bound);
  }
  if (from !== undefined && to !== undefined && from.fieldPath !== to.fieldPath)
    throw new SyscallError(
      "BoundsOnMultipleFields",
      `Upper and lower bounds in \`range\` can only be applied to a single index field. This query against index ${indexName} attempted to set a range bound on both "${from.fieldPath}" and "${to.fieldPath}". Consider using \`filter\` instead. See https://docs.convex.dev/using/indexes for more info.`,
    );
  let prefix = "";
  let used = 0;
  while (used < fields.length && equal.has(fields[used]!))
    prefix += sortKey(equal.get(fields[used++]!));
  const bounded = from?.fieldPath ?? to?.fieldPath;
  if (used < equal.size || (bounded !== undefined && fields[used] !== bounded))
    throw new SyscallError(
      "InvalidIndexRange",
      `Tried to query index ${indexName} but the query didn't use the index fields in order.\nIndex fields: [${fields.map((f) => `"${f}"`).join(", ")}]\nQuery fields: [${range.map((b) => `"${b.fieldPath}"`).join(", ")}]\nFirst incorrect field: "${bounded ?? fields[used]}"\nFor more information see https://docs.convex.dev/using/indexes.`,
    );
  return boundsOf(prefix, from, to);
}

function only(present: RangeBound | undefined, bound: RangeBound): RangeBound {
  if (present !== undefined)
    throw new SyscallError(
      "AlreadyDefinedBound",
      `Already defined ${bound.type.startsWith("G") ? "lower" : "upper"} bound in index range. Can't add "${bound.fieldPath}" ${{ Gt: ">", Gte: ">=", Lt: "<", Lte: "<=", Eq: "==" }[bound.type]} ${JSON.stringify(bound.value)}.`,
    );
  return bound;
}

function boundsOf(
  prefix: string,
  from: RangeBound | undefined,
  to: RangeBound | undefined,
): { lower: string; upper: string } {
  let lower = prefix;
  let upper = prefix === "" ? KEY_END : prefixEnd(prefix);
  if (from !== undefined) {
    const key = prefix + sortKey(from.value);
    lower = from.type === "Gt" ? prefixEnd(key) : key;
  }
  if (to !== undefined) {
    const key = prefix + sortKey(to.value);
    upper = to.type === "Lt" ? key : prefixEnd(key);
  }
  return { lower, upper: upper < lower ? lower : upper };
}

/** Documents of one range, in order, as of each moment they are taken. */
export class RangeStream implements Documents {
  private rows: Row[] = [];
  private at = 0;
  private exhausted = false;
  private batch: number;
  /** Next key to be read from the snapshot (asc: from here; desc: before here). */
  private edge: string;
  /** Last key taken, or the start. */
  private taken: string;
  private readonly interval: Interval;
  done = false;

  constructor(
    private readonly transaction: Transaction,
    private readonly range: Range,
    firstBatch: number,
    private readonly ownWrites = true,
  ) {
    const { index, lower, upper, order } = range;
    const start = order === "asc" ? lower : upper;
    this.edge = start;
    this.taken = start;
    this.batch = Math.max(1, Math.min(firstBatch, 256));
    this.interval = transaction.interval(index.id, start, start);
  }

  private get ascending(): boolean {
    return this.range.order === "asc";
  }

  private fill(): void {
    const { index, lower, upper, order } = this.range;
    const [from, to] = this.ascending ? [this.edge, upper] : [lower, this.edge];
    this.rows = this.transaction.reader.scan(
      index.id,
      from,
      to,
      order,
      this.batch,
    );
    this.at = 0;
    if (this.rows.length < this.batch) this.exhausted = true;
    else {
      const last = this.rows[this.rows.length - 1]!.key;
      this.edge = this.ascending ? `${last}\0` : last;
    }
    this.batch = Math.min(this.batch * 4, 256);
  }

  private peekRow(): Row | undefined {
    for (;;) {
      if (this.at >= this.rows.length) {
        if (this.exhausted) return undefined;
        this.fill();
        continue;
      }
      const row = this.rows[this.at]!;
      if (!this.ownWrites || !this.transaction.isHidden(row.row)) return row;
      this.at++;
    }
  }

  private peekOwn(): Taken | undefined {
    if (!this.ownWrites) return undefined;
    const { table, index, lower, upper } = this.range;
    const own = this.transaction.overlay(table, index);
    if (own === null) return undefined;
    // Ascending: first key at or after; descending: last key before.
    const i = this.ascending
      ? position(own.keys, this.taken)
      : position(own.keys, this.taken) - 1;
    const key = own.keys[i];
    if (key === undefined || key < lower || key >= upper) return undefined;
    return { key, text: own.documents[i]!.text };
  }

  /** The next document, or null at the end of the range. */
  next(): Taken | null {
    if (this.done) return null;
    const row = this.peekRow();
    const own = this.peekOwn();
    if (row === undefined && own === undefined) {
      this.done = true;
      this.interval.lower = this.range.lower;
      this.interval.upper = this.range.upper;
      return null;
    }
    const first =
      row === undefined ||
      (own !== undefined && own.key < row.key === this.ascending)
        ? own!
        : { key: row.key, text: row.json };
    if (row !== undefined && first.key === row.key) this.at++;
    this.take(first);
    return first;
  }

  private take(document: Taken): void {
    if (this.ascending) {
      this.taken = `${document.key}\0`;
      this.interval.upper = this.taken;
    } else {
      this.taken = document.key;
      this.interval.lower = this.taken;
    }
    this.transaction.countRead(document.text);
  }
}

/** Null when the table does not exist. */
function openSource(
  transaction: Transaction,
  source: QueryJson["source"],
  firstBatch: number,
  ownWrites: boolean,
): Documents | null {
  if (source.type === "Search")
    return SearchStream.open(transaction, source, WHOLE, ownWrites);
  const range = resolveRange(transaction, source);
  return range === null
    ? null
    : new RangeStream(transaction, range, firstBatch, ownWrites);
}

/** A query with its operators; what `for await` and collect() consume. */
export class QueryStream {
  private readonly source: Documents | null;
  private readonly filters: { at: number; expression: Expression }[] = [];
  private readonly left: number[] = [];
  private readonly operators: QueryJson["operators"];

  constructor(transaction: Transaction, query: QueryJson, ownWrites = true) {
    this.operators = query.operators;
    if (this.operators.length > MAX_OPERATORS)
      throw new SyscallError(
        "TooManyOperators",
        `Query has too many operators: ${this.operators.length} (limit ${MAX_OPERATORS})`,
      );
    transaction.queries += 1;
    const limits = this.operators.flatMap((operator) =>
      "limit" in operator ? [operator.limit] : [],
    );
    this.left = this.operators.map((operator) =>
      "limit" in operator ? operator.limit : Infinity,
    );
    this.source = openSource(
      transaction,
      query.source,
      Math.min(32, ...limits),
      ownWrites,
    );
  }

  /** Text of the next document, or null. */
  next(): string | null {
    if (this.source === null) return null;
    for (;;) {
      if (this.left.some((left) => left <= 0)) return null;
      const found = this.source.next();
      if (found === null) return null;
      if (this.passes(found.text)) return found.text;
    }
  }

  private passes(text: string): boolean {
    let document: JSONObject | null = null;
    for (let i = 0; i < this.operators.length; i++) {
      const operator = this.operators[i]!;
      if ("filter" in operator) {
        document ??= JSON.parse(text) as JSONObject;
        if (!isTrue(operator.filter, document)) return false;
      } else {
        this.left[i]! -= 1;
      }
    }
    return true;
  }
}
