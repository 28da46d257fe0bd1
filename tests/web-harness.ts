// What the dashboard's tests share: a backend with the schema, communities to write
// in as the collector does, and readers, each a browser of their own.
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
import assert, { AssertionError } from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { ConvexHttpClient } from "convex/browser";
import {
  makeFunctionReference,
  type FunctionArgs,
  type FunctionReturnType,
} from "convex/server";
import { importPKCS8, SignJWT } from "jose";
import type {
  Browser,
  BrowserContextOptions,
  Locator,
  Page,
} from "playwright-core";
import {
  expected,
  feed,
  type AuthorName,
  type FeedEmbed,
  type Final,
} from "../dev/demo/feed/feed";
import { launch, scrollThrough } from "../dev/demo/src/browser";
import { serveStatic } from "../dev/demo/src/static";
import { api } from "../schema/convex/_generated/api";
import { Backend, deploySchema, ROOT } from "./harness";

export const PHONE = { viewport: { width: 390, height: 844 } };
const PATIENCE_MS = 180_000; // a guard against hanging only
/** Has an account, and access wherever a reader was asked for. */
export const MEMBER = {
  email: "member@test.example",
  password: "correct horse battery",
};

type ServiceRole = FunctionArgs<typeof api.services.heartbeat>["service"];
type Event = FunctionArgs<typeof api.signals.record>["events"][number];
type Upsert = Extract<Event, { type: "upsert" }>;
type Outcome = FunctionArgs<
  typeof api.attachments.report
>["results"][number]["outcome"];
export type Said = Pick<
  Upsert,
  | "author"
  | "content"
  | "embeds"
  | "attachments"
  | "stickers"
  | "poll"
  | "replyToId"
  | "sentAt"
  | "contentTrade"
  | "contentTrades"
>;
export type Attachment = NonNullable<Upsert["attachments"]>[number];
export type Embed = NonNullable<Upsert["embeds"]>[number];
export type Item = FunctionReturnType<typeof api.feed.list>["page"][number];

/** The backend with its schema, a host for files, and one browser. */
export class World {
  readonly files = new Files();
  #count = 0;
  readonly #readers = new Set<Reader>();
  readonly #sites: Server[] = [];
  /** Other hosts that pages may ask in a test. */
  readonly otherHosts: string[] = [];

  collector!: ConvexHttpClient;

  private constructor(
    readonly backend: Backend,
    readonly browser: Browser,
  ) {}

  /** `control`: a backend with a control port, for its clock, which starts at `clock`. */
  static async start({
    control = false,
    clock,
  }: { control?: boolean; clock?: number } = {}): Promise<World> {
    // As from a continent away: what asserts at once on what is still to come fails.
    const slow = Number(process.env.SLOW_LINE_MS ?? 0);
    const [backend, browser] = await Promise.all([
      Backend.start({ control: control || slow > 0, clock }),
      launch(),
    ]);
    await deploySchema(backend);
    const self = new World(backend, browser);
    self.collector = await self.service("collector");
    await self.person(MEMBER, "signUp");
    if (slow > 0)
      await backend.control("/faults", { faults: [{ delayMs: slow }] });
    return self;
  }

  /** MEMBER, without a page. */
  async member(): Promise<ConvexHttpClient> {
    return await this.person(MEMBER, "signIn");
  }

  /** Somebody who signs in or up, without a page. */
  async person(
    { email, password }: typeof MEMBER,
    flow: "signIn" | "signUp",
  ): Promise<ConvexHttpClient> {
    const client = new ConvexHttpClient(this.backend.url, { logger: false });
    const { tokens } = await client.action(api.auth.signIn, {
      provider: "password",
      params: { email, password, flow },
    });
    client.setAuth(tokens!.token);
    return client;
  }

  /** With the token of a daemon. */
  async service(role: ServiceRole): Promise<ConvexHttpClient> {
    const client = new ConvexHttpClient(this.backend.url, { logger: false });
    const pem = readFileSync(`${this.backend.dir}/service-key.pem`, "utf8");
    client.setAuth(await serviceToken(pem, role));
    return client;
  }

  /** Calls an internal function, as `npx convex run` does. */
  async run(path: string, args: Record<string, unknown>): Promise<unknown> {
    const client = new ConvexHttpClient(this.backend.url, {
      logger: false,
    }) as unknown as {
      setAdminAuth(key: string): void;
      function(ref: unknown, component: undefined, args: unknown): unknown;
    };
    client.setAdminAuth(this.backend.adminKey);
    return await client.function(makeFunctionReference(path), undefined, args);
  }

