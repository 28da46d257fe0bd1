// message-input.ts - what a client may say when it creates or edits a message.
// Turns untrusted JSON into a MessageInput, or throws 50035 naming each fault.
import { Form } from "./errors.js";
import { checkComponentTree } from "./components.js";
import { parsePoll, type PollInput } from "./polls.js";
import { MessageFlag, type Embed, type EmbedField } from "./model.js";
import * as v from "./validate.js";

export const LIMITS = {
  content: 2000,
  nitroContent: 4000,
  nonce: 25,
  embeds: 10,
  embedText: 6000,
  files: 10,
  fileBytes: 10 * 1024 * 1024,
  requestBytes: 25 * 1024 * 1024,
} as const;

export interface AllowedMentions {
  parse: string[];
  users: string[];
  roles: string[];
  replied_user: boolean;
}

export interface AttachmentInput {
  id: string; // the n of files[n], or the id of an attachment to keep
  filename?: string;
  description?: string;
  title?: string;
  spoiler?: boolean;
}

export interface ReferenceInput {
  type: 0 | 1;
  message_id: string;
  channel_id?: string;
  guild_id?: string;
  fail_if_not_exists: boolean;
}

/** undefined: not mentioned by the client. null: emptied on purpose. */
export interface MessageInput {
  content?: string | null;
  embeds?: Embed[] | null;
  attachments?: AttachmentInput[] | null;
  components?: unknown[] | null;
  allowed_mentions?: AllowedMentions | null;
  reference?: ReferenceInput;
  nonce?: string | number;
  enforceNonce: boolean;
  stickers?: string[];
  poll?: PollInput;
  flags?: number;
  tts: boolean;
}

type Path = readonly (string | number)[];
const CREATE_FLAGS =
  MessageFlag.SUPPRESS_EMBEDS |
  MessageFlag.SUPPRESS_NOTIFICATIONS |
  MessageFlag.VOICE |
  MessageFlag.COMPONENTS_V2;

/** Keeps null apart from absent, which edits need. */
function nullable<T>(value: unknown, read: () => T | undefined) {
  return value === null ? null : read();
}

export function parseMessage(
  body: v.Json,
  contentMax: number = LIMITS.content,
): MessageInput {
  const form = new Form();
  const input: MessageInput = {
    content: nullable(body["content"], () =>
      v.text(form, ["content"], body["content"], { max: contentMax }),
    ),
    embeds: nullable(body["embeds"], () => embeds(form, body["embeds"])),
    attachments: nullable(body["attachments"], () =>
      attachments(form, body["attachments"]),
    ),
    components: nullable(body["components"], () =>
      v.list(form, ["components"], body["components"], Infinity),
    ),
    allowed_mentions: nullable(body["allowed_mentions"], () =>
      allowedMentions(form, body["allowed_mentions"]),
    ),
    stickers: stickers(form, body["sticker_ids"]),
    poll: parsePoll(form, body["poll"]),
    reference: reference(form, body["message_reference"]),
    nonce: nonce(form, body["nonce"]),
    enforceNonce:
      v.flag(form, ["enforce_nonce"], body["enforce_nonce"]) ?? false,
    tts: v.flag(form, ["tts"], body["tts"]) ?? false,
  };
  const flags = v.whole(form, ["flags"], body["flags"], {
    min: 0,
    max: 2 ** 31 - 1,
  });
  if (flags !== undefined) input.flags = flags & CREATE_FLAGS;
  form.check();
  return input;
}

function stickers(form: Form, value: unknown): string[] | undefined {
  const at = "sticker_ids";
  const given = v.list(form, [at], value, 3);
  given?.forEach((id, i) => v.snowflake(form, [at, i], id, true));
  return given?.map(String);
}

/**
 * The rules that depend on what the message is: `flags` of the message as it will be.
 * Components of the second kind take the place of content, embeds, polls and stickers.
 */
