/* transaction.ts - one function call's view of the documents and its pending changes.
 *
 * Reads go to the snapshot with the call's own writes laid over it. Nothing is stored here: at
 * the end the main thread is given the intervals read and the documents written.
 * Invariant: every fact that a result depends on lies in `reads`.
 */

import type { JSONObject, JSONValue, Ts } from "../api.js";
import {
  type DocumentWrite,
  type Interval,
  metaInterval,
} from "../store/format.js";
import type { Reader } from "../store/reader.js";
import { newId } from "../values/id.js";
import {
  checkDocument,
  MAX_DOCUMENT_SIZE,
  ValueError,
} from "../values/json.js";
import { sortKey } from "../values/sortkey.js";
import {
  type CompiledCatalog,
  type Index,
  indexKey,
  type Table,
} from "./catalog.js";
import { type SearchIndex, wordEntries } from "./words.js";
import {
  MissingTable,
  SyscallError,
  tooManyBytesRead,
  tooManyBytesWritten,
  tooManyDocumentsRead,
  tooManyReads,
  tooManyWrites,
} from "./failure.js";

export const LIMITS = {
  documentsRead: 32_000,
  bytesRead: 16 << 20,
  intervals: 4096,
  documentsWritten: 16_000,
  bytesWritten: 16 << 20,
  functionsScheduled: 1000,
  scheduledBytes: 16 << 20,
};

export type Stored = { text: string; json: JSONObject };

/** A document that this transaction changed. */
type Pending = {
  table: Table;
  /** Row of the version in the snapshot; 0 when there is none. */
  row: number;
  before: Stored | null;
  now: Stored | null;
};

/** One index's own entries, in key order. */
type Overlay = { keys: string[]; documents: Stored[] };

export class Transaction {
  readonly reads: Interval[] = [];
  documentsRead = 0;
  bytesRead = 0;
  documentsWritten = 0;
  bytesWritten = 0;
  functionsScheduled = 0;
  scheduledBytes = 0;
  queries = 0;
  private readonly pending = new Map<string, Pending>();
  private readonly hiddenRows = new Set<number>();
  private readonly overlays = new Map<number, Overlay>();
  private readonly undo: { id: string; earlier: Pending | undefined }[] = [];
  private lastCreation: number;

  constructor(
    readonly reader: Reader,
    readonly catalog: CompiledCatalog,
    readonly writable: boolean,
    /** Of _creationTime; ms with fraction. */
    readonly now: number,
    private readonly random: (bytes: Uint8Array) => void,
  ) {
    this.lastCreation = now;
  }

  get ts(): Ts {
    return this.reader.ts;
  }

  // ---------------------------------------------------------- reading

  /** Adds an interval to grow as it is consumed. */
  interval(index: number, lower: string, upper: string): Interval {
    if (this.reads.length >= LIMITS.intervals)
      throw tooManyReads(LIMITS.intervals);
    const interval = { index, lower, upper };
    this.reads.push(interval);
    return interval;
  }

  dependOn(fact: string): void {
    this.reads.push(metaInterval(fact));
  }

  countRead(text: string): void {
    this.documentsRead += 1;
    this.bytesRead += text.length;
    if (this.documentsRead > LIMITS.documentsRead)
      throw tooManyDocumentsRead(LIMITS.documentsRead);
    if (this.bytesRead > LIMITS.bytesRead)
      throw tooManyBytesRead(LIMITS.bytesRead);
  }

  /** A table by name, depending on its absence when it is missing. */
  table(name: string): Table | undefined {
    const table = this.catalog.table(name);
    if (table === undefined) this.dependOn(`table:${name}`);
    return table;
  }

  /** The text of a document; `ownWrites` false reads the snapshot alone. */
  get(table: Table, id: string, ownWrites = true): string | null {
    const key = sortKey(id);
    const index = table.indexes[0]!;
    this.interval(index.id, key, `${key}\0`);
    const pending = ownWrites ? this.pending.get(id) : undefined;
    const text =
      pending !== undefined
        ? (pending.now?.text ?? null)
        : (this.reader.get(index.id, key)?.json ?? null);
    if (text !== null) this.countRead(text);
    return text;
  }

  isHidden(row: number): boolean {
    return this.hiddenRows.has(row);
  }

  get hasWrites(): boolean {
    return this.pending.size > 0;
  }

  overlay(table: Table, index: Index): Overlay | null {
    if (this.pending.size === 0) return null;
    let overlay = this.overlays.get(index.id);
    if (overlay !== undefined) return overlay;
    const found: [string, Stored][] = [];
    for (const entry of this.pending.values()) {
      if (entry.table === table && entry.now !== null)
        found.push([indexKey(index, entry.now.json), entry.now]);
    }
    found.sort((a, b) => (a[0] < b[0] ? -1 : 1));
    overlay = {
      keys: found.map(([key]) => key),
      documents: found.map(([, document]) => document),
    };
    this.overlays.set(index.id, overlay);
    return overlay;
  }

