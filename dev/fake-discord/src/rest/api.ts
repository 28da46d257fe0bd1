// api.ts - /api/v10: from a request's first byte to its answer and journal entry.
import type { IncomingMessage, ServerResponse } from "node:http";
import {
  ApiError,
  notFound,
  refuse,
  unauthorized,
  wrongMethod,
} from "../errors.js";
import type { Fake } from "../fake.js";
import { numberOf, type Target } from "../faults.js";
import type { Bot } from "../model.js";
import { OAuthError } from "../oauth.js";
import { checkType, objectOf, readBody, type Body } from "./body.js";
import { guildRoutes } from "./guild-routes.js";
import type { Verdict } from "./limits.js";
import { messageRoutes } from "./message-routes.js";
import { oauthRoutes } from "./oauth-routes.js";
import { hidden } from "./redact.js";
import {
  Call,
  checkParams,
  decode,
  find,
  type Match,
  type Reply,
  type Auth,
  type Extra,
  type Route,
} from "./route.js";
import { threadRoutes } from "./thread-routes.js";
import { webhookRoutes } from "./webhook-routes.js";

const ROUTES: readonly Route[] = [
  ...oauthRoutes,
  ...guildRoutes,
  ...messageRoutes,
  ...threadRoutes,
  ...webhookRoutes,
];
const AGENT = /^DiscordBot \(.+,\s*.+\)/;
const VERSION = "/api/v10";

/** Everything about a request that its journal entry tells. */
interface Trace {
  receivedAt: number;
  route: string | null;
  bot: Bot | null;
  extra: Extra;
  body?: unknown;
  code?: number;
}

interface Answer extends Reply {
  headers?: Record<string, string>;
  html?: string;
  /** The request was carried out, but its client shall not learn so. */
  fate?: "hang" | "cut" | "torn" | "slow";
  slowMs?: number;
}

export class Api {
  readonly #fake: Fake;

  constructor(fake: Fake) {
    this.#fake = fake;
  }

  async handle(
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const trace: Trace = {
      receivedAt: this.#fake.clock.now(),
      route: null,
      bot: null,
      extra: {},
    };
    let answer: Answer;
    try {
      const body = await readBody(request).catch(
        (error: unknown) => error as Error,
      );
      trace.receivedAt = this.#fake.clock.now();
      answer = await this.#answer(request, body, trace);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      trace.code = error.code;
      answer = { status: error.status, body: error.body() };
    }
    this.#journal(request, answer, trace);
    send(response, answer);
  }

