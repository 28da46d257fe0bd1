// session.ts - what the gateway remembers of one client, connected or not.
import type { Bot } from "../model.js";

/** The part of a socket that a session needs. */
export interface Pipe {
  /** Sends a finished payload. */
  send(frame: string): void;
  close(code: number, reason: string): void;
}

export interface Session {
  id: string;
  bot: Bot;
  intents: number;
  shard: [number, number];
  seq: number;
  pipe: Pipe | null;
  lostAt: number | null; // ms; null while connected
}

/** Guilds are dealt to shards by the upper bits of their id. */
export function servesGuild(session: Session, guildId: string): boolean {
  const [id, count] = session.shard;
  return Number((BigInt(guildId) >> 22n) % BigInt(count)) === id;
}
