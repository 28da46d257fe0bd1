/* failure.ts - errors that functions see, and the special ones that they do not. */

import type { JSONValue } from "../api.js";

/** A catchable error of the backend inside a function; `code` is for readers of this code. */
export class SyscallError extends Error {
  constructor(
    readonly code: string,
    message: string,
    /** Makes it a ConvexError. */
    readonly data?: JSONValue,
  ) {
    super(message);
  }
}

/** The transaction inserts into a table that has to be created first; then it is run again. */
export class MissingTable {
  constructor(readonly name: string) {}
}

/** Ends the whole call at once; no function can catch it. */
export class Fatal extends Error {}

const HELP =
  "Consider using smaller limits in your queries, paginating your queries, or using indexed queries with a selective index range expressions.";

export const tooManyDocumentsRead = (limit: number) =>
  new SyscallError(
    "TooManyDocumentsRead",
    `Too many documents read in a single function execution (limit: ${limit}). ${HELP}`,
  );

export const tooManyBytesRead = (limit: number) =>
  new SyscallError(
    "TooManyBytesRead",
    `Too many bytes read in a single function execution (limit: ${limit} bytes). ${HELP}`,
  );

export const tooManyReads = (limit: number) =>
  new SyscallError(
    "TooManyReads",
    `Too many reads in a single function execution (limit: ${limit}). ${HELP}`,
  );

export const tooManyWrites = (limit: number) =>
  new SyscallError(
    "TooManyWrites",
    `Too many writes in a single function execution (limit: ${limit})`,
  );

export const tooManyBytesWritten = (limit: number) =>
  new SyscallError(
    "TooManyBytesWritten",
    `Too many bytes written in a single function execution (limit: ${limit} bytes)`,
  );

/** What the development backend leaves out, in one wording. */
export function unsupported(feature: string): string {
  return `not supported by the development backend: ${feature}`;
}
