// Confirm.tsx - asks before what cannot be taken back.

import {
  createContext,
  useCallback,
  useContext,
  useState,
  type ReactNode,
} from "react";
import { Button } from "./Button";
import { Dialog } from "./Dialog";

export type Question = {
  title: string;
  body: ReactNode;
  action: string; // what "yes" does: "Delete the account"
  danger?: boolean;
};

type Asked = Question & { answer: (yes: boolean) => void };

const Context = createContext<(question: Question) => Promise<boolean>>(
  async () => false,
);

/** const confirm = useConfirm(); if (await confirm({...})) ... */
export const useConfirm = () => useContext(Context);

export function Confirms({ children }: { children: ReactNode }) {
  const [asked, setAsked] = useState<Asked | null>(null);
  const confirm = useCallback(
    (question: Question) =>
      new Promise<boolean>((resolve) =>
        setAsked({
          ...question,
          answer: (yes) => {
            setAsked(null);
            resolve(yes);
          },
        }),
      ),
    [],
  );
  return (
    <Context value={confirm}>
      {children}
      {asked && (
        <Dialog
          title={asked.title}
          onClose={() => asked.answer(false)}
          actions={
            <>
              <Button onClick={() => asked.answer(false)}>Cancel</Button>
              <Button
                kind={asked.danger ? "danger" : "primary"}
                onClick={() => asked.answer(true)}
              >
                {asked.action}
              </Button>
            </>
          }
        >
          <div>{asked.body}</div>
        </Dialog>
      )}
    </Context>
  );
}
