/* format.ts - what the engine's threads agree on: the catalog, intervals and written documents.
 *
 * Everything here is plain data that passes between threads by structured cloning.
 */

import type { ValidatorJson } from "../values/validator.js";

export type IndexInfo = {
  /** Key of the index in the database, in read sets and in write sets. */
  id: number;
  /** "by_id", "by_creation_time", or the user's name. */
  name: string;
  /** Declared field paths, without the implied _creationTime and _id. */
  fields: string[];
  /** Kept up to date, but not to be queried yet. */
  staged?: boolean;
};

/** Its entries are words, see run/search.ts. */
export type SearchIndexInfo = {
  id: number;
  name: string;
  searchField: string;
  filterFields: string[];
  staged?: boolean;
};

export type TableInfo = {
  name: string;
  /** First part of its documents' ids. */
  number: number;
  byId: IndexInfo;
  byCreationTime: IndexInfo;
  indexes: IndexInfo[];
  search: SearchIndexInfo[];
  /** Enforced on writes, system fields included; null accepts anything. */
  validator: ValidatorJson | null;
};

/** The tables and indexes that a transaction works with. */
export type Catalog = {
  /** A commit made with another version than the present one is run again. */
  version: number;
  tables: TableInfo[];
};

/** [lower, upper) of one index; byte strings, see sortkey.ts. */
export type Interval = { index: number; lower: string; upper: string };

/** One document's change, with the keys it leaves and enters in every index. */
export type DocumentWrite = {
  table: number;
  id: string;
  /** Row of the document's present version; 0 when it is new. */
  row: number;
  /** Canonical JSON; null deletes. */
  json: string | null;
  keys: { index: number; before: string | null; after: string | null }[];
};

/** Index id of facts that are not documents: keys are names such as "modules". */
export const META_INDEX = 0;

export function metaInterval(name: string): Interval {
  return { index: META_INDEX, lower: name, upper: `${name}\0` };
}

/** Table numbers of the real backend, so that ids look alike. */
export const SYSTEM_TABLES: Record<string, number> = {
  _environment_variables: 20,
  _scheduled_functions: 539,
  _storage: 540,
  _cron_jobs: 538,
};

export const FIRST_USER_TABLE = 10001;

/** System tables that functions may read with `ctx.db.system`. */
export const READABLE_SYSTEM_TABLES = new Set([
  "_scheduled_functions",
  "_storage",
]);
