// The benchmark's app in convex-test, the official mock of a backend, in this process: no
// network, no disk, no isolation. Its own indexes are scans, so it is given fewer calls.
import { makeFunctionReference } from "convex/server";
import schema from "./app/convex/schema";

type Args = Record<string, unknown>;
type Call = (reference: unknown, args: Args) => Promise<unknown>;

export interface Peer {
  mutation(name: string, args: Args): Promise<unknown>;
  query(name: string, args: Args): Promise<unknown>;
}

/** Null when the package is not installed. */
export async function openPeer(): Promise<Peer | null> {
  const name = "convex-test"; // not a dependency: the types must do without it
  let convexTest: (
    schema: unknown,
    modules: Record<string, () => Promise<unknown>>,
  ) => { mutation: Call; query: Call };
  try {
    ({ convexTest } = (await import(name)) as never);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ERR_MODULE_NOT_FOUND")
      throw error;
    return null;
  }
  const peer = convexTest(schema, {
    "./convex/_generated/api.js": async () => ({}),
    "./convex/bench.ts": () => import("./app/convex/bench"),
  });
  return {
    mutation: (name, args) => peer.mutation(makeFunctionReference(name), args),
    query: (name, args) => peer.query(makeFunctionReference(name), args),
  };
}
