// exports.ts - whole tables, a page at a time, for files. Events: see events.ts.

import {
  paginationResultValidator,
  type PaginationOptions,
} from "convex/server";
import { v } from "convex/values";
import type { Id } from "../_generated/dataModel";
import type { QueryCtx } from "../_generated/server";
import * as Access from "./access";
import * as Channels from "./channels";
import type { Body } from "./fields";
import * as Links from "./links";
import { bounded } from "./pages";
import { tradesOf } from "./trades";

export const signalPage = paginationResultValidator(
  v.object({
    messageId: v.string(),
    channel: v.string(),
    author: v.string(),
    content: v.string(), // of the message and its embeds
    attachments: v.number(),
    sentAt: v.number(),
    editedAt: v.union(v.number(), v.null()),
    symbol: v.union(v.string(), v.null()), // of the trade in it; several: "BTC, ETH"
    side: v.union(v.string(), v.null()), // of several: for each of them, "long, short"
  }),
);

export async function signals(
  ctx: QueryCtx,
  communityId: Id<"communities">,
  options: PaginationOptions,
) {
  const names = new Map<Id<"channels">, string>();
  for (const { _id, name } of await Channels.ofCommunity(ctx, communityId))
    names.set(_id, name);
  const found = await ctx.db
    .query("signals")
    .withIndex("by_communityId_and_state_and_order", (q) =>
      q.eq("communityId", communityId).eq("state", "live"),
    )
    .paginate(bounded(options));
  return {
    ...found,
    page: found.page.flatMap(({ messageId, channelId, body }) =>
      body === null
        ? []
        : {
            messageId,
            channel: names.get(channelId) ?? "",
            author: body.author.name,
            content: [
              body.content,
              ...body.embeds.flatMap(({ title, description }) => [
                title ?? "",
                description ?? "",
              ]),
            ]
              .filter((text) => text !== "")
              .join("\n"),
            attachments: body.attachments.length,
            sentAt: body.sentAt,
            editedAt: body.editedAt,
            ...tradedIn(body),
          },
    ),
  };
}

function tradedIn(body: Body) {
  const trades = tradesOf(body);
  const listed = (values: (string | undefined)[]) =>
    values.some(Boolean)
      ? values.map((value) => value ?? "unknown").join(", ")
      : null;
  return {
    symbol: listed(trades.map(({ symbol }) => symbol)),
    side: listed(trades.map(({ side }) => side)),
  };
}

export const peoplePage = paginationResultValidator(
  v.object({
    email: v.string(),
    account: v.boolean(),
    discordId: v.union(v.string(), v.null()),
    discordName: v.union(v.string(), v.null()),
    live: v.boolean(),
    until: v.union(v.number(), v.null()),
    reason: v.string(),
    bought: v.union(v.string(), v.null()), // the purchase's subject; null: by hand
    since: v.number(),
    revokedAt: v.union(v.number(), v.null()),
    endedAt: v.union(v.number(), v.null()),
  }),
);

export async function people(
  ctx: QueryCtx,
  communityId: Id<"communities">,
  options: PaginationOptions,
) {
  const now = Date.now();
  const found = await ctx.db
    .query("entitlements")
    .withIndex("by_communityId_and_email", (q) =>
      q.eq("communityId", communityId),
    )
    .paginate(bounded(options));
  return {
    ...found,
    page: await Promise.all(
      found.page.map(async (row) => {
        const { email, userId, purchaseId } = row;
        const link = userId === null ? null : await Links.ofUser(ctx, userId);
        const purchase =
          purchaseId === null ? null : await ctx.db.get(purchaseId);
        return {
          email,
          account: userId !== null,
          discordId: link?.discordId ?? null,
          discordName: link?.name ?? null,
          live: userId !== null && Access.isLive(row, now),
          until: row.until,
          reason: row.reason,
          bought: purchase?.subject ?? null,
          since: row._creationTime,
          revokedAt: row.revokedAt,
          endedAt: row.endedAt,
        };
      }),
    ),
  };
}
