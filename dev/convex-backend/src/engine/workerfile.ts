/* workerfile.ts - where the compiled worker entry lies.
 *
 * Threads run compiled JavaScript: next to this program when it is built, in ../dist when the
 * engine runs from its sources (tests), which have to be built before.
 */

import { existsSync } from "node:fs";

const PLACES = [
  "./engine/worker.js",
  "./worker.js",
  "../../dist/engine/worker.js",
];

export function workerFile(): URL {
  for (const place of PLACES) {
    const url = new URL(place, import.meta.url);
    if (existsSync(url)) return url;
  }
  throw new Error(
    "The engine's worker is not built: run `npm run build` in dev/convex-backend",
  );
}
