// The floors of ./run bench backend, as a process like the backend: SQLite with the
// backend's settings, alone and behind a bare HTTP and a bare `ws` server, and a broadcast.
//     floor.ts FILE      prints its port when it serves
import { createServer, type IncomingMessage } from "node:http";
import Database from "libsql";
import { WebSocketServer, type WebSocket } from "ws";

/** The backend's settings of durability and cache (its store/database.ts). */
const SETTINGS = `PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
  PRAGMA busy_timeout = 5000; PRAGMA cache_size = -16000; PRAGMA mmap_size = 268435456;
  PRAGMA wal_autocheckpoint = 50000;`;

export interface Request {
  do: "insert" | "read" | "seed";
  n: number;
  text?: string;
  count?: number;
}

class Notes {
  private readonly database: InstanceType<typeof Database>;
  private readonly put;
  private readonly get;

  constructor(file: string) {
    this.database = new Database(file);
    this.database.exec(SETTINGS);
    this.database.exec(
      `CREATE TABLE notes(row INTEGER PRIMARY KEY, n REAL NOT NULL, json TEXT NOT NULL);
       CREATE INDEX by_n ON notes(n);`,
    );
    this.put = this.database.prepare(
      "INSERT INTO notes(n, json) VALUES (?, ?)",
    );
    this.get = this.database.prepare(
      "SELECT json FROM notes WHERE n >= ? ORDER BY n LIMIT ?",
    );
  }

  /** One insert is one transaction. */
  insert(n: number, text: string): void {
    this.database.exec("BEGIN IMMEDIATE");
    this.put.run([n, JSON.stringify({ n, text })]);
    this.database.exec("COMMIT");
  }

  read(n: number, count: number): unknown[] {
    const rows = this.get.all([n, count]) as { json: string }[];
    return rows.map((row) => JSON.parse(row.json) as unknown);
  }

  /** `count` inserts from number `n` on, in one transaction. */
  seed(n: number, count: number, text: string): void {
    this.database.exec("BEGIN IMMEDIATE");
    for (let i = n; i < n + count; i++)
      this.put.run([i, JSON.stringify({ n: i, text })]);
    this.database.exec("COMMIT");
  }

  do(request: Request): unknown {
    if (request.do === "seed")
      return (this.seed(request.n, request.count!, request.text!), null);
    return request.do === "insert"
      ? (this.insert(request.n, request.text!), null)
      : this.read(request.n, request.count!);
  }
}

async function text(request: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  return Buffer.concat(pieces).toString();
}

/** How often a second the request can be done here, without a network. */
function alone(notes: Notes, request: Request, seconds: number): number {
  const began = performance.now();
  const end = began + seconds * 1000;
  let count = 0;
  while (performance.now() < end)
    notes.do({ ...request, n: (request.n + count++ * 7919) % 9000 });
  return (count * 1000) / (performance.now() - began);
}

function serve(notes: Notes): void {
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      const asked = JSON.parse(body) as Request & { seconds?: number };
      const answer = asked.seconds
        ? alone(notes, asked, asked.seconds)
        : notes.do(asked);
      const bytes = Buffer.from(JSON.stringify(answer));
      response.writeHead(200, { "content-length": bytes.length });
      response.end(bytes);
    });
  });
  const sockets = new WebSocketServer({ server });
  sockets.on("connection", (socket: WebSocket) => {
    socket.on("message", (data) => {
      const message = JSON.parse(String(data)) as
        Request | { broadcast: string };
      if (!("broadcast" in message)) {
        socket.send(JSON.stringify(notes.do(message)));
        return;
      }
      socket.send("done");
      for (const other of sockets.clients)
        if (other !== socket) other.send(message.broadcast);
    });
  });
  server.listen(0, "127.0.0.1", () =>
    console.log((server.address() as { port: number }).port),
  );
}

serve(new Notes(process.argv[2]!));