  async #answer(
    request: IncomingMessage,
    body: Body | Error,
    trace: Trace,
  ): Promise<Answer> {
    const { pathname, searchParams } = new URL(
      request.url ?? "/",
      "http://fake",
    );
    const address = request.socket.remoteAddress ?? "";
    const method = request.method ?? "GET";
    const versioned = pathname.startsWith(`${VERSION}/`);
    const match = versioned
      ? find(ROUTES, method, pathname.slice(VERSION.length))
      : undefined;
    const auth = (typeof match === "object" && match.route.auth) || "bot";
    const agent = request.headers["user-agent"] ?? "";
    // Libraries of OAuth2 and webhooks go by other names than bots must.
    const { authorization = "" } = request.headers;
    const bot = auth === "bot" || authorization.startsWith("Bot ");
    if (bot ? !AGENT.test(agent) : agent === "") throw refuse(40333);
    if (this.#fake.limits.banned(address, trace.receivedAt)) return BANNED;
    if (!versioned)
      throw /^\/api\/v\d+\//.test(pathname) ? refuse(50041) : notFound();
    if (!match) throw notFound();
    if (match === "method") throw wrongMethod();
    trace.route = `${method} ${match.route.path}`;
    this.#authenticate(request, auth, trace);
    return this.#limited(match, trace, searchParams, body);
  }

  #authenticate(request: IncomingMessage, auth: Auth, trace: Trace): void {
    const { authorization = "" } = request.headers;
    const [, kind, token = ""] =
      /^(Bot|Bearer) (\S+)$/.exec(authorization) ?? [];
    const { world, oauth } = this.#fake;
    const bot = kind === "Bot" && auth !== "bearer";
    const person = kind === "Bearer" && auth !== "bot";
    trace.extra.authorization = authorization;
    if (bot) trace.bot = world.botByToken(token) ?? null;
    if (person) trace.extra.grant = oauth.byAccessToken(token);
    if (auth !== "open" && !trace.bot && !trace.extra.grant)
      throw unauthorized();
  }

  async #limited(
    match: Match,
    trace: Trace,
    query: URLSearchParams,
    body: Body | Error,
  ): Promise<Answer> {
    const { faults, limits } = this.#fake;
    const { route, params } = match;
    const name = trace.route!;
    const target = { route: name, bot: trace.bot?.id };
    const late = faults.take("delay_rest", target);
    if (late) await pause(numberOf(late, "ms", 1000));
    if (faults.take("rest_hang", target)) return { ...LOST, fate: "hang" };
    if (faults.take("rest_drop", target)) return { ...LOST, fate: "cut" };
    const refusal = faults.take("rest_429", target);
    if (refusal) return tooMany(refusal);
    checkParams(params);
    const given: Body = body instanceof Error ? NOTHING : body;
    checkType(given, route.form ?? false);
    const { uploads, form } = given;
    const json = form ? {} : objectOf(given);
    trace.body = hidden(
      form
        ? Object.fromEntries(form)
        : uploads.length === 0
          ? given.json
          : json,
      uploads,
    );
    const extra = { ...trace.extra, ...(form && { form }) };
    const bot = trace.bot ?? NOBODY;
    const call = new Call(this.#fake, bot, params, query, json, uploads, extra);
    const bucket =
      typeof route.limit === "string" ? route.limit : route.limit(call);
    const major = majorOf(params);
    const now = this.#fake.clock.now();
    const who = trace.extra.grant?.userId ?? bot.id;
    const verdict = limits.take(who, bucket, major, now);
    if (verdict.wait) return waitAnswer(verdict);
    const shared =
      route.shared && limits.takeShared(...route.shared(call), now);
    if (shared?.wait) return waitAnswer(shared);
    return this.#run(route, target, call, body, verdict, trace);
  }

  #run(
    route: Route,
    target: Target,
    call: Call,
    body: Body | Error,
    { headers }: Verdict,
    trace: Trace,
  ): Answer {
    const { faults } = this.#fake;
    const instead = faults.take("rest_error", target);
    if (instead) {
      const { status, code, message } = instead;
      trace.code = Number(code ?? 0);
      return {
        status: Number(status ?? 500),
        body: { message: message ?? "Error", code: trace.code },
        headers,
      };
    }
    if (faults.take("rest_502", target)) return { ...BAD_GATEWAY };
    let reply: Reply;
    try {
      if (body instanceof Error) throw body;
      reply = route.run(call);
    } catch (error) {
      if (error instanceof OAuthError) {
        reply = { status: error.status, body: error.body() };
      } else {
        if (!(error instanceof ApiError)) throw error;
        trace.code = error.code;
        reply = { status: error.status, body: error.body() };
      }
    }
    const committed = reply.status < 300;
    if (committed && faults.take("rest_502_after_commit", target))
      return { ...BAD_GATEWAY };
    if (committed && faults.take("rest_hang_after_commit", target))
      return { ...reply, fate: "hang" };
    if (committed && faults.take("rest_drop_after_commit", target))
      return { ...reply, fate: "cut" };
    if (committed && faults.take("torn_body", target))
      return { ...reply, headers, fate: "torn" };
    const slow = faults.take("slow_body", target);
    if (slow) {
      const slowMs = numberOf(slow, "ms", 1000);
      return { ...reply, headers, fate: "slow", slowMs };
    }
    return { ...reply, headers };
  }

  #journal(request: IncomingMessage, answer: Answer, trace: Trace): void {
    const now = this.#fake.clock.now();
    const silent = answer.fate === "hang" || answer.fate === "cut";
    const reason = request.headers["x-audit-log-reason"];
    if (
      [401, 403, 429].includes(answer.status) &&
      answer.headers?.["x-ratelimit-scope"] !== "shared"
    )
      this.#fake.limits.countInvalid(request.socket.remoteAddress ?? "", now);
    this.#fake.journal.add({
      at: trace.receivedAt,
      tookMs: now - trace.receivedAt,
      method: request.method ?? "",
      path: (request.url ?? "").replace(/(\/webhooks\/\d+\/)[^/?]+/, "$1***"),
      route: trace.route,
      bot: trace.bot?.id ?? null,
      status: silent ? 0 : answer.status,
      ...(trace.code !== undefined && { code: trace.code }),
      ...(typeof reason === "string" && { reason: decode(reason) }),
      ...(trace.body !== undefined && { body: trace.body }),
    });
  }
}

