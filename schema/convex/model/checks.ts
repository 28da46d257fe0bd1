// checks.ts - what operators ask the bot to try in a mirror channel, and what it found; and
// whether the collector may read the source channel, which it says by itself.
//
// One row for each channel and kind: asking again while it waits or runs changes nothing,
// asking after that begins anew. Leases and fences as with mirrors.
//
// Invariants: `wants` is true exactly while the row waits or runs; only the newest fence
// may report.

import { v, type Infer } from "convex/values";
import type { Doc, Id } from "../_generated/dataModel";
import type { MutationCtx, QueryCtx } from "../_generated/server";
import { audit } from "./audit";
import * as Channels from "./channels";
import * as Communities from "./communities";
import { failure } from "./failure";
import { checkFinding, checkKind, findingKind, postIdentity } from "./fields";
import * as Leases from "./leases";
import * as Roles from "./roles";
import * as Signals from "./signals";

export const LEASE_MS = 60_000; // a check makes several calls, each of at most 10 s
export const PATIENCE_MS = 60_000; // after it a row that still waits says that no bot came
const MAX_BATCH = 16;
const MAX_ATTEMPTS = 3; // each lost with its bot
const MAX_FINDINGS = 40;
const MAX_TEXT = 500;
const MAX_LATEST = 600; // three kinds for each of 200 channels
const MAX_LEASES = 100; // looked at when a bot starts

type Check = Doc<"checks">;
type Finding = Infer<typeof checkFinding>;

const NO_BOT: Finding = {
  code: "no_bot",
  detail: "No bot has taken this check for a minute.",
  instruction:
    "Start the bot, or look at the services page for what keeps it from being ready.",
};
const LOST: Finding = {
  code: "no_outcome",
  detail: `${MAX_ATTEMPTS} bots ended in the middle of this check.`,
  instruction: "Look at the bot's log, then check again.",
};

async function byChannel(
  ctx: QueryCtx,
  channel: Doc<"channels">,
  kind: Check["kind"],
): Promise<Check | null> {
  return await ctx.db
    .query("checks")
    .withIndex("by_communityId_and_channelId_and_kind", (q) =>
      q
        .eq("communityId", channel.communityId)
        .eq("channelId", channel._id)
        .eq("kind", kind),
    )
    .unique();
}

/** Asks for a check. Says which row it is, and whether that begins now. */
export async function request(
  ctx: MutationCtx,
  slug: string,
  channelId: Id<"channels">,
  kind: Check["kind"],
): Promise<{ id: Id<"checks">; fence: number; begun: boolean }> {
  const community = await Communities.requireBySlug(ctx, slug);
  const channel = await ctx.db.get(channelId);
  if (channel === null || channel.communityId !== community._id)
    throw failure("not_found", `channelId: no channel of "${slug}"`);
  const known = await byChannel(ctx, channel, kind);
  if (known?.wants) return { id: known._id, fence: known.fence, begun: false };
  const now = Date.now();
  const asked = {
    state: "waiting" as const,
    findings: [],
    wants: true,
    at: now,
    readyAt: now,
    attempts: 0,
    lease: null,
  };
  const fence = known?.fence ?? 0;
  if (known !== null) await ctx.db.patch(known._id, asked);
  const id =
    known?._id ??
    (await ctx.db.insert("checks", {
      communityId: community._id,
      channelId,
      kind,
      fence,
      ...asked,
    }));
  await audit(ctx, community._id, "check.request", channel.name, kind);
  return { id, fence, begun: true };
}

/** Says that no bot came, if none did since the row was asked for with this fence. */
export async function noteWaiting(
  ctx: MutationCtx,
  id: Id<"checks">,
  fence: number,
): Promise<void> {
  const row = await ctx.db.get(id);
  if (row?.state === "waiting" && row.fence === fence)
    await ctx.db.patch(id, { findings: [NO_BOT] });
}

export const latestCheck = v.object({
  channelId: v.id("channels"),
  kind: findingKind,
  state: v.union(
    v.literal("waiting"),
    v.literal("running"),
    v.literal("passed"),
    v.literal("failed"),
  ),
  findings: v.array(checkFinding),
  at: v.number(), // ms: when it came into this state
});

/** The newest of each channel and kind. */
export async function latest(
  ctx: QueryCtx,
  slug: string,
): Promise<Infer<typeof latestCheck>[]> {
  const community = await Communities.requireBySlug(ctx, slug);
  const rows = await ctx.db
    .query("checks")
    .withIndex("by_communityId_and_channelId_and_kind", (q) =>
      q.eq("communityId", community._id),
    )
    .take(MAX_LATEST);
  return rows.map(({ channelId, kind, state, findings, at }) => {
    return { channelId, kind, state, findings, at };
  });
}

// ---- the bot's side ----

export const check = v.object({
  checkId: v.id("checks"),
  fence: v.number(),
  kind: checkKind,
  guildId: v.string(), // the customers'
  channelId: v.string(), // the mirror channel
  identity: postIdentity, // how it posts there
  roleIds: v.array(v.string()), // those the bot gives and takes in that guild
});
export type Work = Infer<typeof check>;

