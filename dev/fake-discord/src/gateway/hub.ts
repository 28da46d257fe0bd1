// hub.ts - all gateway sessions, and the events that go out to them.
// Owns the `sessions` and `session_events` tables. Invariant: an event is in
// the replay ring of each session it belongs to, in the transaction that
// caused it, before any socket sees it; so nothing a client was promised is
// lost by a dropped socket or a killed server.
import { randomBytes } from "node:crypto";
import type { Clock } from "../clock.js";
import type { Database, Statement } from "../database.js";
import { numberOf, type Fault, type Faults } from "../faults.js";
import type { Bot, Channel } from "../model.js";
import { channelPermissions, Permission } from "../permissions.js";
import type { Viewer, Wire } from "../render.js";
import type { World } from "../world.js";
import { servesGuild, type Pipe, type Session } from "./session.js";

export interface GatewayEvent {
  t: string;
  guildId: string;
  intent: number; // 0: needs none
  channel?: Channel; // only for those who may view it
  only?: string; // only for this bot
  about?: string; // this bot needs no intent for it
  render(viewer: NonNullable<Viewer>): Wire;
}

const RING = 10_000; // events kept for replay in each session
const TRIM_EVERY = 500;

interface StoredSession {
  id: string;
  botId: string;
  intents: number;
  shard: [number, number];
  lostAt: number | null;
}

export class Hub {
  readonly #db: Database;
  readonly #clock: Clock;
  readonly #world: World;
  readonly #faults: Faults;
  readonly #sessions = new Map<string, Session>();
  readonly #putSession: Statement;
  readonly #dropSession: Statement;
  readonly #putEvent: Statement;
  readonly #trimEvents: Statement;
  #held: GatewayEvent[] = [];
  /** Carries out a fault whose turn has come. */
  onDue: (fault: Fault) => void = () => undefined;
  /** Where the numbers of new sessions begin. */
  firstSeq = 0;
  /** How long a session outlives its socket. */
  sessionTtlMs = 120_000;

