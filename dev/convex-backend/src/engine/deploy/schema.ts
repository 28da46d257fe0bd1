/* schema.ts - the deployed schema: what is legal, and how it changes the catalog. */

import {
  EngineError,
  type IndexConfig,
  type IndexDiff,
  type JSONObject,
} from "../api.js";
import type { TableInfo } from "../store/format.js";
import {
  canContainField,
  documentValidator,
  type ValidatorJson,
} from "../values/validator.js";

type IndexSchema = { indexDescriptor: string; fields: string[] };

type SearchIndexSchema = {
  indexDescriptor: string;
  searchField: string;
  filterFields: string[];
};

export type TableSchema = {
  tableName: string;
  indexes: IndexSchema[];
  stagedDbIndexes?: IndexSchema[];
  searchIndexes: SearchIndexSchema[];
  stagedSearchIndexes?: SearchIndexSchema[];
  vectorIndexes?: unknown[];
  stagedVectorIndexes?: unknown[];
  documentType: ValidatorJson | null;
};

export type SchemaJson = { tables: TableSchema[]; schemaValidation: boolean };

const IDENTIFIER = /^[A-Za-z][A-Za-z0-9_]{0,63}$/;
const MAX_INDEXES = 64;
const MAX_FIELDS = 16;

function refuse(code: string, message: string): never {
  throw new EngineError(400, code, message);
}

/** Throws EngineError 400 with the real backend's codes. */
export function checkSchemaJson(json: JSONObject): SchemaJson {
  const schema = json as unknown as SchemaJson;
  if (!Array.isArray(schema.tables))
    refuse("InvalidSchema", "The schema has no tables");
  for (const table of schema.tables) checkTable(table);
  return schema;
}

function checkTable(table: TableSchema): void {
  const name = table.tableName;
  if (name.startsWith("_"))
    refuse(
      "TableNameReserved",
      `${name} is a reserved table name: names starting with an underscore belong to the system.`,
    );
  if (!IDENTIFIER.test(name))
    refuse(
      "InvalidTableName",
      `Invalid table name "${name}": it must start with a letter and consist of letters, digits and underscores.`,
    );
  const type = table.documentType?.type;
  if (type !== undefined && !["any", "object", "union"].includes(type))
    refuse(
      "InvalidTopLevelTypeInSchemaError",
      `Table ${name}: the document type must be an object or a union of objects.`,
    );
  const vectors = [
    ...(table.vectorIndexes ?? []),
    ...(table.stagedVectorIndexes ?? []),
  ];
  if (vectors.length > 0)
    refuse(
      "Unsupported",
      `not supported by the development backend: vector search (table ${name})`,
    );
  const declared = declaredIndexes(table);
  const descriptors = declared.map((index) => index.name);
  if (descriptors.length > MAX_INDEXES)
    refuse(
      "TooManyIndexes",
      `Table "${name}" has ${descriptors.length} indexes; the maximum is ${MAX_INDEXES}.`,
    );
  for (const [i, descriptor] of descriptors.entries()) {
    if (descriptors.indexOf(descriptor) !== i)
      refuse(
        "IndexNamesNotUnique",
        `Table "${name}" has two or more indexes named "${descriptor}".`,
      );
    checkIndexName(name, descriptor);
  }
  for (const { name: index, kind } of declared)
    if (kind.type === "database") checkFields(table, index, kind.fields);
    else checkSearchFields(table, index, kind);
  const searches = declared.flatMap(({ kind }) =>
    kind.type === "search" ? [JSON.stringify(kind)] : [],
  );
  if (new Set(searches).size !== searches.length)
    refuse(
      "SearchIndexFieldNotUnique",
      `Table "${name}" has two or more search indexes with the same \`searchField\` and \`filterFields\`.`,
    );
}

function checkIndexName(table: string, name: string): void {
  if (name === "by_id" || name === "by_creation_time" || name.startsWith("_"))
    refuse(
      "IndexNameReserved",
      `In table "${table}" cannot name an index "${name}" because the name is reserved.`,
    );
  if (!IDENTIFIER.test(name))
    refuse(
      "InvalidIndexName",
      `In table "${table}": invalid index name "${name}".`,
    );
}

function checkFields(
  table: TableSchema,
  index: string,
  fields: string[],
): void {
  const where = `In table "${table.tableName}" the index "${index}"`;
  if (fields.length > MAX_FIELDS)
    refuse(
      "IndexTooManyFields",
      `${where} has ${fields.length} fields; the maximum is ${MAX_FIELDS}.`,
    );
  if (new Set(fields).size !== fields.length)
    refuse("FieldsNotUniqueWithinIndex", `${where} has a field twice.`);
  if (fields.includes("_creationTime"))
    refuse(
      "IndexFieldsContainCreationTime",
      `${where} contains "_creationTime", which every index ends with by itself.`,
    );
  if (fields.includes("_id"))
    refuse(
      "IndexFieldsContainId",
      `${where} contains "_id", which every index ends with by itself.`,
    );
  checkExist(table, where, fields);
}

