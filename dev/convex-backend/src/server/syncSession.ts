// syncSession.ts - one client of the sync protocol, without its socket:
// frames in, frames out.
// Invariants: frames are handled in the order of arrival; at most one update
// is being computed; every MutationResponse is followed by a Transition whose
// ts is not smaller. No timer stands between a commit and its Transition.

import type { Engine, Identity } from "../engine/api.js";
import type { Auth, Authenticated } from "./auth.js";
import { ApiError, badRequest, toApiError } from "./errors.js";
import { checkComponent, type Functions } from "./functions.js";
import type { Log } from "./log.js";
import { errorDataText, outcomeText } from "./renderedResults.js";
import { newRequestId, sessionRequestId } from "./requestIds.js";
import {
  endingOf,
  AuthUpdateFailed,
  TokenExpired,
  type Ending,
} from "./syncEnding.js";
import {
  callResponseText,
  parseClientMessage,
  transitionFrames,
  transitionText,
  type AuthenticateMessage,
  type CallMessage,
  type ClientMessage,
  type ConnectMessage,
  type ModifyQuerySetMessage,
  type QueryModification,
  type Version,
} from "./syncMessages.js";
import { QuerySet } from "./syncQueries.js";

/** The connection as the session sees it. */
export interface Link {
  /** `onSent` is called when the frame has left the process (or never will). */
  send(frame: string, onSent?: () => void): void;
  /** Sends the last frame, if any, then closes; no code means none on the wire. */
  end(ending: Ending): void;
}

export interface SessionOptions {
  /** The client joins TransitionChunk frames. */
  chunks: boolean;
  /** "npm-1.48.0", for the log. */
  client: string | undefined;
  ip: string | undefined;
  userAgent: string | undefined;
}

export interface SessionServices {
  engine: Engine;
  functions: Functions;
  auth: Auth;
  log: Log;
}

const MAX_UNSENT_TRANSITIONS = 2;
const MAX_QUEUED_CALLS = 1000;
const MUTATION_TIMEOUT_MS = 60_000;

const ANONYMOUS: Authenticated = {
  identity: { kind: "none" },
  expiresAt: null,
};

export class SyncSession {
  readonly #services: SessionServices;
  readonly #link: Link;
  readonly #options: SessionOptions;
  readonly #queries: QuerySet;

  #closed = false;
  #sessionId: string | null = null;
  #clientClockSkew: number | null = null;

  // What the client was last told, and what it has asked for since.
  #sent: Version = { querySet: 0, identity: 0, ts: 0n };
  #receivedQuerySet = 0;
  #receivedIdentity = 0;
  #pendingModifications: QueryModification[] = [];
  #authenticated = ANONYMOUS;

  readonly #inbox: ClientMessage[] = [];
  #reading = false;

  #updateWanted = false;
  #updatePlanned = false;
  #updatingTo: bigint | null = null;
  #unsentTransitions = 0;

  readonly #mutations: (() => Promise<void>)[] = [];
  #mutating = false;
  #actions = 0;

