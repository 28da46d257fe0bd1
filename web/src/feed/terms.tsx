// terms.tsx - what was searched for, marked wherever it is shown.

import { createContext, useContext, type ReactNode } from "react";

const Terms = createContext<RegExp | null>(null);

export function Marked(props: { query: string; children: ReactNode }) {
  return <Terms value={patternOf(props.query)}>{props.children}</Terms>;
}

/** Text with the searched words marked. */
export function Text({ text }: { text: string }): ReactNode {
  const pattern = useContext(Terms);
  if (pattern === null) return text;
  const parts = text.split(pattern); // every other part is one that matched
  return parts.map((part, i) =>
    i % 2 === 1 ? <mark key={i}>{part}</mark> : part,
  );
}

/** Finds the words of a query; the backend takes each as the beginning of one. */
export function patternOf(query: string): RegExp | null {
  const words = query.match(/[\p{L}\p{N}]+/gu) ?? [];
  if (words.length === 0) return null;
  const any = [...new Set(words)].join("|");
  return new RegExp(`(?<![\\p{L}\\p{N}])((?:${any})[\\p{L}\\p{N}]*)`, "giu");
}
