// Panel.tsx - a part of a page that stands for itself: it loads and fails alone.

import { Suspense, useId, type ReactNode } from "react";
import { ErrorBoundary } from "./ErrorBoundary";

export function Panel(props: {
  title: string;
  lead?: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
}) {
  const id = useId();
  return (
    <section className="panel" aria-labelledby={id}>
      <header className="panel-head">
        <div>
          <h2 id={id}>{props.title}</h2>
          {props.lead && <p className="panel-lead">{props.lead}</p>}
        </div>
        {props.actions && <div className="buttons">{props.actions}</div>}
      </header>
      <ErrorBoundary within="panel">
        <Suspense fallback={<PanelWaiting />}>{props.children}</Suspense>
      </ErrorBoundary>
    </section>
  );
}

/** In the place of what is not there yet. */
export function PanelWaiting() {
  return <div className="panel-waiting" role="status" aria-label="Loading" />;
}
