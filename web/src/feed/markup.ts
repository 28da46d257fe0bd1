// markup.ts - Discord's way of writing, read into a tree. Pure.
//
// Nothing here makes HTML: what is not understood stays the text it is.

export type Inline =
  | { type: "text"; text: string }
  | {
      type: "bold" | "italic" | "underline" | "strike" | "spoiler";
      children: Inline[];
    }
  | { type: "code"; text: string }
  | { type: "link"; url: string; children: Inline[] }
  | { type: "tag"; text: string } // mentions and custom emoji
  | { type: "time"; at: number }; // ms

export type Block =
  | { type: "lines"; children: Inline[] }
  | { type: "quote"; children: Inline[] }
  | { type: "heading"; level: 1 | 2 | 3; children: Inline[] }
  | { type: "small"; children: Inline[] }
  | { type: "codeBlock"; language: string; text: string };

const MAX_DEPTH = 8;
const FENCE = /```(?:([\w+#.-]{1,20})\n)?\n?([\s\S]+?)\n?```/g;

/** The blocks of a message. */
export function parse(text: string): Block[] {
  const blocks: Block[] = [];
  let at = 0;
  for (const match of text.matchAll(FENCE)) {
    blocks.push(...proseBlocks(trimBreaks(text.slice(at, match.index))));
    blocks.push({
      type: "codeBlock",
      language: match[1] ?? "",
      text: match[2]!,
    });
    at = match.index + match[0].length;
  }
  blocks.push(...proseBlocks(trimBreaks(text.slice(at))));
  return blocks;
}

