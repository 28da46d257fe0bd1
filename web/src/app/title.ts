// title.ts - the window's title: what is unread, the page, the community.

import { useEffect, useSyncExternalStore } from "react";

type Parts = {
  page: string;
  place: string;
  count: number; // unread
  reading: boolean; // what comes now is read as it comes
};

let parts: Parts = { page: "", place: "", count: 0, reading: false };
const listeners = new Set<() => void>();

function set(changed: Partial<Parts>): void {
  parts = { ...parts, ...changed };
  const names = [parts.page, parts.place].filter((name) => name !== "");
  const count = shownCount() > 0 ? `(${unreadWords(shownCount())}) ` : "";
  document.title = count + (names.join(" · ") || "Signals");
  for (const listener of [...listeners]) listener();
}

function shownCount(): number {
  return parts.reading ? 0 : parts.count;
}

/** As many as are worth telling: "7", "99+". */
export function unreadWords(count: number): string {
  return count > 99 ? "99+" : String(count);
}

/** Names the page while it is shown; the shell names it until then. null: it is not shown. */
export function useTitle(page: string | null): void {
  useEffect(() => {
    if (page !== null) set({ page });
  }, [page]);
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

/** Whoever reads along has nothing unread, though the mark follows a moment later. */
export function useReadingNow(reading: boolean): void {
  useEffect(() => {
    set({ reading });
    return () => set({ reading: false });
  }, [reading]);
}

export function useUnread(): number {
  return useSyncExternalStore((listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, shownCount);
}
