// Compares what a source channel holds with what the customers' channel and the
// page show, message by message. Every difference is one line.
import type { Message } from "./discord";

export interface Row {
  messageId: string;
  content: string; // the text that the row was made from
  text: string; // what a reader reads
}

const LIMIT = 2000; // of one post, in UTF-16 units

/** Without white space: a long text is cut at white space, which the cut drops. */
const squeezed = (text: string): string => text.replace(/\s+/g, "");

/** The words that a reader must find: markup, mentions, fence languages and links left out. */
function wordsOf(text: string): string[] {
  const visible = text
    .replace(/```\w+\n/g, "```\n")
    .replace(/<[@#:a][^>\s]*>|<t:\d+(:\w)?>/g, " ")
    .replace(/https?:\/\/\S+/g, " ");
  return visible.match(/[\p{L}\p{N}]+/gu) ?? [];
}

function excerpt(text: string): string {
  return JSON.stringify([...text].slice(0, 60).join(""));
}

// Only a bot's embeds: a person's are generated ones, which each place makes for itself.
function embedText(message: Message): string {
  return JSON.stringify(
    message.embeds.map((e) => [
      e.title ?? "",
      e.description ?? "",
      (e.fields ?? []).map((f) => [f.name, f.value]),
    ]),
  );
}

const filesOf = (messages: Message[]): string =>
  JSON.stringify(
    messages.flatMap((m) => m.attachments.map((a) => [a.filename, a.size])),
  );

/** How many posts hold this text: a long one is cut in several. */
function countParts(source: Message, posts: Message[], from: number): number {
  if (source.content.length <= LIMIT) return 1;
  const whole = squeezed(source.content);
  let have = "";
  for (let n = 1; from + n <= posts.length; n++) {
    have += squeezed(posts[from + n - 1]!.content);
    if (have.length >= whole.length) return n;
  }
  return 1;
}

/** Source channel against mirror channel, both oldest first. */
export function compareMirror(source: Message[], mirror: Message[]): string[] {
  const differences: string[] = [];
  let at = 0;
  for (const message of source) {
    const parts = mirror.slice(at, at + countParts(message, mirror, at));
    at += parts.length;
    if (parts.length === 0) {
      differences.push(
        `missing in the mirror: ${message.id} ${excerpt(message.content)}`,
      );
      continue;
    }
    const text = parts.map((part) => part.content).join("");
    if (squeezed(text) !== squeezed(message.content)) {
      differences.push(
        `text of ${message.id}: source ${excerpt(message.content)}, mirror ${excerpt(text)}`,
      );
      if (differences.length > 5) break; // one missing message shifts all that follow
    }
    const last = parts[parts.length - 1]!;
    if (message.author.bot && embedText(message) !== embedText(last))
      differences.push(
        `embeds of ${message.id}: source ${embedText(message)}, mirror ${embedText(last)}`,
      );
    if (filesOf([message]) !== filesOf(parts))
      differences.push(
        `files of ${message.id}: source ${filesOf([message])}, mirror ${filesOf(parts)}`,
      );
  }
  for (const extra of mirror.slice(at))
    differences.push(
      `too much in the mirror: ${extra.id} ${excerpt(extra.content)}`,
    );
  return differences;
}

/** Which posts are whose, as the backend's records say. */
export type Records = { messageId: string; postIds: string[] }[];

/**
 * The same without regard to order: what Discord never told of is found later, and posted after
 * what was written later. Each message has its posts, as they should be; each post is a message's.
 */
export function compareRecords(
  source: Message[],
  mirror: Message[],
  records: Records,
): string[] {
  const differences: string[] = [];
  const posts = new Map(mirror.map((post) => [post.id, post]));
  const idsOf = new Map(records.map((r) => [r.messageId, r.postIds]));
  const owned = new Set<string>();
  for (const message of source) {
    const parts = (idsOf.get(message.id) ?? []).map((id) => posts.get(id));
    const there = parts.filter((part) => part !== undefined);
    if (there.length === 0 || there.length < parts.length)
      differences.push(
        `missing in the mirror: ${message.id} ${excerpt(message.content)}`,
      );
    for (const { id } of there) {
      if (owned.has(id)) differences.push(`two messages own the post ${id}`);
      owned.add(id);
    }
    const text = there.map((part) => part.content).join("");
    if (there.length > 0 && squeezed(text) !== squeezed(message.content))
      differences.push(
        `text of ${message.id}: source ${excerpt(message.content)}, mirror ${excerpt(text)}`,
      );
  }
  for (const post of mirror)
    if (!owned.has(post.id))
      differences.push(
        `too much in the mirror: ${post.id} ${excerpt(post.content)}`,
      );
  return differences;
}

function unreadable(message: Message, row: Row): string[] {
  const missing = wordsOf(message.content).find(
    (word) => !row.text.includes(word),
  );
  return missing === undefined
    ? []
    : [
        `a reader of ${message.id} does not find "${missing}": ${excerpt(row.text)}`,
      ];
}

/** Source (oldest first) against the page (newest first). */
export function comparePage(source: Message[], page: Row[]): string[] {
  const differences: string[] = [];
  const shown = new Map<string, Row>();
  for (const row of page) {
    if (shown.has(row.messageId))
      differences.push(`twice on the page: ${row.messageId}`);
    shown.set(row.messageId, row);
  }
  const known = new Set(source.map((message) => message.id));
  for (const row of page)
    if (!known.has(row.messageId))
      differences.push(
        `too much on the page: ${row.messageId} ${excerpt(row.text)}`,
      );
  for (const message of source) {
    const row = shown.get(message.id);
    if (!row)
      differences.push(
        `missing on the page: ${message.id} ${excerpt(message.content)}`,
      );
    else if (row.content !== message.content)
      differences.push(
        `text on the page of ${message.id}: source ${excerpt(message.content)}, page ${excerpt(row.content)}`,
      );
    else differences.push(...unreadable(message, row));
  }
  const order = page.map((row) => row.messageId).filter((id) => known.has(id));
  const wanted = source
    .map((message) => message.id)
    .sort((a, b) => (BigInt(a) < BigInt(b) ? 1 : -1));
  if (differences.length === 0 && order.join() !== wanted.join())
    differences.push("the page is not in the order of the source");
  return differences;
}
