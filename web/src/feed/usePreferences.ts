// usePreferences.ts - how this person wants the feed to be, on every device.

import { useMutation, useQuery } from "convex/react";
import type { FunctionReturnType } from "convex/server";
import { api } from "../app/api";
import { wordsOf } from "../ui/Field";
import { useToast } from "../ui/Toast";

export type Preferences = FunctionReturnType<typeof api.account.preferences>;

/** undefined: not known yet. A change is shown at once, and taken back, with words, if it is refused. */
export function usePreferences(): [
  Preferences | undefined,
  (changed: Partial<Preferences>) => void,
] {
  const preferences = useQuery(api.account.preferences, {});
  const toast = useToast();
  const set = useMutation(api.account.setPreferences).withOptimisticUpdate(
    (store, wanted) => store.setQuery(api.account.preferences, {}, wanted),
  );
  return [
    preferences,
    (changed) => {
      if (preferences === undefined) return;
      set({ ...preferences, ...changed }).catch((error: unknown) =>
        toast(wordsOf(error), "bad"),
      );
    },
  ];
}
