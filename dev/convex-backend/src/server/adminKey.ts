// adminKey.ts - the one secret that deploys code and reads everything.
// Made on first use and kept in the data folder as "<instance>|<hex>".

import { randomBytes, timingSafeEqual } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Reads the admin key of a data folder, making both when missing. */
export function loadAdminKey(data: string, instanceName: string): string {
  try {
    mkdirSync(data, { recursive: true });
  } catch (error) {
    throw new Error(
      `the data folder ${data} cannot be made: ${(error as Error).message}`,
    );
  }
  const file = join(data, "admin-key");
  const fresh = `${instanceName}|01${randomBytes(40).toString("hex")}`;
  try {
    writeFileSync(file, `${fresh}\n`, { mode: 0o600, flag: "wx" });
    return fresh;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
  const stored = readFileSync(file, "utf8").trim();
  if (!/^[^|\s]+\|[0-9a-f]{32,}$/.test(stored)) {
    throw new Error(
      `${file} does not hold an admin key; remove it to make a new one`,
    );
  }
  return stored;
}

/** Drops a "prod:"/"dev:" style prefix, which ends before the "|". */
export function stripKeyPrefix(key: string): string {
  const bar = key.indexOf("|");
  const colon = key.indexOf(":");
  return colon >= 0 && colon < bar ? key.slice(colon + 1) : key;
}

export function sameKey(given: string, real: string): boolean {
  const a = Buffer.from(stripKeyPrefix(given));
  const b = Buffer.from(real);
  return a.length === b.length && timingSafeEqual(a, b);
}
