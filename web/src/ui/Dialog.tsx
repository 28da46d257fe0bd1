// Dialog.tsx - the browser's own dialog: it holds the focus, and Escape closes it.

import { useEffect, useId, useRef, type ReactNode } from "react";
import { Button } from "./Button";

/** Open as long as it is rendered. */
export function Dialog(props: {
  title: string;
  onClose: () => void;
  wide?: boolean;
  actions?: ReactNode;
  children: ReactNode;
}) {
  const { title, onClose, wide, actions, children } = props;
  const id = useId();
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const element = dialog.current!;
    if (!element.open) element.showModal();
    return () => element.close();
  }, []);
  return (
    <dialog
      ref={dialog}
      className={wide ? "wide" : undefined}
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault(); // it closes by not being rendered any more
        onClose();
      }}
      onClick={(event) => event.target === dialog.current && onClose()}
    >
      <div className="dialog-inner">
        <header className="dialog-head">
          <h2 id={id}>{title}</h2>
          <Button
            kind="quiet"
            size="small"
            icon="close"
            aria-label="Close"
            onClick={onClose}
          />
        </header>
        {children}
        {actions && <footer className="dialog-foot">{actions}</footer>}
      </div>
    </dialog>
  );
}