  /** Entries in a search index of the documents that this transaction wrote. */
  ownWords(table: Table, index: SearchIndex): string[] {
    const own: string[] = [];
    for (const entry of this.pending.values())
      if (entry.table === table && entry.now !== null)
        own.push(...wordEntries(index, entry.now.json));
    return own.sort();
  }

  /** Whether this transaction wrote the document, or deleted it. */
  wrote(id: string): boolean {
    return this.pending.has(id);
  }

  // ---------------------------------------------------------- writing

  insert(tableName: string, value: JSONValue): string {
    const table = this.catalog.table(tableName);
    if (table === undefined) throw new MissingTable(tableName);
    const fields = objectOf(value, "db.insert");
    const id = newId(table.number, this.random, this.now);
    if (Object.hasOwn(fields, "_id"))
      throw new SyscallError(
        "InvalidIdError",
        `Provided document ID "${id}" doesn't match '_id' field ${JSON.stringify(fields["_id"])}`,
      );
    const time = this.creationTime();
    if (Object.hasOwn(fields, "_creationTime"))
      throw new SyscallError(
        "InvalidCreationTimeError",
        `Provided creation time ${time} doesn't match '_creationTime' field in ${JSON.stringify(fields)}`,
      );
    this.write(table, id, { ...fields, _id: id, _creationTime: time });
    return id;
  }

  /** Inserts under an id chosen before. Of the engine's own tables. */
  insertAs(tableName: string, id: string, fields: JSONObject): void {
    const table = this.catalog.table(tableName)!;
    this.write(table, id, {
      ...fields,
      _id: id,
      _creationTime: this.creationTime(),
    });
  }

  private creationTime(): number {
    const time = this.lastCreation;
    this.lastCreation = nextDouble(time);
    return time;
  }

  /** `table`: what the function said, or undefined. Gives the new document's text. */
  replace(id: string, value: JSONValue, table: Table): string {
    const old = this.required(table, id, "Replace");
    const fields = objectOf(value, "db.replace");
    this.checkSystemFields(old.json, fields);
    return this.write(table, id, {
      ...fields,
      _id: id,
      _creationTime: old.json["_creationTime"]!,
    });
  }

  merge(id: string, value: JSONValue, table: Table): string {
    const old = this.required(table, id, "Update");
    const fields = objectOf(value, "db.patch");
    this.checkSystemFields(old.json, fields);
    const next = { ...old.json };
    for (const [name, field] of Object.entries(fields)) {
      if (isUndefined(field)) delete next[name];
      else next[name] = field;
    }
    return this.write(table, id, next);
  }

  remove(id: string, table: Table): string {
    const old = this.required(table, id, "Delete");
    this.set(table, id, null);
    this.countWrite(id.length);
    return old.text;
  }

  private required(table: Table, id: string, verb: string): Stored {
    const text = this.get(table, id);
    if (text === null)
      throw new SyscallError(
        "NonexistentDocument",
        `${verb} on nonexistent document ID ${id}`,
      );
    const pending = this.pending.get(id)?.now;
    return pending ?? { text, json: JSON.parse(text) as JSONObject };
  }

  private checkSystemFields(old: JSONObject, fields: JSONObject): void {
    for (const [name, code, what] of [
      ["_id", "InvalidIdError", "document ID"],
      ["_creationTime", "InvalidCreationTimeError", "creation time"],
    ] as const) {
      const value = Object.hasOwn(fields, name) ? fields[name] : undefined;
      if (value !== undefined && value !== old[name])
        throw new SyscallError(
          code,
          `Provided ${what} ${JSON.stringify(old[name])} doesn't match '${name}' field ${JSON.stringify(value)}`,
        );
    }
  }

  private countWrite(bytes: number): void {
    this.documentsWritten += 1;
    this.bytesWritten += bytes;
    if (this.documentsWritten > LIMITS.documentsWritten)
      throw tooManyWrites(LIMITS.documentsWritten);
    if (this.bytesWritten > LIMITS.bytesWritten)
      throw tooManyBytesWritten(LIMITS.bytesWritten);
  }

  private write(table: Table, id: string, json: JSONObject): string {
    const text = this.checked(table, json);
    // Parsed again so that it shares nothing with the caller's object.
    this.set(table, id, { text, json });
    return text;
  }

