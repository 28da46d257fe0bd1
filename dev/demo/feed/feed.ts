// feed.ts - a day in a paid trading community, three minutes long.
import { evening } from "./evening.js";
import { morning } from "./morning.js";
import { noon } from "./noon.js";
import {
  Timeline,
  type AuthorName,
  type ChannelName,
  type Create,
  type Edit,
  type FeedEmbed,
  type Step,
} from "./step.js";

export type * from "./step.js";

/** Who and where, as in the fake Discord's default scenario. */
export const AUTHORS: Record<AuthorName, string> = {
  "analyst-mara": "1400000000000000001",
  "analyst-kenji": "1400000000000000002",
  "analyst-yusuf": "1400000000000000003",
  "analyst-lena": "1400000000000000004",
  "signal-bot": "1400000000000000005",
};
export const CHANNELS: Record<ChannelName, string> = {
  "vip-signals": "1100000000000000101",
  scalps: "1100000000000000102",
  "market-talk": "1100000000000000103",
};

function write(): Step[] {
  const line = new Timeline();
  morning(line);
  noon(line);
  evening(line);
  return line.steps;
}

export const feed: readonly Step[] = write();

/** A message as it stands when the whole feed has been played. */
export interface Final {
  ref: string;
  channel: ChannelName;
  author: AuthorName;
  content: string;
  embeds: FeedEmbed[];
  files: string[]; // names as given
  replyTo: string | null;
  edited: boolean;
}

/** What must be left, in the order of sending, by channel. */
export function expected(
  steps: readonly Step[] = feed,
): Record<ChannelName, Final[]> {
  const live = new Map<string, Final>();
  for (const step of steps) {
    if (step.op === "create") live.set(step.ref, created(step));
    else if (step.op === "edit")
      live.set(step.ref, edited(live.get(step.ref)!, step));
    else if (step.op === "delete") live.delete(step.ref);
    else for (const ref of step.refs) live.delete(ref);
  }
  const left = [...live.values()];
  const of = (channel: ChannelName) =>
    left.filter((m) => m.channel === channel);
  return {
    "vip-signals": of("vip-signals"),
    scalps: of("scalps"),
    "market-talk": of("market-talk"),
  };
}

function created(step: Create): Final {
  const {
    ref,
    channel,
    author,
    content = "",
    embeds = [],
    attachments = [],
    replyTo = null,
  } = step;
  const files = attachments.map((a) => a.filename);
  return {
    ref,
    channel,
    author,
    content,
    embeds,
    files,
    replyTo,
    edited: false,
  };
}

function edited(old: Final, { content, embeds }: Edit): Final {
  return {
    ...old,
    content: content ?? old.content,
    embeds: embeds ?? old.embeds,
    edited: true,
  };
}

/** Says what is wrong with a feed; an empty list when nothing is. */
export function complaints(steps: readonly Step[]): string[] {
  const found: string[] = [];
  const channels = new Map<string, ChannelName>();
  const gone = new Set<string>();
  let at = 0;
  const need = (n: number, ref: string) => {
    if (!channels.has(ref)) found.push(`step ${n}: "${ref}" was never created`);
    else if (gone.has(ref)) found.push(`step ${n}: "${ref}" is deleted`);
  };
  steps.forEach((step, n) => {
    if (step.at < at) found.push(`step ${n}: before the one it follows`);
    at = step.at;
    if (step.op === "create") {
      if (channels.has(step.ref)) found.push(`step ${n}: "${step.ref}" exists`);
      if (step.replyTo !== undefined) need(n, step.replyTo);
      channels.set(step.ref, step.channel);
      return;
    }
    const refs = step.op === "bulkDelete" ? step.refs : [step.ref];
    refs.forEach((ref) => need(n, ref));
    if (new Set(refs.map((ref) => channels.get(ref))).size > 1)
      found.push(`step ${n}: more than one channel`);
    if (step.op !== "edit") refs.forEach((ref) => gone.add(ref));
  });
  return found;
}
