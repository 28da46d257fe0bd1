// timestamps.ts - commit timestamps on the wire: u64 nanoseconds since 1970
// as eight little-endian bytes in padded standard base64.

const MAX_TIMESTAMP = 2n ** 63n - 1n;

/** Encodes a timestamp; the caller guarantees 0 <= ts < 2^63. */
export function encodeTimestamp(ts: bigint): string {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(ts);
  return bytes.toString("base64");
}

/** Decodes exactly the canonical form, or returns null. */
export function decodeTimestamp(text: unknown): bigint | null {
  if (typeof text !== "string" || text.length !== 12) return null;
  const bytes = Buffer.from(text, "base64");
  if (bytes.length !== 8 || bytes.toString("base64") !== text) return null;
  const ts = bytes.readBigUInt64LE();
  return ts <= MAX_TIMESTAMP ? ts : null;
}
