// A steady load of messages of the kinds that analysts write, for measuring.
import { CHANNELS } from "./stack";
import type { Discord, Message } from "./discord";

const ANALYSTS = [
  "1400000000000000001",
  "1400000000000000002",
  "1400000000000000003",
];
const PAIRS = [
  "BTC/USDT",
  "ETH/USDT",
  "SOL/USDT",
  "XRP/USDT",
  "AVAX/USDT",
  "LINK/USDT",
];

/** A small generator with a seed: the same seed gives the same load and faults. */
export function random(seed: number): () => number {
  let state = seed >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

function text(i: number, rand: () => number): string {
  const pair = PAIRS[Math.floor(rand() * PAIRS.length)]!;
  const entry = 10 + rand() * 90;
  const long = rand() < 0.5;
  const level = (factor: number) =>
    (entry * (1 + (long ? factor : -factor))).toFixed(3);
  switch (i % 5) {
    case 0:
      return `#${i} ${pair} ${long ? "LONG 🟢" : "SHORT 🔴"}\nEntry: ${level(0)}\nTP1: ${level(0.02)} TP2: ${level(0.05)}\nSL: ${level(-0.03)}\nLeverage: ${5 + Math.floor(rand() * 15)}x`;
    case 1:
      return `#${i} TP${1 + Math.floor(rand() * 3)} hit on ${pair} ✅ +${(rand() * 30).toFixed(1)}%`;
    case 2:
      return `#${i} ${pair}: moving stop to break-even, let the rest run`;
    case 3:
      return `#${i} **${pair}** losing the range low, watching ${level(0.01)} for a reclaim. Not a signal yet.`;
    default:
      return `#${i} good morning ☕ funding is flat, open interest is up ${(rand() * 5).toFixed(2)}%`;
  }
}

export interface LoadOptions {
  count: number;
  perSecond: number;
  seed: number;
  /** Share of messages that are edited, and deleted, some time after they were written. */
  edits?: number;
  deletes?: number;
  /** The source channels to write in; absent: those of the demo. */
  channels?: readonly { source: string }[];
  onProgress?: (written: number) => void;
  signal?: AbortSignal;
}

/** Writes the messages, evenly spaced; returns them in order. */
export async function playLoad(
  discord: Discord,
  options: LoadOptions,
): Promise<Message[]> {
  const rand = random(options.seed);
  const channels = options.channels ?? CHANNELS;
  const written: Message[] = [];
  const later: Promise<unknown>[] = [];
  const began = Date.now();
  for (let i = 0; i < options.count && !options.signal?.aborted; i++) {
    const due = began + (i * 1000) / options.perSecond;
    const wait = due - Date.now();
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    const channel = channels[Math.floor(rand() * channels.length)]!.source;
    const author = ANALYSTS[Math.floor(rand() * ANALYSTS.length)]!;
    const message = await discord.write(channel, author, text(i, rand));
    written.push(message);
    if (rand() < (options.edits ?? 0)) {
      const victim = written[Math.floor(rand() * written.length)]!;
      later.push(
        discord
          .edit(victim.channel_id, victim.id, {
            content: `${victim.content}\n(edited ${i})`,
          })
          .catch(ignoreGone),
      );
    }
    if (rand() < (options.deletes ?? 0)) {
      const victim = written[Math.floor(rand() * written.length)]!;
      later.push(
        discord.remove(victim.channel_id, victim.id).catch(ignoreGone),
      );
    }
    options.onProgress?.(written.length);
  }
  await Promise.all(later);
  return written;
}

// The victim of an edit or delete may have been deleted before.
function ignoreGone(error: Error): void {
  if (!/: 404 /.test(error.message)) throw error;
}
