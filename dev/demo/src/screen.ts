// What a person sees: one screen, drawn over itself on a terminal, a line now
// and then when the output goes elsewhere.
import type { Stack } from "./stack";
import { LOGIN } from "./stack";
import type { Viewer } from "./viewer";

const PLAIN_EVERY_MS = 10_000;

export class Screen {
  private timer: NodeJS.Timeout | null = null;
  private readonly tty = process.stdout.isTTY === true;
  private lastPlain = 0;
  note = "";

  constructor(
    private readonly stack: Stack,
    private readonly viewer: Viewer,
  ) {}

  start(): void {
    if (this.tty) process.stdout.write("\x1b[?25l\x1b[2J");
    else process.stdout.write(this.header().join("\n") + "\n");
    this.draw();
    this.timer = setInterval(() => this.draw(), this.tty ? 500 : 1000);
  }

  stop(): void {
    if (this.timer) clearInterval(this.timer);
    if (this.tty) process.stdout.write("\x1b[?25h\n");
  }

  private header(): string[] {
    return [
      "convex-c demo: a paid signals community on this machine",
      "",
      `  dashboard   ${this.stack.webUrl}`,
      `  login       ${LOGIN.email}   ${LOGIN.password}`,
      `  backend     ${this.stack.backendUrl}      fake Discord  ${this.stack.discordUrl}`,
      "",
    ];
  }

  private processes(): string[] {
    const now = Date.now();
    return [...this.stack.children.values()].map((child) => {
      const age =
        child.state === "running"
          ? `${Math.round((now - child.since) / 1000)} s`
          : child.exitText;
      const restarts =
        child.restarts > 0 ? `, restarted ${child.restarts}x` : "";
      return `  ${child.spec.name.padEnd(15)}${child.state.padEnd(11)}${(age + restarts).padEnd(24)}${child.spec.about}`;
    });
  }

  private feed(): string[] {
    return this.viewer.items.slice(0, 6).map((item) => {
      const text = item.content.replace(/\s+/g, " ");
      const name = item.author.name.slice(0, 16).padEnd(17);
      return `  ${item.channel.name.padEnd(13)}${name}${[...text].slice(0, 60).join("")}`;
    });
  }

  private draw(): void {
    const now = Date.now();
    if (!this.tty) {
      if (now - this.lastPlain < PLAIN_EVERY_MS) return;
      this.lastPlain = now;
      process.stdout.write(
        [this.note, ...this.viewer.latency.table(), ""].join("\n") + "\n",
      );
      return;
    }
    const lines = [
      ...this.header(),
      ...this.processes(),
      "",
      ...this.viewer.latency.table().map((line) => `  ${line}`),
      "",
      ...this.feed(),
      "",
      `  ${this.note}   Ctrl-C ends it.`,
    ];
    const width = process.stdout.columns || 100;
    const body = lines
      .map((line) => [...line].slice(0, width - 1).join("") + "\x1b[K")
      .join("\n");
    process.stdout.write(`\x1b[H${body}\x1b[J`);
  }
}
