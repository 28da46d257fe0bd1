// config.ts - what the page learns at start from config.json beside it.

export type Config = {
  convexUrl: string; // the deployment, without /http
  siteUrl: string; // where its HTTP actions are; convexUrl with /http if not said
  community: string; // slug
  sampling: number; // 0..1: the share of signals whose paint time is reported
  buyUrl: string | null; // where access is sold
};

/** Reads config.json. Throws an Error whose message is meant to be shown. */
export async function loadConfig(): Promise<Config> {
  const response = await fetch(new URL("config.json", document.baseURI), {
    cache: "no-cache",
  });
  if (!response.ok)
    throw new Error(`config.json could not be read (HTTP ${response.status}).`);
  return parseConfig(await response.json());
}

export function parseConfig(given: unknown): Config {
  const {
    community,
    sampling = 1,
    ...urls
  } = (given ?? {}) as Record<string, unknown>;
  const convexUrl = parseUrl("convexUrl", urls.convexUrl);
  const siteUrl = parseUrl("siteUrl", urls.siteUrl ?? `${convexUrl}/http`);
  if (typeof community !== "string" || community === "")
    throw new Error("config.json: community must be a community's short name.");
  if (typeof sampling !== "number" || !(sampling >= 0 && sampling <= 1))
    throw new Error("config.json: sampling must be a number from 0 to 1.");
  const buyUrl =
    urls.buyUrl === undefined ? null : parseUrl("buyUrl", urls.buyUrl);
  return { convexUrl, siteUrl, community, sampling, buyUrl };
}

function parseUrl(name: string, given: unknown): string {
  if (typeof given !== "string" || !/^https?:\/\/[^\s]+$/.test(given))
    throw new Error(`config.json: ${name} must be an http(s) URL.`);
  return given.replace(/\/+$/, "");
}
