// socket.ts - one gateway connection, from Hello to close.
// Owns its WebSocket, its heartbeat timer and, once identified or resumed, the
// right to be its session's pipe. Knows the protocol; the hub knows the events.
import { once } from "node:events";
import type { RawData, WebSocket } from "ws";
import type { Fake } from "../fake.js";
import { KNOWN_INTENTS, PRIVILEGED, type Bot } from "../model.js";
import { self } from "../render.js";
import { isObject, type Json } from "../validate.js";
import { perPayload, plain, zlibStream, type Encoder } from "./compression.js";
import { memberChunks } from "./members.js";
import { servesGuild, type Pipe, type Session } from "./session.js";

const OP = {
  HEARTBEAT: 1,
  IDENTIFY: 2,
  PRESENCE: 3,
  VOICE: 4,
  RESUME: 6,
  RECONNECT: 7,
  REQUEST_MEMBERS: 8,
  INVALID_SESSION: 9,
  HELLO: 10,
  ACK: 11,
} as const;

const REASONS: Record<number, string> = {
  4000: "Unknown error.",
  4001: "Unknown opcode.",
  4002: "Error while decoding payload.",
  4003: "Not authenticated.",
  4004: "Authentication failed.",
  4005: "Already authenticated.",
  4007: "Invalid seq.",
  4008: "Rate limited.",
  4009: "Session timed out.",
  4010: "Invalid shard.",
  4012: "Invalid API version.",
  4013: "Invalid intent(s).",
  4014: "Disallowed intent(s).",
};

const MAX_PAYLOAD = 4096;
const RATE = { events: 120, windowMs: 60_000 };

export class GatewaySocket implements Pipe {
  readonly #fake: Fake;
  readonly #ws: WebSocket;
  readonly #path: string;
  readonly #query: URLSearchParams;
  #encoder: Encoder;
  readonly #streaming: boolean;
  #session: Session | null = null;
  #received: number[] = [];
  #intervalsWithoutBeat = 0;
  #watch: NodeJS.Timeout | undefined;
  #closing = false;
  #frozen = false;

