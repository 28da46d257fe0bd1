// Notice.tsx - a page that says one thing.

import type { ReactNode } from "react";

export function Notice(props: { title: string; children: ReactNode }) {
  return (
    <main className="notice">
      <div className="panel">
        <Mark />
        <h1>{props.title}</h1>
        {props.children}
      </div>
    </main>
  );
}

export function Mark() {
  return (
    <svg className="mark" viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="8" />
      <path d="M6 20.5l6-6 4.5 4.5L26 9.5" />
    </svg>
  );
}