/** What waits. */
export async function queue(ctx: QueryCtx): Promise<Leases.Queue> {
  let found = Leases.EMPTY;
  for (const { _id } of await Communities.all(ctx))
    for (const { readyAt, at } of await wanting(ctx, _id, Infinity, MAX_BATCH))
      found = Leases.withRows(found, { readyAt, wantedAt: at });
  return found;
}

async function wanting(
  ctx: QueryCtx,
  communityId: Id<"communities">,
  until: number,
  limit: number,
): Promise<Check[]> {
  return await ctx.db
    .query("checks")
    .withIndex("by_communityId_and_wants_and_readyAt", (q) =>
      q.eq("communityId", communityId).eq("wants", true).lte("readyAt", until),
    )
    .take(limit);
}

/** Leases up to `limit` checks. */
export async function claim(
  ctx: MutationCtx,
  instance: string,
  limit: number,
): Promise<Work[]> {
  const now = Date.now();
  const most = Leases.bounded(limit, MAX_BATCH);
  const batch: Work[] = [];
  for (const community of await Communities.all(ctx)) {
    const left = most - batch.length;
    if (left <= 0) break;
    for (const row of await wanting(ctx, community._id, now, left)) {
      const work = await lease(ctx, community, row, instance, now);
      if (work !== null) batch.push(work);
    }
  }
  return batch;
}

/** Null: there is nothing to try any more. */
async function lease(
  ctx: MutationCtx,
  community: Doc<"communities">,
  row: Check,
  instance: string,
  now: number,
): Promise<Work | null> {
  const channel = await ctx.db.get(row.channelId);
  const { kind } = row;
  if (channel === null || kind === "source") {
    await ctx.db.delete(row._id);
    return null;
  }
  if (row.attempts >= MAX_ATTEMPTS) {
    await ctx.db.patch(row._id, ended("failed", [LOST], now));
    return null;
  }
  const claimed = Leases.claimedReady(row, instance, now + LEASE_MS);
  await ctx.db.patch(row._id, {
    ...claimed,
    state: "running",
    findings: [],
    at: now,
  });
  return {
    checkId: row._id,
    fence: claimed.fence,
    kind,
    guildId: community.customerGuildId,
    channelId: channel.mirrorChannelId,
    identity: Channels.identityOf(channel),
    roleIds: await Roles.managed(ctx, community),
  };
}

function ended(state: "passed" | "failed", findings: Finding[], now: number) {
  return { state, findings, wants: false, lease: null, at: now };
}

function kept(findings: Finding[]): Finding[] {
  return findings.slice(0, MAX_FINDINGS).map((finding) => ({
    code: finding.code.slice(0, MAX_TEXT),
    detail: finding.detail.slice(0, MAX_TEXT),
    instruction: finding.instruction.slice(0, MAX_TEXT),
  }));
}

export type Report = {
  checkId: Id<"checks">;
  fence: number;
  passed: boolean;
  findings: Finding[];
};

/** Takes outcomes; false for those whose lease is no longer the newest. */
export async function report(
  ctx: MutationCtx,
  instance: string,
  results: Report[],
): Promise<boolean[]> {
  const now = Date.now();
  const accepted: boolean[] = [];
  for (const { checkId, fence, passed, findings } of results) {
    const row = await ctx.db.get(checkId);
    const current = Leases.mayReport(row, instance, fence) && row.wants;
    const state = passed ? "passed" : "failed";
    if (current) await ctx.db.patch(checkId, ended(state, kept(findings), now));
    accepted.push(current);
  }
  return accepted;
}

/** Gives up the leases of an earlier life of `instance`. */
export async function release(
  ctx: MutationCtx,
  instance: string,
): Promise<number> {
  const now = Date.now();
  let released = 0;
  for (const { _id } of await Communities.all(ctx))
    released += await Leases.release(
      await wanting(ctx, _id, Infinity, MAX_LEASES),
      instance,
      (row) => ctx.db.patch(row._id, Leases.putOff(now, 0)),
    );
  return released;
}

// ---- the collector's side ----

export type SourceReport = {
  guildId: string;
  channelId: string; // the source channel
  passed: boolean;
  findings: Finding[];
};

/** Whether a source channel can be read. False: nobody captures it. */
export async function source(
  ctx: MutationCtx,
  { guildId, channelId, passed, findings }: SourceReport,
): Promise<boolean> {
  const channel = await Signals.channelOf(ctx, { guildId, channelId });
  if (channel === null) return false;
  const known = await byChannel(ctx, channel, "source");
  const now = Date.now();
  const found = ended(passed ? "passed" : "failed", kept(findings), now);
  if (known !== null) await ctx.db.patch(known._id, found);
  else
    await ctx.db.insert("checks", {
      communityId: channel.communityId,
      channelId: channel._id,
      kind: "source",
      ...{ readyAt: now, attempts: 0, fence: 0 },
      ...found,
    });
  return true;
}
