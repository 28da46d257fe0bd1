// members.ts - the answer to a request for guild members (op 8).
import type { Fake } from "../fake.js";
import { Intent } from "../model.js";
import type { Wire } from "../render.js";
import type { Json } from "../validate.js";
import type { Session } from "./session.js";

const CHUNK = 1000;

/** undefined: the request makes no sense. */
export function memberChunks(
  fake: Fake,
  session: Session,
  d: Json,
): Wire[] | "disallowed" | undefined {
  const guildId = String(d["guild_id"]);
  if (!fake.world.member(guildId, session.bot.id)) return undefined;
  const everyone = fake.world.membersOf(guildId);
  const wanted = d["user_ids"];
  const nonce = d["nonce"] === undefined ? {} : { nonce: d["nonce"] };
  if (wanted !== undefined) {
    const ids = (Array.isArray(wanted) ? wanted : [wanted]).map(String);
    if (ids.length > 100) return undefined;
    const found = everyone.filter((m) => ids.includes(m.user_id));
    const missing = ids.filter((id) => !found.some((m) => m.user_id === id));
    return chunked(fake, guildId, found, { not_found: missing, ...nonce });
  }
  const { query, limit } = d;
  if (typeof query !== "string" || !Number.isInteger(limit)) return undefined;
  if (limit === 0 && !(session.intents & Intent.GUILD_MEMBERS))
    return "disallowed";
  const named = everyone.filter((m) =>
    fake.world.users.get(m.user_id)?.username.startsWith(query.toLowerCase()),
  );
  const most = limit === 0 ? Infinity : Math.min(limit as number, 100);
  return chunked(fake, guildId, named.slice(0, most), nonce);
}

function chunked(
  fake: Fake,
  guildId: string,
  members: ReturnType<Fake["world"]["membersOf"]>,
  extra: Wire,
): Wire[] {
  const count = Math.max(1, Math.ceil(members.length / CHUNK));
  return Array.from({ length: count }, (_, i) => ({
    guild_id: guildId,
    members: members
      .slice(i * CHUNK, (i + 1) * CHUNK)
      .map((m) => fake.render.member(m)),
    chunk_index: i,
    chunk_count: count,
    ...extra,
  }));
}
