// control-knobs.ts - faults that act at once, settings, and a look at the state.
import { invalid } from "./errors.js";
import type { Fake } from "./fake.js";
import { ARMED } from "./faults.js";
import type { GatewaySocket } from "./gateway/socket.js";
import { LIMIT_MODES, type LimitMode, type LimitName } from "./rest/limits.js";
import { isObject, type Json } from "./validate.js";

type Knob = (fake: Fake, body: Json) => Json;

/** The gateway connections a fault is meant for: all, or those of one bot. */
function targets(fake: Fake, body: Json): GatewaySocket[] {
  const all = [...fake.sockets];
  const bot = body["bot"];
  return bot === undefined ? all : all.filter((s) => s.session?.bot.id === bot);
}

function each(act: (socket: GatewaySocket, body: Json) => void): Knob {
  return (fake, body) => {
    const hit = targets(fake, body);
    for (const socket of hit) act(socket, body);
    return { hit: hit.length };
  };
}

/** Faults that act at once, for those who ask what there is. */
export const ACTING_WORDS: Record<string, string> = {
  drop_gateway: "cut the connections, or close them with {code}",
  half_open: "the connections stay, silent and deaf",
  reconnect: "send op 7",
  request_heartbeat: "send op 1",
  invalidate_sessions: "send op 9; resumable=true keeps the sessions",
  lose_permission:
    "take {permissions} from {user_id}, in {channel_id} or everywhere",
  expire_cdn: "links made from now on live {lifetime_seconds}, or have expired",
  clock_skew: "move the clock by {ms}",
  reset: "disarm everything, give back what was taken",
};

const ACTING: Record<string, Knob> = {
  // Without a code: cut, as by a lost network.
  drop_gateway: each((socket, { code }) =>
    typeof code === "number" ? socket.close(code) : void socket.cut(),
  ),
  half_open: each((socket) => socket.freeze()),
  reconnect: each((socket) => socket.reconnect()),
  request_heartbeat: each((socket) => socket.requestHeartbeat()),
  // What is resumable must also be forgotten by those not connected now.
  invalidate_sessions: (fake, body) => {
    const resumable = body["resumable"] === true;
    const hit = targets(fake, body).filter((socket) => socket.session);
    for (const socket of hit) socket.invalidate(resumable);
    const bot = body["bot"];
    const away = fake.hub
      .sessions()
      .filter(
        (s) =>
          s.pipe === null &&
          !resumable &&
          (bot === undefined || s.bot.id === bot),
      );
    for (const session of away) fake.hub.destroy(session);
    return { hit: hit.length + away.length };
  },
  lose_permission: (fake, body) => {
    const channel = body["channel_id"];
    const given = String(body["permissions"] ?? "1024");
    if (!/^\d{1,20}$/.test(given))
      throw invalid(
        ["permissions"],
        "NUMBER_TYPE_COERCE",
        `Value "${given}" is not int.`,
      );
    const bits = BigInt(given);
    fake.world.revoke(
      String(body["user_id"]),
      channel === undefined ? null : String(channel),
      bits,
    );
    return {};
  },
  expire_cdn: (fake, body) => {
    const seconds = body["lifetime_seconds"];
    fake.files.lifetimeSeconds = typeof seconds === "number" ? seconds : -1;
    return { lifetime_seconds: fake.files.lifetimeSeconds };
  },
  clock_skew: (fake, body) => {
    fake.clock.skew(Number(body["ms"] ?? 0));
    return {};
  },
  reset: (fake) => {
    fake.faults.reset();
    fake.world.restore();
    fake.clock.skew(0);
    fake.limits.reset();
    fake.settings.fragmentBytes = Infinity;
    fake.settings.messageBytes = Infinity;
    fake.settings.hiddenFlags = 0;
    fake.files.lifetimeSeconds = 24 * 3600;
    for (const bot of fake.world.bots.values())
      if (bot.tokenReset)
        fake.world.bots.set(bot.id, { ...bot, tokenReset: false });
    return {};
  },
};

/** Does what `body` says, now or when something comes that it fits. */
export function takeFault(fake: Fake, body: Json): Json {
  const kind = String(body["kind"]);
  const acting = Object.hasOwn(ACTING, kind) ? ACTING[kind] : undefined;
  if (acting && body["every"] === undefined) return acting(fake, body);
  if (!acting && !Object.hasOwn(ARMED, kind)) {
    const known = [...Object.keys(ACTING), ...Object.keys(ARMED)].sort();
    throw invalid(
      ["kind"],
      "BASE_TYPE_CHOICES",
      `Value must be one of ${known.join(", ")}.`,
    );
  }
  checkNumbers(body);
  // A share of all, or each nth, goes on until it is told to stop.
  const endless = body["rate"] !== undefined || body["every"] !== undefined;
  const count =
    (body["count"] as number | undefined) ?? (endless ? Infinity : 1);
  fake.faults.arm({ ...body, kind, count });
  return { armed: fake.faults.list() };
}