function checkSearchFields(
  table: TableSchema,
  index: string,
  {
    searchField,
    filterFields,
  }: { searchField: string; filterFields: string[] },
): void {
  const where = `In table "${table.tableName}" the search index "${index}"`;
  if (filterFields.length > MAX_FIELDS)
    refuse(
      "IndexTooManyFilterFields",
      `${where} has ${filterFields.length} filter fields; the maximum is ${MAX_FIELDS}.`,
    );
  if (new Set(filterFields).size !== filterFields.length)
    refuse("FieldsNotUniqueWithinIndex", `${where} has a filter field twice.`);
  checkExist(table, where, [searchField, ...filterFields]);
}

function checkExist(
  { documentType }: TableSchema,
  where: string,
  fields: string[],
): void {
  for (const field of fields) {
    const isSystem = field === "_id" || field === "_creationTime";
    if (
      !isSystem &&
      documentType !== null &&
      !canContainField(documentType, field.split("."))
    )
      refuse(
        "SchemaDefinitionError",
        `${where} is on the field "${field}", but the table's documents cannot have such a field.`,
      );
  }
}

// ---------------------------------------------------------------- the catalog that a schema asks for

/** An index as a schema declares it or as a table has it. */
export type DeclaredIndex = {
  table: string;
  name: string;
  kind:
    | { type: "database"; fields: string[] }
    | { type: "search"; searchField: string; filterFields: string[] };
  staged: boolean;
};

export function declaredIndexes(table: TableSchema): DeclaredIndex[] {
  const database =
    (staged: boolean) =>
    ({ indexDescriptor, fields }: TableSchema["indexes"][number]) => ({
      table: table.tableName,
      name: indexDescriptor,
      kind: { type: "database" as const, fields },
      staged,
    });
  const search =
    (staged: boolean) =>
    (index: TableSchema["searchIndexes"][number]): DeclaredIndex => ({
      table: table.tableName,
      name: index.indexDescriptor,
      kind: {
        type: "search",
        searchField: index.searchField,
        filterFields: index.filterFields,
      },
      staged,
    });
  return [
    ...table.indexes.map(database(false)),
    ...(table.stagedDbIndexes ?? []).map(database(true)),
    ...table.searchIndexes.map(search(false)),
    ...(table.stagedSearchIndexes ?? []).map(search(true)),
  ];
}

function presentIndexes(table: TableInfo): DeclaredIndex[] {
  return [
    ...table.indexes.map(({ name, fields, staged }) => ({
      table: table.name,
      name,
      kind: { type: "database" as const, fields },
      staged: staged ?? false,
    })),
    ...table.search.map(({ name, searchField, filterFields, staged }) => ({
      table: table.name,
      name,
      kind: { type: "search" as const, searchField, filterFields },
      staged: staged ?? false,
    })),
  ];
}

/** The same entries; being staged or not changes none. */
function sameIndex(a: DeclaredIndex, b: DeclaredIndex): boolean {
  const key = ({ table, name, kind }: DeclaredIndex) =>
    JSON.stringify([table, name, kind]);
  return key(a) === key(b);
}

export type CatalogPlan = {
  /** Declared indexes that do not exist yet. */
  added: DeclaredIndex[];
  /** Those of user tables that are not declared any more. */
  removed: DeclaredIndex[];
  kept: DeclaredIndex[];
  /** Kept, and not staged any more. */
  enabled: DeclaredIndex[];
  /** Kept, and staged from now on. */
  disabled: DeclaredIndex[];
};

/** Compares the declared indexes with those of the user's tables. */
export function planIndexes(
  schema: SchemaJson | null,
  tables: TableInfo[],
): CatalogPlan {
  const wanted = (schema?.tables ?? []).flatMap(declaredIndexes);
  const present = tables
    .filter((table) => !table.name.startsWith("_"))
    .flatMap(presentIndexes);
  const before = (index: DeclaredIndex) =>
    present.find((p) => sameIndex(p, index));
  const turned = (staged: boolean) =>
    wanted.filter((w) => w.staged === staged && before(w)?.staged === !staged);
  return {
    added: wanted.filter((w) => before(w) === undefined),
    removed: present.filter((p) => !wanted.some((w) => sameIndex(p, w))),
    kept: wanted.filter((w) => before(w)?.staged === w.staged),
    enabled: turned(false),
    disabled: turned(true),
  };
}

export function indexConfig(index: DeclaredIndex): IndexConfig {
  return {
    name: `${index.table}.${index.name}`,
    ...index.kind,
    ...(index.staged ? { staged: true } : {}),
  };
}

export function indexDiff(plan: CatalogPlan): IndexDiff {
  return {
    added_indexes: plan.added.map(indexConfig),
    removed_indexes: plan.removed.map(indexConfig),
    enabled_indexes: plan.enabled.map(indexConfig),
    disabled_indexes: plan.disabled.map(indexConfig),
  };
}

/** The validator that a schema enforces on a table; null for none. */
export function enforcedValidator(
  schema: SchemaJson | null,
  table: string,
): ValidatorJson | null {
  if (schema === null || !schema.schemaValidation) return null;
  const found = schema.tables.find((t) => t.tableName === table);
  return found === undefined
    ? null
    : documentValidator(found.documentType, table);
}
