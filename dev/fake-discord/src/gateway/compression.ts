// compression.ts - how payloads become WebSocket messages.
import { constants, createDeflate, deflateSync } from "node:zlib";

export interface Encoder {
  /** Hands each finished message to `out`, in the order of the calls. */
  encode(payload: string, out: (message: string | Buffer) => void): void;
  /** Runs `then` after everything encoded so far has been handed out. */
  flush(then: () => void): void;
}

export function plain(): Encoder {
  return {
    encode: (payload, out) => out(payload),
    flush: (then) => then(),
  };
}

/** `compress: true` of identify: each payload is a zlib stream of its own. */
export function perPayload(): Encoder {
  return {
    encode: (payload, out) => out(deflateSync(payload)),
    flush: (then) => then(),
  };
}

/** `compress=zlib-stream`: one zlib context for the whole connection. */
export function zlibStream(): Encoder {
  const deflate = createDeflate({ chunkSize: 64 * 1024 });
  let ready: Buffer[] = [];
  deflate.on("data", (chunk: Buffer) => ready.push(chunk));
  return {
    encode(payload, out) {
      deflate.write(payload);
      deflate.flush(constants.Z_SYNC_FLUSH, () => {
        const message = Buffer.concat(ready);
        ready = [];
        out(message);
      });
    },
    flush: (then) => deflate.flush(constants.Z_SYNC_FLUSH, then),
  };
}
