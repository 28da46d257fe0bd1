// The official JS client, and a bare HTTP caller, as processes of ./run bench client, which
// bundles this file so that they run on Node alone, without a loader of TypeScript.
//     official.mjs watch URL             prints each result of q:list, as our example does
//     official.mjs mutate URL COUNT      calls bench:insert one by one; one line of us a call
//     official.mjs post URL COUNT        the same as bare POSTs
import { ConvexClient } from "convex/browser";
import { makeFunctionReference } from "convex/server";
import { convexToJson, type Value } from "convex/values";
import { WebSocket } from "ws";
import { Http } from "./sockets";

const open = (url: string): ConvexClient =>
  new ConvexClient(url, {
    webSocketConstructor: WebSocket as unknown as typeof globalThis.WebSocket,
    unsavedChangesWarning: false,
    logger: false,
  });
const note = (n: number) => ({ n, text: "x".repeat(200) });

function watch(url: string): void {
  open(url).onUpdate(makeFunctionReference<"query">("q:list"), {}, (value) =>
    process.stdout.write(JSON.stringify(convexToJson(value as Value)) + "\n"),
  );
}

async function timed(
  count: number,
  call: (n: number) => Promise<unknown>,
): Promise<void> {
  const us: number[] = [];
  for (let n = 0; n < count; n++) {
    const called = performance.now();
    await call(n);
    us.push((performance.now() - called) * 1000);
  }
  process.stdout.write(us.map((n) => `${n.toFixed(1)}\n`).join(""));
}

async function mutate(url: string, count: number): Promise<void> {
  const client = open(url);
  const insert = makeFunctionReference<"mutation">("bench:insert");
  await timed(count, (n) => client.mutation(insert, note(n)));
  await client.close();
}

async function post(url: string, count: number): Promise<void> {
  const http = new Http(Number(new URL(url).port));
  await timed(count, (n) => http.convex("mutation", "bench:insert", note(n)));
  http.close();
}

const MODES = { watch, mutate, post };
const [how, url, count] = process.argv.slice(2);
await MODES[how as keyof typeof MODES](url!, Number(count));
