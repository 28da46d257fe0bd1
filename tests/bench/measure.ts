// What the benchmarks share: percentiles, CPU and memory of a process, and a table.
import { readdirSync, readFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";

export function percentile(list: number[], p: number): number {
  const sorted = [...list].sort((a, b) => a - b);
  return sorted[
    Math.max(
      0,
      Math.min(sorted.length, Math.ceil((p / 100) * sorted.length)) - 1,
    )
  ]!;
}

export const median = (list: number[]): number => percentile(list, 50);

/** CPU time of all live threads of a process so far, us; /proc/PID/stat has only ticks of 10 ms. */
export function cpuUs(pid: number): number {
  return readdirSync(`/proc/${pid}/task`)
    .map((task) =>
      Number(
        readFileSync(`/proc/${pid}/task/${task}/schedstat`, "utf8").split(
          " ",
        )[0],
      ),
    )
    .reduce((sum, ns) => sum + ns / 1000, 0);
}

function statusMb(pid: number, field: string): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)?.[1]) / 1024;
}

export const memoryMb = (pid: number): number => statusMb(pid, "VmRSS");
export const anonymousMb = (pid: number): number => statusMb(pid, "RssAnon");
export const peakMemoryMb = (pid: number): number => statusMb(pid, "VmHWM");

/** Prints a table: the first column to the left, the others to the right. */
export function table(head: string[], rows: string[][]): void {
  const all = [head, ...rows];
  const widths = head.map((_, i) =>
    Math.max(...all.map((row) => (row[i] ?? "").length)),
  );
  for (const row of all)
    console.log(
      "  " +
        row
          .map((cell, i) =>
            i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]! + 2),
          )
          .join("")
          .trimEnd(),
    );
}

/** Three digits that say something. */
export function short(n: number): string {
  if (!Number.isFinite(n)) return "–";
  const digits = Math.abs(n) >= 100 ? 0 : Math.abs(n) >= 10 ? 1 : 2;
  return n.toLocaleString("en-US", {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
}

export const ratio = (a: number, b: number): string => `${short(a / b)}x`;

/** Says what the figures were measured on, and whether the machine was busy. */
export function printMachine(): void {
  console.log(
    `${cpus().length} cores, Node ${process.versions.node}, load at the start ${loadavg()[0]!.toFixed(2)}`,
  );
}
