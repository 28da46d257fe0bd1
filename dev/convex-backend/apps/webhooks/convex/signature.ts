/** HMAC-SHA256 in hex, as payment providers sign their webhooks. */
export async function verifySignature(
  secret: string,
  body: string,
  signature: string,
): Promise<boolean> {
  if (!/^[0-9a-f]{64}$/.test(signature)) return false;
  const encoder = new TextEncoder();
  const key = await crypto.subtle.importKey(
    "raw",
    encoder.encode(secret),
    { name: "HMAC", hash: "SHA-256" },
    false,
    ["verify"],
  );
  const bytes = Uint8Array.from(signature.match(/../g)!, (pair) =>
    parseInt(pair, 16),
  );
  return await crypto.subtle.verify("HMAC", key, bytes, encoder.encode(body));
}
