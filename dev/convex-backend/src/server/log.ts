// log.ts - one event per line on stderr, key=value. Never a token or a key.

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

/** A log that writes events at `level` and above through `write`. */
export function openLog(
  level: LogLevel,
  write: (line: string) => void = (line) => process.stderr.write(line),
): Log {
  const rank = LOG_LEVELS.indexOf(level);
  const at =
    (name: LogLevel) =>
    (event: string, fields: Fields = {}): void => {
      if (LOG_LEVELS.indexOf(name) > rank) return;
      const words = Object.entries(fields).map(([k, v]) => `${k}=${plain(v)}`);
      const time = new Date().toISOString();
      write(`${[time, name, event, ...words].join(" ")}\n`);
    };
  return {
    error: at("error"),
    warn: at("warn"),
    info: at("info"),
    debug: at("debug"),
  };
}
