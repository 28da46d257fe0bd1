// ErrorBoundary.tsx - what is shown instead of a view that failed.

import { Component, type ReactNode } from "react";
import { refusalOf } from "./api";
import { Notice } from "./Notice";

type Props = {
  children: ReactNode;
  refused?: ReactNode; // shown when the backend refuses the data
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
    return (
      <Notice title="Something went wrong">
        <p>
          {refusal?.message ??
            "This view could not be shown. Your data is safe; trying again usually helps."}
        </p>
        {refusal === null && <Details error={error} />}
        <button
          className="button"
          onClick={() => this.setState({ error: null })}
        >
          Try again
        </button>
      </Notice>
    );
  }
}

function Details({ error }: { error: unknown }) {
  return (
    <details className="details">
      <summary>Details</summary>
      <pre>{error instanceof Error ? error.message : String(error)}</pre>
    </details>
  );
}
