// errors.ts - failures of a request, as every client of the HTTP API sees them.
// A failed function is not one of these: it is a result.

import { EngineError } from "../engine/api.js";

/** A request that is refused: HTTP status, stable code, words for a person. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message);
    this.name = "ApiError";
  }
}

export const badRequest = (code: string, message: string): ApiError =>
  new ApiError(400, code, message);

export const unauthenticated = (code: string, message: string): ApiError =>
  new ApiError(401, code, message);

export const forbidden = (code: string, message: string): ApiError =>
  new ApiError(403, code, message);

export const notFound = (code: string, message: string): ApiError =>
  new ApiError(404, code, message);

export const notSupported = (feature: string): ApiError =>
  badRequest(
    "NotSupported",
    `not supported by the development backend: ${feature}`,
  );

const INTERNAL_MESSAGE = "Your request couldn't be completed. Try again later.";

/**
 * What to tell the client about any thrown thing. Refusals keep their code;
 * everything else is an internal error, whose details belong in the log and
 * not in the reply.
 */
export function toApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof EngineError) {
    return new ApiError(error.status, error.code, error.message);
  }
  return new ApiError(500, "InternalServerError", INTERNAL_MESSAGE);
}
