// The demo: the whole signal service on this machine. See options.ts for its modes.
import { mkdirSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { playFeed } from "../feed/player";
import { runBench } from "./bench";
import { runCheck } from "./check";
import { parseOptions, type Options } from "./options";
import { Screen } from "./screen";
import { runSoak } from "./soak";
import {
  DEFAULT_PORTS,
  freePorts,
  portsFrom,
  removeData,
  ROOT,
  Stack,
  type More,
} from "./stack";
import type { Child } from "./supervisor";
import { Viewer } from "./viewer";

const MORE: Partial<Record<Options["mode"], More>> = {
  // what is lost on the way is found by comparing: often enough to wait for it
  soak: { collector: { REPAIR_INTERVAL: "15" } },
  bench: { bot: { LOG_LEVEL: "debug" } }, // it tells there what it waited for
};

const ownData = join(ROOT, ".demo");

async function makeStack(
  options: Options,
): Promise<{ stack: Stack; dir: string }> {
  const playing = options.mode === "play";
  const dir = playing ? ownData : mkdtempSync(join(tmpdir(), "convex-c-demo-"));
  if (playing && options.reset) removeData(ownData);
  mkdirSync(dir, { recursive: true });
  const ports = options.portBase
    ? portsFrom(options.portBase)
    : playing
      ? DEFAULT_PORTS
      : await freePorts();
  let began = Date.now();
  let step = "";
  const onStep = (what: string) => {
    if (step)
      process.stderr.write(
        `  ✓ ${step} (${((Date.now() - began) / 1000).toFixed(1)}s)\n`,
      );
    step = what;
    began = Date.now();
    if (what) process.stderr.write(`  … ${what}\n`);
  };
  const onChange = (child: Child) => {
    if (child.state === "failed")
      process.stderr.write(
        `\n${child.spec.name} says that it cannot run (${child.exitText}); the end of ${child.logFile}:\n${child.tail(5)}\n`,
      );
  };
  return {
    stack: new Stack({
      dir,
      ports,
      backend: options.backend,
      more: MORE[options.mode],
      onStep,
      onChange,
    }),
    dir,
  };
}

/** Resolves at the first SIGINT or SIGTERM; a second one ends everything at once. */
function interrupted(stack: Stack): AbortController {
  const controller = new AbortController();
  const onSignal = () => {
    if (controller.signal.aborted) {
      stack.killAll();
      process.exit(1);
    }
    controller.abort();
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  return controller;
}

async function play(
  stack: Stack,
  options: Options,
  interrupt: AbortController,
): Promise<boolean> {
  const viewer = new Viewer(stack, true);
  const screen = new Screen(stack, viewer);
  const { signal } = interrupt;
  const ended = new Promise<void>((resolve) =>
    signal.addEventListener("abort", () => resolve()),
  );
  screen.start();
  try {
    let round = 0;
    while (!signal.aborted) {
      screen.note = `playing the sample feed${++round > 1 ? `, round ${round}` : ""}.`;
      await Promise.race([
        playFeed({
          control: stack.discordUrl,
          speed: options.speed,
          signal,
        }).catch((error: unknown) => {
          if (!signal.aborted) throw error;
        }),
        ended,
      ]);
    }
  } finally {
    screen.stop();
    await viewer.close();
  }
  return true;
}

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2));
  if (process.env.PARSE_ONLY) return 0; // ./run asks before its slow steps
  const { stack, dir } = await makeStack(options);
  const interrupt = interrupted(stack);
  let good = false;
  try {
    await stack.start();
    process.stderr.write("  ✓ everything is up\n\n");
    const modes = { play, check: runCheck, bench: runBench, soak: runSoak };
    good = interrupt.signal.aborted
      ? true
      : await modes[options.mode](stack, options, interrupt);
  } catch (error) {
    process.stderr.write(
      `\nrun demo: ${error instanceof Error ? error.message : String(error)}\n`,
    );
  } finally {
    process.stderr.write("  … ending everything\n");
    await stack.stop();
  }
  if (options.mode !== "play" && good && !options.keep) removeData(dir);
  else if (options.mode !== "play")
    process.stderr.write(`  data and logs are in ${dir}\n`);
  return good ? 0 : 1;
}

process.exit(await main());
