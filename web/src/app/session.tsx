// session.tsx - what every page may ask: the settings, who is here, and where.

import { createContext, useContext } from "react";
import type { Me, Standing } from "./api";
import type { Config } from "./config";

const ConfigContext = createContext<Config | null>(null);
export const ConfigProvider = ConfigContext.Provider;

export function useConfig(): Config {
  return needed(useContext(ConfigContext), "settings");
}

export type Session = {
  me: Me;
  community: string; // slug, of config.json
  standing: Standing | undefined; // undefined: never had anything here
};

const SessionContext = createContext<Session | null>(null);
export const SessionProvider = SessionContext.Provider;

/** Of pages for a person, a member or an operator. */
export function useSession(): Session {
  return needed(useContext(SessionContext), "session");
}

/** The community of pages for a member or an operator. */
export function useCommunity(): Standing {
  return needed(useSession().standing ?? null, "community");
}

function needed<T>(value: T | null, what: string): T {
  if (value === null) throw new Error(`there is no ${what} on this page`);
  return value;
}