export function checkKind(input: MessageInput, flags: number): void {
  const form = new Form();
  const v2 = (flags & MessageFlag.COMPONENTS_V2) !== 0;
  if (input.components?.length) checkComponentTree(form, input.components, v2);
  const legacy: [string, boolean][] = [
    ["content", typeof input.content === "string"],
    ["embeds", (input.embeds?.length ?? 0) > 0],
    ["poll", input.poll !== undefined],
    ["sticker_ids", (input.stickers?.length ?? 0) > 0],
  ];
  for (const [key, used] of legacy)
    if (v2 && used)
      form.add(
        [key],
        "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2",
        `The '${key}' field cannot be used when using MessageFlags.IS_COMPONENTS_V2`,
      );
  form.check();
}

function nonce(form: Form, value: unknown): string | number | undefined {
  if (Number.isSafeInteger(value)) return value as number;
  return v.text(form, ["nonce"], value, { max: LIMITS.nonce });
}

function reference(form: Form, value: unknown): ReferenceInput | undefined {
  const at = "message_reference";
  const from = v.object(form, [at], value);
  if (!from) return undefined;
  const type = v.whole(form, [at, "type"], from["type"], { min: 0, max: 1 });
  const id = v.snowflake(form, [at, "message_id"], from["message_id"], true);
  const channel = v.snowflake(form, [at, "channel_id"], from["channel_id"]);
  const guild = v.snowflake(form, [at, "guild_id"], from["guild_id"]);
  const strict = v.flag(
    form,
    [at, "fail_if_not_exists"],
    from["fail_if_not_exists"],
  );
  if (type === 1 && !channel && from["channel_id"] === undefined)
    form.add(
      [at, "channel_id"],
      "BASE_TYPE_REQUIRED",
      "This field is required",
    );
  if (!id) return undefined;
  return {
    type: type === 1 ? 1 : 0,
    message_id: id,
    fail_if_not_exists: strict ?? true,
    ...(channel && { channel_id: channel }),
    ...(guild && { guild_id: guild }),
  };
}

const CATEGORIES = ["roles", "users", "everyone"];

function allowedMentions(
  form: Form,
  value: unknown,
): AllowedMentions | undefined {
  const at = "allowed_mentions";
  const from = v.object(form, [at], value);
  if (!from) return undefined;
  const parse = (v.list(form, [at, "parse"], from["parse"], 3) ?? []).map(
    String,
  );
  parse.forEach((category, i) => {
    if (!CATEGORIES.includes(category))
      form.add(
        [at, "parse", i],
        "BASE_TYPE_CHOICES",
        `Value must be one of ('roles', 'users', 'everyone').`,
      );
  });
  const ids = (kind: "users" | "roles") => {
    const given = v.list(form, [at, kind], from[kind], 100) ?? [];
    given.forEach((id, i) => v.snowflake(form, [at, kind, i], id, true));
    if (given.length > 0 && parse.includes(kind))
      form.add(
        [at],
        "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE",
        `parse:["${kind}"] and ${kind}: [ids...] are mutually exclusive.`,
      );
    return given.map(String);
  };
  return {
    parse,
    users: ids("users"),
    roles: ids("roles"),
    replied_user:
      v.flag(form, [at, "replied_user"], from["replied_user"]) ?? false,
  };
}

function attachments(
  form: Form,
  value: unknown,
): AttachmentInput[] | undefined {
  const given = v.list(form, ["attachments"], value, LIMITS.files);
  return given?.map((item, i) => {
    const path = ["attachments", i];
    const from = v.object(form, path, item) ?? {};
    const id = from["id"];
    const named =
      (typeof id === "string" && /^\d{1,20}$/.test(id)) ||
      Number.isSafeInteger(id);
    if (!named)
      form.add(
        [...path, "id"],
        id === undefined ? "BASE_TYPE_REQUIRED" : "NUMBER_TYPE_COERCE",
        id === undefined
          ? "This field is required"
          : `Value "${id}" is not snowflake.`,
      );
    const words = (key: string, max: number) =>
      v.text(form, [...path, key], from[key], { max });
    return {
      id: String(id),
      filename: words("filename", 1024),
      description: words("description", 1024),
      title: words("title", 1024),
      spoiler: v.flag(form, [...path, "is_spoiler"], from["is_spoiler"]),
    };
  });
}

