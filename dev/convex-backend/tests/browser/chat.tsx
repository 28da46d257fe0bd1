/// <reference lib="dom" />
// chat.tsx - a page over apps/chat: a paginated list and an optimistic send.

import {
  ConvexProvider,
  ConvexReactClient,
  insertAtTop,
  useConvexConnectionState,
  useMutation,
  usePaginatedQuery,
  useQuery,
} from "convex/react";
import { makeFunctionReference, type PaginationOptions } from "convex/server";
import { ConvexError } from "convex/values";
import { useState } from "react";
import { createRoot } from "react-dom/client";

interface Message {
  _id: string;
  _creationTime: number;
  author: string;
  body: string;
}

const list = makeFunctionReference<
  "query",
  { channelId: string; paginationOpts: PaginationOptions },
  { page: Message[]; isDone: boolean; continueCursor: string }
>("messages:list");
const search = makeFunctionReference<"query", { text: string }, Message[]>(
  "messages:search",
);
const sendMessage = makeFunctionReference<
  "mutation",
  { channelId: string; author: string; body: string }
>("messages:send");

const { url, channelId } = Object.fromEntries(
  new URLSearchParams(location.search),
) as { url: string; channelId: string };

function Chat() {
  const { results, status, loadMore } = usePaginatedQuery(
    list,
    { channelId },
    { initialNumItems: 3 },
  );
  const [text, setText] = useState("");
  const found = useQuery(search, text === "" ? "skip" : { text });
  const [problem, setProblem] = useState("");
  const connection = useConvexConnectionState();
  const send = useMutation(sendMessage).withOptimisticUpdate((store, args) =>
    insertAtTop({
      paginatedQuery: list,
      argsToMatch: { channelId: args.channelId },
      localQueryStore: store,
      item: { ...args, _id: "optimistic", _creationTime: Date.now() },
    }),
  );
  const submit = (body: string) =>
    send({ channelId, author: "page", body }).catch((error: unknown) =>
      setProblem(
        error instanceof ConvexError ? String(error.data) : String(error),
      ),
    );
  return (
    <main data-status={status} data-inflight={connection.inflightMutations}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          const form = new FormData(event.currentTarget);
          void submit(form.get("body") as string);
        }}
      >
        <input name="body" />
        <button>Send</button>
      </form>
      <ol id="messages">
        {results.map((message) => (
          <li
            key={message._id}
            className={message._id === "optimistic" ? "sending" : "sent"}
          >
            {message.body}
          </li>
        ))}
      </ol>
      <button id="more" onClick={() => loadMore(2)}>
        More
      </button>
      <input id="search" onChange={(event) => setText(event.target.value)} />
      <ol id="found">
        {found?.map((message) => (
          <li key={message._id}>{message.body}</li>
        ))}
      </ol>
      <p id="problem">{problem}</p>
    </main>
  );
}

createRoot(document.getElementById("root")!).render(
  <ConvexProvider client={new ConvexReactClient(url)}>
    <Chat />
  </ConvexProvider>,
);
