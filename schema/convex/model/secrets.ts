// secrets.ts - random names that are a right by themselves: whoever knows one may use it.
// Rows keep only the digest, so that who reads a table can use nothing of it.

/** 256 random bits for a URL. Only in actions: a mutation's randomness is not for secrets. */
export function newSecret(): string {
  return base64url(crypto.getRandomValues(new Uint8Array(32)));
}

/** The name of a secret in a table: its SHA-256. */
export async function digestOf(secret: string): Promise<string> {
  const bytes = new TextEncoder().encode(secret);
  return base64url(
    new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)),
  );
}

function base64url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
}
