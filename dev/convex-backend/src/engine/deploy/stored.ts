/* stored.ts - what a push's commit writes besides the catalog: modules, entries of new indexes. */

import { createHash } from "node:crypto";
import type { JSONObject, ModuleSource } from "../api.js";
import { type CompiledCatalog, indexKey } from "../run/catalog.js";
import type { Connection } from "../store/database.js";
import type { TableInfo } from "../store/format.js";
import { wordEntries } from "../run/words.js";
import { keyToBlob } from "../values/sortkey.js";

export function moduleHash(module: ModuleSource): string {
  const hash = createHash("sha256").update(module.source);
  if (module.sourceMap !== undefined) hash.update(module.sourceMap);
  return hash.digest("hex");
}

export function storeModules(
  connection: Connection,
  modules: ModuleSource[],
): void {
  connection.exec("DELETE FROM modules");
  const insert = connection.prepare(
    "INSERT INTO modules(path, hash, environment, source, source_map) VALUES (?, ?, ?, ?, ?)",
  );
  for (const module of modules)
    insert.run([
      module.path,
      moduleHash(module),
      module.environment,
      module.source,
      module.sourceMap ?? null,
    ]);
}

/** Fills a new index. Its entries are as old as their documents, so earlier times see them. */
export function backfill(
  connection: Connection,
  catalog: CompiledCatalog,
  table: TableInfo,
  index: number,
): void {
  const compiled = catalog.table(table.name)!;
  const ordinary = compiled.indexes.find(({ id }) => id === index);
  const search = compiled.searches.find(({ id }) => id === index);
  const keysOf = (document: JSONObject): Iterable<string> =>
    ordinary === undefined
      ? wordEntries(search!, document)
      : [indexKey(ordinary, document)];
  const insert = connection.prepare(
    "INSERT INTO entries(idx, key, row, ts) SELECT ?, ?, row, ts FROM documents WHERE row = ?",
  );
  const page = connection
    .prepare(
      "SELECT row, json FROM documents WHERE tbl = ? AND row > ? ORDER BY row LIMIT 1000",
    )
    .raw();
  let last = 0;
  for (;;) {
    const rows = page.all([table.number, last]) as unknown as [
      number,
      string,
    ][];
    for (const [row, json] of rows) {
      for (const key of keysOf(JSON.parse(json) as JSONObject))
        insert.run([index, keyToBlob(key), row]);
    }
    if (rows.length < 1000) return;
    last = rows[rows.length - 1]![0];
  }
}
