// readers.ts - which reader understands which provider: one row each.

import { readSellapp } from "./sellapp";
import { readStripe } from "./stripe";
import { Json, type Envelope, type Reader, type Reading } from "./reading";

// "standard" and "hmac" are ways to sign, not shops: their bodies are kept, and mean nothing here.
const READERS: Record<string, Reader> = {
  sellapp: readSellapp,
  stripe: readStripe,
};

export function read(
  provider: string,
  envelope: Envelope,
  body: string,
): Reading {
  const reader = READERS[provider];
  if (reader === undefined)
    return { type: "ignored", why: `events of ${provider} are only kept` };
  const parsed = Json.parse(body);
  if (parsed === null) return { type: "ignored", why: "the body is no JSON" };
  return reader(envelope, parsed);
}
