// CopyText.tsx - something to take along: an id, an address.

import { useToast } from "./Toast";
import { Button } from "./Button";

/** Copies, and says so. Where the browser does not let pages copy, it says that. */
export function useCopy(): (text: string, what: string) => void {
  const toast = useToast();
  return (text, what) => {
    // Pages that came without TLS from another machine have no clipboard.
    const done =
      navigator.clipboard?.writeText(text) ??
      Promise.reject(new Error("no clipboard"));
    done.then(
      () => toast(`${what} copied`),
      () => toast(`This browser does not let pages copy: ${text}`, "bad"),
    );
  };
}

export function CopyText(props: {
  text: string;
  what: string; // "Link", "Order id"
  shown?: string; // instead of the text
}) {
  const { text, what, shown = text } = props;
  const copy = useCopy();
  return (
    <span className="copy-text">
      <code title={text}>{shown}</code>
      <Button
        kind="quiet"
        size="small"
        icon="copy"
        aria-label={`Copy ${what}`}
        onClick={() => copy(text, what)}
      />
    </span>
  );
}
