/* words.ts - text search indexes: the words of a document as index entries.
 *
 * One entry for each different word, in the order of its parts: the word's sort key; a hash of
 * each filter field's value; how often the word occurs and how many words there are (for the
 * rank); the negated creation time; the id. So entries live in the same tables, versions, read
 * sets and write sets as those of any other index, and ranking reads no documents.
 */

import { Buffer } from "node:buffer";
import type { JSONObject, JSONValue } from "../api.js";
import type { SearchIndexInfo } from "../store/format.js";
import { fieldAt, sortKey } from "../values/sortkey.js";

/** Longer words (UTF-8 bytes) are not indexed. */
const MAX_WORD_BYTES = 31;
const HASH_BYTES = 8;

export type SearchIndex = {
  id: number;
  name: string;
  searchField: string;
  searchPath: string[];
  filterFields: string[];
  filterPaths: string[][];
  staged: boolean;
};

export function searchIndex(info: SearchIndexInfo): SearchIndex {
  return {
    id: info.id,
    name: info.name,
    searchField: info.searchField,
    searchPath: info.searchField.split("."),
    filterFields: info.filterFields,
    filterPaths: info.filterFields.map((field) => field.split(".")),
    staged: info.staged ?? false,
  };
}

/** Lower-case words, at most `limit`: runs of letters and digits. */
export function wordsOf(text: string, limit = Infinity): string[] {
  const words: string[] = [];
  for (const [word] of text.matchAll(/[\p{Alphabetic}\p{N}]+/gu)) {
    if (words.length >= limit) break;
    if (Buffer.byteLength(word) <= MAX_WORD_BYTES)
      words.push(word.toLowerCase());
  }
  return words;
}

/** The first bytes of every entry of `word`. */
export const wordKey = (word: string): string => sortKey(word);

/** The first bytes of every entry of words that start with `prefix`. */
export const prefixKey = (prefix: string): string =>
  sortKey(prefix).slice(0, -1);

/** Two FNV-1a hashes, one of the bytes backwards. */
export function filterHash(value: JSONValue | undefined): string {
  const key = sortKey(value);
  let a = 0x811c9dc5;
  let b = 0x01234567;
  for (let i = 0; i < key.length; i++) {
    a = Math.imul(a ^ key.charCodeAt(i), 0x01000193);
    b = Math.imul(b ^ key.charCodeAt(key.length - 1 - i), 0x01000193);
  }
  return bytesOf(a >>> 0, 4) + bytesOf(b >>> 0, 4);
}

function bytesOf(value: number, size: number): string {
  let out = "";
  for (let shift = (size - 1) * 8; shift >= 0; shift -= 8)
    out += String.fromCharCode((value >>> shift) & 0xff);
  return out;
}

/** Every entry of a document; none when its search field is not a string. */
export function wordEntries(
  index: SearchIndex,
  document: JSONObject,
): Set<string> {
  const entries = new Set<string>();
  const text = fieldAt(document, index.searchPath);
  if (typeof text !== "string") return entries;
  const counts = new Map<string, number>();
  const words = wordsOf(text);
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  const filters = index.filterPaths
    .map((path) => filterHash(fieldAt(document, path)))
    .join("");
  const length = bytesOf(Math.min(words.length, 0xffff), 2);
  const tail =
    sortKey(-(document["_creationTime"] as number)) + sortKey(document["_id"]);
  for (const [word, count] of counts)
    entries.add(
      wordKey(word) +
        filters +
        bytesOf(Math.min(count, 255), 1) +
        length +
        tail,
    );
  return entries;
}

export type WordEntry = {
  /** wordKey() of it. */
  word: string;
  filters: string[];
  count: number;
  length: number;
  /** Sort key of the negated creation time, then of the id: newest first. */
  tail: string;
  id: string;
};

const TIME_KEY_BYTES = 9;

export function parseEntry(index: SearchIndex, key: string): WordEntry {
  // A word is letters and digits only: the first zero byte ends it, whatever byte a hash begins with.
  let at = key.indexOf("\0") + 1;
  const word = key.slice(0, at);
  const filters = index.filterFields.map((_, i) =>
    key.slice(at + i * HASH_BYTES, at + (i + 1) * HASH_BYTES),
  );
  at += index.filterFields.length * HASH_BYTES;
  return {
    word,
    filters,
    count: key.charCodeAt(at),
    length: key.charCodeAt(at + 1) * 256 + key.charCodeAt(at + 2),
    tail: key.slice(at + 3),
    id: key.slice(at + 3 + TIME_KEY_BYTES + 1, -1),
  };
}