  constructor(services: SessionServices, link: Link, options: SessionOptions) {
    this.#services = services;
    this.#link = link;
    this.#options = options;
    this.#queries = new QuerySet(services.engine, services.functions, () =>
      this.#wantUpdate(),
    );
  }

  /** One text frame from the client. */
  receive(text: string): void {
    if (this.#closed) return;
    try {
      this.#inbox.push(parseClientMessage(text));
    } catch (error) {
      this.fail(error);
      return;
    }
    if (!this.#reading) void this.#readInbox();
  }

  /** The socket is gone. Actions run on, waiting mutations do not start. */
  close(): void {
    this.#closed = true;
    this.#mutations.length = 0;
    this.#inbox.length = 0;
    this.#queries.close();
  }

  /** Ends the session with whatever this error means to the client. */
  fail(error: unknown): void {
    if (this.#closed) return;
    this.close();
    const ending = endingOf(error, this.#sent.identity);
    if (ending.code === 1011) {
      this.#services.log.warn("sync-failed", {
        error: String((error as Error)?.stack ?? error),
      });
    }
    this.#link.end(ending);
  }

  // -------------------------------------------------------------- receiving

  async #readInbox(): Promise<void> {
    this.#reading = true;
    try {
      for (let next = this.#inbox.shift(); next; next = this.#inbox.shift()) {
        const pending = this.#handle(next);
        if (pending !== undefined) await pending;
      }
    } catch (error) {
      this.fail(error);
    } finally {
      this.#reading = false;
    }
    this.#planUpdate();
  }

  /** Only an Authenticate takes time. */
  #handle(message: ClientMessage): Promise<void> | undefined {
    switch (message.type) {
      case "Connect":
        this.#connect(message);
        return undefined;
      case "ModifyQuerySet":
        this.#modifyQuerySet(message);
        return undefined;
      case "Mutation":
        this.#queueMutation(message);
        return undefined;
      case "Action":
        this.#startAction(message);
        return undefined;
      case "Authenticate":
        return this.#authenticate(message);
      case "Event":
        return undefined;
    }
  }

  #connect(message: ConnectMessage): void {
    const { engine } = this.#services;
    this.#sessionId = message.sessionId;
    if (message.clientTs !== null) {
      this.#clientClockSkew = Math.round(message.clientTs - engine.now());
    }
    const observed = message.maxObservedTimestamp;
    if (observed !== null && observed > engine.latestTs()) {
      throw new Error(
        `Client has observed a timestamp ${observed} ahead of the backend's ${engine.latestTs()}`,
      );
    }
  }

  #modifyQuerySet(message: ModifyQuerySetMessage): void {
    const { baseVersion, newVersion } = message;
    if (baseVersion !== this.#receivedQuerySet) {
      throw badRequest(
        "BaseVersionMismatch",
        `Base version ${baseVersion} passed up doesn't match the current version ${this.#receivedQuerySet}`,
      );
    }
    if (newVersion <= baseVersion)
      throw new Error("the query set version must grow");
    this.#pendingModifications.push(...message.modifications);
    this.#receivedQuerySet = newVersion;
    this.#wantUpdate();
  }

  async #authenticate(message: AuthenticateMessage): Promise<void> {
    let next: Authenticated;
    try {
      next = await this.#services.auth.authenticate(message.credential);
    } catch (error) {
      const known = toApiError(error);
      throw [400, 401, 403].includes(known.status)
        ? new AuthUpdateFailed(known.message)
        : error;
    }
    if (message.baseVersion !== this.#receivedIdentity) {
      throw new Error("the identity version does not match");
    }
    this.#authenticated = next;
    this.#receivedIdentity++;
    this.#wantUpdate();
  }

  /** Throws once the token has run out. */
  #identity(): Identity {
    if (this.#services.auth.isExpired(this.#authenticated))
      throw new TokenExpired();
    return this.#authenticated.identity;
  }

  // -------------------------------------------------------------- calls

  #callOf(message: CallMessage) {
    const { path, args, componentPath, requestId } = message;
    const identity = this.#identity();
    checkComponent(identity, componentPath);
    const { client, ip, userAgent } = this.#options;
    return {
      path,
      args,
      componentPath,
      identity,
      requestId:
        this.#sessionId === null
          ? newRequestId()
          : sessionRequestId(this.#sessionId, requestId),
      caller: {
        ...(client === undefined ? {} : { client }),
        ...(ip === undefined ? {} : { ip }),
        ...(userAgent === undefined ? {} : { userAgent }),
      },
    };
  }

  #queueMutation(message: CallMessage): void {
    const call = this.#callOf(message);
    if (this.#mutations.length >= MAX_QUEUED_CALLS) {
      throw new ApiError(
        429,
        "TooManyConcurrentMutations",
        `Too many concurrent mutations. Only up to ${MAX_QUEUED_CALLS} pending mutations allowed on a single websocket.`,
      );
    }
    const { requestId } = message;
    const session =
      this.#sessionId === null
        ? undefined
        : { sessionId: this.#sessionId, requestId };
    this.#mutations.push(async () => {
      const run = this.#services.functions.mutation({ ...call, session });
      const result = await withTimeout(run, MUTATION_TIMEOUT_MS);
      this.#answer("Mutation", requestId, result, result.ts);
    });
    if (!this.#mutating) void this.#runMutations();
  }

  async #runMutations(): Promise<void> {
    this.#mutating = true;
    try {
      for (
        let next = this.#mutations.shift();
        next;
        next = this.#mutations.shift()
      ) {
        await next();
      }
    } catch (error) {
      this.fail(error);
    } finally {
      this.#mutating = false;
    }
  }

  #startAction(message: CallMessage): void {
    const call = this.#callOf(message);
    if (this.#actions >= MAX_QUEUED_CALLS) {
      throw new ApiError(
        429,
        "TooManyInflightActionsForSingleClient",
        `Inflight actions overloaded for a single client, max concurrency: ${MAX_QUEUED_CALLS}`,
      );
    }
    this.#actions++;
    this.#services.functions
      .action(call)
      .then((result) => this.#answer("Action", message.requestId, result, null))
      .catch((error: unknown) => this.fail(error))
      .finally(() => this.#actions--);
  }

  #answer(
    type: "Mutation" | "Action",
    requestId: number,
    {
      outcome,
      logLines,
    }: { outcome: Parameters<typeof outcomeText>[0]; logLines: string[] },
    ts: bigint | null,
  ): void {
    if (this.#closed) return;
    const answer = {
      success: outcome.success,
      result: outcomeText(outcome),
      errorData: errorDataText(outcome),
      logLines,
      ts,
    };
    this.#link.send(callResponseText(type, requestId, answer));
    // An update under way that includes the commit already follows the response.
    const covered =
      ts !== null && this.#updatingTo !== null && this.#updatingTo >= ts;
    if (!covered) this.#wantUpdate();
  }

  // -------------------------------------------------------------- updates

  #wantUpdate(): void {
    this.#updateWanted = true;
    this.#planUpdate();
  }

  /** Starts after the present event, so that what comes together shares one update. */
  #planUpdate(): void {
    if (this.#updatePlanned || !this.#updateWanted) return;
    this.#updatePlanned = true;
    queueMicrotask(() => {
      this.#updatePlanned = false;
      void this.#update();
    });
  }

  #mayUpdate(): boolean {
    return (
      this.#updateWanted &&
      !this.#closed &&
      !this.#reading &&
      this.#updatingTo === null &&
      this.#unsentTransitions < MAX_UNSENT_TRANSITIONS
    );
  }

  async #update(): Promise<void> {
    if (!this.#mayUpdate()) return;
    this.#updateWanted = false;
    this.#updatingTo = this.#services.engine.latestTs();
    try {
      await this.#transitionTo(this.#updatingTo);
    } catch (error) {
      this.fail(error);
    } finally {
      this.#updatingTo = null;
    }
    this.#planUpdate();
  }

  async #transitionTo(ts: bigint): Promise<void> {
    const identity = this.#identity();
    const start = this.#sent;
    const end = {
      querySet: this.#receivedQuerySet,
      identity: this.#receivedIdentity,
      ts,
    };
    const modifications = this.#pendingModifications;
    this.#pendingModifications = [];
    if (end.identity !== start.identity) this.#queries.invalidateAll();
    const texts = this.#queries.modify(modifications);
    await this.#queries.refresh(identity, ts, texts);
    if (this.#closed) return;
    this.#sent = end;
    const ascending = [...texts]
      .sort(([a], [b]) => a - b)
      .map(([, text]) => text);
    const serverTs =
      BigInt(Math.floor(this.#services.engine.now())) * 1_000_000n;
    this.#sendTransition(
      transitionText(start, end, ascending, this.#clientClockSkew, serverTs),
    );
  }

  #sendTransition(text: string): void {
    const frames = this.#options.chunks ? transitionFrames(text) : [text];
    const last = frames.length - 1;
    this.#unsentTransitions++;
    frames.forEach((frame, i) => {
      if (i < last) this.#link.send(frame);
      else this.#link.send(frame, () => this.#transitionSent());
    });
  }

  #transitionSent(): void {
    this.#unsentTransitions--;
    this.#planUpdate();
  }
}

async function withTimeout<T>(work: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error("the mutation took too long")),
      ms,
    );
  });
  try {
    return await Promise.race([work, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
