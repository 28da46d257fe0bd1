/* errors.ts - what was thrown by a function, as the text that its caller gets. */

import { originalPositionFor, TraceMap } from "@jridgewell/trace-mapping";
import type { JSONValue } from "../api.js";

export const MODULE_SCHEME = "convex:/";

export type Failure = {
  /** "Uncaught Error: ...\n    at f (../convex/x.ts:1:2)\n" */
  message: string;
  /** Encoded JSON of a ConvexError's data; undefined for other errors. */
  data?: JSONValue;
};

const FRAME = /^\s+at (async )?(?:(.*?) \()?convex:\/(.+?):(\d+):(\d+)\)?$/;
const INTERNAL =
  /udf-runtime\/src|convex\/src\/server\/impl|convex\/dist\/esm\/server\/impl/;

export class ErrorFormatter {
  private readonly maps = new Map<string, TraceMap | null>();

  constructor(
    private readonly sourceMapOf: (module: string) => string | undefined,
  ) {}

  /** Never throws, whatever `thrown` is. */
  format(thrown: unknown): Failure {
    try {
      const failure: Failure = {
        message: `${headline(thrown)}\n${this.frames(thrown)}`,
      };
      const data = convexErrorData(thrown);
      if (data !== undefined) failure.data = data;
      return failure;
    } catch {
      return { message: "Uncaught\n" };
    }
  }

  private frames(thrown: unknown): string {
    if (!(thrown instanceof Error) || typeof thrown.stack !== "string")
      return "";
    const frames = thrown.stack.split("\n").flatMap((line) => {
      const found = FRAME.exec(line);
      return found === null ? [] : [this.frame(found)];
    });
    while (frames.length > 0 && INTERNAL.test(frames[0]!)) frames.shift();
    while (frames.length > 0 && INTERNAL.test(frames[frames.length - 1]!))
      frames.pop();
    return frames.map((frame) => `    at ${frame}\n`).join("");
  }

  private frame(found: RegExpExecArray): string {
    const [, async, name, module, line, column] = found;
    const place = this.position(module!, Number(line), Number(column));
    return `${async ?? ""}${name ?? "<anonymous>"} (${place})`;
  }

  private position(module: string, line: number, column: number): string {
    const map = this.mapOf(module);
    if (map !== null) {
      const found = originalPositionFor(map, { line, column: column - 1 });
      if (found.source !== null)
        return `${found.source}:${found.line}:${found.column + 1}`;
    }
    return `${module}:${line}:${column}`;
  }

  /** Where a generated position comes from; null when unknown. */
  original(
    module: string,
    line: number,
    column: number,
  ): { source: string; line: number; column: number } | null {
    const map = this.mapOf(module);
    if (map === null) return null;
    const found = originalPositionFor(map, { line, column });
    return found.source === null
      ? null
      : { source: found.source, line: found.line, column: found.column };
  }

  private mapOf(module: string): TraceMap | null {
    let map = this.maps.get(module);
    if (map === undefined) {
      const text = this.sourceMapOf(module);
      map = text === undefined ? null : parseMap(text);
      this.maps.set(module, map);
    }
    return map;
  }
}

function parseMap(text: string): TraceMap | null {
  try {
    return new TraceMap(text);
  } catch {
    return null;
  }
}

function headline(thrown: unknown): string {
  if (typeof thrown !== "object" || thrown === null)
    return `Uncaught ${String(thrown)}`;
  const { name, message } = thrown as { name?: unknown; message?: unknown };
  if (typeof name === "string" && name !== "")
    return typeof message === "string" && message !== ""
      ? `Uncaught ${name}: ${message}`
      : `Uncaught ${name}`;
  if (typeof message === "string") return `Uncaught ${message}`;
  return `Uncaught ${JSON.stringify(thrown) ?? ""}`;
}

/** A ConvexError leaves a function with its data as JSON text. */
function convexErrorData(thrown: unknown): JSONValue | undefined {
  if (typeof thrown !== "object" || thrown === null) return undefined;
  if (!(Symbol.for("ConvexError") in thrown)) return undefined;
  const { data } = thrown as { data?: unknown };
  if (typeof data !== "string") return null;
  return JSON.parse(data) as JSONValue;
}
