// EmptyState.tsx - where there is nothing to show: why, and what to do.

import type { ReactNode } from "react";

export function EmptyState(props: {
  title: string;
  level?: 1 | 2;
  children?: ReactNode;
}) {
  const Heading = props.level === 2 ? "h2" : "h1";
  return (
    <section className="empty-state">
      <Heading>{props.title}</Heading>
      {props.children}
    </section>
  );
}
