// syncEnding.ts - how a connection of the sync protocol ends: the last frame
// and the close code that tell the client whether, and when, to come back.

import { toApiError } from "./errors.js";
import {
  authErrorText,
  fatalErrorText,
  InvalidMessage,
} from "./syncMessages.js";

export interface Ending {
  frame?: string;
  /** Absent: a close frame without code. */
  code?: number;
  /** The short code; at most 123 bytes. */
  reason?: string;
}

/** The token of an Authenticate message was not accepted. */
export class AuthUpdateFailed extends Error {}

/** The token in force ran out. */
export class TokenExpired extends Error {
  constructor() {
    super("Convex token identity expired");
  }
}

const INTERNAL: Ending = { code: 1011, reason: "InternalServerError" };

/** Status of the same failure over HTTP → close code; 400 and 401 have frames instead. */
const CLOSE_CODES: Readonly<Record<number, number>> = {
  403: 1000,
  404: 1000,
  408: 1000,
  409: 1013,
  429: 1013,
  503: 1013,
};

/** `identityVersion`: the one last sent in a Transition. */
export function endingOf(error: unknown, identityVersion: number): Ending {
  if (error instanceof InvalidMessage) {
    return {
      frame: fatalErrorText(
        `Received Invalid JSON on websocket: ${error.message}`,
      ),
    };
  }
  if (error instanceof AuthUpdateFailed) {
    return { frame: authErrorText(error.message, identityVersion, true) };
  }
  if (error instanceof TokenExpired) {
    return { frame: authErrorText(error.message, identityVersion, false) };
  }
  const { status, code: short, message } = toApiError(error);
  const reason = short.slice(0, 123);
  if (status === 401)
    return { frame: authErrorText(message, identityVersion, false) };
  if (status === 400) return { frame: fatalErrorText(message) };
  const code = CLOSE_CODES[status];
  if (code === undefined) return INTERNAL;
  return status === 403
    ? { frame: fatalErrorText(message), code, reason }
    : { code, reason };
}
