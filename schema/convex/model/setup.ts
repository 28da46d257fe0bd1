// setup.ts - what the first run asks that nothing else tells.

import { v, type Infer } from "convex/values";
import type { Id } from "../_generated/dataModel";
import type { QueryCtx } from "../_generated/server";
import { isOperator } from "./access";
import * as Communities from "./communities";
import * as Latency from "./latency";

const EXCERPT_LENGTH = 140;

export const standing = v.object({
  operator: v.boolean(), // the caller is one
  operators: v.boolean(), // there is one
  communities: v.boolean(), // there is one
});

export async function standingOf(
  ctx: QueryCtx,
  userId: Id<"users">,
): Promise<Infer<typeof standing>> {
  const first = await ctx.db.query("operators").withIndex("by_userId").first();
  return {
    operator: await isOperator(ctx, userId),
    operators: first !== null,
    communities: (await Communities.all(ctx)).length > 0,
  };
}

export const testSignal = v.object({
  ...Latency.hops.fields,
  version: v.string(),
  author: v.string(),
  text: v.string(), // its beginning
});

export async function newestSince(
  ctx: QueryCtx,
  communityId: Id<"communities">,
  channelId: Id<"channels">,
  since: number,
): Promise<Infer<typeof testSignal> | null> {
  const signal = await ctx.db
    .query("signals")
    .withIndex("by_communityId_and_channelId_and_state_and_order", (q) =>
      q
        .eq("communityId", communityId)
        .eq("channelId", channelId)
        .eq("state", "live"),
    )
    .order("desc")
    .first();
  if (signal === null || signal.body === null) return null;
  if (signal.committedAt < since) return null;
  const { author, content, embeds } = signal.body;
  const text = content || embeds[0]?.title || embeds[0]?.description || "";
  return {
    ...(await Latency.hopsOf(ctx, signal)),
    version: signal.version,
    author: author.name,
    text: [...text].slice(0, EXCERPT_LENGTH).join(""),
  };
}
