/* console.ts - console.* of the functions, as the log lines that clients get. */

import type { Buffer } from "node:buffer";

const MAX_LINES = 256;
const MAX_LINE_BYTES = 32_768;

/** Where one call's lines go. */
export class LogLines {
  readonly lines: string[] = [];
  private readonly timers = new Map<string, number>();

  constructor(private readonly onLine?: (line: string) => void) {}

  add(level: string, text: string): void {
    if (this.lines.length > MAX_LINES) return;
    const line =
      this.lines.length === MAX_LINES
        ? `[ERROR] Log overflow (maximum ${MAX_LINES}). Remaining log lines omitted.`
        : `[${level}] ${cut(text)}`;
    this.lines.push(line);
    this.onLine?.(line);
  }

  message(level: string, args: unknown[]): void {
    this.add(level, args.map((arg) => inspect(arg)).join(" "));
  }

  time(label: string, now: number): void {
    if (this.timers.has(label))
      this.add("WARN", `Timer '${label}' already exists`);
    else this.timers.set(label, now);
  }

  timeLog(label: string, now: number, args: unknown[], end: boolean): void {
    const start = this.timers.get(label);
    if (start === undefined) {
      this.add("WARN", `Timer '${label}' does not exist`);
      return;
    }
    const rest = args.map((arg) => ` ${inspect(arg)}`).join("");
    this.add("INFO", `${label}: ${Math.round(now - start)}ms${rest}`);
    if (end) this.timers.delete(label);
  }
}

function cut(text: string): string {
  if (text.length <= MAX_LINE_BYTES) return text;
  return `${text.slice(0, MAX_LINE_BYTES - 24)} (truncated due to length)`;
}

/** A `console` whose output goes to whatever call `current()` says is running. */
export function makeConsole(current: () => LogLines | null): object {
  const level = (name: string) =>
    function (...args: unknown[]) {
      current()?.message(name, args);
    };
  const label = (value: unknown) =>
    value === undefined ? "default" : String(value);
  return Object.assign(Object.create({}) as object, {
    debug: level("DEBUG"),
    error: level("ERROR"),
    info: level("INFO"),
    log: level("LOG"),
    warn: level("WARN"),
    trace(...args: unknown[]) {
      const stack = (new Error().stack ?? "").split("\n").slice(2).join("\n");
      const text = args.map((arg) => inspect(arg)).join(" ");
      current()?.add("LOG", `Trace: ${text}\n${stack}`);
    },
    time(name?: unknown) {
      current()?.time(label(name), performanceNow());
    },
    timeLog(name?: unknown, ...args: unknown[]) {
      current()?.timeLog(label(name), performanceNow(), args, false);
    },
    timeEnd(name?: unknown) {
      current()?.timeLog(label(name), performanceNow(), [], true);
    },
  });
}

const hostPerformance = globalThis.performance;
function performanceNow(): number {
  return hostPerformance.now();
}

// ---------------------------------------------------------------- inspect

const MAX_DEPTH = 5;

function quote(text: string): string {
  const escaped = text
    .replaceAll("\\", "\\\\")
    .replaceAll("'", "\\'")
    .replaceAll("\n", "\\n")
    .replaceAll("\r", "\\r")
    .replaceAll("\t", "\\t");
  return `'${escaped}'`;
}

/** Shows a value the way the real backend's log lines do. */
export function inspect(
  value: unknown,
  depth = 0,
  seen: unknown[] = [],
): string {
  switch (typeof value) {
    case "string":
      return quote(value);
    case "bigint":
      return `${value}n`;
    case "number":
      return Object.is(value, -0) ? "-0" : String(value);
    case "symbol":
      return value.toString();
    case "function":
      return `[Function${value.name ? `: ${value.name}` : " (anonymous)"}]`;
    case "object":
      return value === null ? "null" : inspectObject(value, depth, seen);
    default:
      return String(value);
  }
}

function inspectObject(value: object, depth: number, seen: unknown[]): string {
  if (seen.includes(value)) return "[Circular]";
  if (depth > MAX_DEPTH) return Array.isArray(value) ? "[Array]" : "[Object]";
  const inner = (item: unknown) => inspect(item, depth + 1, [...seen, value]);
  if (Array.isArray(value)) return inspectArray(value, inner);
  if (value instanceof Error) return inspectError(value);
  if (value instanceof Date) return value.toISOString();
  if (value instanceof RegExp) return String(value);
  if (value instanceof Map) {
    const parts = [...value].map(([k, v]) => `${inner(k)} => ${inner(v)}`);
    return `Map (${value.size}) {${parts.join(", ")}}`;
  }
  if (value instanceof Set)
    return `Set (${value.size}) {${[...value].map(inner).join(", ")}}`;
  if (ArrayBuffer.isView(value) && !(value instanceof DataView))
    return `${value.constructor.name}(${(value as Buffer).length}) [${[...(value as Buffer)].slice(0, 100).join(", ")}]`;
  return inspectFields(value, inner);
}

function inspectArray(
  value: unknown[],
  inner: (item: unknown) => string,
): string {
  if (value.length === 0) return "[]";
  const parts = value.map(inner);
  if (parts.every((part) => !part.includes("\n")))
    return `[ ${parts.join(", ")} ]`;
  return `[${indent(parts)}\n]`;
}

function inspectFields(
  value: object,
  inner: (item: unknown) => string,
): string {
  const parts = Object.keys(value).map((name) => {
    const shown = /^[A-Za-z_$][\w$]*$/.test(name) ? name : quote(name);
    return `${shown}: ${inner((value as Record<string, unknown>)[name])}`;
  });
  const prototype = Object.getPrototypeOf(value) as object | null;
  const name = prototype?.constructor?.name;
  const prefix =
    name === undefined || name === "Object" || name === "" ? "" : `${name} `;
  if (parts.length === 0) return `${prefix}{}`;
  return `${prefix}{${indent(parts)}\n}`;
}

function indent(parts: string[]): string {
  return parts.map((part) => `\n  ${part.replaceAll("\n", "\n  ")}`).join(",");
}

function inspectError(error: Error): string {
  return error.stack ?? `${error.name}: ${error.message}`;
}
