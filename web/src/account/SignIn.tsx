// SignIn.tsx - signing in and signing up with e-mail and password.

import { useAuthActions } from "@convex-dev/auth/react";
import { useEffect, useRef, useState, type FormEvent } from "react";
import { refusalOf } from "../app/api";
import { Unreachable } from "../app/Connection";
import { Field } from "../ui/Field";
import { Mark } from "../ui/Notice";

type Flow = "signIn" | "signUp";

const WORDS: Record<
  Flow,
  { title: string; lead: string; submit: string; other: string; ask: string }
> = {
  signIn: {
    title: "Sign in",
    lead: "Your community’s signals, live.",
    submit: "Sign in",
    ask: "New here?",
    other: "Create an account",
  },
  signUp: {
    title: "Create your account",
    lead: "Use the address with which you bought access.",
    submit: "Create account",
    ask: "Already have an account?",
    other: "Sign in",
  },
};

export function SignIn() {
  const { signIn } = useAuthActions();
  const [flow, setFlow] = useState<Flow>("signIn");
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const words = WORDS[flow];
  const form = useRef<HTMLFormElement>(null);

  // The password is what is typed again, whichever of the two was wrong.
  useEffect(() => {
    if (problem === null) return;
    form.current
      ?.querySelector<HTMLInputElement>('input[name="password"]')
      ?.select();
  }, [problem]);

  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    if (busy) return;
    const given = new FormData(event.currentTarget);
    const email = String(given.get("email")).trim().toLowerCase();
    const password = String(given.get("password"));
    setBusy(true);
    setProblem(null);
    try {
      await signIn("password", { email, password, flow });
    } catch (error) {
      setProblem(explain(error, flow));
    } finally {
      setBusy(false);
    }
  }

  return (
    <main className="notice">
      <form
        className="panel form"
        ref={form}
        onSubmit={submit}
        aria-busy={busy}
      >
        <Mark />
        <div>
          <h1>{words.title}</h1>
          <p className="lead">{words.lead}</p>
        </div>
        <Email />
        <Password flow={flow} />
        {problem !== null && (
          <p className="problem" role="alert">
            {problem}
          </p>
        )}
        <Unreachable />
        <button className="button primary" aria-disabled={busy}>
          {busy ? "One moment…" : words.submit}
        </button>
        <p className="aside">
          {words.ask}{" "}
          <button
            type="button"
            className="inline-button"
            onClick={() => {
              setFlow(flow === "signIn" ? "signUp" : "signIn");
              setProblem(null);
            }}
          >
            {words.other}
          </button>
        </p>
      </form>
    </main>
  );
}

function Email() {
  return (
    <Field label="E-mail">
      {(control) => (
        <input
          {...control}
          name="email"
          type="email"
          autoComplete="username"
          required
          autoFocus
        />
      )}
    </Field>
  );
}

function Password({ flow }: { flow: Flow }) {
  const [shown, setShown] = useState(false);
  const fresh = flow === "signUp";
  return (
    <Field label="Password" hint={fresh && "At least 8 characters."}>
      {(control) => (
        <div className="with-button">
          <input
            {...control}
            name="password"
            type={shown ? "text" : "password"}
            autoComplete={fresh ? "new-password" : "current-password"}
            minLength={fresh ? 8 : undefined}
            maxLength={200}
            required
          />
          <button
            type="button"
            aria-pressed={shown}
            aria-label="Show password"
            onClick={() => setShown(!shown)}
          >
            {shown ? "Hide" : "Show"}
          </button>
        </div>
      )}
    </Field>
  );
}

// A deployment may hide its errors' words, so few of them can be relied on.
function explain(error: unknown, flow: Flow): string {
  const refusal = refusalOf(error);
  if (refusal !== null) return `${refusal.message}.`;
  const words = error instanceof Error ? error.message : String(error);
  if (/TooManyFailedAttempts/.test(words))
    return "Too many attempts with this address. Wait a few minutes and try again.";
  if (/Failed to fetch|NetworkError|Connection lost|offline/i.test(words))
    return "The server could not be reached. Check your connection and try again.";
  if (flow === "signUp")
    return "The account could not be created. If you already have one, sign in instead.";
  return /InvalidAccountId|InvalidSecret/.test(words)
    ? "That e-mail and password do not match an account."
    : "Signing in did not work. Check e-mail and password, and try again.";
}
