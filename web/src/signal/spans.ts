// spans.ts - which stretches of a text a trade was read from. Pure.

import type { Signal, Trade } from "../app/api";

type Span = Trade["spans"][number];
type Part = { part: string; label: string; text: string };

/** The texts of a signal that have a word in them, by the names that spans call them. */
export function partsOf({
  content,
  embeds,
}: Pick<Signal, "content" | "embeds">): Part[] {
  const parts: Part[] = [{ part: "content", label: "", text: content }];
  for (const [i, embed] of embeds.entries()) {
    const card = embeds.length === 1 ? "Card" : `Card ${i + 1}`;
    const add = (name: string, label: string, text: string | undefined) =>
      parts.push({
        part: `embeds[${i}].${name}`,
        label: `${card}, ${label}`,
        text: text ?? "",
      });
    add("author.name", "author", embed.author?.name);
    add("title", "title", embed.title);
    add("description", "text", embed.description);
    for (const [j, { name, value }] of (embed.fields ?? []).entries()) {
      add(`fields[${j}].name`, `name of field ${j + 1}`, name);
      add(`fields[${j}].value`, `field ${j + 1}`, value);
    }
    add("footer.text", "footer", embed.footer?.text);
  }
  return parts.filter(({ text }) => text !== "");
}

/**
 * A text cut at its spans. One that does not lie in the text, or overlaps one before it, is
 * left out: the text itself is always shown whole.
 */
export function pieces(
  text: string,
  spans: readonly Pick<Span, "field" | "start" | "end">[],
): { text: string; field: Span["field"] | null }[] {
  const out: { text: string; field: Span["field"] | null }[] = [];
  let at = 0;
  const sorted = [...spans].sort((a, b) => a.start - b.start || b.end - a.end);
  for (const { field, start, end } of sorted) {
    if (start < at || end <= start || end > text.length) continue;
    if (start > at) out.push({ text: text.slice(at, start), field: null });
    out.push({ text: text.slice(start, end), field });
    at = end;
  }
  if (at < text.length) out.push({ text: text.slice(at), field: null });
  return out;
}
