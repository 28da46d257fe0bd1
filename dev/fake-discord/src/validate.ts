// validate.ts - reads fields out of untrusted JSON, noting each fault in a form.
// A reader answers undefined when the field is absent, null or wrong; whether
// it was wrong is in the form.
import { isSnowflake } from "./clock.js";
import type { Form } from "./errors.js";

export type Json = Record<string, unknown>;
type Path = readonly (string | number)[];

export function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function absent(form: Form, path: Path, value: unknown, required: boolean) {
  if (value !== undefined && value !== null) return false;
  if (required) form.add(path, "BASE_TYPE_REQUIRED", "This field is required");
  return true;
}

interface TextRules {
  max: number;
  min?: number;
  required?: boolean;
}

export function text(
  form: Form,
  path: Path,
  value: unknown,
  { max, min = 0, required = false }: TextRules,
): string | undefined {
  if (absent(form, path, value, required)) return undefined;
  if (typeof value !== "string") {
    const shown = JSON.stringify(value);
    form.add(
      path,
      "STRING_TYPE_CONVERT",
      `Could not interpret "${shown}" as string.`,
    );
    return undefined;
  }
  // UTF-16 code units, as JavaScript counts.
  if (value.length > max)
    form.add(
      path,
      "BASE_TYPE_MAX_LENGTH",
      `Must be ${max} or fewer in length.`,
    );
  else if (value.length < min)
    form.add(
      path,
      min === 1 && value.length === 0 && required
        ? "BASE_TYPE_REQUIRED"
        : "BASE_TYPE_BAD_LENGTH",
      min === 1 && value.length === 0 && required
        ? "This field is required"
        : `Must be between ${min} and ${max} in length.`,
    );
  return value;
}

export function flag(
  form: Form,
  path: Path,
  value: unknown,
): boolean | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === "boolean") return value;
  form.add(path, "BOOLEAN_TYPE_CONVERT", "Must be either true or false.");
  return undefined;
}

export function whole(
  form: Form,
  path: Path,
  value: unknown,
  { min, max }: { min: number; max: number },
): number | undefined {
  if (value === undefined || value === null) return undefined;
  const number =
    typeof value === "string" && /^-?\d+$/.test(value) ? Number(value) : value;
  if (typeof number !== "number" || !Number.isInteger(number)) {
    form.add(path, "NUMBER_TYPE_COERCE", `Value "${value}" is not int.`);
    return undefined;
  }
  if (number > max)
    form.add(
      path,
      "NUMBER_TYPE_MAX",
      `int value should be less than or equal to ${max}.`,
    );
  if (number < min)
    form.add(
      path,
      "NUMBER_TYPE_MIN",
      `int value should be greater than or equal to ${min}.`,
    );
  return number;
}

export function snowflake(
  form: Form,
  path: Path,
  value: unknown,
  required = false,
): string | undefined {
  if (absent(form, path, value, required)) return undefined;
  if (isSnowflake(value)) return value;
  form.add(path, "NUMBER_TYPE_COERCE", `Value "${value}" is not snowflake.`);
  return undefined;
}

export function list(
  form: Form,
  path: Path,
  value: unknown,
  max: number,
): unknown[] | undefined {
  if (value === undefined || value === null) return undefined;
  if (!Array.isArray(value)) {
    form.add(
      path,
      "LIST_TYPE_CONVERT",
      "Only iterables may be used in a ListType",
    );
    return undefined;
  }
  if (value.length > max)
    form.add(
      path,
      "BASE_TYPE_MAX_LENGTH",
      `Must be ${max} or fewer in length.`,
    );
  return value;
}

export function object(
  form: Form,
  path: Path,
  value: unknown,
): Json | undefined {
  if (value === undefined || value === null) return undefined;
  if (isObject(value)) return value;
  form.add(
    path,
    "MODEL_TYPE_CONVERT",
    "Only dictionaries may be used in a ModelType",
  );
  return undefined;
}

/** An http(s) URL; where `attachments` is set, attachment://name too. */
export function url(
  form: Form,
  path: Path,
  value: unknown,
  { attachments = false, required = false } = {},
): string | undefined {
  const address = text(form, path, value, { max: 2048, required });
  if (address === undefined) return undefined;
  const schemes = attachments
    ? ["http", "https", "attachment"]
    : ["http", "https"];
  const scheme = /^([a-z][a-z0-9+.-]*):\/\/./i.exec(address)?.[1];
  if (!scheme) form.add(path, "URL_TYPE_INVALID_URL", "Not a well formed URL.");
  else if (!schemes.includes(scheme.toLowerCase()))
    form.add(
      path,
      "URL_TYPE_INVALID_SCHEME",
      `Scheme "${scheme}" must be one of (${schemes.map((s) => `'${s}'`).join(", ")}).`,
    );
  return address;
}
