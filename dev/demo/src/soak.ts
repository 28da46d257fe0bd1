// ./run soak discord: messages with edits and deletes while processes are killed at random
// moments; both ends must be equal to the source at the end. The same seed gives the same faults.
import type { Options } from "./options";
import { Check, compareAll, settle } from "./check";
import { Discord } from "./discord";
import { playLoad, random } from "./load";
import type { Stack } from "./stack";

const VICTIMS = ["collector", "bot", "backend", "collector", "bot"];

export async function runSoak(
  stack: Stack,
  options: Options,
): Promise<boolean> {
  const check = new Check();
  const discord = new Discord(stack.discordUrl);
  const rand = random(options.seed + 7919);
  // the moments of the kills, by number of messages written
  const moments = Array.from({ length: options.kills }, () =>
    Math.floor(rand() * options.messages),
  ).sort((a, b) => a - b);
  const kills = new Map<string, number>();
  await playLoad(discord, {
    count: options.messages,
    perSecond: options.rate,
    seed: options.seed,
    edits: 0.15,
    deletes: 0.08,
    onProgress: (written) => {
      while (moments.length > 0 && written > moments[0]!) {
        moments.shift();
        const victims = VICTIMS.filter((name) => stack.children.has(name));
        const victim = victims[Math.floor(rand() * victims.length)]!;
        kills.set(victim, (kills.get(victim) ?? 0) + 1);
        void stack.child(victim).kill9();
      }
      if (written % 100 === 0)
        process.stderr.write(
          `  … ${written} of ${options.messages} messages\n`,
        );
    },
  });
  const problems = await settle(discord);
  const count = (kind: string) =>
    problems.filter((p) => p.includes(kind)).length;
  process.stdout.write(
    [
      "",
      `messages ${options.messages}, seed ${options.seed}`,
      `kills    ${[...kills].map(([name, n]) => `${name} ${n}`).join(", ") || "none"}`,
      `lost     ${count("missing")}`,
      `doubled  ${count("too much")}`,
      `differ   ${problems.length - count("missing") - count("too much")}`,
      "",
    ].join("\n"),
  );
  check.claim("both ends are equal to the source", problems);
  check.claim("and stay so", await compareAll(discord, null));
  return check.summary();
}