function checkNumbers(body: Json): void {
  for (const [key, least] of [
    ["count", 1],
    ["every", 1],
    ["after", 0],
  ] as const) {
    const value = body[key] ?? least;
    if (typeof value !== "number" || !Number.isInteger(value) || value < least)
      throw invalid(
        [key],
        "NUMBER_TYPE_COERCE",
        `Value "${value}" is not int.`,
      );
  }
  const rate = body["rate"] ?? 1;
  if (typeof rate !== "number" || !(rate > 0 && rate <= 1))
    throw invalid(
      ["rate"],
      "NUMBER_TYPE_COERCE",
      "Must be above 0 and at most 1.",
    );
}

/** Makes what acts after each so many events act, once the event is on its way. */
export function wireFaults(fake: Fake): void {
  fake.hub.onDue = (fault) =>
    setImmediate(() => ACTING[fault.kind]!(fake, fault));
}

const SETTINGS: Record<string, (fake: Fake, value: number) => void> = {
  heartbeat_interval_ms: (fake, ms) => (fake.settings.heartbeatMs = ms),
  fragment_bytes: (fake, most) => (fake.settings.fragmentBytes = most),
  message_bytes: (fake, most) => (fake.settings.messageBytes = most),
  hidden_application_flags: (fake, bits) => (fake.settings.hiddenFlags = bits),
  old_edit_ms: (fake, ms) => (fake.settings.oldEditMs = ms),
  first_seq: (fake, seq) => (fake.hub.firstSeq = seq),
  ban_after: (fake, refusals) => (fake.limits.banAfter = refusals),
  seed: (fake, seed) => (fake.faults.seed = seed),
  code_lifetime_ms: (fake, ms) => (fake.oauth.codeLifetimeMs = ms),
  session_ttl_ms: (fake, ms) => (fake.hub.sessionTtlMs = ms),
  nonce_window_ms: (fake, ms) => (fake.messages.nonceWindowMs = ms),
  cdn_lifetime_seconds: (fake, seconds) =>
    (fake.files.lifetimeSeconds = seconds),
  identify_total: (fake, total) => (fake.budget.total = total),
  max_concurrency: (fake, most) => (fake.budget.maxConcurrency = most),
  global_per_second: (fake, most) => fake.limits.overrideGlobal(most),
};

/** {"limits": "discord"}, {"rates": {"message-create": [5, 5]}} and the numbers above. */
export function changeSettings(fake: Fake, body: Json): Json {
  for (const [key, value] of Object.entries(body)) {
    if (key === "limits" && LIMIT_MODES.includes(value as LimitMode))
      fake.limits.mode = value as LimitMode;
    else if (key === "rates" && isObject(value)) setRates(fake, value);
    else if (Object.hasOwn(SETTINGS, key) && typeof value === "number")
      SETTINGS[key]!(fake, value);
    else
      throw invalid(
        [key],
        "BASE_TYPE_CHOICES",
        "Unknown setting, or a value it cannot have.",
      );
  }
  return body;
}

function setRates(fake: Fake, rates: Json): void {
  for (const [name, rate] of Object.entries(rates)) {
    const [limit, seconds] = Array.isArray(rate) ? (rate as unknown[]) : [];
    if (typeof limit !== "number" || typeof seconds !== "number")
      throw invalid(
        ["rates", name],
        "LIST_TYPE_CONVERT",
        "Must be [requests, seconds].",
      );
    fake.limits.override(name as LimitName, limit, seconds);
  }
}

export function describeState(fake: Fake): Json {
  const { world, messages } = fake;
  return {
    guilds: world.guilds.values().map((guild) => ({
      ...guild,
      channels: world.channelsOf(guild.id).map(({ id, name, type }) => ({
        id,
        name,
        type,
        messages: messages.all(id).length,
      })),
      roles: world.rolesOf(guild.id),
      members: world
        .membersOf(guild.id)
        .map(({ user_id, roles, nick }) => ({ user_id, roles, nick })),
    })),
    users: world.users.values(),
    bots: world.bots.values().map(({ id, privileged, tokenReset }) => ({
      id,
      privileged,
      token_reset: tokenReset,
      session_start_limit: fake.budget.limit(id),
    })),
    sessions: fake.hub
      .sessions()
      .map(({ id, bot, intents, shard, seq, pipe, lostAt }) => ({
        id,
        bot: bot.id,
        intents,
        shard,
        seq,
        connected: pipe !== null,
        lost_at: lostAt,
      })),
    limits: fake.limits.mode,
    faults: fake.faults.list(),
    journal_last: fake.journal.last,
    gateway_last: fake.gatewayLog.last,
  };
}
