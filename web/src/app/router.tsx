// router.tsx - which page the address names, and how to get to another.
//
// Owns the part of the address after "#", so that any file server will do:
// "#/signal/123?from=feed" is the path "/signal/123" and a query. Every step is
// an entry of the browser's history; the page remembers where it left each.

import {
  useLayoutEffect,
  useRef,
  useSyncExternalStore,
  type AnchorHTMLAttributes,
} from "react";

/** The parameters of a pattern: "/signal/:messageId" has messageId. */
export type ParamsOf<Path extends string> =
  Path extends `${string}:${infer Name}/${infer Rest}`
    ? { [Key in Name]: string } & ParamsOf<Rest>
    : Path extends `${string}:${infer Name}`
      ? { [Key in Name]: string }
      : Record<never, string>;

export type Place = {
  path: string; // decoded, begins with "/"
  query: URLSearchParams;
};

/** The place that a hash names; what is no place is the start page. */
export function parsePlace(hash: string): Place {
  const [path = "", query = ""] = hash.replace(/^#/, "").split(/\?(.*)/s);
  const clean = `/${path.split("/").filter(Boolean).join("/")}`;
  return {
    path: path.startsWith("/") ? clean : "/",
    query: new URLSearchParams(query),
  };
}

/** The parameters if `path` is of that pattern, else null. */
export function matchPath<Path extends string>(
  pattern: Path,
  path: string,
): ParamsOf<Path> | null {
  const wanted = pattern.split("/");
  const given = path.split("/");
  if (wanted.length !== given.length) return null;
  const params: Record<string, string> = {};
  for (const [i, part] of wanted.entries()) {
    const value = given[i]!;
    if (!part.startsWith(":")) {
      if (part !== value) return null;
    } else {
      const text = decoded(value);
      if (text === null || text === "") return null;
      params[part.slice(1)] = text;
    }
  }
  return params as ParamsOf<Path>;
}

/** The address of a place: href("/signal/:messageId", {messageId}, {tab: "text"}). */
export function href<Path extends string>(
  pattern: Path,
  params: ParamsOf<Path>,
  query: Record<string, string | null | undefined> = {},
): string {
  const given = params as Record<string, string>;
  const path = pattern.replace(/:(\w+)/g, (_, name: string) =>
    encodeURIComponent(given[name]!),
  );
  const kept = Object.entries(query).filter(
    (entry): entry is [string, string] => Boolean(entry[1]),
  );
  const search = new URLSearchParams(kept).toString();
  return `#${path}${search === "" ? "" : `?${search}`}`;
}

function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null; // "%" that begins nothing
  }
}

// ---- the address as React sees it ----

type Entry = { key: string };

const listeners = new Set<() => void>();
const leftAt = new Map<string, number>(); // where each entry of the history was scrolled to
let entry = startEntry();
let known: { hash: string; place: Place } | null = null;

function startEntry(): string {
  if (typeof window === "undefined") return "";
  window.history.scrollRestoration = "manual";
  // Before anything is shown: back, forward, or an address that was typed.
  window.addEventListener("popstate", () => moved(keyOfEntry()));
  return keyOfEntry();
}

function keyOfEntry(): string {
  const state = window.history.state as Entry | null;
  if (typeof state?.key === "string") return state.key;
  const key = crypto.randomUUID();
  window.history.replaceState({ key } satisfies Entry, "");
  return key;
}

function moved(to: string): void {
  leftAt.set(entry, window.scrollY);
  entry = to;
  for (const listener of [...listeners]) listener();
}

function currentPlace(): Place {
  const { hash } = window.location;
  if (known?.hash !== hash) known = { hash, place: parsePlace(hash) };
  return known.place;
}

export function usePlace(): Place {
  return useSyncExternalStore((listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, currentPlace);
}

/** Goes to an address that href() made. `replace`: "back" skips where we are. */
export function navigate(to: string, { replace = false } = {}): void {
  if (to === window.location.hash) return;
  const key = replace ? entry : crypto.randomUUID();
  if (replace) window.history.replaceState({ key }, "", to);
  else window.history.pushState({ key }, "", to);
  moved(key);
}

/** A link to a place, with the browser's own ways to open it elsewhere. */
export function Link(
  props: Omit<AnchorHTMLAttributes<HTMLAnchorElement>, "href"> & {
    to: string;
    replace?: boolean;
  },
) {
  const { to, replace, onClick, ...rest } = props;
  return (
    <a
      {...rest}
      href={to}
      onClick={(event) => {
        onClick?.(event);
        const { metaKey, ctrlKey, shiftKey, altKey, button } = event;
        const elsewhere = metaKey || ctrlKey || shiftKey || altKey;
        if (event.defaultPrevented || elsewhere || button !== 0) return;
        event.preventDefault();
        navigate(to, { replace });
      }}
    />
  );
}

/**
 * Has a new page begin at its top with the focus on its main part, and one that was come
 * back to where it was left. `page` names the page; within one nothing moves.
 */
export function usePageScroll(page: string): void {
  const shown = useRef(page);
  useLayoutEffect(() => {
    if (shown.current === page) return;
    shown.current = page;
    window.scrollTo({ top: leftAt.get(entry) ?? 0, behavior: "instant" });
    document.getElementById("main")?.focus({ preventScroll: true });
  }, [page]);
}
