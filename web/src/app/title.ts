// title.ts - the window's title: what is unread, the page, the community.

import { useEffect, useSyncExternalStore } from "react";

type Parts = { page: string; place: string; count: number };

let parts: Parts = { page: "", place: "", count: 0 };
const listeners = new Set<() => void>();

function set(changed: Partial<Parts>): void {
  parts = { ...parts, ...changed };
  const names = [parts.page, parts.place].filter((name) => name !== "");
  const count = parts.count > 0 ? `(${unreadWords(parts.count)}) ` : "";
  document.title = count + (names.join(" · ") || "Signals");
  for (const listener of listeners) listener();
}

/** As many as are worth telling: "7", "99+". */
export function unreadWords(count: number): string {
  return count > 99 ? "99+" : String(count);
}

/** Names the page while it is shown; the shell names it until then. */
export function useTitle(page: string): void {
  useEffect(() => set({ page }), [page]);
}

export function useTitlePlace(place: string): void {
  useEffect(() => set({ place }), [place]);
}

/** Says how many are unread, in the title and the navigation. */
export function useTellUnread(count: number): void {
  useEffect(() => {
    set({ count });
    return () => set({ count: 0 });
  }, [count]);
}

export function useUnread(): number {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => parts.count,
  );
}
