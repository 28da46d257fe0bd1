// clientVersion.ts - which client is calling: the Convex-Client header
// ("npm-1.48.0"), or for sockets the version in the path. No state.

import { badRequest } from "./errors.js";

export interface ClientVersion {
  /** "npm", "rust", ... */
  name: string;
  /** Null: not a semantic version. */
  semver: readonly [number, number, number] | null;
  /** As sent. */
  text: string;
}

/** Clients of these names are refused when their version makes no sense. */
const STRICT_NAMES = ["npm", "python", "rust", "actions"];

export function parseSemver(text: string): [number, number, number] | null {
  const [, major, minor, patch] =
    /^(\d+)\.(\d+)\.(\d+)(?:[-+].*)?$/.exec(text) ?? [];
  return major === undefined
    ? null
    : [Number(major), Number(minor), Number(patch)];
}

export function isAtLeast(
  semver: ClientVersion["semver"],
  least: readonly [number, number, number],
): boolean {
  if (semver === null) return false;
  for (const i of [0, 1, 2] as const) {
    if (semver[i] !== least[i]) return semver[i] > least[i];
  }
  return true;
}

/** Parses a Convex-Client header; throws 400. */
export function parseClientHeader(header: string): ClientVersion {
  // "npm-cli-1.48.0": the version starts at the first dash before a digit.
  const [, name, version] =
    /^(.+?)-(\d.*)$/.exec(header) ?? /^([^-]+)-(.*)$/.exec(header) ?? [];
  if (name === undefined || version === undefined) {
    throw badRequest(
      "InvalidClientVersion",
      `Failed to parse client version string: '${header}'`,
    );
  }
  const semver = parseSemver(version);
  const tooOld =
    semver === null
      ? STRICT_NAMES.includes(name)
      : name === "npm" && !isAtLeast(semver, [0, 19, 2]);
  if (tooOld) throw unsupported(header);
  return { name, semver, text: header };
}

export const unsupported = (client: string) =>
  badRequest(
    "ClientVersionUnsupported",
    `The Convex client ${client} is too old and no longer supported. Please update to a newer version.`,
  );

/** The client of a socket: the header wins over the version in the path. */
export function socketClient(
  header: string | undefined,
  pathVersion: string | null,
): ClientVersion | null {
  if (header !== undefined) return parseClientHeader(header);
  if (pathVersion === null) return null;
  if (parseSemver(pathVersion) === null) {
    throw badRequest(
      "InvalidClientVersion",
      `Failed to parse client version: '${pathVersion}'`,
    );
  }
  return parseClientHeader(`npm-${pathVersion}`);
}