/** The words alone, on one line; what a spoiler hides stays hidden. */
export function plain(text: string): string {
  const words = parse(text).map((block) =>
    block.type === "codeBlock" ? block.text : plainInline(block.children),
  );
  return words
    .join(" ")
    .replace(/\|\|.*$/s, "…") // a spoiler that was cut off
    .replace(/```\w*|\*\*|__|~~/g, "")
    .replace(/\s+/g, " ")
    .trim();
}

function plainInline(nodes: Inline[]): string {
  const word = (node: Inline): string => {
    if (node.type === "spoiler") return "▒▒▒";
    if (node.type === "time") return "🕒";
    return "children" in node ? plainInline(node.children) : node.text;
  };
  return nodes.map(word).join("");
}

function trimBreaks(text: string): string {
  return text.replace(/^\n+|\n+$/g, "");
}

function proseBlocks(text: string): Block[] {
  const blocks: Block[] = [];
  let kind: "lines" | "quote" = "lines";
  let lines: string[] = [];
  const flush = () => {
    const joined = lines.join("\n");
    lines = [];
    if (joined.trim() === "") return;
    blocks.push({ type: kind, children: inline(trimBreaks(joined)) });
  };
  for (const line of text === "" ? [] : text.split("\n")) {
    const heading = /^(#{1,3}) +(\S.*)$/.exec(line);
    const small = /^-# +(\S.*)$/.exec(line);
    const quote = /^> (.*)$/.exec(line);
    if (heading || small) {
      flush();
      const level = (heading?.[1]?.length ?? 1) as 1 | 2 | 3;
      if (heading)
        blocks.push({ type: "heading", level, children: inline(heading[2]!) });
      else blocks.push({ type: "small", children: inline(small![1]!) });
      continue;
    }
    const next = quote ? "quote" : "lines";
    if (next !== kind) flush();
    kind = next;
    lines.push(quote ? quote[1]! : line);
  }
  flush();
  return blocks;
}

type Rule = {
  pattern: RegExp; // sticky
  make: (match: RegExpExecArray, depth: number) => Inline | null;
};

type Wrapper = Extract<Inline, { children: Inline[] }>["type"];

function wrap(type: Exclude<Wrapper, "link">): Rule["make"] {
  return (match, depth) => ({ type, children: inline(match[1]!, depth + 1) });
}

const RULES: Rule[] = [
  {
    pattern: /\\([^\w\s])/y,
    make: ([, text]) => ({ type: "text", text: text! }),
  },
  {
    pattern: /(`{1,2})(?!`)([\s\S]*?[^`])\1(?!`)/y,
    make: ([, , text]) => ({ type: "code", text: text! }),
  },
  { pattern: /\|\|([\s\S]+?)\|\|/y, make: wrap("spoiler") },
  { pattern: /\*\*(?=\S)([\s\S]*?\S\**)\*\*(?!\*)/y, make: wrap("bold") },
  { pattern: /__(?=\S)([\s\S]*?\S_*)__(?!_)/y, make: wrap("underline") },
  { pattern: /~~(?=\S)([\s\S]*?\S)~~/y, make: wrap("strike") },
  {
    pattern: /\*(?![\s*])((?:\*\*|[^*])*?[^\s*]|(?:\*\*|[^*])*?\*\*)\*(?!\*)/y,
    make: wrap("italic"),
  },
  { pattern: /_(?=\S)([^_]*?[^\s_])_(?!\w)/y, make: wrap("italic") },
  {
    pattern: /\[([^\]\n]+)\]\(<?(https?:\/\/[^\s)>]+)>?\)/y,
    make: ([, text, url], depth) => link(url!, inline(text!, depth + 1)),
  },
  {
    pattern: /<(https?:\/\/[^\s>]+)>/y,
    make: ([, url]) => link(url!, [{ type: "text", text: url! }]),
  },
  { pattern: /https?:\/\/[^\s<>]+/y, make: ([found]) => bareLink(found!) },
  {
    pattern: /<t:(-?\d{1,13})(?::[tTdDfFR])?>/y,
    make: ([, seconds]) => ({ type: "time", at: Number(seconds) * 1000 }),
  },
  {
    pattern: /<a?:(\w{2,32}):\d+>/y,
    make: ([, name]) => ({ type: "tag", text: `:${name}:` }),
  },
  {
    pattern: /<(@[!&]?|#)\d+>/y,
    make: ([, sigil]) => ({ type: "tag", text: TAGS[sigil!] ?? "@member" }),
  },
  {
    pattern: /@(?:everyone|here)\b/y,
    make: ([text]) => ({ type: "tag", text: text! }),
  },
];

const TAGS: Record<string, string> = { "#": "#channel", "@&": "@role" };

// Text runs up to the next character that could begin something.
const PLAIN = /[^\\`|*_~[<h@]+/y;

function inline(text: string, depth = 0): Inline[] {
  if (depth > MAX_DEPTH) return [{ type: "text", text }];
  const out: Inline[] = [];
  let at = 0;
  while (at < text.length) {
    const found = ruleAt(text, at, depth) ?? plainAt(text, at);
    const last = out.at(-1);
    if (found.node.type === "text" && last?.type === "text")
      out[out.length - 1] = { type: "text", text: last.text + found.node.text };
    else out.push(found.node);
    at += found.length;
  }
  return out;
}

function ruleAt(text: string, at: number, depth: number) {
  for (const { pattern, make } of RULES) {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (match === null) continue;
    // snake_case is a word, not emphasis.
    if (match[0].startsWith("_") && /\w/.test(text[at - 1] ?? "")) continue;
    const node = make(match, depth);
    if (node === null) continue;
    const shown = node.type === "link" && match[0].startsWith("http");
    return { node, length: shown ? node.url.length : match[0].length };
  }
  return null;
}

function plainAt(text: string, at: number): { node: Inline; length: number } {
  PLAIN.lastIndex = at;
  const run = PLAIN.exec(text)?.[0] ?? text[at]!;
  return { node: { type: "text", text: run }, length: run.length };
}

function link(url: string, children: Inline[]): Inline | null {
  return safeUrl(url) === null ? null : { type: "link", url, children };
}

// Punctuation that ends the sentence is not part of the address.
function bareLink(found: string): Inline | null {
  let url = found.replace(/[.,;:!?'"*_~|]+$/, "");
  if (url.endsWith(")") && !url.includes("(")) url = url.slice(0, -1);
  return link(url, [{ type: "text", text: url }]);
}

/** The URL if following it is harmless, or null. */
export function safeUrl(text: string | undefined): string | null {
  if (text === undefined || !URL.canParse(text)) return null;
  const { protocol, href } = new URL(text);
  return protocol === "https:" || protocol === "http:" ? href : null;
}
