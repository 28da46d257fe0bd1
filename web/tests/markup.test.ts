import assert from "node:assert/strict";
import { test } from "node:test";
import {
  parse,
  plain,
  safeUrl,
  type Block,
  type Inline,
} from "../src/feed/markup";

/** The tree as one line: what is bold reads b(...). */
function sketch(text: string): string {
  return parse(text).map(blockSketch).join(" / ");
}

function blockSketch(block: Block): string {
  if (block.type === "codeBlock")
    return `pre[${block.language}](${block.text})`;
  const inner = block.children.map(inlineSketch).join("");
  if (block.type === "lines") return inner;
  return block.type === "heading"
    ? `h${block.level}(${inner})`
    : `${block.type}(${inner})`;
}

function inlineSketch(node: Inline): string {
  if (node.type === "text") return node.text;
  if (node.type === "code") return `code(${node.text})`;
  if (node.type === "tag") return `tag(${node.text})`;
  if (node.type === "time") return `time(${node.at})`;
  const inner = node.children.map(inlineSketch).join("");
  return node.type === "link"
    ? `a[${node.url}](${inner})`
    : `${node.type}(${inner})`;
}

const cases: [string, string][] = [
  ["plain text", "plain text"],
  ["**LONG** BTC", "bold(LONG) BTC"],
  ["*a* and _b_", "italic(a) and italic(b)"],
  ["***both***", "bold(italic(both))"],
  ["**bold *and* italic**", "bold(bold italic(and) italic)"],
  ["__under__ ~~gone~~", "underline(under) strike(gone)"],
  ["||TP 70k||", "spoiler(TP 70k)"],
  ["`a*b*c`", "code(a*b*c)"],
  ["snake_case_name", "snake_case_name"],
  ["2 * 3 * 4", "2 * 3 * 4"],
  ["**open", "**open"],
  ["\\*not\\*", "*not*"],
  ["# Big\ntext", "h1(Big) / text"],
  ["-# small print", "small(small print)"],
  ["> said\nanswer", "quote(said) / answer"],
  ["a\nb", "a\nb"],
  ["```js\nlet x\n```", "pre[js](let x)"],
  ["before\n```\n**raw**\n```\nafter", "before / pre[](**raw**) / after"],
  [
    "<@123> <#4> <@&5> @everyone",
    "tag(@member) tag(#channel) tag(@role) tag(@everyone)",
  ],
  ["<:rocket:99>", "tag(:rocket:)"],
  ["<t:1700000000:R>", "time(1700000000000)"],
  ["[chart](https://a.example/x)", "a[https://a.example/x](chart)"],
  [
    "see https://a.example/x.",
    "see a[https://a.example/x](https://a.example/x).",
  ],
  ["(https://a.example/x)", "(a[https://a.example/x](https://a.example/x))"],
  ["<https://a.example>", "a[https://a.example](https://a.example)"],
  ["[x](javascript:alert(1))", "[x](javascript:alert(1))"],
  ["<script>alert(1)</script>", "<script>alert(1)</script>"],
  ["שלום **עולם**", "שלום bold(עולם)"],
];

for (const [source, expected] of cases)
  test(`${JSON.stringify(source)} reads as ${expected}`, () => {
    assert.equal(sketch(source), expected);
  });

test("text without markup is never lost", () => {
  const source = "Entry: 64,000 – 63,500\nSL 62k 🚀 (5x) | R:R 1/3 < 2 > 1";
  assert.equal(sketch(source), source);
});

test("an excerpt is words alone, and keeps what a spoiler hides", () => {
  const excerpts: [string, string][] = [
    ["**LONG** `BTC`\n> 64k", "LONG BTC 64k"],
    ["guess: ||3.0 %|| ok", "guess: ▒▒▒ ok"],
    ["guess: ||3.0 % and then it was c…", "guess: …"],
    ["limits: ```diff + AVAX 36.40 clo…", "limits: + AVAX 36.40 clo…"],
    ["[chart](https://a.example/x) <@9>", "chart @member"],
    ["R:R 1/3 < 2 > 1", "R:R 1/3 < 2 > 1"],
  ];
  for (const [source, words] of excerpts) assert.equal(plain(source), words);
});

test("hostile text is read in bounded time", () => {
  for (const piece of ["*", "**a", "||", "`", "[", "_a", "~~", "<", "http://"])
    assert.notEqual(parse(piece.repeat(4000 / piece.length)).length, 0);
});

test("only http and https are followed", () => {
  assert.equal(safeUrl("https://a.example/"), "https://a.example/");
  for (const url of ["javascript:alert(1)", "data:text/html,x", "nonsense", ""])
    assert.equal(safeUrl(url), null);
});
