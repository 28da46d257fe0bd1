// The light ends of ./run bench backend: many raw sync clients in one process, and one
// kept HTTP connection. They look at no more of an answer than whether it is one.
import { randomUUID } from "node:crypto";
import { Agent, request } from "node:http";
import { once } from "node:events";
import { WebSocket } from "ws";

/** POSTs JSON over a fixed number of kept connections. */
export class Http {
  private readonly agent: Agent;

  constructor(
    private readonly port: number,
    connections = 1,
  ) {
    this.agent = new Agent({ keepAlive: true, maxSockets: connections });
  }

  post(path: string, body: unknown): Promise<string> {
    const bytes = Buffer.from(JSON.stringify(body));
    return new Promise((resolve, reject) => {
      const call = request(
        {
          host: "127.0.0.1",
          port: this.port,
          path,
          method: "POST",
          agent: this.agent,
          headers: {
            "content-type": "application/json",
            "content-length": bytes.length,
          },
        },
        (response) => {
          let text = "";
          response.setEncoding("utf8");
          response.on("data", (piece: string) => (text += piece));
          response.on("end", () =>
            response.statusCode === 200
              ? resolve(text)
              : reject(new Error(`${path}: ${response.statusCode} ${text}`)),
          );
        },
      );
      call.on("error", reject);
      call.end(bytes);
    });
  }

  /** Runs a Convex function; throws its error. */
  async convex(
    kind: "query" | "mutation",
    path: string,
    args: object,
  ): Promise<void> {
    const text = await this.post(`/api/${kind}`, {
      path,
      format: "convex_encoded_json",
      args: [args],
    });
    if (!text.includes('"status":"success"')) throw new Error(text);
  }

  close(): void {
    this.agent.destroy();
  }
}

export interface Subscription {
  udfPath: string;
  args: object;
}

/** Sockets of which each counts what it is sent. */
export class Crowd {
  /** The last frame that any of them got. */
  frame = "";
  private readonly sockets: WebSocket[] = [];
  private expected = 0;
  private resolve: (at: number) => void = () => undefined;
  private reject: (error: Error) => void = () => undefined;

  /** Connects to the backend; each socket subscribes, and has its first result. */
  static async subscribe(
    port: number,
    subscriptions: Subscription[],
  ): Promise<Crowd> {
    const crowd = new Crowd();
    const first = crowd.next(subscriptions.length);
    await crowd.open(`ws://127.0.0.1:${port}/api/1.48.0/sync`, subscriptions);
    await first;
    return crowd;
  }

  /** Connects to a server that broadcasts. */
  static async listen(port: number, count: number): Promise<Crowd> {
    const crowd = new Crowd();
    await crowd.open(`ws://127.0.0.1:${port}`, Array<null>(count).fill(null));
    return crowd;
  }

  private async open(
    url: string,
    subscriptions: (Subscription | null)[],
  ): Promise<void> {
    for (const subscription of subscriptions) {
      const socket = new WebSocket(url, { perMessageDeflate: false });
      this.sockets.push(socket);
      socket.on("message", (data: Buffer) => this.take(data));
      await once(socket, "open");
      if (!subscription) continue;
      socket.send(
        JSON.stringify({
          type: "Connect",
          sessionId: randomUUID(),
          connectionCount: 0,
          lastCloseReason: "InitialConnect",
          clientTs: Date.now(),
        }),
      );
      socket.send(
        JSON.stringify({
          type: "ModifyQuerySet",
          baseVersion: 0,
          newVersion: 1,
          modifications: [
            {
              type: "Add",
              queryId: 0,
              udfPath: subscription.udfPath,
              args: [subscription.args],
            },
          ],
        }),
      );
    }
  }

  private take(data: Buffer): void {
    this.frame = data.toString();
    // Pings and Transitions without a change do not count.
    if (!this.frame.includes('"modifications":[{')) return;
    if (this.frame.includes('"QueryFailed"'))
      this.reject(new Error(this.frame));
    if (--this.expected === 0) this.resolve(performance.now());
  }

  /** When the last of the next `count` results has come. */
  next(count: number): Promise<number> {
    this.expected = count;
    return new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }

  async close(): Promise<void> {
    await Promise.all(
      this.sockets.map(async (socket) => {
        socket.close();
        await once(socket, "close");
      }),
    );
  }
}
