// requestIds.ts - the id that error texts carry as "[Request ID: ...]".

import { createHash, randomBytes } from "node:crypto";

export const newRequestId = (): string => randomBytes(8).toString("hex");

/** A request repeated after a reconnect keeps its id. */
export function sessionRequestId(sessionId: string, requestId: number): string {
  const hash = createHash("sha256").update(`${sessionId}|${requestId}`);
  return hash.digest("hex").slice(0, 16);
}

/** The whole text of a failure that no function run produced. */
export const failureText = (requestId: string, detail: string): string =>
  `[Request ID: ${requestId}] Server Error\n${detail}`;
