// Toast.tsx - says in passing what was done, or what failed behind the scenes.

import {
  createContext,
  useCallback,
  useContext,
  useState,
  type ReactNode,
} from "react";
import { Button } from "./Button";

const SHOWN_MS = 6_000;
const MAX_SHOWN = 3;

type Toast = { id: number; words: string; tone: "neutral" | "bad" };

const Context = createContext<(words: string, tone?: Toast["tone"]) => void>(
  () => undefined,
);

/** const toast = useToast(); toast("Saved"); toast("Not saved", "bad"); */
export const useToast = () => useContext(Context);

let lastId = 0;

export function Toasts({ children }: { children: ReactNode }) {
  const [shown, setShown] = useState<Toast[]>([]);
  const drop = useCallback(
    (id: number) => setShown((all) => all.filter((one) => one.id !== id)),
    [],
  );
  const toast = useCallback(
    (words: string, tone: Toast["tone"] = "neutral") => {
      const id = ++lastId;
      setShown((all) => [...all, { id, words, tone }].slice(-MAX_SHOWN));
      setTimeout(() => drop(id), SHOWN_MS);
    },
    [drop],
  );
  return (
    <Context value={toast}>
      {children}
      <div className="toasts" role="status">
        {shown.map(({ id, words, tone }) => (
          <div key={id} className="toast" data-tone={tone}>
            {words}
            <Button
              kind="quiet"
              size="small"
              icon="close"
              aria-label="Dismiss"
              onClick={() => drop(id)}
            />
          </div>
        ))}
      </div>
    </Context>
  );
}
