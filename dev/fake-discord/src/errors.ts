// errors.ts - how Discord says no: a status, a JSON code, and words.

const CODES = {
  10003: [404, "Unknown Channel"],
  10004: [404, "Unknown Guild"],
  10007: [404, "Unknown Member"],
  10008: [404, "Unknown Message"],
  10011: [404, "Unknown Role"],
  10013: [404, "Unknown User"],
  10015: [404, "Unknown Webhook"],
  30001: [400, "Maximum number of guilds reached (100)"],
  30007: [400, "Maximum number of webhooks reached (15)"],
  40005: [413, "Request entity too large"],
  40007: [403, "The user is banned from this guild."],
  40033: [400, "This message has already been crossposted"],
  40333: [403, "internal network error"],
  50001: [403, "Missing Access"],
  50005: [403, "Cannot edit a message authored by another user"],
  50006: [400, "Cannot send an empty message"],
  50008: [400, "Cannot send messages in a non-text channel"],
  50013: [403, "Missing Permissions"],
  50016: [
    400,
    "Provided too few or too many messages to delete. Must provide at least 2 and fewer than 100 messages to delete.",
  ],
  50024: [400, "Cannot execute action on this channel type"],
  50025: [403, "Invalid OAuth2 access token"],
  50027: [401, "Invalid Webhook Token"],
  50028: [400, "Invalid role"],
  50034: [400, "You can only bulk delete messages that are under 14 days old."],
  50035: [400, "Invalid Form Body"],
  50041: [400, "Invalid API version"],
  50081: [400, "Invalid sticker sent"],
  50083: [400, "Thread is archived"],
  50109: [400, "The request body contains invalid JSON."],
  160004: [400, "A thread has already been created for this message"],
  160005: [400, "Thread is locked"],
  220001: [
    400,
    "Webhooks posted to forum channels must have a thread_name or thread_id",
  ],
  220003: [400, "Webhooks can only create threads in forum channels"],
  520001: [400, "Poll expired"],
  520003: [400, "Cannot edit a poll message"],
  520006: [400, "Cannot expire a non-poll message"],
  160002: [400, "Cannot reply without permission to read message history"],
} as const satisfies Record<number, readonly [number, string]>;

export type ErrorCode = keyof typeof CODES;

/** An answer that is not a success. `code` 0 means the status says it all. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: number,
    message: string,
    readonly extra: Record<string, unknown> = {},
  ) {
    super(message);
  }

  body(): Record<string, unknown> {
    return { message: this.message, code: this.code, ...this.extra };
  }
}

export function refuse(code: ErrorCode): ApiError {
  const [status, message] = CODES[code];
  return new ApiError(status, code, message);
}

/** 30046: a limit that names itself by a code. */
export function tooOld(seconds: number): ApiError {
  const words =
    "Maximum number of edits to messages older than 1 hour reached. Try again later";
  const extra = { retry_after: seconds, global: false };
  return new ApiError(429, 30046, words, extra);
}

export const unauthorized = () => new ApiError(401, 0, "401: Unauthorized");
export const notFound = () => new ApiError(404, 0, "404: Not Found");
export const wrongMethod = () =>
  new ApiError(405, 0, "405: Method Not Allowed");

type Path = readonly (string | number)[];
interface Tree {
  [key: string]: Tree | { code: string; message: string }[];
}

/** Gathers what is wrong with a body, so that one answer names all of it. */
export class Form {
  readonly #tree: Tree = {};
  #count = 0;

  add(path: Path, code: string, message: string): void {
    let node = this.#tree;
    for (const step of path) node = (node[String(step)] ??= {}) as Tree;
    const list = (node["_errors"] ??= []) as {
      code: string;
      message: string;
    }[];
    list.push({ code, message });
    this.#count++;
  }

  get failed(): boolean {
    return this.#count > 0;
  }

  /** Throws 50035 with everything gathered so far, if anything was. */
  check(): void {
    if (this.failed)
      throw new ApiError(400, 50035, CODES[50035][1], { errors: this.#tree });
  }
}

export function invalid(path: Path, code: string, message: string): ApiError {
  const form = new Form();
  form.add(path, code, message);
  try {
    form.check();
  } catch (error) {
    return error as ApiError;
  }
  throw new Error("a form with an entry did not fail");
}
