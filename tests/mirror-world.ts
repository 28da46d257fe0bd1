// mirror-world.ts - a backend, a fake Discord and bots. Signals are written to the backend as
// the collector would, so a test says exactly what is to be mirrored, and when.
import { cpSync, readFileSync, renameSync, rmSync } from "node:fs";
import { ConvexHttpClient } from "convex/browser";
import { makeFunctionReference } from "convex/server";
import { importPKCS8, SignJWT } from "jose";
import { Backend, Daemon, deploySchema, FakeDiscord, until } from "./harness";

export const SOURCE_GUILD = "1100000000000000001";
export const GUILD = "1200000000000000001";
export const MEMBER_ROLE = "1200000000000000201";
export const US = "1300000000000000002";
const DISCORD_EPOCH = 1420070400000n;

export interface Post {
  id: string;
  content: string;
  author: { id: string; username: string; bot?: boolean };
  webhook_id?: string;
  attachments: { filename: string; size: number }[];
  embeds: { title?: string; description?: string }[];
  message_reference?: { message_id?: string };
  pings?: string[];
}

export interface Call {
  id: number;
  method: string;
  path: string;
  route: string;
  status: number;
  code?: number;
  body?: Record<string, unknown>;
}

export interface Row {
  messageId: string;
  mirrorChannelId: string;
  actual: { messageIds: string[]; version: string; webhookId?: string } | null;
  wants: boolean;
  dead: boolean;
  error?: string;
}

export interface Finding {
  code: string;
  detail: string;
  instruction: string;
}

export interface Check {
  channelId: string;
  kind: string;
  state: string;
  findings: Finding[];
}

/** A source channel with its mirror channel. */
export interface Pair {
  id: string; // in `channels`
  source: string;
  mirror: string;
}

type Client = ConvexHttpClient & {
  setAdminAuth(key: string): void;
  function(ref: unknown, component: undefined, args: unknown): Promise<unknown>;
};

let sequence = 0n;

/** A message id of now, or of so long ago. */
export function snowflake(agoMs = 0): string {
  const at = BigInt(Date.now() - agoMs) - DISCORD_EPOCH;
  return String((at << 22n) | (++sequence & 0xfffn));
}

export class MirrorWorld {
  backend!: Backend;
  discord!: FakeDiscord;
  env!: Record<string, string>;
  readonly bots: Daemon[] = [];
  private collector!: ConvexHttpClient;
  private operator!: ConvexHttpClient;
  private channels = 0;

  static async start(): Promise<MirrorWorld> {
    const self = new MirrorWorld();
    self.backend = await Backend.start();
    self.discord = await FakeDiscord.start();
    const key = await deploySchema(self.backend);
    await self.internal("communities:setUp", {
      slug: "demo",
      name: "Demo",
      sourceGuildId: SOURCE_GUILD,
      customerGuildId: GUILD,
      memberRoleIds: [MEMBER_ROLE],
    });
    self.env = {
      CONVEX_URL: self.backend.url,
      SERVICE_KEY_FILE: key,
      DISCORD_API_URL: `${self.discord.url}/api/v10`,
      DISCORD_TOKEN: "bot-token",
    };
    self.collector = await self.service("collector");
    self.operator = await self.person("operator@test.example");
    await self.internal("access:makeOperator", {
      email: "operator@test.example",
    });
    return self;
  }

  async close(): Promise<void> {
    for (const bot of this.bots) await bot.stop();
    await this.discord.close();
    await this.backend.close();
  }

  /** A bot that is ready to mirror. */
  async bot(
    instance = "test",
    more: Record<string, string> = {},
  ): Promise<Daemon> {
    const bot = new Daemon("bot", { ...this.env, INSTANCE: instance, ...more });
    this.bots.push(bot);
    await until(
      `the bot to be ready; it says:\n${bot.log}`,
      () =>
        /ready to mirror/.test(bot.log) && /accepted the token/.test(bot.log),
    );
    return bot;
  }

  // ---- the backend ----

