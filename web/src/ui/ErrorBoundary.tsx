// ErrorBoundary.tsx - what is shown instead of a view that failed.

import { Component, type ReactNode } from "react";
import { refusalOf } from "../app/api";
import { Button } from "./Button";
import { EmptyState } from "./EmptyState";
import { Notice } from "./Notice";

type Props = {
  children: ReactNode;
  refused?: ReactNode; // shown when the backend refuses the data
  within?: "window" | "page" | "panel"; // what failed; the page if not said
};

export class ErrorBoundary extends Component<Props, { error: unknown }> {
  override state: { error: unknown } = { error: null };

  static getDerivedStateFromError(error: unknown) {
    return { error };
  }

  override render() {
    const { error } = this.state;
    if (error === null) return this.props.children;
    const refusal = refusalOf(error);
    if (refusal?.code === "no_access" && this.props.refused)
      return this.props.refused;
    // The session is over, and with it more than this view: SessionEnd.tsx.
    if (refusal?.code === "unauthenticated" && this.props.within !== "window")
      throw error;
    const title = "Something went wrong";
    const said = isUnloaded(error) ? (
      <>
        <p>
          This page could not be loaded. Check your connection; it may also have
          a newer version.
        </p>
        <Button onClick={() => window.location.reload()}>Load it again</Button>
      </>
    ) : (
      <>
        <p>
          {refusal?.message ??
            "This view could not be shown. Your data is safe; trying again usually helps."}
        </p>
        {refusal === null && <Details error={error} />}
        <Button onClick={() => this.setState({ error: null })}>
          Try again
        </Button>
      </>
    );
    switch (this.props.within) {
      case "window":
        return <Notice title={title}>{said}</Notice>;
      case "panel":
        return (
          <div className="panel-failed" role="alert">
            {said}
          </div>
        );
      default:
        return <EmptyState title={title}>{said}</EmptyState>;
    }
  }
}

// A page's code that did not come: the browser asks for it again only with the whole.
function isUnloaded(error: unknown): boolean {
  return (
    error instanceof Error &&
    /import(ed|ing) (a )?module|preload CSS/i.test(error.message)
  );
}

function Details({ error }: { error: unknown }) {
  return (
    <details className="details">
      <summary>Details</summary>
      <pre tabIndex={0}>
        {error instanceof Error ? error.message : String(error)}
      </pre>
    </details>
  );
}
