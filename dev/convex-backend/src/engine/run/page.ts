/* page.ts - `paginate()`: pages, their cursors, and the journal.
 *
 * A cursor is base64url of: 8 bytes fingerprint of the query, then `E` (the end) or `A` and the
 * key after which the next page starts. It is opaque to clients and bound to its query.
 */

import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import type { JSONObject, JSONValue } from "../api.js";
import { KEY_END } from "../values/sortkey.js";
import { SyscallError } from "./failure.js";
import { isTrue } from "./filter.js";
import { SearchStream } from "./search.js";
import {
  type Documents,
  type QueryJson,
  type Range,
  RangeStream,
  resolveRange,
  WHOLE,
} from "./stream.js";
import { LIMITS, type Transaction } from "./transaction.js";

export type PageRequest = {
  query: QueryJson;
  cursor: string | null;
  endCursor: string | null;
  pageSize: number;
  maximumRowsRead: number | null;
  maximumBytesRead?: number | null;
};

type Position = { end: true } | { end: false; key: string };

/** Pages longer than this are better split. */
const SPLIT_ROWS = 6144;

export function invalidCursor(): SyscallError {
  return new SyscallError(
    "InvalidCursor",
    "InvalidCursor: Tried to run a query starting from a cursor, but it looks like this cursor is from a different query.",
    { isConvexSystemError: true, paginationError: "InvalidCursor" },
  );
}

export function fingerprint(query: JSONValue): Buffer {
  const digest = createHash("sha256").update(JSON.stringify(query)).digest();
  return digest.subarray(0, 8);
}

export function encodeCursor(print: Buffer, position: Position): string {
  const tail = position.end ? "E" : `A${position.key}`;
  return Buffer.concat([print, Buffer.from(tail, "latin1")]).toString(
    "base64url",
  );
}

export function decodeCursor(print: Buffer, cursor: string): Position {
  const bytes = Buffer.from(cursor, "base64url");
  if (
    bytes.toString("base64url") !== cursor ||
    !bytes.subarray(0, 8).equals(print)
  )
    throw invalidCursor();
  const tail = bytes.subarray(8).toString("latin1");
  if (tail === "E") return { end: true };
  if (tail[0] !== "A") throw invalidCursor();
  return { end: false, key: tail.slice(1) };
}

function checkRequest(request: PageRequest): void {
  const { pageSize, maximumRowsRead, maximumBytesRead } = request;
  for (const count of [pageSize, maximumRowsRead, maximumBytesRead]) {
    if (typeof count === "number" && !Number.isInteger(count))
      throw new SyscallError(
        "InvalidArgument",
        `Invalid arguments for \`queryPage\`: invalid type: floating point \`${count}\`, expected usize`,
      );
  }
  if (request.pageSize === 0)
    throw new SyscallError(
      "NoDocumentsForPagination",
      "Must request at least 1 document while paginating",
    );
  if (request.pageSize > LIMITS.documentsRead)
    throw new SyscallError(
      "PageSizeTooLarge",
      `Requested too many items: ${request.pageSize}`,
    );
  if (request.maximumRowsRead === 0 || request.maximumBytesRead === 0)
    throw new SyscallError(
      "InvalidPaginationLimit",
      "maximumRowsRead and maximumBytesRead must be greater than 0",
    );
}

/** The part of `range` after `start` and up to `end`, both in reading order. */
function between<R extends Pick<Range, "lower" | "upper" | "order">>(
  range: R,
  start: Position | null,
  end: Position | null,
): R {
  let { lower, upper } = range;
  const ascending = range.order === "asc";
  if (start !== null) {
    if (start.end) return { ...range, lower: upper, upper };
    if (ascending) lower = max(lower, `${start.key}\0`);
    else upper = min(upper, start.key);
  }
  if (end !== null && !end.end) {
    if (ascending) upper = min(upper, `${end.key}\0`);
    else lower = max(lower, end.key);
  }
  return { ...range, lower, upper: max(lower, upper) };
}

const max = (a: string, b: string) => (a > b ? a : b);
const min = (a: string, b: string) => (a < b ? a : b);

