// digest.ts - short names for content: MurmurHash3 x86 128.
// Equal content gives an equal name; nothing secret depends on it.

const C = [0x239b961b, 0xab0e9789, 0x38b34ae5, 0xa1e38b93] as const;
const ROTATE_KEY = [15, 16, 17, 18] as const;
const ROTATE_STATE = [19, 17, 15, 13] as const;
const ADD = [0x561ccd1b, 0x0bcaa747, 0x96cd1c35, 0x32ac3b17] as const;

function rotate(x: number, bits: number): number {
  return (x << bits) | (x >>> (32 - bits));
}

function finish(x: number): number {
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return x ^ (x >>> 16);
}

function scramble(word: number, lane: number): number {
  const k = rotate(Math.imul(word, C[lane]!), ROTATE_KEY[lane]!);
  return Math.imul(k, C[(lane + 1) % 4]!);
}

/** 32 hexadecimal digits for `text`. */
export function digest(text: string): string {
  const bytes = new TextEncoder().encode(text);
  const padded = new Uint8Array(Math.ceil(bytes.length / 16) * 16);
  padded.set(bytes);
  const view = new DataView(padded.buffer);
  const h = [0, 0, 0, 0];
  const whole = bytes.length - (bytes.length % 16);

  for (let at = 0; at < whole; at += 16)
    for (let lane = 0; lane < 4; lane++) {
      h[lane]! ^= scramble(view.getUint32(at + lane * 4, true), lane);
      h[lane] = rotate(h[lane]!, ROTATE_STATE[lane]!);
      h[lane] = (h[lane]! + h[(lane + 1) % 4]!) | 0;
      h[lane] = (Math.imul(h[lane]!, 5) + ADD[lane]!) | 0;
    }
  // The tail is padded with zeros, which scramble to nothing.
  if (whole < bytes.length)
    for (let lane = 0; lane < 4; lane++)
      h[lane]! ^= scramble(view.getUint32(whole + lane * 4, true), lane);

  mix(h, bytes.length);
  return h.map((x) => (x >>> 0).toString(16).padStart(8, "0")).join("");
}

function mix(h: number[], length: number): void {
  const spread = () => {
    h[0] = (h[0]! + h[1]! + h[2]! + h[3]!) | 0;
    for (let lane = 1; lane < 4; lane++) h[lane] = (h[lane]! + h[0]!) | 0;
  };
  for (let lane = 0; lane < 4; lane++) h[lane]! ^= length;
  spread();
  for (let lane = 0; lane < 4; lane++) h[lane] = finish(h[lane]!);
  spread();
}
