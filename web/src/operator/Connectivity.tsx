// Connectivity.tsx - how far away the backend is, measured in this page.

import { useConvex, useConvexConnectionState } from "convex/react";
import { useEffect, useRef, useState } from "react";
import { api } from "../app/api";
import { useConfig } from "../app/session";
import { Badge } from "../ui/Badge";
import { Button } from "../ui/Button";
import { took } from "./words";

const EVERY_MS = 5_000;
const KEPT = 60;

type Way = { at: number; live: number | null; http: number | null };

/** There and back through the live connection and by HTTP, now and every few seconds. */
export function Connectivity() {
  const client = useConvex();
  const { convexUrl } = useConfig();
  const { isWebSocketConnected, connectionRetries, connectionCount } =
    useConvexConnectionState();
  const [ways, setWays] = useState<Way[]>([]);
  const running = useRef(false);
  const [busy, setBusy] = useState(false);

  async function measure() {
    if (running.current) return;
    running.current = true;
    setBusy(true);
    const live = await timed(() =>
      client.query(api.stats.echo, { mark: Math.random() }),
    );
    const http = await timed(() =>
      // Its answer is of no interest, and not for other origins.
      fetch(`${convexUrl}/version`, { cache: "no-store", mode: "no-cors" }),
    );
    setWays((all) => [...all, { at: Date.now(), live, http }].slice(-KEPT));
    running.current = false;
    setBusy(false);
  }

  useEffect(() => {
    if (!isWebSocketConnected) return;
    const look = () => document.visibilityState === "visible" && measure();
    void look();
    const timer = setInterval(look, EVERY_MS);
    return () => clearInterval(timer);
  }, [isWebSocketConnected]);

  const last = ways.at(-1);
  const times = ways.flatMap(({ live }) => live ?? []).sort((a, b) => a - b);
  return (
    <div className="connectivity">
      <dl className="figures">
        <div>
          <dt>Connection</dt>
          <dd>
            {isWebSocketConnected ? (
              <Badge tone="good">connected</Badge>
            ) : (
              <Badge tone="bad">not connected</Badge>
            )}
          </dd>
        </div>
        <div>
          <dt>There and back</dt>
          <dd data-testid="round-trip">{took(last?.live)}</dd>
        </div>
        <div>
          <dt>Median of {times.length}</dt>
          <dd>{took(times[Math.floor(times.length / 2)])}</dd>
        </div>
        <div>
          <dt>Slowest</dt>
          <dd>{took(times.at(-1))}</dd>
        </div>
        <div>
          <dt>By HTTP</dt>
          <dd>{took(last?.http)}</dd>
        </div>
        <div>
          <dt>Connections made</dt>
          <dd>{connectionCount}</dd>
        </div>
      </dl>
      <p className="hint">
        {connectionRetries > 0 &&
          `Tried ${connectionRetries} times without success. `}
        Backend: <code>{convexUrl}</code>
      </p>
      <Button size="small" icon="refresh" busy={busy} onClick={measure}>
        Measure now
      </Button>
    </div>
  );
}

async function timed(work: () => Promise<unknown>): Promise<number | null> {
  const start = performance.now();
  try {
    await work();
    return performance.now() - start;
  } catch {
    return null; // shown as a dash; the connection says why
  }
}