function embeds(form: Form, value: unknown): Embed[] | undefined {
  const given = v.list(form, ["embeds"], value, LIMITS.embeds);
  const read = given?.map((item, i) => embed(form, ["embeds", i], item));
  const total = read?.reduce((sum, one) => sum + embedLength(one), 0) ?? 0;
  if (total > LIMITS.embedText)
    form.add(
      ["embeds"],
      "MAX_EMBED_SIZE_EXCEEDED",
      `Embed size exceeds maximum size of ${LIMITS.embedText}`,
    );
  return read;
}

function embed(form: Form, path: Path, value: unknown): Embed {
  const from = v.object(form, path, value) ?? {};
  const at = (...steps: (string | number)[]) => [...path, ...steps];
  const part = (key: string) => v.object(form, at(key), from[key]);
  const read: Embed = {
    type: "rich",
    title: v.text(form, at("title"), from["title"], { max: 256 }),
    description: v.text(form, at("description"), from["description"], {
      max: 4096,
    }),
    url: v.url(form, at("url"), from["url"]),
    color: v.whole(form, at("color"), from["color"], { min: 0, max: 0xffffff }),
    timestamp: moment(form, at("timestamp"), from["timestamp"]),
  };
  const footer = part("footer");
  if (footer)
    read.footer = {
      text:
        v.text(form, at("footer", "text"), footer["text"], {
          max: 2048,
          required: true,
        }) ?? "",
      icon_url: v.url(form, at("footer", "icon_url"), footer["icon_url"], {
        attachments: true,
      }),
    };
  const author = part("author");
  if (author)
    read.author = {
      name:
        v.text(form, at("author", "name"), author["name"], {
          max: 256,
          min: 1,
          required: true,
        }) ?? "",
      url: v.url(form, at("author", "url"), author["url"]),
      icon_url: v.url(form, at("author", "icon_url"), author["icon_url"], {
        attachments: true,
      }),
    };
  for (const key of ["image", "thumbnail"] as const) {
    const media = part(key);
    const address =
      media &&
      v.url(form, at(key, "url"), media["url"], {
        attachments: true,
        required: true,
      });
    if (address) read[key] = { url: address };
  }
  read.fields = fields(form, at("fields"), from["fields"]);
  if (v.isObject(value) && isBlank(read) && !form.failed)
    form.add(at("description"), "BASE_TYPE_REQUIRED", "This field is required");
  return withoutHoles(read);
}

function fields(
  form: Form,
  path: Path,
  value: unknown,
): EmbedField[] | undefined {
  return v.list(form, path, value, 25)?.map((item, i) => {
    const from = v.object(form, [...path, i], item) ?? {};
    const words = (key: string, max: number) =>
      v.text(form, [...path, i, key], from[key], {
        max,
        min: 1,
        required: true,
      }) ?? "";
    return {
      name: words("name", 256),
      value: words("value", 1024),
      inline: v.flag(form, [...path, i, "inline"], from["inline"]) ?? false,
    };
  });
}

function moment(form: Form, path: Path, value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined;
  const ms = typeof value === "string" ? Date.parse(value) : Number.NaN;
  if (!Number.isNaN(ms))
    return new Date(ms).toISOString().replace("Z", "000+00:00");
  form.add(
    path,
    "DATE_TIME_TYPE_PARSE",
    `Could not parse ${JSON.stringify(value)}. Should be ISO8601.`,
  );
  return undefined;
}

function isBlank(e: Embed): boolean {
  const shown = [
    e.title,
    e.description,
    e.footer,
    e.author,
    e.image,
    e.thumbnail,
  ];
  return (
    shown.every((part) => !part) && !e.fields?.length && !e.url && !e.timestamp
  );
}

export function embedLength(e: Embed): number {
  let sum = (e.title ?? "").length + (e.description ?? "").length;
  sum += (e.footer?.text ?? "").length + (e.author?.name ?? "").length;
  for (const field of e.fields ?? [])
    sum += field.name.length + field.value.length;
  return sum;
}

/** Absent keys rather than undefined ones, at every depth. */
function withoutHoles<T>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T;
}