  /** A community of its own for each test, so that tests cannot meet. */
  async community(
    channels = ["signals"],
    name = "The community",
  ): Promise<Community> {
    const number = ++this.#count;
    const guildId = `11000000000000${String(number).padStart(5, "0")}`;
    const slug = `community-${number}`;
    await this.run("communities:setUp", {
      slug,
      name,
      sourceGuildId: guildId,
      customerGuildId: `2${guildId.slice(1)}`,
    });
    for (const [i, name] of channels.entries())
      await this.run("channels:setUp", {
        community: slug,
        sourceChannelId: `${guildId}${i}`,
        mirrorChannelId: `2${guildId.slice(1)}${i}`,
        name,
        enabled: true,
      });
    const url = await this.site({
      convexUrl: this.backend.url,
      community: slug,
    });
    await this.setEnvironment("SITE_URL", url);
    return new Community(this, url, slug, guildId, channels);
  }

  /** Stores the files that wait, as the collector does; what is not there has failed. */
  async fetchFiles(): Promise<void> {
    const instance = "test";
    const { work } = await this.collector.mutation(api.attachments.claim, {
      instance,
      limit: 32,
    });
    for (const { jobId, fence, url, uploadUrl } of work) {
      const outcome = await this.#store(url, uploadUrl);
      const results = [{ jobId, fence, outcome }];
      const report = { instance, results };
      await this.collector.mutation(api.attachments.report, report);
    }
  }

