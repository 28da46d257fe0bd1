// syncMessages.ts - the frames of the sync protocol: client frames from text
// to checked structures, server frames from structures to text. No state.

import type { JSONValue, UserIdentity } from "../engine/api.js";
import type { Credential } from "./auth.js";
import { impersonatedIdentity } from "./identityClaims.js";
import { parseFunctionPath } from "./paths.js";
import { decodeTimestamp, encodeTimestamp } from "./timestamps.js";

export interface ConnectMessage {
  type: "Connect";
  /** Lower-case, hyphenated. */
  sessionId: string;
  connectionCount: number;
  lastCloseReason: string | null;
  maxObservedTimestamp: bigint | null;
  clientTs: number | null;
}

export interface AddQuery {
  type: "Add";
  queryId: number;
  /** Canonical. */
  path: string;
  args: JSONValue;
  /** Undefined when the client holds none. */
  journal: string | null | undefined;
  componentPath: string | undefined;
}

export type QueryModification = AddQuery | { type: "Remove"; queryId: number };

export interface ModifyQuerySetMessage {
  type: "ModifyQuerySet";
  baseVersion: number;
  newVersion: number;
  modifications: QueryModification[];
}

export interface CallMessage {
  type: "Mutation" | "Action";
  requestId: number;
  path: string;
  args: JSONValue;
  componentPath: string | undefined;
}

export interface AuthenticateMessage {
  type: "Authenticate";
  baseVersion: number;
  credential: Credential;
}

export type ClientMessage =
  | ConnectMessage
  | ModifyQuerySetMessage
  | CallMessage
  | AuthenticateMessage
  | { type: "Event" };

/** The frame breaks the protocol; the connection cannot go on. */
export class InvalidMessage extends Error {}

type Fields = Record<string, unknown>;

function fail(why: string): never {
  throw new InvalidMessage(why);
}

/** Parses one text frame; throws InvalidMessage. */
export function parseClientMessage(text: string): ClientMessage {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    fail((error as Error).message);
  }
  const message = object(value, "message");
  const type = message.type;
  const parse =
    typeof type === "string" && Object.hasOwn(PARSERS, type)
      ? PARSERS[type]
      : undefined;
  if (parse === undefined) fail(`unknown variant \`${String(type)}\``);
  return parse(message);
}

const PARSERS: Readonly<Record<string, (message: Fields) => ClientMessage>> = {
  Connect: parseConnect,
  ModifyQuerySet: parseModifyQuerySet,
  Mutation: (message) => parseCall("Mutation", message),
  Action: (message) => parseCall("Action", message),
  Authenticate: parseAuthenticate,
  Event: parseEvent,
};

function parseConnect(message: Fields): ConnectMessage {
  const maxObserved = message.maxObservedTimestamp ?? null;
  const ts = maxObserved === null ? null : decodeTimestamp(maxObserved);
  if (maxObserved !== null && ts === null) fail("invalid maxObservedTimestamp");
  const clientTs = message.clientTs ?? null;
  if (clientTs !== null && !isInteger(clientTs))
    fail("clientTs must be an integer");
  return {
    type: "Connect",
    sessionId: uuid(message.sessionId),
    connectionCount: u32(message, "connectionCount"),
    lastCloseReason: optionalString(message, "lastCloseReason"),
    maxObservedTimestamp: ts,
    clientTs,
  };
}

function parseModifyQuerySet(message: Fields): ModifyQuerySetMessage {
  const list = message.modifications;
  if (!Array.isArray(list)) fail("missing field `modifications`");
  return {
    type: "ModifyQuerySet",
    baseVersion: u32(message, "baseVersion"),
    newVersion: u32(message, "newVersion"),
    modifications: list.map((item) =>
      parseModification(object(item, "modification")),
    ),
  };
}

function parseModification(item: Fields): QueryModification {
  const queryId = u32(item, "queryId");
  if (item.type === "Remove") return { type: "Remove", queryId };
  if (item.type !== "Add") fail(`unknown variant \`${String(item.type)}\``);
  return {
    type: "Add",
    queryId,
    path: functionPath(item),
    args: args(item),
    journal: "journal" in item ? optionalString(item, "journal") : undefined,
    componentPath: optionalString(item, "componentPath") ?? undefined,
  };
}

function parseCall(type: "Mutation" | "Action", message: Fields): CallMessage {
  return {
    type,
    requestId: u32(message, "requestId"),
    path: functionPath(message),
    args: args(message),
    componentPath: optionalString(message, "componentPath") ?? undefined,
  };
}

function parseAuthenticate(message: Fields): AuthenticateMessage {
  return {
    type: "Authenticate",
    baseVersion: u32(message, "baseVersion"),
    credential: credential(message),
  };
}

function credential(message: Fields): Credential {
  switch (message.tokenType) {
    case "None":
      return { kind: "none" };
    case "User":
      return { kind: "user", token: string(message, "value") };
    case "Admin": {
      const actingAs = impersonation(
        message.impersonating ?? message.acting_as,
      );
      const key = string(message, "value");
      return actingAs === null
        ? { kind: "admin", key }
        : { kind: "admin", key, actingAs };
    }
    default:
      return fail(
        `unknown variant \`${String(message.tokenType)}\` of tokenType`,
      );
  }
}

function impersonation(value: unknown): UserIdentity | null {
  if (value === undefined || value === null) return null;
  return (
    impersonatedIdentity(value) ??
    fail("impersonating needs tokenIdentifier, or issuer and subject")
  );
}

