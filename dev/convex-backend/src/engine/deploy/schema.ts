/* schema.ts - the deployed schema: what is legal, and how it changes the catalog. */

import {
  EngineError,
  type IndexConfig,
  type IndexDiff,
  type JSONObject,
} from "../api.js";
import type { IndexInfo, TableInfo } from "../store/format.js";
import {
  canContainField,
  documentValidator,
  type ValidatorJson,
} from "../values/validator.js";

export type TableSchema = {
  tableName: string;
  indexes: { indexDescriptor: string; fields: string[] }[];
  searchIndexes: {
    indexDescriptor: string;
    searchField: string;
    filterFields: string[];
  }[];
  vectorIndexes?: unknown[];
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
  if ((table.vectorIndexes ?? []).length > 0)
    refuse(
      "Unsupported",
      `not supported by the development backend: vector search (table ${name})`,
    );
  const descriptors = [...table.indexes, ...table.searchIndexes].map(
    (index) => index.indexDescriptor,
  );
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
  for (const index of table.indexes) checkFields(table, index);
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
  index: TableSchema["indexes"][number],
): void {
  const where = `In table "${table.tableName}" the index "${index.indexDescriptor}"`;
  const { fields } = index;
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
  for (const field of fields) {
    if (
      table.documentType !== null &&
      !canContainField(table.documentType, field.split("."))
    )
      refuse(
        "SchemaDefinitionError",
        `${where} is on the field "${field}", but the table's documents cannot have such a field.`,
      );
  }
}

// ---------------------------------------------------------------- the catalog that a schema asks for

function sameFields(a: string[], b: string[]): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

export type IndexChange = { table: TableInfo; index: IndexInfo };

export type CatalogPlan = {
  /** Declared indexes that do not exist yet. */
  added: { table: string; name: string; fields: string[] }[];
  removed: IndexChange[];
  kept: IndexChange[];
};

/** Compares the declared indexes with those of the user's tables. */
export function planIndexes(
  schema: SchemaJson | null,
  tables: TableInfo[],
): CatalogPlan {
  const plan: CatalogPlan = { added: [], removed: [], kept: [] };
  const wanted = new Map<string, TableSchema>(
    (schema?.tables ?? []).map((table) => [table.tableName, table]),
  );
  for (const table of tables) {
    if (table.name.startsWith("_")) continue;
    const declared = wanted.get(table.name)?.indexes ?? [];
    for (const index of table.indexes) {
      const stays = declared.some(
        (d) =>
          d.indexDescriptor === index.name &&
          sameFields(d.fields, index.fields),
      );
      (stays ? plan.kept : plan.removed).push({ table, index });
    }
  }
  for (const table of wanted.values()) {
    const present = tables.find((t) => t.name === table.tableName);
    for (const index of table.indexes) {
      const exists = present?.indexes.some(
        (i) =>
          i.name === index.indexDescriptor &&
          sameFields(i.fields, index.fields),
      );
      if (exists !== true)
        plan.added.push({
          table: table.tableName,
          name: index.indexDescriptor,
          fields: index.fields,
        });
    }
  }
  return plan;
}

export function indexConfig(
  table: string,
  name: string,
  fields: string[],
): IndexConfig {
  return { name: `${table}.${name}`, type: "database", fields };
}

export function indexDiff(plan: CatalogPlan): IndexDiff {
  return {
    added_indexes: plan.added.map((a) =>
      indexConfig(a.table, a.name, a.fields),
    ),
    removed_indexes: plan.removed.map(({ table, index }) =>
      indexConfig(table.name, index.name, index.fields),
    ),
    enabled_indexes: [],
    disabled_indexes: [],
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
