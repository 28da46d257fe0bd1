// authorize.ts - /oauth2/authorize: the page on which a person lets an application in.
// There is no sign-in: the page asks who one is. A cookie remembers it, for prompt=none.
// What cannot be answered to the application (client, redirect) is told to the person;
// all else goes back to it with `error`.
import type { IncomingMessage, ServerResponse } from "node:http";
import { isSnowflake } from "./clock.js";
import type { Fake } from "./fake.js";
import type { Bot, User } from "./model.js";
import { SCOPES, type Consent } from "./oauth.js";
import { collect } from "./rest/body.js";

export const AUTHORIZE = /^\/(api\/(v10\/)?)?oauth2\/authorize$/;
const MOST_BYTES = 64 * 1024;
const COOKIE = "fake_discord_user";
const CHALLENGE = /^[A-Za-z0-9_-]{43}$/;
const FIELDS = [
  "client_id",
  "redirect_uri",
  "response_type",
  "scope",
  "state",
  "code_challenge",
  "code_challenge_method",
  "prompt",
] as const;

/** Nobody can be sent back: told on a page. */
class Unanswerable extends Error {}

export async function serveAuthorize(
  fake: Fake,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const query = new URL(request.url ?? "/", "http://fake").searchParams;
  const posted = request.method === "POST";
  const form = posted
    ? new URLSearchParams((await collect(request, MOST_BYTES)).toString())
    : query;
  try {
    const client = clientOf(fake, form);
    if (posted) return decide(fake, client, form, response);
    return ask(fake, client, form, request, response);
  } catch (error) {
    if (!(error instanceof Unanswerable)) throw error;
    page(response, 400, "Error", `<p id="error">${escape(error.message)}</p>`);
  }
}

function clientOf(fake: Fake, form: URLSearchParams): Bot {
  const id = form.get("client_id") ?? "";
  const client = isSnowflake(id) ? fake.world.bots.get(id) : undefined;
  if (!client) throw new Unanswerable("Unknown Application");
  const redirect = form.get("redirect_uri") ?? "";
  if (!client.redirects.includes(redirect))
    throw new Unanswerable("Invalid OAuth2 redirect_uri");
  return client;
}

/** What is asked for, or the error that the application gets to hear. */
function consentOf(form: URLSearchParams): Consent | [string, string] {
  if (form.get("response_type") !== "code")
    return [
      "unsupported_response_type",
      "The authorization server does not support obtaining an authorization code using this method.",
    ];
  const scopes = (form.get("scope") ?? "").split(/[ +]/).filter(Boolean);
  const known = (scope: string) => SCOPES.some((one) => one === scope);
  if (scopes.length === 0 || !scopes.every(known))
    return [
      "invalid_scope",
      "The requested scope is invalid, unknown, or malformed.",
    ];
  const challenge = form.get("code_challenge");
  const wrong = ["invalid_request", "Invalid code challenge."] as const;
  if (challenge !== null && form.get("code_challenge_method") !== "S256")
    return [...wrong];
  if (challenge !== null && !CHALLENGE.test(challenge)) return [...wrong];
  return {
    clientId: form.get("client_id")!,
    redirectUri: form.get("redirect_uri")!,
    scopes: [...new Set(scopes)],
    ...(challenge !== null && { challenge }),
  };
}

function back(
  response: ServerResponse,
  form: URLSearchParams,
  answer: Record<string, string>,
  cookie?: string,
): void {
  const to = new URL(form.get("redirect_uri")!);
  for (const [key, value] of Object.entries(answer))
    to.searchParams.set(key, value);
  const state = form.get("state");
  if (state !== null) to.searchParams.set("state", state);
  response.writeHead(302, {
    location: to.href,
    "cache-control": "no-store",
    ...(cookie !== undefined && { "set-cookie": cookie }),
  });
  response.end();
}

function ask(
  fake: Fake,
  client: Bot,
  form: URLSearchParams,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const consent = consentOf(form);
  if (Array.isArray(consent)) return refused(response, form, consent);
  const user = userOf(fake, new RegExp(`${COOKIE}=(\\d+)`), request);
  const earlier = user && fake.oauth.granted(client.id, user.id)?.scopes;
  if (form.get("prompt") === "none" && user && earlier)
    if (consent.scopes.every((scope) => earlier.includes(scope)))
      return back(response, form, { code: fake.oauth.code(consent, user.id) });
  page(
    response,
    200,
    "Authorize",
    consentForm(fake, client, consent, form, user),
  );
}

function decide(
  fake: Fake,
  client: Bot,
  form: URLSearchParams,
  response: ServerResponse,
): void {
  const consent = consentOf(form);
  if (Array.isArray(consent)) return refused(response, form, consent);
  if (form.get("decision") !== "authorize")
    return refused(response, form, [
      "access_denied",
      "The resource owner or authorization server denied the request",
    ]);
  const user = fake.world.users.get(form.get("user_id") ?? "");
  if (!user || user.bot) throw new Unanswerable("Choose who you are");
  const cookie = `${COOKIE}=${user.id}; Path=/; HttpOnly; SameSite=Lax`;
  back(response, form, { code: fake.oauth.code(consent, user.id) }, cookie);
}

function refused(
  response: ServerResponse,
  form: URLSearchParams,
  [error, error_description]: [string, string],
): void {
  back(response, form, { error, error_description });
}

function userOf(
  fake: Fake,
  pattern: RegExp,
  request: IncomingMessage,
): User | undefined {
  const id = pattern.exec(request.headers.cookie ?? "")?.[1];
  return id === undefined ? undefined : fake.world.users.get(id);
}

function consentForm(
  fake: Fake,
  client: Bot,
  consent: Consent,
  form: URLSearchParams,
  chosen: User | undefined,
): string {
  const hidden = FIELDS.flatMap((name) => {
    const value = form.get(name);
    return value === null
      ? []
      : [`<input type="hidden" name="${name}" value="${escape(value)}">`];
  });
  const people = fake.world.users.values().filter((u) => !u.bot);
  const options = people.map(
    (u) =>
      `<option value="${u.id}"${u.id === chosen?.id ? " selected" : ""}>${escape(u.global_name ?? u.username)} (${escape(u.username)})</option>`,
  );
  const name = fake.world.users.get(client.id)?.username ?? client.id;
  return `<form method="post">
${hidden.join("\n")}
<h1>${escape(name)} wants to access your Discord account</h1>
<ul>${consent.scopes.map((scope) => `<li>${escape(scope)}</li>`).join("")}</ul>
<p><label>You are <select name="user_id">${options.join("")}</select></label></p>
<p><button name="decision" value="authorize">Authorize</button>
<button name="decision" value="cancel">Cancel</button></p>
</form>`;
}

function page(
  response: ServerResponse,
  status: number,
  title: string,
  body: string,
): void {
  const html = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${title} - fake Discord</title>
<meta name="viewport" content="width=device-width"></head>
<body>${body}</body></html>
`;
  response.writeHead(status, {
    "content-type": "text/html; charset=utf-8",
    "content-length": Buffer.byteLength(html),
    "cache-control": "no-store",
  });
  response.end(html);
}

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}