  async internal<T>(path: string, args: object): Promise<T> {
    const client = new ConvexHttpClient(this.backend.url, {
      logger: false,
    }) as unknown as Client;
    client.setAdminAuth(this.backend.adminKey);
    return (await client.function(
      makeFunctionReference(path),
      undefined,
      args,
    )) as T;
  }

  async service(role: string): Promise<ConvexHttpClient> {
    const pem = readFileSync(this.env.SERVICE_KEY_FILE!, "utf8");
    const token = await new SignJWT({ role })
      .setProtectedHeader({ alg: "ES256", kid: "service-1", typ: "JWT" })
      .setIssuer("https://services.signals.invalid")
      .setAudience("signals-services")
      .setSubject(`${role}/test`)
      .setIssuedAt()
      .setExpirationTime("2h")
      .sign(await importPKCS8(pem, "ES256"));
    const client = new ConvexHttpClient(this.backend.url, { logger: false });
    client.setAuth(token);
    return client;
  }

  async person(email: string): Promise<ConvexHttpClient> {
    const client = new ConvexHttpClient(this.backend.url, { logger: false });
    const { tokens } = (await client.action(
      makeFunctionReference<"action">("auth:signIn"),
      {
        provider: "password",
        params: { email, password: "correct horse", flow: "signUp" },
      },
    )) as { tokens: { token: string } };
    client.setAuth(tokens.token);
    return client;
  }

  async table<T>(name: string): Promise<T[]> {
    const client = new ConvexHttpClient(this.backend.url, {
      logger: false,
    }) as unknown as Client;
    client.setAdminAuth(this.backend.adminKey);
    const { page } = (await client.query(
      makeFunctionReference<"query">("_system/cli/tableData"),
      {
        table: name,
        order: "asc",
        paginationOpts: { numItems: 1000, cursor: null },
      },
    )) as { page: T[] };
    return page;
  }

  /** A new source channel and its mirror. */
  async pair(over: object = {}): Promise<Pair> {
    const number = ++this.channels;
    const source = `11000000000000010${String(number).padStart(2, "0")}`;
    const name = `mirror-${number}`;
    const { id: mirror } = await this.discord.control<{ id: string }>(
      "POST",
      "/channels",
      { guild_id: GUILD, name },
    );
    const pair = { source, mirror };
    return { ...pair, id: await this.setUp(pair, over) };
  }

  async setUp(
    { source, mirror }: { source: string; mirror: string },
    over: object,
  ): Promise<string> {
    return await this.internal<string>("channels:setUp", {
      community: "demo",
      sourceChannelId: source,
      mirrorChannelId: mirror,
      name: `from-${source}`,
      enabled: true,
      ...over,
    });
  }

  // ---- the source ----

  async record(events: object[]): Promise<void> {
    await this.collector.mutation(
      makeFunctionReference<"mutation">("signals:record"),
      { events },
    );
  }

  /** Writes a message; says its id. */
  async write(pair: Pair, content: string, over: object = {}): Promise<string> {
    const messageId = snowflake();
    await this.upsert(pair, messageId, content, over);
    return messageId;
  }

  async upsert(
    pair: Pair,
    messageId: string,
    content: string,
    over: object = {},
  ): Promise<void> {
    const now = Date.now();
    await this.record([
      {
        type: "upsert",
        guildId: SOURCE_GUILD,
        channelId: pair.source,
        messageId,
        author: { id: "14", name: "Ana", bot: false },
        content,
        embeds: [],
        attachments: [],
        kind: "default",
        sentAt: now,
        editedAt: null,
        partial: false,
        capturedAt: now,
        ...over,
      },
    ]);
  }

  async edit(
    pair: Pair,
    messageId: string,
    content: string,
    over: object = {},
  ): Promise<void> {
    await this.upsert(pair, messageId, content, {
      editedAt: Date.now(),
      ...over,
    });
  }

  async remove(pair: Pair, messageId: string): Promise<void> {
    await this.record([
      {
        type: "delete",
        guildId: SOURCE_GUILD,
        channelId: pair.source,
        messageId,
        capturedAt: Date.now(),
      },
    ]);
  }

  // ---- what came of it ----

  posts(pair: Pair): Promise<Post[]> {
    return this.discord.control("GET", `/channels/${pair.mirror}/messages`);
  }

