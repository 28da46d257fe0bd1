// log.ts - one event per line on stderr, key=value. Never a token or a key.
//
// A write costs more than the line, and wakes whoever reads it: lines wait a moment for each
// other, but a warning or an error waits for nothing.

import { LOG_LEVELS, type LogLevel } from "./options.js";

export type Fields = Readonly<Record<string, string | number | boolean | null>>;

export interface Log {
  error(event: string, fields?: Fields): void;
  warn(event: string, fields?: Fields): void;
  info(event: string, fields?: Fields): void;
  debug(event: string, fields?: Fields): void;
}

function plain(value: Fields[string]): string {
  const text = String(value);
  return /^[\w./:@|+-]+$/.test(text) ? text : JSON.stringify(text);
}

const GATHER_MS = 50;

type Write = (line: string, urgent: boolean) => void;

function toStderr(): Write {
  let waiting = "";
  let timer: NodeJS.Timeout | undefined;
  const flush = (): void => {
    clearTimeout(timer);
    timer = undefined;
    if (waiting !== "") process.stderr.write(waiting);
    waiting = "";
  };
  process.once("exit", flush);
  return (line, urgent) => {
    waiting += line;
    if (urgent) flush();
    else timer ??= setTimeout(flush, GATHER_MS);
  };
}

/** A log that writes events at `level` and above through `write`. */
export function openLog(level: LogLevel, write: Write = toStderr()): Log {
  const rank = LOG_LEVELS.indexOf(level);
  const at =
    (name: LogLevel) =>
    (event: string, fields: Fields = {}): void => {
      if (LOG_LEVELS.indexOf(name) > rank) return;
      const words = Object.entries(fields).map(([k, v]) => `${k}=${plain(v)}`);
      const time = new Date().toISOString();
      const urgent = name === "error" || name === "warn";
      write(`${[time, name, event, ...words].join(" ")}\n`, urgent);
    };
  return {
    error: at("error"),
    warn: at("warn"),
    info: at("info"),
    debug: at("debug"),
  };
}
