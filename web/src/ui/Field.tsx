// Field.tsx - a labelled control with its hint and its error, and forms of them.

import { useId, useRef, useState, type FormEvent, type ReactNode } from "react";
import { refusalOf } from "../app/api";
import { Button } from "./Button";

export type Control = {
  id: string;
  className: string;
  "aria-describedby": string | undefined;
  "aria-invalid": true | undefined;
};

/** <Field label="Name">{(control) => <input {...control} name="name" />}</Field> */
export function Field(props: {
  label: string;
  hint?: ReactNode;
  error?: string | null;
  children: (control: Control) => ReactNode;
}) {
  const { label, hint, error, children } = props;
  const id = useId();
  const described = [hint && `${id}-hint`, error && `${id}-error`].filter(
    Boolean,
  );
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      {children({
        id,
        className: "input",
        "aria-describedby": described.join(" ") || undefined,
        "aria-invalid": error ? true : undefined,
      })}
      {hint && (
        <p className="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
      {error && (
        <p className="field-error" id={`${id}-error`}>
          {error}
        </p>
      )}
    </div>
  );
}

export function Checkbox(props: {
  label: ReactNode;
  hint?: ReactNode;
  name?: string;
  checked?: boolean;
  defaultChecked?: boolean;
  onChange?: (checked: boolean) => void;
}) {
  const { label, hint, onChange, ...rest } = props;
  return (
    <label className="check">
      <input
        type="checkbox"
        {...rest}
        onChange={onChange && ((event) => onChange(event.target.checked))}
      />
      <span>
        {label}
        {hint && <span className="hint"> {hint}</span>}
      </span>
    </label>
  );
}

/** What went wrong, in words for people: a refusal's own, or the like of them. */
export function wordsOf(error: unknown): string {
  const refusal = refusalOf(error);
  if (refusal !== null)
    return /[.!?]$/.test(refusal.message)
      ? refusal.message
      : `${refusal.message}.`;
  const words = error instanceof Error ? error.message : String(error);
  return /Failed to fetch|NetworkError|Connection lost|offline/i.test(words)
    ? "The server could not be reached. Check your connection and try again."
    : "That did not work. Nothing was changed; please try again.";
}

/**
 * A form that is sent by `onSubmit`. While that runs it is busy; what it throws is shown,
 * in words of `explain`, with the focus where it was.
 */
export function Form(props: {
  submit: string;
  kind?: "primary" | "danger";
  onSubmit: (given: FormData, form: HTMLFormElement) => Promise<void>;
  explain?: (error: unknown) => string;
  extra?: ReactNode; // beside the button
  children: ReactNode;
}) {
  const { submit, kind = "primary", onSubmit, explain = wordsOf } = props;
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const running = useRef(false);

  async function send(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = event.currentTarget;
    if (running.current) return;
    running.current = true;
    setBusy(true);
    setProblem(null);
    try {
      await onSubmit(new FormData(form), form);
    } catch (error) {
      setProblem(explain(error));
    } finally {
      running.current = false;
      setBusy(false);
    }
  }

  return (
    <form className="form" onSubmit={send} aria-busy={busy}>
      {props.children}
      {problem !== null && (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
      <div className="buttons">
        <Button type="submit" kind={kind} busy={busy}>
          {busy ? "One moment…" : submit}
        </Button>
        {props.extra}
      </div>
    </form>
  );
}
