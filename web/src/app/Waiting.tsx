// Waiting.tsx - before anything is known.

import { Unreachable } from "./Connection";

export function Waiting() {
  return (
    <main className="notice" aria-busy="true">
      <div className="waiting">
        <p role="status">Connecting…</p>
        <Unreachable />
      </div>
    </main>
  );
}
