// SessionEnd.tsx - how a session ends: by signing out, or elsewhere, by a changed password or a
// deleted account. Either way nothing is asked of the backend in its name any more.

import { useAuthActions } from "@convex-dev/auth/react";
import {
  Component,
  createContext,
  useCallback,
  useContext,
  useEffect,
  useState,
  type ReactNode,
} from "react";
import { refusalOf } from "../app/api";
import { Waiting } from "../app/Waiting";

const Context = createContext<() => void>(() => undefined);

/** Signs out. */
export const useSignOut = () => useContext(Context);

export function SessionEnd({ children }: { children: ReactNode }) {
  const { signOut } = useAuthActions();
  const [leaving, setLeaving] = useState(false);
  // The views go first: without a session their queries would fail.
  useEffect(() => {
    if (leaving) void signOut().finally(() => setLeaving(false));
  }, [leaving, signOut]);
  const leave = useCallback(() => setLeaving(true), []);
  if (leaving) return <Waiting />;
  return (
    <Context value={leave}>
      <Ended onEnd={leave}>{children}</Ended>
    </Context>
  );
}

class Ended extends Component<{ children: ReactNode; onEnd: () => void }> {
  override state: { error: unknown } = { error: null };

  static getDerivedStateFromError(error: unknown) {
    return { error };
  }

  override componentDidCatch(error: unknown) {
    if (isEnd(error)) this.props.onEnd();
  }

  override render() {
    const { error } = this.state;
    if (error === null) return this.props.children;
    if (!isEnd(error)) throw error;
    return <Waiting />;
  }
}

/** Does the backend say that there is no such session? */
export function isEnd(error: unknown): boolean {
  return refusalOf(error)?.code === "unauthenticated";
}
