/* catalog.ts - the catalog made ready for use in one thread: look-ups, keys, validators. */

import type { JSONObject } from "../api.js";
import type { Catalog, IndexInfo, TableInfo } from "../store/format.js";
import { fieldAt, sortKey } from "../values/sortkey.js";
import { compileValidator, type Validate } from "../values/validator.js";
import { type SearchIndex, searchIndex } from "./words.js";

export type Index = {
  id: number;
  name: string;
  /** Every path of the key, the implied ones included. */
  paths: string[][];
  staged: boolean;
};

export type Table = {
  name: string;
  number: number;
  indexes: Index[];
  searches: SearchIndex[];
  info: TableInfo;
  validate: Validate | null;
};

function index(info: IndexInfo): Index {
  const fields =
    info.name === "by_id" ? ["_id"] : [...info.fields, "_creationTime", "_id"];
  return {
    id: info.id,
    name: info.name,
    paths: fields.map((field) => field.split(".")),
    staged: info.staged ?? false,
  };
}

export function indexKey(index: Index, document: JSONObject): string {
  let key = "";
  for (const path of index.paths)
    key += sortKey(
      path.length === 1 && Object.hasOwn(document, path[0]!)
        ? document[path[0]!]
        : path.length === 1
          ? undefined
          : fieldAt(document, path),
    );
  return key;
}

export class CompiledCatalog {
  readonly version: number;
  private readonly byName = new Map<string, Table>();
  private readonly byNumber = new Map<number, Table>();

  constructor(catalog: Catalog) {
    this.version = catalog.version;
    for (const info of catalog.tables) {
      const table: Table = {
        name: info.name,
        number: info.number,
        indexes: [info.byId, info.byCreationTime, ...info.indexes].map(index),
        searches: info.search.map(searchIndex),
        info,
        validate:
          info.validator === null
            ? null
            : compileValidator(info.validator, this.tableOf),
      };
      this.byName.set(table.name, table);
      this.byNumber.set(table.number, table);
    }
  }

  readonly tableOf = (tableNumber: number): string | null =>
    this.byNumber.get(tableNumber)?.name ?? null;

  table(name: string): Table | undefined {
    return this.byName.get(name);
  }

  tableByNumber(tableNumber: number): Table | undefined {
    return this.byNumber.get(tableNumber);
  }
}