  async #store(url: string, uploadUrl: string): Promise<Outcome> {
    const file = this.files.at(url);
    if (file === undefined)
      return { type: "failed", reason: "the file is gone (404)" };
    const { type: contentType, body } = file;
    if (contentType === "text/html")
      return { type: "refused", reason: "it is a web page" };
    const response = await fetch(uploadUrl, {
      method: "POST",
      headers: { "content-type": contentType },
      body: new Uint8Array(body),
    });
    const { storageId } = (await response.json()) as { storageId: string };
    return {
      type: "stored",
      storageId,
      contentType,
      size: body.length,
      sha256: createHash("sha256").update(body).digest("hex"),
    } as Outcome;
  }

  /** The page that people come from: files are for that origin only. */
  async setEnvironment(name: string, value: string): Promise<void> {
    const { url, adminKey } = this.backend;
    const response = await fetch(`${url}/api/update_environment_variables`, {
      method: "POST",
      headers: {
        authorization: `Convex ${adminKey}`,
        "content-type": "application/json",
      },
      body: JSON.stringify({ changes: [{ name, value }] }),
    });
    assert.equal(response.status, 200);
  }

  /** Serves the page with this config.json; its address. */
  async site(config: object): Promise<string> {
    const server = await serveStatic(join(ROOT, "web/dist"), config, 0);
    this.#sites.push(server);
    return origin(server);
  }

  /** A new browser profile at `url`, where nobody is signed in. */
  async open(url: string, options: BrowserContextOptions = {}) {
    const reader = await Reader.open(this, url, options);
    this.#readers.add(reader);
    return reader;
  }

  /** Closes every reader and asserts that their pages had nothing to complain of. */
  async closeReaders(): Promise<void> {
    const readers = [...this.#readers];
    this.#readers.clear();
    await Promise.all(readers.map((reader) => reader.close()));
    for (const reader of readers) reader.assertClean();
  }

  async close(): Promise<void> {
    await this.browser.close();
    for (const site of this.#sites) await closed(site);
    await this.backend.close();
  }
}

/** A community with its own page. Writes in it as the collector would. */
export class Community {
  readonly #said = new Map<string, Said & { channel: string; edits: number }>();

  constructor(
    readonly world: World,
    readonly url: string,
    readonly slug: string,
    readonly guildId: string,
    readonly channels: readonly string[],
  ) {}

  /** New messages in the order given, in one mutation; the ids. */
  async writeAll(all: Said[], channel = this.channels[0]!): Promise<string[]> {
    const ids: string[] = [];
    const events: Event[] = [];
    for (const said of all) {
      const whole = { sentAt: Date.now(), ...said };
      const id = snowflake(whole.sentAt);
      this.#said.set(id, { ...whole, channel, edits: 0 });
      events.push(this.#event(id, null));
      ids.push(id);
    }
    await this.record(events);
    return ids;
  }

  async write(said: Said | string, channel?: string): Promise<string> {
    const whole = typeof said === "string" ? { content: said } : said;
    const [id] = await this.writeAll([whole], channel);
    return id!;
  }

  async edit(id: string, change: Partial<Said>, at?: number): Promise<void> {
    const said = this.#said.get(id)!;
    Object.assign(said, change, { edits: said.edits + 1 });
    const editedAt = at ?? said.sentAt! + said.edits * 1000;
    await this.record([this.#event(id, editedAt)]);
  }

  async remove(...ids: string[]): Promise<void> {
    await this.record(
      ids.map((messageId) => ({
        type: "delete",
        guildId: this.guildId,
        channelId: this.#channelId(this.#said.get(messageId)!.channel),
        messageId,
        capturedAt: Date.now(),
      })),
    );
  }

  async record(events: Event[]): Promise<void> {
    for (let i = 0; i < events.length; i += 64) {
      const { results } = await this.world.collector.mutation(
        api.signals.record,
        { events: events.slice(i, i + 64) },
      );
      assert.deepEqual([...new Set(results)], ["recorded"]);
    }
  }

  async grant(email: string): Promise<void> {
    const wanted = { community: this.slug, email, until: null, reason: "test" };
    assert.deepEqual(await this.world.run("access:grant", wanted), {
      bound: true,
    });
  }

  async revoke(email: string): Promise<void> {
    await this.world.run("access:revoke", {
      community: this.slug,
      email,
      reason: "test",
    });
  }

  async open(options: BrowserContextOptions = {}): Promise<Reader> {
    return await this.world.open(this.url, options);
  }

  /** A reader with access who has signed in and sees the feed. */
  async reader(options: BrowserContextOptions = {}): Promise<Reader> {
    await this.grant(MEMBER.email);
    const reader = await this.open(options);
    await reader.signIn();
    const alert = reader.page.getByRole("alert");
    await reader.feed.or(reader.empty).or(alert).waitFor();
    assert.deepEqual(await alert.allInnerTexts(), [], "the form refuses");
    return reader;
  }

  #channelId(name: string): string {
    return `${this.guildId}${this.channels.indexOf(name)}`;
  }

  #event(messageId: string, editedAt: number | null): Upsert {
    const { channel, edits: _, ...said } = this.#said.get(messageId)!;
    return {
      type: "upsert",
      guildId: this.guildId,
      channelId: this.#channelId(channel),
      messageId,
      author: MARA,
      content: "",
      embeds: [],
      attachments: [],
      kind: said.replyToId ? "reply" : "default",
      ...said,
      editedAt,
      partial: false,
      capturedAt: Date.now(),
    };
  }
}

export const MARA = { id: "1400000000000000001", name: "Mara", bot: false };

/** What the page shows of one signal. */
export type Row = {
  id: string;
  version: string;
  text: string; // the source text, data-text
  shown: string; // what a reader reads
  author: string;
  channel: string | null;
  edited: boolean;
  reply: string | null;
};

/** One person at one browser. Notes every request and every complaint of the page. */
export class Reader {
  readonly problems: string[] = [];
  readonly requests: string[] = [];
  readonly feed: Locator;
  readonly empty: Locator;
  readonly connection: Locator;
  // A mark of what was read may be on its way when access ends.
  readonly #expected: RegExp[] = [/feed:markRead[^]*no_access/];

  private constructor(
    readonly world: World,
    readonly page: Page,
    readonly url: string,
  ) {
    this.feed = page.locator("ol.feed");
    this.empty = page.locator(".empty");
    this.connection = page.locator(".connection");
  }

  static async open(world: World, url: string, options: BrowserContextOptions) {
    const context = await world.browser.newContext(options);
    context.setDefaultTimeout(PATIENCE_MS);
    const self = new Reader(world, await context.newPage(), url);
    await self.#listen();
    await self.page.goto(url);
    return self;
  }

  async #listen(): Promise<void> {
    const { page } = this;
    const { problems, requests } = this;
    page.on("pageerror", (error) => problems.push(String(error)));
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning")
        problems.push(`${message.type()}: ${message.text()}`);
    });
    page.on("request", (request) => requests.push(request.url()));
    page.on("websocket", (socket) => requests.push(socket.url()));
    // What tsx calls in functions that are sent to the page.
    await page.addInitScript("globalThis.__name = (same) => same");
    await page.addInitScript(() => {
      document.addEventListener("securitypolicyviolation", (event) =>
        console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`),
      );
    });
  }

  /** Complaints that a test brings about on purpose. */
  expect(...problems: RegExp[]): void {
    this.#expected.push(...problems);
  }

  assertClean(): void {
    const { backend, otherHosts } = this.world;
    const ours = [this.url, backend.url, ...otherHosts];
    const hosts = new Set(ours.map((url) => new URL(url).host));
    assert.deepEqual(
      this.requests.filter(
        (url) => !url.startsWith("blob:") && !hosts.has(new URL(url).host),
      ),
      [],
      "requests to other hosts",
    );
    assert.deepEqual(
      this.problems.filter(
        (problem) => !this.#expected.some((one) => one.test(problem)),
      ),
      [],
      "complaints of the page",
    );
  }

  async close(): Promise<void> {
    await this.page.context().close();
  }

  async signIn({ email, password } = MEMBER): Promise<void> {
    const { page } = this;
    await page.getByLabel("E-mail").fill(email);
    await page.getByLabel("Password", { exact: true }).fill(password);
    await page.locator("form button.primary").click();
  }

  /** Waits for the form to say what went wrong. */
  async says(words: string | RegExp): Promise<void> {
    await this.page.getByRole("alert").filter({ hasText: words }).waitFor();
  }

  /** Waits for the connection's state and its words. */
  async connected(state: string, words: RegExp): Promise<void> {
    await this.page
      .locator(`.connection[data-state="${state}"]`)
      .filter({ hasText: words })
      .waitFor();
  }

  /** All signals there are, newest first, as one who scrolls sees them. */
  async all(): Promise<Row[]> {
    const rows: Row[] = [];
    await scrollThrough(this.page, async () => {
      const seen = new Set(rows.map((row) => row.id));
      rows.push(...(await this.rows()).filter((row) => !seen.has(row.id)));
    });
    return rows;
  }

  /** The signals in the document: what is far from the window is not. */
  async rows(): Promise<Row[]> {
    return await this.feed.or(this.empty).evaluate(() =>
      [...document.querySelectorAll<HTMLElement>("[data-message-id]")].map(
        (article) => ({
          id: article.dataset.messageId!,
          version: article.dataset.version!,
          text: article.querySelector<HTMLElement>("[data-text]")!.dataset
            .text!,
          shown: article.querySelector("[data-text]")!.textContent!,
          author: article.querySelector(".author")!.textContent!,
          channel: article.querySelector(".channel")?.textContent ?? null,
          edited: article.querySelector(".edited") !== null,
          reply: article.querySelector(".reply")?.textContent ?? null,
        }),
      ),
    );
  }

  signal(id: string): Locator {
    return this.page.locator(`[data-message-id="${id}"]`);
  }

  /** Waits until exactly these are shown, from the top. */
  async shows(ids: string[]): Promise<void> {
    await this.page
      .waitForFunction(
        (wanted) =>
          wanted ===
          [...document.querySelectorAll<HTMLElement>("[data-message-id]")]
            .map((article) => article.dataset.messageId)
            .join(),
        ids.join(),
      )
      .catch(async (error: unknown) => {
        const shown = (await this.rows()).map((row) => row.id);
        assert.deepEqual(shown, ids);
        throw error;
      });
  }

  /** Of each article in the document what sticks out of it, save what scrolls by itself. */
  async protruding(): Promise<
    { id: string; isWithin: boolean; out: string[] }[]
  > {
    return await this.page.evaluate(() =>
      [...document.querySelectorAll<HTMLElement>("[data-message-id]")].map(
        (root) => {
          const { left, right } = root.getBoundingClientRect();
          const out = [...root.querySelectorAll<HTMLElement>("*")]
            .filter((one) => !one.closest("pre, .reply"))
            .filter((one) => {
              const box = one.getBoundingClientRect();
              return box.left < left - 1 || box.right > right + 1;
            })
            .map((one) => one.outerHTML.slice(0, 80));
          const isWithin = left >= 0 && right <= window.innerWidth;
          return { id: root.dataset.messageId!, isWithin, out };
        },
      ),
    );
  }

  /** By how much the page is wider than its window, px. */
  async overflow(): Promise<number> {
    return await this.page.evaluate(() => {
      const { scrollWidth, clientWidth } = document.documentElement;
      return Math.max(0, scrollWidth - clientWidth); // a gutter is in neither
    });
  }
}

/** Asserts again and again until it holds; fails with the last failure. */
export async function eventually(
  assertion: () => Promise<void>,
): Promise<void> {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await assertion();
    } catch (error) {
      if (!(error instanceof AssertionError) || Date.now() > end) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Waits until the text reads so. */
export async function reads(where: Locator, words: RegExp): Promise<void> {
  await eventually(async () => assert.match(await where.innerText(), words));
}

/** What messages have attached, by its address at a host that the page never asks. */
export class Files {
  readonly #content = new Map<string, { type: string; body: Buffer }>();
  readonly url = "https://cdn.discordapp.com";

  at(url: string): { type: string; body: Buffer } | undefined {
    return this.#content.get(new URL(url).pathname);
  }

  add(name: string, type: string, body: Buffer): Attachment {
    const id = snowflake(Date.now());
    const path = `/${id}/${encodeURIComponent(name)}`;
    this.#content.set(path, { type, body });
    return {
      id,
      filename: name,
      url: this.url + path,
      contentType: type,
      size: body.length,
    };
  }
}

function origin(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function closed(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
}

/**
 * Writes the demo's sample feed, `spread` times as slow as it is played, its end now;
 * the ids of what is left, newest first, and how each was written. `before` is called before
 * each step with the time of the step.
 */
export async function writeSample(
  community: Community,
  spread = 1,
  before: (at: number) => Promise<void> = () => Promise.resolve(),
  end = Date.now(),
): Promise<Map<string, Final>> {
  const { files } = community.world;
  const last = feed.at(-1)!.at;
  const ids = new Map<string, string>();
  for (const step of feed) {
    const at = end - (last - step.at) * spread;
    await before(at);
    if (step.op === "create") {
      const { author, replyTo, attachments = [], content, embeds } = step;
      const said: Said = {
        content,
        embeds: embeds?.map(whole),
        author: WRITERS[author],
        sentAt: at,
        replyToId: replyTo && ids.get(replyTo),
        attachments: attachments.map((one) => ({
          ...files.add(
            one.filename,
            one.content_type,
            Buffer.from(one.content_base64, "base64"),
          ),
          description: one.description,
        })),
      };
      ids.set(step.ref, await community.write(said, step.channel));
    } else if (step.op === "edit") {
      const { content, embeds } = step;
      const change: Partial<Said> = {};
      if (content !== undefined) change.content = content;
      if (embeds !== undefined) change.embeds = embeds.map(whole);
      await community.edit(ids.get(step.ref)!, change, at);
    } else {
      const refs = step.op === "delete" ? [step.ref] : step.refs;
      await community.remove(...refs.map((ref) => ids.get(ref)!));
    }
  }
  const left = new Map(
    Object.values(expected())
      .flat()
      .map((final) => [final.ref, final]),
  );
  return new Map(
    [...ids]
      .filter(([ref]) => left.has(ref))
      .reverse()
      .map(([ref, id]) => [id, left.get(ref)!]),
  );
}

function whole({ fields, ...embed }: FeedEmbed): Embed {
  if (fields === undefined) return embed;
  return { ...embed, fields: fields.map((one) => ({ inline: false, ...one })) };
}

const WRITERS: Record<AuthorName, Upsert["author"]> = {
  "analyst-mara": MARA,
  "analyst-kenji": {
    id: "1400000000000000002",
    name: "Kenji",
    bot: false,
  },
  "analyst-yusuf": { id: "1400000000000000003", name: "Yusuf", bot: false },
  "analyst-lena": { id: "1400000000000000004", name: "Lena K.", bot: false },
  "signal-bot": { id: "1400000000000000005", name: "Signal Bot", bot: true },
};

let sequence = 0n;

/** A Discord id of that time, greater than all before of the same time. */
function snowflake(ms: number): string {
  sequence = (sequence + 1n) % 4194304n;
  return String((BigInt(Math.floor(ms) - 1_420_070_400_000) << 22n) | sequence);
}

async function serviceToken(pem: string, role: ServiceRole): Promise<string> {
  const key = await importPKCS8(pem, "ES256");
  return await new SignJWT({ role })
    .setProtectedHeader({ alg: "ES256", kid: "service-1", typ: "JWT" })
    .setIssuer("https://services.signals.invalid")
    .setAudience("signals-services")
    .setSubject(`${role}/test`)
    .setIssuedAt(Math.floor(Date.now() / 1000))
    .setExpirationTime("2h")
    .sign(key);
}
