// revisions.ts - what live signals said before their authors edited them.
//
// Invariant: a signal that is deleted has none left. Kept are the words and the trades, of the
// first version and of the newest ones; what arrived after a later version of it was never
// shown, and is not kept.

import type { Doc, Id } from "../_generated/dataModel";
import type { MutationCtx, QueryCtx } from "../_generated/server";
import type { Body, Revision } from "./fields";
import { tradesOf } from "./trades";

const MAX_KEPT = 10; // of one signal, before the present one

type Signal = Doc<"signals">;

/** Keeps what a signal said until its author edited it. */
export async function keep(
  ctx: MutationCtx,
  { communityId, messageId, sourceAt, body }: Signal,
  after: Body,
): Promise<void> {
  if (body === null || after.editedAt === body.editedAt) return;
  const said = saidIn(body);
  if (JSON.stringify(said) === JSON.stringify(saidIn(after))) return;
  const known = await rowsOf(ctx, communityId, messageId);
  if (known.length >= MAX_KEPT) await ctx.db.delete(known[1]!._id);
  await ctx.db.insert("revisions", {
    ...{ communityId, messageId, at: sourceAt },
    ...said,
  });
}

/** Nothing is kept of what is deleted. */
export async function forget(
  ctx: MutationCtx,
  { communityId, messageId, body }: Signal,
): Promise<void> {
  if (body?.editedAt === null) return;
  for (const { _id } of await rowsOf(ctx, communityId, messageId))
    await ctx.db.delete(_id);
}

/** What a live signal said and says, oldest first; nothing of any other. */
export async function upTo(
  ctx: QueryCtx,
  signal: Signal | null,
): Promise<Revision[]> {
  if (!signal?.body) return [];
  const rows = await rowsOf(ctx, signal.communityId, signal.messageId);
  const before = rows.map(({ at, text, trades }) => ({ at, text, trades }));
  return [...before, { at: signal.sourceAt, ...saidIn(signal.body) }];
}

async function rowsOf(
  ctx: QueryCtx,
  communityId: Id<"communities">,
  messageId: string,
): Promise<Doc<"revisions">[]> {
  return await ctx.db
    .query("revisions")
    .withIndex("by_communityId_and_messageId", (q) =>
      q.eq("communityId", communityId).eq("messageId", messageId),
    )
    .take(MAX_KEPT);
}

function saidIn(body: Body): Pick<Revision, "text" | "trades"> {
  const { content, embeds, poll } = body;
  const parts = [
    content,
    ...embeds.flatMap(({ title, description, fields = [], footer }) => [
      title,
      description,
      ...fields.map(({ name, value }) => `${name}: ${value}`),
      footer?.text,
    ]),
    poll?.question,
    ...(poll?.answers ?? []),
  ];
  return {
    text: parts.filter(Boolean).join("\n"),
    trades: tradesOf(body).map((one) => ({ ...one, spans: [] })),
  };
}
