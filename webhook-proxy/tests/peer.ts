// peer.ts - a scripted Convex deployment: it speaks the sync protocol and answers as the test says.

import * as http from "node:http";
import type { AddressInfo } from "node:net";
import { after } from "node:test";
import { type WebSocket, WebSocketServer } from "ws";

export type Call = { path: string; args: Record<string, unknown> };

/** What a mutation comes to: its value, an error, or silence. */
export type Outcome =
  { value: unknown } | { error: string; data?: unknown } | "silence";

const zero = "AAAAAAAAAAA=";

export class Peer {
  calls: Call[] = [];
  answer: (call: Call) => Outcome = () => ({ value: { outcome: "stored" } });
  refuseIdentity = false;
  away = false; // hangs up on whoever comes
  private readonly server = http.createServer();
  private readonly sockets = new WebSocketServer({ server: this.server });
  private waiters: (() => void)[] = [];

  static async listen(): Promise<Peer> {
    const peer = new Peer();
    after(() => {
      if (peer.server.listening) return peer.close();
    });
    peer.server.on("connection", (socket) => {
      if (peer.away) socket.destroy();
    });
    peer.sockets.on("connection", (socket) => peer.serve(socket));
    await new Promise<void>((resolve) =>
      peer.server.listen(0, "127.0.0.1", resolve),
    );
    return peer;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${String(this.port)}`;
  }

  private serve(socket: WebSocket): void {
    let identity = 0;
    let querySet = 0;
    const send = (message: unknown): void =>
      socket.send(JSON.stringify(message));
    const transition = (end: { identity: number; querySet: number }): void => {
      send({
        type: "Transition",
        startVersion: { querySet, identity, ts: zero },
        endVersion: { ...end, ts: zero },
        modifications: [],
      });
      ({ identity, querySet } = end);
    };
    socket.on("message", (data) => {
      const message = JSON.parse(String(data)) as {
        type: string;
        baseVersion: number;
        newVersion: number;
        requestId: number;
        udfPath: string;
        args: [Record<string, unknown>];
      };
      if (message.type === "Authenticate") {
        if (this.refuseIdentity)
          send({
            type: "AuthError",
            error: "No auth provider found matching the given token",
            baseVersion: message.baseVersion,
            authUpdateAttempted: true,
          });
        else transition({ identity: identity + 1, querySet });
      } else if (message.type === "ModifyQuerySet") {
        transition({ identity, querySet: message.newVersion });
      } else if (message.type === "Mutation") {
        const call = { path: message.udfPath, args: message.args[0] };
        const outcome =
          call.path === "services:heartbeat"
            ? { value: null }
            : this.answer(call);
        this.calls.push(call);
        if (outcome !== "silence") send(response(message.requestId, outcome));
        for (const waiter of this.waiters.splice(0)) waiter();
      }
    });
  }

  /** Resolves once `enough` holds for the calls so far. */
  async until(enough: (calls: Call[]) => boolean): Promise<void> {
    while (!enough(this.calls))
      await new Promise<void>((resolve) => this.waiters.push(resolve));
  }

  ingested(): Record<string, unknown>[] {
    return this.calls
      .filter(({ path }) => path === "webhooks:ingest")
      .map(({ args }) => args);
  }

  /** Drops every connection; new ones are taken. */
  drop(): void {
    for (const socket of this.sockets.clients) socket.terminate();
  }

  async close(): Promise<void> {
    this.drop();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }
}

function response(
  requestId: number,
  outcome: Exclude<Outcome, "silence">,
): unknown {
  if ("value" in outcome)
    return {
      type: "MutationResponse",
      requestId,
      success: true,
      result: outcome.value,
      ts: zero,
      logLines: [],
    };
  return {
    type: "MutationResponse",
    requestId,
    success: false,
    result: outcome.error,
    ts: null,
    logLines: [],
    ...(outcome.data !== undefined && { errorData: outcome.data }),
  };
}
