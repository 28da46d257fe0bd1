// Badge.tsx - a state in a word. The tone repeats what the word says.

import type { ReactNode } from "react";

export type Tone = "neutral" | "good" | "warn" | "bad" | "info" | "accent";

export function Badge(props: { tone?: Tone; children: ReactNode }) {
  return (
    <span className="badge" data-tone={props.tone}>
      {props.children}
    </span>
  );
}
