/* search.ts - `withSearchIndex`: finds the entries of the words asked for and ranks documents.
 *
 * As in the real backend: any of the words may match, the last one also as the start of a word
 * (for half the score); ranked by BM25, newest first among equals; at most 1024 documents. How
 * many documents a table has is not looked at, as every insert would then change every result:
 * what the rank depends on lies in the ranges that were read.
 */

import type { JSONObject, JSONValue } from "../api.js";
import type { Interval } from "../store/format.js";
import {
  compareValues,
  fieldAt,
  prefixEnd,
  sortKey,
} from "../values/sortkey.js";
import type { Table } from "./catalog.js";
import { SyscallError } from "./failure.js";
import type { Documents, Taken } from "./stream.js";
import type { Transaction } from "./transaction.js";
import {
  filterHash,
  parseEntry,
  prefixKey,
  type SearchIndex,
  type WordEntry,
  wordKey,
  wordsOf,
} from "./words.js";

export type SearchSource = {
  type: "Search";
  /** "table.index" */
  indexName: string;
  filters: (
    | { type: "Search"; fieldPath: string; value: string }
    | { type: "Eq"; fieldPath: string; value: JSONValue }
  )[];
};

const MAX_WORDS = 16;
/** Words that one query reads, those that the last word begins included. */
const MAX_READ_WORDS = 64;
const MAX_CANDIDATES = 1024;
const MAX_FILTERS = 8;

// BM25. The length that counts as usual is fixed, see above.
const K1 = 1.2;
const B = 0.75;
const USUAL_LENGTH = 16;
const LEAST_DOCUMENTS = 1000;
const PREFIX_WEIGHT = 0.5;

type Condition = { path: string[]; value: JSONValue; hash: string; at: number };

type Compiled = {
  index: SearchIndex;
  words: string[];
  conditions: Condition[];
};

function refuse(code: string, indexName: string, what: string): never {
  throw new SyscallError(code, `Search query against ${indexName} ${what}`);
}

/** Checks the query in the real backend's words. */
function compile(index: SearchIndex, source: SearchSource): Compiled {
  const { indexName } = source;
  const conditions: Condition[] = [];
  let text: string | null = null;
  for (const filter of source.filters) {
    const { fieldPath } = filter;
    if (filter.type === "Eq") {
      const at = index.filterFields.indexOf(fieldPath);
      if (at < 0)
        refuse(
          "IncorrectFilterFieldError",
          indexName,
          `contains an equality filter on ${fieldPath} but that field isn't indexed for filtering in \`filterFields\`.`,
        );
      const { value } = filter;
      const path = index.filterPaths[at]!;
      conditions.push({ path, value, hash: filterHash(value), at });
      continue;
    }
    if (fieldPath !== index.searchField)
      refuse(
        "IncorrectSearchField",
        indexName,
        `contains a search filter against ${fieldPath}, which doesn't match the indexed \`searchField\` ${index.searchField}.`,
      );
    if (text !== null)
      refuse(
        "DuplicateSearchFiltersError",
        indexName,
        `contains multiple search filters against ${fieldPath}. Only one is allowed.`,
      );
    text = filter.value;
  }
  if (text === null)
    refuse(
      "MissingSearchFilterError",
      indexName,
      `does not contain any search filters. You must include a search filter like \`q.search("${index.searchField}", searchText)\`.`,
    );
  if (conditions.length > MAX_FILTERS)
    refuse(
      "TooManyFilterConditionsInSearchQueryError",
      indexName,
      `has too many filter conditions. Max: ${MAX_FILTERS} Actual: ${conditions.length}`,
    );
  return { index, words: wordsOf(text, MAX_WORDS), conditions };
}

function indexNamed(table: Table, indexName: string): SearchIndex {
  const name = indexName.slice(table.name.length + 1);
  const index = table.searches.find((candidate) => candidate.name === name);
  if (index?.staged === true) throw stagedIndex(indexName);
  if (index !== undefined) return index;
  if (table.indexes.some((candidate) => candidate.name === name))
    throw new SyscallError(
      "IndexNotASearchIndexError",
      `Index ${indexName} is not a search index`,
    );
  throw indexNotFound(indexName);
}

export function indexNotFound(indexName: string): SyscallError {
  return new SyscallError(
    "IndexNotFoundError",
    `Index ${indexName} not found.`,
  );
}

export function stagedIndex(indexName: string): SyscallError {
  return new SyscallError(
    "IndexStagedError",
    `Index ${indexName} is currently staged and not available to query until it is enabled.`,
  );
}

type Found = { key: string; id: string };

/** The documents that match, best first. Everything is ranked before the first is taken. */
class Matches {
  private readonly scores = new Map<string, { score: number; tail: string }>();
  private readonly seen = new Set<string>();
  private readonly own: string[];

  constructor(
    private readonly transaction: Transaction,
    private readonly table: Table,
    private readonly query: Compiled,
    private readonly ownWrites: boolean,
  ) {
    this.own = ownWrites ? transaction.ownWords(table, query.index) : [];
  }

