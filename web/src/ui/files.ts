// files.ts - stored files as blob: URLs, for as long as somebody shows them.
//
// Owns the URLs and the requests under way. A file is asked for with the person's own token, so
// whoever may no longer read the feed gets no file either. One request and one URL for each file,
// however many show it; a request that nobody waits for any more is aborted; what nobody shows is
// kept up to IDLE_BYTES, so that scrolling back costs nothing; all of it goes at sign-out.

import { useAuthToken } from "@convex-dev/auth/react";
import { useEffect, useRef, useState, type RefObject } from "react";
import { useConfig } from "../app/session";

const IDLE_BYTES = 48 * 1024 * 1024;

export type Shown =
  | { state: "waiting" }
  | { state: "ready"; url: string }
  | { state: "failed"; reason: string };

type Entry = {
  users: number;
  abort: AbortController;
  url: Promise<string>;
  bytes: number; // 0: not here yet
};

const entries = new Map<string, Entry>(); // those used last at the end

/** The file at `address` for `token`. Call `close` once nobody shows it. */
export function openFile(
  address: string,
  token: string,
): { url: Promise<string>; close: () => void } {
  const entry = entries.get(address) ?? request(address, token);
  entries.delete(address);
  entries.set(address, entry);
  entry.users++;
  let open = true;
  const close = () => {
    if (!open) return;
    open = false;
    entry.users--;
    if (entry.users === 0 && entry.bytes === 0) drop(address, entry);
    else trim();
  };
  return { url: entry.url, close };
}

/** Ends every request and every URL: nothing of a person stays behind. */
export function forgetFiles(): void {
  for (const [address, entry] of entries) drop(address, entry);
}

function request(address: string, token: string): Entry {
  const abort = new AbortController();
  const entry: Entry = {
    users: 0,
    abort,
    bytes: 0,
    url: load(address, token, abort.signal).then((blob) => {
      entry.bytes = Math.max(1, blob.size);
      return URL.createObjectURL(blob);
    }),
  };
  // What failed is asked for anew by the next who shows it.
  entry.url.catch(() => drop(address, entry));
  return entry;
}

async function load(
  address: string,
  token: string,
  signal: AbortSignal,
): Promise<Blob> {
  const answer = await fetch(address, {
    headers: { authorization: `Bearer ${token}` },
    signal,
  });
  if (answer.ok) return await answer.blob();
  const told = (await answer.json().catch(() => null)) as {
    message?: unknown;
  } | null;
  throw new Error(
    typeof told?.message === "string"
      ? told.message
      : `The file could not be read (HTTP ${answer.status})`,
  );
}

function drop(address: string, entry: Entry): void {
  if (entries.get(address) === entry) entries.delete(address);
  entry.abort.abort();
  void entry.url.then(
    (url) => URL.revokeObjectURL(url),
    () => undefined, // there is no URL
  );
}

function trim(): void {
  const idle = [...entries].filter(([, { users }]) => users === 0);
  let bytes = idle.reduce((sum, [, entry]) => sum + entry.bytes, 0);
  for (const [address, entry] of idle) {
    if (bytes <= IDLE_BYTES) return;
    bytes -= entry.bytes;
    drop(address, entry);
  }
}

/** A stored file of a signal; asked for while `wanted`, which is best said when it is on screen. */
export function useFile(
  messageId: string,
  fileId: string,
  wanted: boolean,
): Shown {
  const { siteUrl, community } = useConfig();
  const token = useAuthToken();
  const latest = useRef(token);
  latest.current = token;
  const address = `${siteUrl}/attachments/${[community, messageId, fileId]
    .map(encodeURIComponent)
    .join("/")}`;
  const [shown, setShown] = useState<Shown>({ state: "waiting" });
  const asks = wanted && token !== null;
  useEffect(() => {
    if (!asks || latest.current === null) return;
    const { url, close } = openFile(address, latest.current);
    let told = true;
    url.then(
      (ready) => told && setShown({ state: "ready", url: ready }),
      (error: unknown) =>
        told &&
        setShown({
          state: "failed",
          reason: error instanceof Error ? error.message : String(error),
        }),
    );
    return () => {
      told = false;
      setShown({ state: "waiting" });
      close();
    };
  }, [address, asks]);
  return shown;
}

/** Is the element near the screen? */
export function useOnScreen(element: RefObject<Element | null>): boolean {
  const [near, setNear] = useState(false);
  useEffect(() => {
    const node = element.current;
    if (node === null) return;
    const observer = new IntersectionObserver(
      (seen) => setNear(seen.at(-1)!.isIntersecting),
      { rootMargin: "600px 0px" },
    );
    observer.observe(node);
    return () => observer.disconnect();
  }, [element]);
  return near;
}