  constructor(db: Database, clock: Clock, world: World, faults: Faults) {
    this.#db = db;
    this.#clock = clock;
    this.#world = world;
    this.#faults = faults;
    this.#putSession = db.prepare(
      "INSERT OR REPLACE INTO sessions VALUES (?, ?)",
    );
    this.#dropSession = db.prepare("DELETE FROM sessions WHERE id = ?");
    this.#putEvent = db.prepare("INSERT INTO session_events VALUES (?, ?, ?)");
    this.#trimEvents = db.prepare(
      "DELETE FROM session_events WHERE session_id = ? AND seq <= ?",
    );
    this.#load();
  }

  /** Sessions of an earlier life are disconnected as of now. */
  #load(): void {
    const rows = this.#db.prepare("SELECT body FROM sessions").all() as {
      body: string;
    }[];
    const last = this.#db.prepare(
      "SELECT max(seq) AS seq FROM session_events WHERE session_id = ?",
    );
    for (const { body } of rows) {
      const stored = JSON.parse(body) as StoredSession;
      const bot = this.#world.bots.get(stored.botId);
      if (!bot) continue;
      const { seq } = last.get(stored.id) as { seq: number | null };
      const { id, intents, shard } = stored;
      const lostAt = stored.lostAt ?? this.#clock.now();
      this.#sessions.set(id, {
        id,
        bot,
        intents,
        shard,
        seq: seq ?? 0,
        pipe: null,
        lostAt,
      });
    }
  }

  sessions(): Session[] {
    return [...this.#sessions.values()];
  }

  open(
    bot: Bot,
    intents: number,
    shard: [number, number],
    pipe: Pipe,
  ): Session {
    const id = randomBytes(16).toString("hex");
    const session: Session = {
      id,
      bot,
      intents,
      shard,
      seq: this.firstSeq,
      pipe,
      lostAt: null,
    };
    this.#sessions.set(id, session);
    this.#save(session);
    return session;
  }

  /** The session a client may resume: its own, known and not too old. */
  resumable(id: string, bot: Bot): Session | undefined {
    const session = this.#sessions.get(id);
    if (!session || session.bot.id !== bot.id) return undefined;
    if (!this.#expired(session)) return session;
    this.destroy(session);
    return undefined;
  }

  /** What `session` was sent after `seq`; undefined when the ring has forgotten. */
  replay(session: Session, seq: number): string[] | undefined {
    const rows = this.#db
      .prepare(
        "SELECT seq, frame FROM session_events WHERE session_id = ? AND seq > ? ORDER BY seq",
      )
      .all(session.id, seq) as { seq: number; frame: string }[];
    if (rows.length !== session.seq - seq) return undefined;
    return rows.map((row) => row.frame);
  }

  attach(session: Session, pipe: Pipe): void {
    session.pipe?.close(4000, "Resumed elsewhere.");
    session.pipe = pipe;
    session.lostAt = null;
    this.#save(session);
  }

  /** The socket is gone; the session waits for a resume. */
  detach(session: Session, pipe: Pipe): void {
    if (session.pipe !== pipe || !this.#sessions.has(session.id)) return;
    session.pipe = null;
    session.lostAt = this.#clock.now();
    this.#save(session);
  }

  destroy(session: Session): void {
    this.#sessions.delete(session.id);
    this.#db.transaction(() => {
      this.#dropSession.run(session.id);
      this.#trimEvents.run(session.id, Number.MAX_SAFE_INTEGER);
    });
  }

  /** One event to everybody who may have it, unless a fault gets in its way. */
  emit(event: GatewayEvent): void {
    const target = { event: event.t };
    for (const fault of this.#faults.tick(event.t)) this.onDue(fault);
    if (this.#faults.take("drop_dispatch", target)) return;
    const late = this.#faults.take("delay_dispatch", target);
    if (late) return this.#later(event, numberOf(late, "ms", 1000));
    if (this.#faults.take("reorder_dispatch", target)) return this.#hold(event);
    const times = this.#faults.take("duplicate_dispatch", target) ? 2 : 1;
    const due = [...Array<GatewayEvent>(times).fill(event), ...this.#held];
    this.#held = [];
    this.#db.transaction(() => due.forEach((one) => this.#deliver(one)));
  }

  /** One event to one session, whatever its intents. */
  send(session: Session, t: string, d: Wire): void {
    this.#db.transaction(() => this.#push(session, t, JSON.stringify(d)));
  }

  #later(event: GatewayEvent, ms: number): void {
    setTimeout(
      () => this.#db.transaction(() => this.#deliver(event)),
      ms,
    ).unref();
  }

  /** Held until the next event; after a second without one it goes alone. */
  #hold(event: GatewayEvent): void {
    this.#held.push(event);
    setTimeout(() => {
      if (!this.#held.includes(event)) return;
      this.#held = this.#held.filter((one) => one !== event);
      this.#db.transaction(() => this.#deliver(event));
    }, 1000).unref();
  }

  #deliver(event: GatewayEvent): void {
    for (const session of this.sessions()) {
      if (this.#expired(session)) this.destroy(session);
      else if (this.#wants(session, event))
        this.#push(session, event.t, JSON.stringify(event.render(session)));
    }
  }

  #wants(session: Session, event: GatewayEvent): boolean {
    const { bot, intents } = session;
    if (event.only !== undefined && event.only !== bot.id) return false;
    if (
      event.intent !== 0 &&
      !(intents & event.intent) &&
      event.about !== bot.id
    )
      return false;
    if (!servesGuild(session, event.guildId)) return false;
    if (!event.channel)
      return this.#world.member(event.guildId, bot.id) !== undefined;
    const may = channelPermissions(this.#world, event.channel, bot.id);
    return (may & Permission.VIEW_CHANNEL) !== 0n;
  }

  #push(session: Session, t: string, d: string): void {
    const seq = ++session.seq;
    const frame = `{"t":${JSON.stringify(t)},"s":${seq},"op":0,"d":${d}}`;
    this.#putEvent.run(session.id, seq, frame);
    if (seq % TRIM_EVERY === 0) this.#trimEvents.run(session.id, seq - RING);
    const { pipe } = session;
    if (pipe) this.#db.afterCommit(() => pipe.send(frame));
  }

  #expired(session: Session): boolean {
    return (
      session.lostAt !== null &&
      session.lostAt + this.sessionTtlMs < this.#clock.now()
    );
  }

  #save({ id, bot, intents, shard, lostAt }: Session): void {
    const stored: StoredSession = { id, botId: bot.id, intents, shard, lostAt };
    this.#putSession.run(id, JSON.stringify(stored));
  }
}