function parseEvent(message: Fields): ClientMessage {
  string(message, "eventType");
  if (!("event" in message)) fail("missing field `event`");
  return { type: "Event" };
}

// ---------------------------------------------------------------- fields

function object(value: unknown, what: string): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    fail(`${what} must be an object`);
  }
  return value as Fields;
}

const isInteger = (value: unknown): value is number =>
  typeof value === "number" && Number.isSafeInteger(value);

function u32(fields: Fields, name: string): number {
  const value = fields[name];
  if (!isInteger(value) || value < 0 || value > 0xffffffff) {
    fail(`\`${name}\` must be an unsigned 32-bit integer`);
  }
  return value;
}

function string(fields: Fields, name: string): string {
  const value = fields[name];
  if (typeof value !== "string") fail(`\`${name}\` must be a string`);
  return value;
}

function optionalString(fields: Fields, name: string): string | null {
  const value = fields[name] ?? null;
  if (value !== null && typeof value !== "string")
    fail(`\`${name}\` must be a string`);
  return value;
}

function uuid(value: unknown): string {
  const hex = typeof value === "string" ? uuidDigits(value) : null;
  if (hex === null) fail("`sessionId` must be a UUID");
  const cut = [0, 8, 12, 16, 20, 32];
  return cut
    .slice(1)
    .map((end, i) => hex.slice(cut[i], end))
    .join("-");
}

/** Accepts the plain, hyphenated, braced and urn forms. */
function uuidDigits(text: string): string | null {
  const bare = text.replace(/^urn:uuid:/i, "").replace(/^\{(.*)\}$/, "$1");
  const shaped =
    /^[0-9a-f]{32}$/i.test(bare) ||
    /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(bare);
  return shaped ? bare.replaceAll("-", "").toLowerCase() : null;
}

function functionPath(fields: Fields): string {
  const parsed = parseFunctionPath(string(fields, "udfPath"));
  if ("problem" in parsed) fail(parsed.problem);
  return parsed.path;
}

function args(fields: Fields): JSONValue {
  if (!("args" in fields)) fail("missing field `args`");
  return fields.args as JSONValue;
}

// ---------------------------------------------------------------- server frames

export interface Version {
  querySet: number;
  identity: number;
  ts: bigint;
}

function version({ querySet, identity, ts }: Version): string {
  return `{"querySet":${querySet},"identity":${identity},"ts":"${encodeTimestamp(ts)}"}`;
}

/** `modifications`: texts of the modifications, ascending by query id. */
export function transitionText(
  start: Version,
  end: Version,
  modifications: readonly string[],
  clientClockSkew: number | null,
  serverTs: bigint,
): string {
  return (
    `{"type":"Transition","startVersion":${version(start)},"endVersion":${version(end)},` +
    `"modifications":[${modifications.join(",")}],` +
    `"clientClockSkew":${clientClockSkew},"serverTs":${serverTs}}`
  );
}

export const queryRemovedText = (queryId: number): string =>
  `{"type":"QueryRemoved","queryId":${queryId}}`;

/** What a finished mutation or action carries, without the request id. */
export interface CallAnswer {
  success: boolean;
  /** Text of the value, or of the error message as a JSON string. */
  result: string;
  /** Text of errorData; null when there is none. */
  errorData: string | null;
  logLines: readonly string[];
  ts: bigint | null;
}

export function callResponseText(
  type: "Mutation" | "Action",
  requestId: number,
  answer: CallAnswer,
): string {
  const ts =
    type === "Action"
      ? ""
      : `"ts":${answer.ts === null ? "null" : `"${encodeTimestamp(answer.ts)}"`},`;
  const data =
    answer.errorData === null ? "" : `,"errorData":${answer.errorData}`;
  return (
    `{"type":"${type}Response","requestId":${requestId},"success":${answer.success},` +
    `"result":${answer.result},${ts}"logLines":${JSON.stringify(answer.logLines)}${data}}`
  );
}

export const PING = '{"type":"Ping"}';

export const fatalErrorText = (error: string): string =>
  JSON.stringify({ type: "FatalError", error });

export const authErrorText = (
  error: string,
  baseVersion: number,
  authUpdateAttempted: boolean,
): string =>
  JSON.stringify({
    type: "AuthError",
    error,
    baseVersion,
    authUpdateAttempted,
  });

/** Largest piece of a Transition sent to clients that can join pieces, in bytes. */
const MAX_PIECE_BYTES = 5_000_000;

/**
 * Cuts a Transition's text into TransitionChunk frames on code point
 * boundaries, or returns it alone when it is small enough.
 */
export function transitionFrames(text: string): string[] {
  // Each UTF-16 unit is at most three bytes.
  if (text.length * 3 <= MAX_PIECE_BYTES) return [text];
  const bytes = Buffer.from(text);
  if (bytes.length <= MAX_PIECE_BYTES) return [text];
  const pieces: string[] = [];
  for (let start = 0; start < bytes.length;) {
    let end = Math.min(start + MAX_PIECE_BYTES, bytes.length);
    while (end < bytes.length && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
    pieces.push(bytes.toString("utf8", start, end));
    start = end;
  }
  return pieces.map((chunk, partNumber) =>
    JSON.stringify({
      type: "TransitionChunk",
      chunk,
      partNumber,
      totalParts: pieces.length,
      transitionId: String(bytes.length),
    }),
  );
}
