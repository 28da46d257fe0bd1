// storage.ts - small choices that stay in this browser.

import { useSyncExternalStore } from "react";

const listeners = new Set<() => void>();

/** A choice of yes or no, and how to change it. */
export function useChoice(
  name: string,
  usual: boolean,
): [boolean, (chosen: boolean) => void] {
  const stored = useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      window.addEventListener("storage", listener); // another tab
      return () => {
        listeners.delete(listener);
        window.removeEventListener("storage", listener);
      };
    },
    () => localStorage.getItem(name),
  );
  const set = (chosen: boolean) => {
    localStorage.setItem(name, chosen ? "yes" : "no");
    for (const listener of listeners) listener();
  };
  return [stored === null ? usual : stored === "yes", set];
}