  async texts(pair: Pair): Promise<string[]> {
    return (await this.posts(pair)).map(({ content }) => content);
  }

  /** Until the mirror shows exactly these texts, in order. */
  async shows(pair: Pair, wanted: string[]): Promise<void> {
    const look = async () => JSON.stringify(await this.texts(pair));
    await until(
      `${JSON.stringify(wanted)}`,
      async () => (await look()) === JSON.stringify(wanted),
    ).catch(async (error: Error) => {
      const bot = this.bots.at(-1)?.log.slice(-3000);
      throw new Error(`${error.message}\nbut: ${await look()}\n${bot}`);
    });
  }

  async row(messageId: string): Promise<Row> {
    const rows = await this.table<Row>("mirrors");
    const found = rows.find((row) => row.messageId === messageId);
    if (!found) throw new Error(`no mirror of ${messageId}`);
    return found;
  }

  /** Until the row of a message is so. */
  async rowIs(
    messageId: string,
    what: string,
    is: (row: Row) => boolean,
  ): Promise<Row> {
    await until(what, async () => is(await this.row(messageId)));
    return await this.row(messageId);
  }

  async idle(): Promise<void> {
    await until("nothing to wait", async () =>
      (await this.table<Row>("mirrors")).every(({ wants }) => !wants),
    );
  }

  async calls(since = 0): Promise<Call[]> {
    const { entries } = await this.discord.control<{ entries: Call[] }>(
      "GET",
      `/journal?since=${since}`,
    );
    return entries;
  }

  /** The number of the newest call. */
  async mark(): Promise<number> {
    const { last } = await this.discord.control<{ last: number }>(
      "GET",
      "/journal?since=0",
    );
    return last;
  }

  async fault(fault: object): Promise<void> {
    await this.discord.control("POST", "/faults", fault);
  }

  async settings(settings: object): Promise<void> {
    await this.discord.control("POST", "/settings", settings);
  }

  /** Deletes a post of a mirror channel by hand. */
  async discard(pair: Pair, index: number): Promise<void> {
    const { id } = (await this.posts(pair))[index]!;
    await this.discord.control(
      "DELETE",
      `/channels/${pair.mirror}/messages/${id}`,
    );
  }

  /** Runs something whose effects in the backend are then lost to a backup of before. */
  async restoreAround(act: () => Promise<void>): Promise<void> {
    const { dir } = this.backend;
    const backup = `${dir}.backup`;
    await this.backend.end();
    cpSync(dir, backup, { recursive: true });
    await this.backend.open();
    await act();
    await this.backend.end("SIGKILL");
    rmSync(dir, { recursive: true });
    renameSync(backup, dir);
    await this.backend.open();
  }

  async calm(): Promise<void> {
    await this.fault({ kind: "reset" });
  }

  // ---- the operator ----

  /** Asks for a check and waits for its end. */
  async check(pair: Pair, kind: "permissions" | "test_post"): Promise<Check> {
    const request = makeFunctionReference<"mutation">("checks:request");
    const latest = makeFunctionReference<"query">("checks:latest");
    await this.operator.mutation(request, {
      community: "demo",
      channelId: pair.id,
      kind,
    });
    let found: Check | undefined;
    await until("the check to end", async () => {
      const all = (await this.operator.query(latest, {
        community: "demo",
      })) as Check[];
      found = all.find((c) => c.channelId === pair.id && c.kind === kind);
      return found?.state === "passed" || found?.state === "failed";
    });
    return found!;
  }

  /** Tries again what was given up. */
  async retry(queue: string): Promise<void> {
    const retryAll = makeFunctionReference<"mutation">("queues:retryAll");
    await this.operator.mutation(retryAll, { community: "demo", queue });
  }

  async serviceRow(
    instance: string,
  ): Promise<{ state: string; detail?: string; version: string }> {
    const rows = await this.table<{
      service: string;
      instance: string;
      state: string;
      detail?: string;
      version: string;
    }>("services");
    return rows.find(
      (row) => row.service === "bot" && row.instance === instance,
    )!;
  }
}
