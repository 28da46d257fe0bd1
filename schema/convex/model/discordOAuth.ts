// discordOAuth.ts - what Discord is asked for when somebody links their account there.
//
// OAuth2's code flow with PKCE. Called by the HTTP action only. A token is used within one
// call and revoked at its end, whatever became of it; none is kept, logged or named in an
// error.

const PATIENCE_MS = 10_000;
// Without one of this form Discord refuses what a bot asks.
const USER_AGENT = "DiscordBot (https://convex.dev, 1)";

type Settings = { clientId: string; clientSecret: string; api: string };

/** The deployment's variables, or null where nobody set them. */
export function settings(): Settings | null {
  const clientId = process.env.DISCORD_CLIENT_ID;
  const clientSecret = process.env.DISCORD_CLIENT_SECRET;
  if (!clientId || !clientSecret) return null;
  const api = process.env.DISCORD_API_URL || "https://discord.com/api/v10";
  return { clientId, clientSecret, api: api.replace(/\/+$/, "") };
}

/** Can people be brought into a guild? That takes the token of a bot in it. */
export function canJoin(): boolean {
  return Boolean(process.env.DISCORD_BOT_TOKEN);
}

export function redirectUri(): string {
  return `${process.env.CONVEX_SITE_URL}/discord/callback`;
}

/** Where to send the browser. */
export function authorizeUrl(
  { clientId, api }: Settings,
  wanted: { state: string; challenge: string; joins: boolean },
): string {
  const url = new URL("/oauth2/authorize", api);
  url.search = new URLSearchParams({
    response_type: "code",
    client_id: clientId,
    scope: wanted.joins ? "identify guilds.join" : "identify",
    redirect_uri: redirectUri(),
    state: wanted.state,
    code_challenge: wanted.challenge,
    code_challenge_method: "S256",
    prompt: "consent",
  }).toString();
  return url.toString();
}

export type Person = { id: string; name: string };
export type Failed = "refused" | "scope" | "unavailable";

/** Exchanges a code for who it is, and brings them into `guildId` if they agreed to it. */
export async function identify(
  given: Settings,
  wanted: { code: string; verifier: string; guildId: string | null },
): Promise<Person | Failed> {
  const token = await exchange(given, wanted.code, wanted.verifier);
  if (typeof token === "string") return token;
  try {
    if (!token.scopes.includes("identify")) return "scope";
    const person = await me(given, token.access);
    if (person === null) return "unavailable";
    if (wanted.guildId !== null && token.scopes.includes("guilds.join"))
      await join(given, wanted.guildId, person.id, token.access);
    return person;
  } finally {
    await revoke(given, token.access);
  }
}

async function exchange(
  { clientId, clientSecret, api }: Settings,
  code: string,
  verifier: string,
): Promise<{ access: string; scopes: string[] } | Failed> {
  const answer = await post(`${api}/oauth2/token`, {
    grant_type: "authorization_code",
    client_id: clientId,
    client_secret: clientSecret,
    code,
    redirect_uri: redirectUri(),
    code_verifier: verifier,
  });
  if (answer === null || answer.status >= 500) return "unavailable";
  if (answer.status === 429) return "unavailable";
  const { access_token: access, scope } = answer.body;
  if (answer.status !== 200 || typeof access !== "string") return "refused";
  return { access, scopes: typeof scope === "string" ? scope.split(" ") : [] };
}

async function me({ api }: Settings, access: string): Promise<Person | null> {
  const answer = await ask(`${api}/users/@me`, {
    headers: { authorization: `Bearer ${access}` },
  });
  if (answer?.status !== 200) return null;
  const { id, username, global_name: shown } = answer.body;
  if (typeof id !== "string" || !/^\d{17,20}$/.test(id)) return null;
  const name = typeof shown === "string" && shown !== "" ? shown : username;
  return { id, name: typeof name === "string" ? name.slice(0, 100) : "" };
}

// Roles are the bot's. Somebody who cannot be brought in is linked all the same: an invitation
// does it as well, and the bot sees them when they join.
async function join(
  { api }: Settings,
  guildId: string,
  discordId: string,
  access: string,
): Promise<void> {
  const answer = await ask(`${api}/guilds/${guildId}/members/${discordId}`, {
    method: "PUT",
    headers: {
      authorization: `Bot ${process.env.DISCORD_BOT_TOKEN}`,
      "content-type": "application/json",
    },
    body: JSON.stringify({ access_token: access }),
  });
  if (answer === null || answer.status >= 300)
    console.warn(
      `guild ${guildId}: ${discordId} was not brought in: status ${answer?.status ?? "none"}`,
    );
}

async function revoke(
  { clientId, clientSecret, api }: Settings,
  token: string,
): Promise<void> {
  const answer = await post(`${api}/oauth2/token/revoke`, {
    client_id: clientId,
    client_secret: clientSecret,
    token,
    token_type_hint: "access_token",
  });
  if (answer === null || answer.status >= 300)
    console.warn(
      `a Discord token was not revoked: status ${answer?.status ?? "none"}`,
    );
}

async function post(url: string, form: Record<string, string>) {
  return await ask(url, {
    method: "POST",
    headers: { "content-type": "application/x-www-form-urlencoded" },
    body: new URLSearchParams(form).toString(),
  });
}

type Asked = Omit<RequestInit, "headers"> & { headers: Record<string, string> };
type Answer = { status: number; body: Record<string, unknown> };

/**
 * Null: no answer in time, or none at all. A kept connection may be closed by the other side
 * while it is taken up again, so what got no answer is asked once more; that is safe with
 * everything that is asked here, since a code that was spent after all is refused.
 */
async function ask(url: string, request: Asked): Promise<Answer | null> {
  const patience = new AbortController();
  const timer = setTimeout(() => patience.abort(), PATIENCE_MS);
  const { signal } = patience;
  try {
    const answer = await once(url, request, signal);
    if (answer !== null || signal.aborted) return answer;
    return await once(url, request, signal);
  } finally {
    clearTimeout(timer);
  }
}

/** Null: no answer. A body that is no JSON object is an empty one. */
async function once(
  url: string,
  request: Asked,
  signal: AbortSignal,
): Promise<Answer | null> {
  try {
    const answer = await fetch(url, {
      ...request,
      headers: { ...request.headers, "user-agent": USER_AGENT },
      signal,
    });
    const text = await answer.text();
    return { status: answer.status, body: objectIn(text) };
  } catch {
    return null;
  }
}

function objectIn(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    const isObject = typeof value === "object" && value !== null;
    return isObject ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