  ranked(): Found[] {
    const { words } = this.query;
    for (const word of new Set(words)) this.addWord(wordKey(word), 1);
    const last = words[words.length - 1];
    if (last !== undefined) this.addBeginning(prefixKey(last));
    const found = [...this.scores].map(([id, { score, tail }]) => ({
      id,
      key: sortKey(-score) + tail,
    }));
    return found.sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  private addBeginning(prefix: string): void {
    const { index } = this.query;
    const upper = prefixEnd(prefix);
    const interval = this.transaction.interval(index.id, prefix, upper);
    let lower = prefix;
    while (this.seen.size < MAX_READ_WORDS) {
      const next = this.firstKey(lower, upper);
      if (next === undefined) return;
      const { word } = parseEntry(index, next);
      lower = prefixEnd(word);
      this.addWord(word, PREFIX_WEIGHT, interval);
    }
    interval.upper = lower;
  }

  /** Of the snapshot and of the transaction itself. */
  private firstKey(lower: string, upper: string): string | undefined {
    const { reader } = this.transaction;
    const [stored] = reader.keys(this.query.index.id, lower, upper, 1);
    const own = this.own.find((key) => key >= lower && key < upper);
    if (stored === undefined || own === undefined) return stored ?? own;
    return stored < own ? stored : own;
  }

  /** Adds to the scores what one word is worth. `within`: an interval that covers it. */
  private addWord(word: string, weight: number, within?: Interval): void {
    if (this.seen.has(word)) return;
    this.seen.add(word);
    const { index, conditions } = this.query;
    // Conditions on the first filter fields narrow what is read.
    let lower = word;
    for (let i = 0; ; i++) {
      const condition = conditions.find(({ at }) => at === i);
      if (condition === undefined) break;
      lower += condition.hash;
    }
    const upper = prefixEnd(lower);
    if (within === undefined) this.transaction.interval(index.id, lower, upper);
    const { reader } = this.transaction;
    const stored = reader
      .keys(index.id, lower, upper)
      .map((key) => parseEntry(index, key))
      .filter(({ id }) => !this.ownWrites || !this.transaction.wrote(id));
    const own = this.own
      .filter((key) => key >= lower && key < upper)
      .map((key) => parseEntry(index, key));
    const entries = [...stored, ...own].filter((entry) => this.counts(entry));
    const worth = weight * rarity(entries.length);
    for (const entry of entries) {
      const known = this.scores.get(entry.id);
      const score = worth * frequency(entry) + (known?.score ?? 0);
      this.scores.set(entry.id, { score, tail: entry.tail });
    }
  }

  private counts(entry: WordEntry): boolean {
    return this.query.conditions.every(
      ({ at, hash }) => entry.filters[at] === hash,
    );
  }
}

function rarity(documents: number): number {
  const all = LEAST_DOCUMENTS + documents;
  return Math.log(1 + (all - documents + 0.5) / (documents + 0.5));
}

function frequency({ count, length }: WordEntry): number {
  const norm = 1 - B + (B * length) / USUAL_LENGTH;
  return (count * (K1 + 1)) / (count + K1 * norm);
}

/** A search as it is consumed; keys order its documents like those of an index. */
export class SearchStream implements Documents {
  private found: Found[] | null = null;
  private at = 0;

  private constructor(
    private readonly transaction: Transaction,
    private readonly table: Table,
    private readonly query: Compiled,
    /** Keys of what is wanted: [lower, upper). */
    private readonly range: { lower: string; upper: string },
    private readonly ownWrites: boolean,
  ) {}

  static open(
    transaction: Transaction,
    source: SearchSource,
    range: { lower: string; upper: string },
    ownWrites = true,
  ): SearchStream {
    const table = transaction.table(source.indexName.split(".")[0]!);
    if (table === undefined) throw indexNotFound(source.indexName);
    const query = compile(indexNamed(table, source.indexName), source);
    return new SearchStream(transaction, table, query, range, ownWrites);
  }

  next(): Taken | null {
    this.found ??= new Matches(
      this.transaction,
      this.table,
      this.query,
      this.ownWrites,
    ).ranked();
    for (;;) {
      if (this.at >= MAX_CANDIDATES)
        throw new SyscallError(
          "SearchQueryScannedTooManyDocumentsError",
          `Search query scanned too many documents (fetched ${MAX_CANDIDATES}). Consider using a smaller limit, paginating the query, or using a filter field to limit the number of documents pulled from the search index.`,
        );
      const next = this.found[this.at++];
      if (next === undefined || next.key >= this.range.upper) return null;
      if (next.key < this.range.lower) continue;
      const text = this.transaction.get(this.table, next.id, this.ownWrites);
      if (text !== null && this.fits(text)) return { key: next.key, text };
    }
  }

  /** Hashes of different values may be equal. */
  private fits(text: string): boolean {
    if (this.query.conditions.length === 0) return true;
    const document = JSON.parse(text) as JSONObject;
    return this.query.conditions.every(
      ({ path, value }) =>
        compareValues(fieldAt(document, path), literal(value)) === 0,
    );
  }
}

/** `eq(field, undefined)` arrives as a tag. */
function literal(value: JSONValue): JSONValue | undefined {
  const tagged = value as { $undefined?: null } | null;
  return typeof tagged === "object" && tagged !== null && "$undefined" in tagged
    ? undefined
    : value;
}