  constructor(fake: Fake, ws: WebSocket, path: string, query: URLSearchParams) {
    this.#fake = fake;
    this.#ws = ws;
    this.#path = path;
    this.#query = query;
    this.#streaming = query.get("compress") === "zlib-stream";
    this.#encoder = this.#streaming ? zlibStream() : plain();
    ws.on("message", (data, binary) => this.#receive(data, binary));
    ws.on("close", (code) => this.#closed(code));
    ws.on("error", () => ws.terminate());
  }

  /** Greets the client, unless it asked for what is not spoken here. */
  start(): void {
    const query = this.#query;
    this.#log("open", { query: query.toString() });
    if (query.get("v") !== "10") return this.close(4012);
    if (query.get("encoding") !== "json") return this.close(4002);
    if (query.has("compress") && !this.#streaming) return this.close(4002);
    if (this.#fake.faults.take("reconnect_first")) return this.reconnect();
    this.#hello();
  }

  send(frame: string): void {
    if (this.#closing) return;
    this.#encoder.encode(frame, (message) => this.#transmit(message));
  }

  /** A compressed payload may come in several messages, any message in frames. */
  #transmit(message: string | Buffer): void {
    if (this.#frozen) return;
    const binary = typeof message !== "string";
    const bytes = Buffer.from(message as string);
    const most = this.#streaming ? this.#fake.settings.messageBytes : Infinity;
    let from = 0;
    for (; bytes.length - from > most; from += most)
      this.#frames(bytes.subarray(from, from + most), binary);
    this.#frames(bytes.subarray(from), binary);
  }

  #frames(bytes: Buffer, binary: boolean): void {
    const most = this.#fake.settings.fragmentBytes;
    let from = 0;
    for (; bytes.length - from > most; from += most)
      this.#ws.send(bytes.subarray(from, from + most), { binary, fin: false });
    this.#ws.send(bytes.subarray(from), { binary, fin: true });
  }

  /** Keeps the connection, but neither hears nor says anything on it. */
  freeze(): void {
    this.#frozen = true;
    clearInterval(this.#watch); // it is for the client to notice
  }

  close(code: number, reason = REASONS[code] ?? ""): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#log("close", { by: "server", code });
    this.#encoder.flush(() => this.#ws.close(code, reason));
  }

  /** Cuts the connection without a close frame, as a lost network does. */
  async cut(): Promise<void> {
    this.#closing = true;
    this.#log("close", { by: "server", code: null });
    const closed = once(this.#ws, "close");
    this.#ws.terminate();
    await closed;
  }

  reconnect(): void {
    this.#op(OP.RECONNECT, null);
  }

  /** The session is no more: says so, and lets the client identify anew. */
  invalidate(resumable: boolean): void {
    const session = this.#session;
    this.#session = null;
    if (session && resumable) this.#fake.hub.detach(session, this);
    else if (session) this.#fake.hub.destroy(session);
    this.#log("invalid_session", { resumable });
    this.#op(OP.INVALID_SESSION, resumable);
  }

  requestHeartbeat(): void {
    this.#op(OP.HEARTBEAT, null);
  }

  get session(): Session | null {
    return this.#session;
  }

  #op(op: number, d: unknown): void {
    this.send(JSON.stringify({ t: null, s: null, op, d }));
  }

  #hello(): void {
    const interval = this.#fake.settings.heartbeatMs;
    this.#op(OP.HELLO, { heartbeat_interval: interval, _trace: [] });
    // Counted and not timed: a process that slept has beats to read yet.
    this.#watch = setInterval(() => {
      if (++this.#intervalsWithoutBeat > 2) this.#timeOut();
    }, interval);
    this.#watch.unref();
  }

  #timeOut(): void {
    if (this.#session) this.#fake.hub.destroy(this.#session);
    this.#session = null;
    this.close(4009);
  }

  #closed(code: number): void {
    clearInterval(this.#watch);
    this.#fake.sockets.delete(this);
    const session = this.#session;
    this.#session = null;
    if (!this.#closing)
      this.#log("close", { by: "client", code, session: session?.id });
    // A client that says goodbye politely does not come back.
    const polite = !this.#closing && (code === 1000 || code === 1001);
    if (session && polite) this.#fake.hub.destroy(session);
    else if (session) this.#fake.hub.detach(session, this);
    this.#closing = true;
  }

  #receive(data: RawData, binary: boolean): void {
    if (this.#closing || this.#frozen) return;
    const bytes = Array.isArray(data)
      ? Buffer.concat(data)
      : Buffer.from(data as Buffer);
    const now = Date.now();
    this.#received = this.#received.filter((at) => at > now - RATE.windowMs);
    this.#received.push(now);
    if (this.#received.length > RATE.events) return this.close(4008);
    const payload =
      binary || bytes.length > MAX_PAYLOAD ? undefined : parse(bytes);
    if (!payload) return this.close(4002);
    this.#handle(payload["op"], payload["d"]);
  }

  #handle(op: unknown, d: unknown): void {
    switch (op) {
      case OP.HEARTBEAT:
        return this.#heartbeat(d);
      case OP.IDENTIFY:
        return this.#session ? this.close(4005) : this.#identify(d);
      case OP.RESUME:
        return this.#session ? this.close(4005) : this.#resume(d);
      case OP.PRESENCE:
      case OP.VOICE:
        return this.#session ? undefined : this.close(4003);
      case OP.REQUEST_MEMBERS:
        return this.#session
          ? this.#requestMembers(this.#session, d)
          : this.close(4003);
      default:
        return this.close(4001);
    }
  }

  #heartbeat(d: unknown): void {
    if (d !== null && !Number.isInteger(d)) return this.close(4002);
    this.#intervalsWithoutBeat = 0;
    this.#log("heartbeat", { seq: d });
    const bot = this.#session?.bot.id;
    if (!this.#fake.faults.take("mute_acks", { bot })) this.#op(OP.ACK, null);
  }

  #identify(d: unknown): void {
    if (
      !isObject(d) ||
      typeof d["token"] !== "string" ||
      !isObject(d["properties"])
    )
      return this.close(4002);
    const bot = this.#fake.world.botByToken(d["token"]);
    if (!bot) return this.close(4004);
    const shard = readShard(d["shard"]);
    if (!shard) return this.close(4010);
    const intents = d["intents"];
    if (typeof intents !== "number" || !Number.isInteger(intents))
      return this.close(4013);
    if (intents < 0 || intents > KNOWN_INTENTS || intents & ~KNOWN_INTENTS)
      return this.close(4013);
    if (intents & PRIVILEGED & ~bot.privileged) return this.close(4014);
    if (d["compress"] === true && this.#streaming) return this.close(4002);
    this.#log("identify", { bot: bot.id, intents, shard });
    const verdict = this.#fake.faults.take("refuse_identify", { bot: bot.id })
      ? "later"
      : this.#fake.budget.take(bot.id);
    if (verdict === "later") return this.invalidate(false);
    if (verdict === "spent") return this.#resetToken(bot);
    if (d["compress"] === true) this.#encoder = perPayload();
    this.#ready(bot, intents, shard);
  }

  /** What Discord does to a bot in a crash loop. */
  #resetToken(bot: Bot): void {
    this.#fake.world.bots.set(bot.id, { ...bot, tokenReset: true });
    for (const socket of this.#fake.sockets) {
      if (socket.session?.bot.id !== bot.id) continue;
      this.#fake.hub.destroy(socket.session);
      socket.close(4004);
    }
    this.close(4004);
  }

  #ready(bot: Bot, intents: number, shard: [number, number]): void {
    const { hub, world, db } = this.#fake;
    db.transaction(() => {
      const session = hub.open(bot, intents, shard, this);
      this.#session = session;
      const guilds = world
        .guildsOf(bot.id)
        .filter((g) => servesGuild(session, g.id));
      hub.send(session, "READY", {
        v: 10,
        user: self(world.users.get(bot.id)!),
        user_settings: {},
        guilds: guilds.map((g) => ({ id: g.id, unavailable: true })),
        private_channels: [],
        relationships: [],
        presences: [],
        guild_join_requests: [],
        geo_ordered_rtc_regions: [],
        session_type: "normal",
        session_id: session.id,
        resume_gateway_url: this.#fake.gatewayUrl("gateway-resume"),
        shard,
        application: { id: bot.id, flags: this.#fake.applicationFlags(bot) },
        auth: {},
        _trace: [],
      });
      if (intents & 1)
        for (const guild of guilds)
          hub.send(
            session,
            "GUILD_CREATE",
            this.#fake.render.guildCreate(guild, bot),
          );
      this.#log("ready", { bot: bot.id, session: session.id });
    });
  }

  #resume(d: unknown): void {
    if (!isObject(d)) return this.close(4002);
    const { token, session_id: id, seq } = d;
    if (
      typeof token !== "string" ||
      typeof id !== "string" ||
      !Number.isInteger(seq)
    )
      return this.close(4002);
    const { hub, world } = this.#fake;
    const bot = world.botByToken(token);
    if (!bot) return this.close(4004);
    this.#log("resume", { bot: bot.id, session: id, seq });
    const refused = this.#fake.faults.take("refuse_resume", { bot: bot.id });
    const session = hub.resumable(id, bot);
    if (session && refused) hub.destroy(session);
    if (!session || refused) return this.invalidate(false);
    if ((seq as number) > session.seq || (seq as number) < 0)
      return this.close(4007);
    const missed = hub.replay(session, seq as number);
    if (!missed) {
      hub.destroy(session);
      return this.invalidate(false);
    }
    hub.attach(session, this);
    this.#session = session;
    for (const frame of missed) this.send(frame);
    hub.send(session, "RESUMED", { _trace: [] });
    this.#log("resumed", { bot: bot.id, session: id, replayed: missed.length });
  }

  #requestMembers(session: Session, d: unknown): void {
    const answer = isObject(d)
      ? memberChunks(this.#fake, session, d)
      : undefined;
    if (!answer) return this.close(4002);
    if (answer === "disallowed") return this.close(4014);
    for (const chunk of answer)
      this.#fake.hub.send(session, "GUILD_MEMBERS_CHUNK", chunk);
  }

  #log(event: string, detail: Json): void {
    const at = this.#fake.clock.now();
    this.#fake.gatewayLog.add({ at, event, path: this.#path, ...detail });
  }
}

function parse(bytes: Buffer): Json | undefined {
  try {
    const value: unknown = JSON.parse(bytes.toString("utf8"));
    return isObject(value) ? value : undefined;
  } catch {
    return undefined; // closed with 4002
  }
}

function readShard(value: unknown): [number, number] | undefined {
  if (value === undefined || value === null) return [0, 1];
  if (!Array.isArray(value) || value.length !== 2) return undefined;
  const [id, count] = value as unknown[];
  if (!Number.isInteger(id) || !Number.isInteger(count)) return undefined;
  const shard: [number, number] = [id as number, count as number];
  return shard[0] >= 0 && shard[0] < shard[1] ? shard : undefined;
}
