/// <reference lib="dom" />
// auth.tsx - a page over apps/auth: Convex Auth with its own React provider.

import { ConvexAuthProvider, useAuthActions } from "@convex-dev/auth/react";
import {
  Authenticated,
  AuthLoading,
  ConvexReactClient,
  Unauthenticated,
  useMutation,
  useQuery,
} from "convex/react";
import { makeFunctionReference } from "convex/server";
import { useState } from "react";
import { createRoot } from "react-dom/client";

const me = makeFunctionReference<"query", Record<string, never>, string | null>(
  "people:me",
);
const notes = makeFunctionReference<
  "query",
  Record<string, never>,
  { _id: string; text: string }[]
>("notes:list");
const addNote = makeFunctionReference<"mutation", { text: string }>(
  "notes:add",
);

const url = new URLSearchParams(location.search).get("url")!;

function SignIn() {
  const { signIn } = useAuthActions();
  const [problem, setProblem] = useState("");
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        const data = new FormData(event.currentTarget);
        const { submitter } = event.nativeEvent as SubmitEvent;
        data.set("flow", (submitter as HTMLButtonElement).value);
        signIn("password", data).catch((error: unknown) =>
          setProblem(String(error)),
        );
      }}
    >
      <input name="email" />
      <input name="password" type="password" />
      <button value="signUp">Sign up</button>
      <button value="signIn">Sign in</button>
      <p id="problem">{problem}</p>
    </form>
  );
}

function Account() {
  const { signOut } = useAuthActions();
  const email = useQuery(me, {});
  const mine = useQuery(notes, {});
  const add = useMutation(addNote);
  return (
    <section>
      <h1>{email}</h1>
      <ul>
        {mine?.map((note) => (
          <li key={note._id}>{note.text}</li>
        ))}
      </ul>
      <button id="add" onClick={() => void add({ text: "a note" })}>
        Add
      </button>
      <button id="out" onClick={() => void signOut()}>
        Sign out
      </button>
    </section>
  );
}

createRoot(document.getElementById("root")!).render(
  <ConvexAuthProvider client={new ConvexReactClient(url)}>
    <AuthLoading>
      <p id="loading">…</p>
    </AuthLoading>
    <Unauthenticated>
      <SignIn />
    </Unauthenticated>
    <Authenticated>
      <Account />
    </Authenticated>
  </ConvexAuthProvider>,
);
