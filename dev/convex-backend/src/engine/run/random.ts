/* random.ts - the repeatable random numbers of one call. */

import { createHash } from "node:crypto";

/** sfc32, seeded by a text. */
export class Random {
  private readonly state: Uint32Array;

  constructor(seed: string) {
    const digest = createHash("sha256").update(seed).digest();
    this.state = new Uint32Array([
      digest.readUInt32LE(0),
      digest.readUInt32LE(4),
      digest.readUInt32LE(8),
      1,
    ]);
    for (let i = 0; i < 12; i++) this.next();
  }

  /** 32 bits. */
  next(): number {
    const s = this.state;
    const result = (s[0]! + s[1]! + s[3]!) >>> 0;
    s[3]! += 1;
    s[0] = s[1]! ^ (s[1]! >>> 9);
    s[1] = s[2]! + (s[2]! << 3);
    s[2] = ((s[2]! << 21) | (s[2]! >>> 11)) + result;
    return result;
  }

  /** [0, 1) with 53 bits. */
  float(): number {
    return (this.next() * 0x200000 + (this.next() >>> 11)) / 2 ** 53;
  }

  readonly fill = (bytes: Uint8Array): void => {
    for (let i = 0; i < bytes.length; i += 4) {
      let word = this.next();
      for (let j = i; j < i + 4 && j < bytes.length; j++, word >>>= 8)
        bytes[j] = word & 0xff;
    }
  };

  uuid(): string {
    const bytes = new Uint8Array(16);
    this.fill(bytes);
    bytes[6] = (bytes[6]! & 0x0f) | 0x40;
    bytes[8] = (bytes[8]! & 0x3f) | 0x80;
    const hex = [...bytes]
      .map((byte) => byte.toString(16).padStart(2, "0"))
      .join("");
    return [8, 12, 16, 20]
      .map((end, i) => hex.slice([0, 8, 12, 16][i], end))
      .concat(hex.slice(20))
      .join("-");
  }
}
