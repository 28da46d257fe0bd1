// The second half of ./run bench client: from calling a mutation to its settling, by both
// clients, next to a bare POST of the same mutation and to an HTTP answer without any work.
import { execFile } from "node:child_process";
import { createServer } from "node:http";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Backend, binary } from "../harness";
import { percentile, median, ratio, short, table } from "./measure";

const ROUNDS = 5;
const CALLS = 600;
const WARM = 100; // of these, not counted

const run = promisify(execFile);
const program = binary("convex_client_bench");
const here = dirname(fileURLToPath(import.meta.url));

async function calls(program: string, args: string[]): Promise<number[]> {
  const { stdout } = await run(program, args);
  const us = stdout.trim().split("\n").map(Number);
  if (us.length !== CALLS || us.some(Number.isNaN))
    throw new Error(`${args.join(" ")}: ${us.length} calls`);
  return us.slice(WARM);
}

async function bareServer(): Promise<{ url: string; close: () => void }> {
  const server = createServer((request, response) => {
    request.resume().on("end", () => {
      response.writeHead(200, { "content-length": 20 });
      response.end('{"status":"success"}');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  return {
    url: `http://127.0.0.1:${port}`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

export async function measureRoundTrips(official: string): Promise<void> {
  const bare = await bareServer();
  const backend = await Backend.start();
  try {
    await backend.convex(join(here, "app"), ["deploy", "--yes"]);
    const node = (how: string, url: string) => () =>
      calls(process.execPath, [official, how, url, String(CALLS)]);
    const callers: Record<string, () => Promise<number[]>> = {
      "convex-c": () =>
        calls(program, ["backend-mutate", backend.url, String(CALLS)]),
      "convex JS": node("backend-mutate", backend.url),
      "bare HTTP POST of it": node("backend-post", backend.url),
      "bare HTTP POST, no work": node("backend-post", bare.url),
    };
    const all = new Map<string, { p50: number; p99: number }[]>();
    for (let round = 0; round < ROUNDS; round++)
      for (const [name, call] of Object.entries(callers)) {
        const us = await call();
        const figures = { p50: percentile(us, 50), p99: percentile(us, 99) };
        all.set(name, [...(all.get(name) ?? []), figures]);
      }
    const middle = (name: string, key: "p50" | "p99") =>
      median(all.get(name)!.map((f) => f[key]));
    const post = "bare HTTP POST of it";
    table(
      [
        "mutation, call to settled",
        "p50 us",
        "p99 us",
        "p50 of the POST's",
        "p99 of the POST's",
      ],
      [...all.keys()].map((name) => [
        name,
        short(middle(name, "p50")),
        short(middle(name, "p99")),
        ratio(middle(name, "p50"), middle(post, "p50")),
        ratio(middle(name, "p99"), middle(post, "p99")),
      ]),
    );
  } finally {
    bare.close();
    await backend.close();
  }
}