type Collected = {
  page: string[];
  keys: string[];
  exhausted: boolean;
  status: "SplitRecommended" | "SplitRequired" | null;
};

function collect(
  transaction: Transaction,
  rows: Documents,
  request: PageRequest,
  wanted: number,
): Collected {
  const out: Collected = { page: [], keys: [], exhausted: false, status: null };
  const startRows = transaction.documentsRead;
  const startBytes = transaction.bytesRead;
  const maxRows = Math.min(
    request.maximumRowsRead ?? Infinity,
    LIMITS.documentsRead - startRows,
  );
  const maxBytes = Math.min(
    request.maximumBytesRead ?? Infinity,
    LIMITS.bytesRead - startBytes - (1 << 20),
  );
  while (out.page.length < wanted) {
    const read = transaction.documentsRead - startRows;
    const bytes = transaction.bytesRead - startBytes;
    if (read >= maxRows || bytes >= maxBytes) {
      out.status = "SplitRequired";
      return out;
    }
    const found = rows.next();
    if (found === null) {
      out.exhausted = true;
      break;
    }
    out.keys.push(found.key);
    if (passes(request.query, found.text)) out.page.push(found.text);
  }
  if (
    out.keys.length > SPLIT_ROWS ||
    transaction.bytesRead > LIMITS.bytesRead * 0.75
  )
    out.status = "SplitRecommended";
  return out;
}

function passes(query: QueryJson, text: string): boolean {
  if (query.operators.length === 0) return true;
  const document = JSON.parse(text) as JSONObject;
  return query.operators.every(
    (operator) => !("filter" in operator) || isTrue(operator.filter, document),
  );
}

/** Runs one page. `journal`: the end cursor of the earlier run, or null. */
export function runPage(
  transaction: Transaction,
  request: PageRequest,
  journal: string | null,
): { result: string; journal: string } {
  checkRequest(request);
  transaction.queries += 1;
  const print = fingerprint(request.query as unknown as JSONValue);
  const position = (cursor: string | null) =>
    cursor === null ? null : decodeCursor(print, cursor);
  const start = position(request.cursor);
  const end = position(request.endCursor ?? journal);
  const { source } = request.query;
  const wanted = end === null ? request.pageSize : Infinity;
  const rows = openPage(transaction, source, start, end, wanted);
  if (rows === null)
    return pageResult(
      { page: [], keys: [], exhausted: true, status: null },
      print,
      { end: true },
    );
  const found = collect(transaction, rows, request, wanted);
  const last = found.keys[found.keys.length - 1];
  const first =
    source.type !== "Search" && source.order === "desc" ? KEY_END : "";
  // A page with an end keeps it, also when it could not be read so far: its halves fill it.
  const next: Position =
    end ??
    (found.exhausted
      ? { end: true }
      : last === undefined
        ? (start ?? { end: false, key: first })
        : { end: false, key: last });
  return pageResult(found, print, next, source.type !== "Search");
}

/** The documents between two cursors; null when the table does not exist. */
function openPage(
  transaction: Transaction,
  source: QueryJson["source"],
  start: Position | null,
  end: Position | null,
  wanted: number,
): Documents | null {
  if (source.type === "Search")
    return SearchStream.open(
      transaction,
      source,
      between({ ...WHOLE, order: "asc" }, start, end),
    );
  const whole = resolveRange(transaction, source);
  return whole === null
    ? null
    : new RangeStream(
        transaction,
        between(whole, start, end),
        Math.min(wanted, 256),
      );
}

function pageResult(
  found: Collected,
  print: Buffer,
  next: Position,
  mayBeSplit = false,
): { result: string; journal: string } {
  const middle = found.keys[Math.floor((found.keys.length - 1) / 2)];
  const split =
    mayBeSplit && found.keys.length >= 3
      ? encodeCursor(print, { end: false, key: middle! })
      : null;
  const cursor = encodeCursor(print, next);
  const result =
    `{"page":[${found.page.join()}],"isDone":${next.end},"continueCursor":${JSON.stringify(cursor)},` +
    `"splitCursor":${JSON.stringify(split)},"pageStatus":${JSON.stringify(found.status)}}`;
  return { result, journal: cursor };
}
