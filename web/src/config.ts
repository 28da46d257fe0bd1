// config.ts - what the page learns at start from config.json beside it.

export type Config = {
  convexUrl: string; // the deployment, without /http
  community: string; // slug
  sampling: number; // 0..1: the share of signals whose paint time is reported
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
    convexUrl,
    community,
    sampling = 1,
  } = (given ?? {}) as Record<string, unknown>;
  if (typeof convexUrl !== "string" || !/^https?:\/\/[^\s]+$/.test(convexUrl))
    throw new Error("config.json: convexUrl must be an http(s) URL.");
  if (typeof community !== "string" || community === "")
    throw new Error("config.json: community must be a community's short name.");
  if (typeof sampling !== "number" || !(sampling >= 0 && sampling <= 1))
    throw new Error("config.json: sampling must be a number from 0 to 1.");
  return { convexUrl: convexUrl.replace(/\/+$/, ""), community, sampling };
}
