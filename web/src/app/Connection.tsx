// Connection.tsx - is what is shown live, and if not, how old is it.

import { useConvexConnectionState } from "convex/react";
import { useEffect, useState, useSyncExternalStore } from "react";
import { ago, useTimed } from "../ui/time";

export type State = "connected" | "connecting" | "reconnecting" | "offline";

const WORDS: Record<State, string> = {
  connected: "Live",
  connecting: "Connecting…",
  reconnecting: "Reconnecting…",
  offline: "Offline",
};

function useOnline(): boolean {
  return useSyncExternalStore(
    (changed) => {
      window.addEventListener("online", changed);
      window.addEventListener("offline", changed);
      return () => {
        window.removeEventListener("online", changed);
        window.removeEventListener("offline", changed);
      };
    },
    () => navigator.onLine,
  );
}

export function useConnection(): State {
  const { isWebSocketConnected, hasEverConnected } = useConvexConnectionState();
  const online = useOnline();
  if (isWebSocketConnected) return "connected";
  if (!online) return "offline";
  return hasEverConnected ? "reconnecting" : "connecting";
}

/** The state in a word, announced; the age of the data beside it, not. */
export function Connection() {
  const state = useConnection();
  const lostAt = useLostAt(state);
  return (
    <div className="connection" data-state={state}>
      <span className="dot" aria-hidden="true" />
      <span role="status" className="connection-word">
        {WORDS[state]}
      </span>
      {lostAt !== null && (
        <span className="data-age" aria-live="off">
          <DataAge since={lostAt} />
        </span>
      )}
    </div>
  );
}

/** Says so where there is nothing to show yet, and no server either. */
export function Unreachable() {
  const { isWebSocketConnected, connectionRetries } =
    useConvexConnectionState();
  if (isWebSocketConnected || connectionRetries === 0) return null;
  return (
    <p className="problem" role="status">
      The server cannot be reached. Trying again…
    </p>
  );
}

function DataAge({ since }: { since: number }) {
  const words = useTimed((now) => ago(since, now));
  return <>data from {words}</>;
}

// When the page last knew that it showed everything.
function useLostAt(state: State): number | null {
  const [lostAt, setLostAt] = useState<number | null>(null);
  useEffect(() => {
    setLostAt(state === "connected" ? null : Date.now());
    // From one way of being apart to another the data only gets older.
  }, [state === "connected"]);
  return lostAt;
}