const LOST: Answer = { status: 502 };
const NOTHING: Body = { json: undefined, uploads: [] };
const NOBODY: Bot = {
  id: "0",
  token: "",
  privileged: 0,
  tokenReset: false,
  secret: "",
  redirects: [],
};
const BAD_GATEWAY: Answer = {
  status: 502,
  html: "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>cloudflare</center>\r\n</body>\r\n</html>\r\n",
};
const BANNED: Answer = {
  status: 429,
  body: {
    code: 0,
    message:
      "You are being blocked from accessing our API temporarily due to exceeding our rate limits frequently.",
  },
};

function waitAnswer({ headers, wait }: Verdict): Answer {
  const { seconds, scope } = wait!;
  const global = scope === "global";
  return {
    status: 429,
    headers: {
      ...headers,
      "retry-after": String(Math.ceil(seconds)),
      "x-ratelimit-scope": scope,
    },
    body: {
      message: "You are being rate limited.",
      retry_after: Math.round(seconds * 1000) / 1000,
      global,
    },
  };
}

/** A 429 out of the blue, with or without what usually comes along. */
function tooMany(fault: { [parameter: string]: unknown }): Answer {
  const seconds =
    typeof fault["retry_after"] === "number" ? fault["retry_after"] : 1;
  const global = fault["global"] === true;
  if (fault["html"] === true)
    return {
      status: 429,
      html: "<html><head><title>Access denied</title></head><body>error code: 1015</body></html>",
    };
  const scope =
    typeof fault["scope"] === "string"
      ? fault["scope"]
      : global
        ? "global"
        : "user";
  const headers = {
    "retry-after": String(fault["retry_after_header"] ?? Math.ceil(seconds)),
    "x-ratelimit-scope": scope,
    ...(global && { "x-ratelimit-global": "true" }),
  };
  return {
    status: 429,
    body: {
      message: "You are being rate limited.",
      retry_after: seconds,
      global,
    },
    ...(fault["headers"] !== false && { headers }),
  };
}

function majorOf(params: Record<string, string>): string {
  const { channel, guild, webhook, token } = params;
  const hook = webhook && (token ? `${webhook}/${token}` : webhook);
  return hook ?? channel ?? guild ?? "";
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function send(response: ServerResponse, answer: Answer): void {
  if (answer.fate === "hang") return;
  if (answer.fate === "cut") {
    response.destroy();
    return;
  }
  const text =
    answer.html ??
    (answer.body === undefined ? "" : JSON.stringify(answer.body));
  const bytes = Buffer.from(text);
  const type = answer.html === undefined ? "application/json" : "text/html";
  response.writeHead(answer.status, {
    ...answer.headers,
    ...(text !== "" && { "content-type": type }),
    // A 204 has no body and so no length.
    ...(answer.status !== 204 && { "content-length": bytes.length }),
  });
  const [half, rest] = halves(bytes);
  if (answer.fate === "torn") response.write(half, () => response.destroy());
  else if (answer.fate === "slow") {
    response.write(half);
    setTimeout(() => response.end(rest), answer.slowMs);
  } else response.end(bytes);
}

function halves(bytes: Buffer): [Buffer, Buffer] {
  const middle = bytes.length >> 1;
  return [bytes.subarray(0, middle), bytes.subarray(middle)];
}
