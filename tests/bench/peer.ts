// The benchmark's app in convex-test, the official mock of a backend, in this process: no
// network, no disk, no isolation. Its own indexes are scans, so it is given fewer calls.
import { convexTest } from "convex-test";
import { makeFunctionReference } from "convex/server";
import schema from "./app/convex/schema";

type Args = Record<string, unknown>;

export interface Peer {
  mutation(name: string, args: Args): Promise<unknown>;
  query(name: string, args: Args): Promise<unknown>;
}

export function openPeer(): Peer {
  const peer = convexTest(schema, {
    "./convex/_generated/api.js": async () => ({}),
    "./convex/bench.ts": () => import("./app/convex/bench"),
  });
  return {
    mutation: (name, args) =>
      peer.mutation(makeFunctionReference<"mutation">(name), args),
    query: (name, args) =>
      peer.query(makeFunctionReference<"query">(name), args),
  };
}
