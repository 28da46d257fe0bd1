// chart.ts - small pictures of candles, drawn here so that none need be stored.
import { crc32, deflateSync } from "node:zlib";
import type { FeedAttachment } from "./step.js";

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
const WIDTH = 96;
const HEIGHT = 48;
// Palette: paper, rising, falling.
const COLOURS = Buffer.from([
  0x13, 0x17, 0x22, 0x26, 0xa6, 0x9a, 0xef, 0x53, 0x50,
]);

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const frame = Buffer.alloc(8);
  frame.writeUInt32BE(data.length, 0);
  frame.writeUInt32BE(crc32(body), 4);
  return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)]);
}

/** Rows of palette indexes, each behind its filter byte. */
function candles(seed: number): Buffer {
  const rows = Buffer.alloc((WIDTH + 1) * HEIGHT);
  let state = seed;
  let price = HEIGHT / 2;
  for (let x = 2; x < WIDTH - 4; x += 6) {
    state = (state * 1103515245 + 12345) % 2147483648;
    const step = (state % 15) - 7;
    const to = Math.min(HEIGHT - 4, Math.max(3, price - step));
    const colour = to <= price ? 1 : 2;
    for (let y = Math.min(price, to); y <= Math.max(price, to); y++)
      for (let w = 0; w < 4; w++) rows[y * (WIDTH + 1) + 1 + x + w] = colour;
    price = to;
  }
  return rows;
}

/** A PNG of a made-up chart; the same seed draws the same one. */
export function chart(
  filename: string,
  seed: number,
  description?: string,
): FeedAttachment {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(WIDTH, 0);
  header.writeUInt32BE(HEIGHT, 4);
  header.set([8, 3], 8); // eight bits, a palette
  const png = Buffer.concat([
    SIGNATURE,
    chunk("IHDR", header),
    chunk("PLTE", COLOURS),
    chunk("IDAT", deflateSync(candles(seed))),
    chunk("IEND", Buffer.alloc(0)),
  ]);
  return {
    filename,
    content_type: "image/png",
    content_base64: png.toString("base64"),
    ...(description !== undefined && { description }),
  };
}