  private checked(table: Table, json: JSONObject): string {
    for (const name in json) {
      if (name.startsWith("_") && name !== "_id" && name !== "_creationTime")
        throw new SyscallError(
          "InvalidDocument",
          `Field '${name}' starts with an underscore, which is only allowed for system fields like '_id'`,
        );
    }
    let checked;
    try {
      checked = checkDocument(json);
    } catch (error) {
      if (error instanceof ValueError)
        throw new SyscallError("InvalidDocument", error.message);
      throw error;
    }
    if (checked.size > MAX_DOCUMENT_SIZE)
      throw new SyscallError(
        "ValueTooLargeError",
        `Value is too large (${(checked.size / MAX_DOCUMENT_SIZE).toFixed(2)} MiB > maximum size 1 MiB)`,
      );
    this.countWrite(checked.size);
    const fault = table.validate?.(json) ?? null;
    if (fault !== null)
      throw new SyscallError(
        "SchemaEnforcementError",
        `Failed to insert or update a document in table "${table.name}" because it does not match the schema: ${fault}`,
      );
    return checked.text;
  }

  private set(table: Table, id: string, now: Stored | null): void {
    const earlier = this.pending.get(id);
    const base = earlier ?? this.base(table, id);
    this.undo.push({ id, earlier });
    this.place(id, { table, row: base.row, before: base.before, now });
  }

  private base(
    table: Table,
    id: string,
  ): { row: number; before: Stored | null } {
    const found = this.reader.get(table.indexes[0]!.id, sortKey(id));
    if (found === null) return { row: 0, before: null };
    const json = JSON.parse(found.json) as JSONObject;
    return { row: found.row, before: { text: found.json, json } };
  }

  private place(id: string, next: Pending | undefined): void {
    const present = this.pending.get(id);
    const { table, row } = (next ?? present)!;
    for (const index of table.indexes) {
      const overlay = this.overlays.get(index.id);
      if (overlay === undefined) continue;
      if (present?.now) removeKey(overlay, indexKey(index, present.now.json));
      if (next?.now)
        insertKey(overlay, indexKey(index, next.now.json), next.now);
    }
    if (next === undefined) {
      this.pending.delete(id);
      this.hiddenRows.delete(row);
    } else {
      this.pending.set(id, next);
      if (row !== 0) this.hiddenRows.add(row);
    }
  }

  /** A point to return to; see rollback(). */
  savepoint(): number {
    return this.undo.length;
  }

  rollback(savepoint: number): void {
    while (this.undo.length > savepoint) {
      const { id, earlier } = this.undo.pop()!;
      this.place(id, earlier);
    }
  }

  /** The changes, as the committer needs them. */
  writes(): DocumentWrite[] {
    const out: DocumentWrite[] = [];
    for (const [id, { table, row, before, now }] of this.pending) {
      if (before === null && now === null) continue;
      out.push({
        table: table.number,
        id,
        row,
        json: now?.text ?? null,
        keys: table.indexes
          .map((index): DocumentWrite["keys"][number] => ({
            index: index.id,
            before: before === null ? null : indexKey(index, before.json),
            after: now === null ? null : indexKey(index, now.json),
          }))
          .concat(
            table.searches.flatMap((index) =>
              wordChanges(index, before?.json, now?.json),
            ),
          ),
      });
    }
    return out;
  }
}

function wordChanges(
  index: SearchIndex,
  before: JSONObject | undefined,
  now: JSONObject | undefined,
): DocumentWrite["keys"] {
  const none = new Set<string>();
  const old = before === undefined ? none : wordEntries(index, before);
  const fresh = now === undefined ? none : wordEntries(index, now);
  const only = (one: Set<string>, other: Set<string>) =>
    [...one].filter((key) => !other.has(key));
  return [
    ...only(old, fresh).map((key) => ({
      index: index.id,
      before: key,
      after: null,
    })),
    ...only(fresh, old).map((key) => ({
      index: index.id,
      before: null,
      after: key,
    })),
  ];
}

export function position(keys: string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (keys[middle]! < key) low = middle + 1;
    else high = middle;
  }
  return low;
}

function removeKey(overlay: Overlay, key: string): void {
  const at = position(overlay.keys, key);
  if (overlay.keys[at] !== key) return;
  overlay.keys.splice(at, 1);
  overlay.documents.splice(at, 1);
}

function insertKey(overlay: Overlay, key: string, document: Stored): void {
  const at = position(overlay.keys, key);
  overlay.keys.splice(at, 0, key);
  overlay.documents.splice(at, 0, document);
}

function isUndefined(value: JSONValue): boolean {
  return (
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    Object.hasOwn(value, "$undefined")
  );
}

function objectOf(value: JSONValue, method: string): JSONObject {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new SyscallError(
      "InvalidArgument",
      `Invalid argument \`value\` for \`${method}\`: Value must be an Object`,
    );
  return value;
}

const bits = new DataView(new ArrayBuffer(8));

function nextDouble(value: number): number {
  bits.setFloat64(0, value);
  bits.setBigInt64(0, bits.getBigInt64(0) + 1n);
  return bits.getFloat64(0);
}
