// renderedResults.ts - results as text. Subscribers of one query share its
// outcome object, so its text is made once and kept as long as the object.

import { createHash } from "node:crypto";
import type { JSONValue, Outcome, QueryResult } from "../engine/api.js";

interface Rendered {
  /** The value, or the error message as a JSON string. */
  text: string;
  /** Equal for equal results; does not depend on request ids. */
  digest: string;
}

const rendered = new WeakMap<Outcome, Rendered>();

const SHORT = 200;

function digestOf(text: string): string {
  if (text.length <= SHORT) return text;
  return createHash("sha256").update(text).digest("base64");
}

const withoutRequestId = (message: string): string =>
  message.replace(/^\[Request ID: [^\]]*\] /, "");

function render(outcome: Outcome): Rendered {
  const known = rendered.get(outcome);
  if (known !== undefined) return known;
  const text = JSON.stringify(
    outcome.success ? outcome.value : outcome.errorMessage,
  );
  const digest = outcome.success
    ? digestOf(`v${text}`)
    : digestOf(
        `e${withoutRequestId(outcome.errorMessage)}\0${JSON.stringify(outcome.errorData ?? null)}`,
      );
  const fresh = { text, digest };
  rendered.set(outcome, fresh);
  return fresh;
}

/** The outcome's value or message as JSON text. */
export const outcomeText = (outcome: Outcome): string => render(outcome).text;

/** Text of errorData, or null when the failure carries none. */
export function errorDataText(outcome: Outcome): string | null {
  if (outcome.success || outcome.errorData === undefined) return null;
  return JSON.stringify(outcome.errorData satisfies JSONValue);
}

/** Equal digests: the client has already been told this. */
export function resultDigest(result: QueryResult): string {
  const lines =
    result.logLines.length === 0 ? "" : digestOf(result.logLines.join("\n"));
  return `${render(result.outcome).digest}\0${lines}`;
}

/** A QueryUpdated or QueryFailed modification. */
export function queryModificationText(
  queryId: number,
  result: QueryResult,
): string {
  const { outcome } = result;
  const text = outcomeText(outcome);
  const rest =
    `"logLines":${JSON.stringify(result.logLines)},` +
    `"journal":${JSON.stringify(result.journal)}`;
  if (outcome.success) {
    return `{"type":"QueryUpdated","queryId":${queryId},"value":${text},${rest}}`;
  }
  const data = errorDataText(outcome);
  const errorData = data === null ? "" : `,"errorData":${data}`;
  return `{"type":"QueryFailed","queryId":${queryId},"errorMessage":${text},${rest}${errorData}}`;
}
