// ownData.ts - all that is kept about a person, for that person: a page at a time.
//
// The chapters are read one after the other; a cursor says which one and after which row. A
// page is complete for the moment in which it was read.

import { v, type Infer } from "convex/values";
import type { Doc, Id } from "../_generated/dataModel";
import type { QueryCtx } from "../_generated/server";
import * as Access from "./access";
import * as Communities from "./communities";
import { failure } from "./failure";
import * as History from "./history";
import * as Links from "./links";
import * as Preferences from "./preferences";
import * as Reading from "./reading";
import * as Roles from "./roles";

const PAGE = 100; // rows of a chapter in one page

export const page = v.object({
  entries: v.array(
    v.object({
      kind: v.string(),
      community: v.union(v.string(), v.null()), // slug
      data: v.any(), // a row's fields, as they are
    }),
  ),
  next: v.union(v.string(), v.null()), // null: that was the last page
});
export type Page = Infer<typeof page>;

type Entry = { kind: string; data: object };
type Part = { entries: Entry[]; next: string | null };
type Chapter = {
  community: string | null;
  read: (cursor: string | null) => Promise<Part>;
};

export async function read(
  ctx: QueryCtx,
  userId: Id<"users">,
  cursor: string | null,
): Promise<Page> {
  const user = await ctx.db.get(userId);
  if (user === null) throw failure("unauthenticated", "This account is gone");
  const all = await chaptersOf(ctx, user);
  const from = positionOf(cursor);
  const chapter = all[from.chapter];
  if (chapter === undefined)
    throw failure("bad_argument", "cursor: not one of this function's");
  const { entries, next } = await chapter.read(from.cursor);
  const following = from.chapter + 1;
  return {
    entries: entries.map((entry) => ({
      ...entry,
      community: chapter.community,
    })),
    next:
      next !== null
        ? `${from.chapter}:${next}`
        : following < all.length
          ? `${following}:`
          : null,
  };
}

function positionOf(cursor: string | null) {
  const [, chapter = "-1", rest = ""] =
    /^(\d{1,6}):(.*)$/s.exec(cursor ?? "0:") ?? [];
  return { chapter: Number(chapter), cursor: rest === "" ? null : rest };
}

async function chaptersOf(
  ctx: QueryCtx,
  user: Doc<"users">,
): Promise<Chapter[]> {
  const above: Chapter[] = [
    { community: null, read: () => personal(ctx, user) },
    { community: null, read: (cursor) => log(ctx, null, user, cursor) },
    { community: null, read: (cursor) => shares(ctx, user, cursor) },
  ];
  const communities = await Communities.all(ctx);
  return above.concat(
    communities.flatMap((community) =>
      [access, purchases, roles, marks].map((read) => ({
        community: community.slug,
        read: async (cursor: string | null) =>
          following(await read(ctx, community, user), cursor),
      })),
    ),
    communities.map(({ _id, slug }) => ({
      community: slug,
      read: (cursor) => log(ctx, _id, user, cursor),
    })),
  );
}

/** What is above the communities. */
async function personal(ctx: QueryCtx, user: Doc<"users">): Promise<Part> {
  const { _id, _creationTime: createdAt, email } = user;
  const link = await Links.ofUser(ctx, _id);
  const sessions = await ctx.db
    .query("authSessions")
    .withIndex("userId", (q) => q.eq("userId", _id))
    .order("desc")
    .take(PAGE / 2);
  const entries: Entry[] = [
    {
      kind: "account",
      data: {
        email,
        emailVerifiedAt: user.emailVerificationTime ?? null,
        createdAt,
        operator: await Access.isOperator(ctx, _id),
      },
    },
    { kind: "preferences", data: await Preferences.of(ctx, _id) },
  ];
  if (link !== null) {
    const { discordId, name, linkedAt } = link;
    entries.push({ kind: "discord", data: { discordId, name, linkedAt } });
  }
  for (const { _creationTime: since, expirationTime: until } of sessions)
    entries.push({ kind: "session", data: { since, until } });
  return { entries, next: null };
}

async function access(
  ctx: QueryCtx,
  { _id }: Doc<"communities">,
  user: Doc<"users">,
): Promise<Dated[]> {
  const rows = await Access.rowsOf(ctx, _id, user._id);
  return rows.map((row) => ({
    kind: "access",
    at: row._creationTime,
    data: {
      email: row.email,
      reason: row.reason,
      since: row._creationTime,
      until: row.until,
      revokedAt: row.revokedAt,
      endedAt: row.endedAt,
    },
  }));
}

async function purchases(
  ctx: QueryCtx,
  { _id }: Doc<"communities">,
  user: Doc<"users">,
): Promise<Dated[]> {
  const rows = await History.purchasesOf(ctx, _id, user._id);
  return rows.map((row) => ({
    kind: "purchase",
    at: row._creationTime,
    data: {
      provider: row.provider,
      source: row.source,
      reference: row.subject,
      email: row.email,
      phase: row.phase,
      paidUntil: row.paidUntil,
      renews: row.renews,
      test: row.test,
      facts: row.facts,
    },
  }));
}

type Dated = Entry & { at: number }; // when its row was made

/** A page of what is in memory anyway. */
function following(rows: Dated[], cursor: string | null): Part {
  const after = Number(cursor ?? 0);
  const page = rows
    .filter(({ at }) => at > after)
    .sort((a, b) => a.at - b.at)
    .slice(0, PAGE);
  return {
    entries: page.map(({ kind, data }) => ({ kind, data })),
    next: page.length < PAGE ? null : String(page.at(-1)!.at),
  };
}

async function roles(
  ctx: QueryCtx,
  community: Doc<"communities">,
  user: Doc<"users">,
): Promise<Dated[]> {
  const link = await Links.ofUser(ctx, user._id);
  if (link === null) return [];
  const rows = await Roles.jobsOf(ctx, community._id, link.discordId);
  return rows.map((row) => ({
    kind: "role",
    at: row._creationTime,
    data: {
      guildId: community.customerGuildId,
      roleId: row.roleId,
      expected: row.desired,
      actual: row.actual,
    },
  }));
}

async function marks(
  ctx: QueryCtx,
  community: Doc<"communities">,
  user: Doc<"users">,
): Promise<Dated[]> {
  const mark = await Reading.markOf(ctx, community._id, user._id);
  if (mark === null) return [];
  const { _creationTime, messageId, at } = mark;
  return [{ kind: "readTo", at: _creationTime, data: { messageId, at } }];
}

async function shares(
  ctx: QueryCtx,
  user: Doc<"users">,
  cursor: string | null,
): Promise<Part> {
  const page = await ctx.db
    .query("shares")
    .withIndex("by_createdBy", (q) => q.eq("createdBy", user._id))
    .paginate({ numItems: PAGE, cursor });
  return {
    entries: page.page.map(({ label, createdAt, expiresAt, revokedAt }) => ({
      kind: "share",
      data: { label, createdAt, expiresAt, revokedAt },
    })),
    next: page.isDone ? null : page.continueCursor,
  };
}

/**
 * What the log says about this address. Before the account was made it was somebody else's
 * address, as long as nobody proved it.
 */
async function log(
  ctx: QueryCtx,
  communityId: Id<"communities"> | null,
  user: Doc<"users">,
  cursor: string | null,
): Promise<Part> {
  const subject = user.email;
  if (!subject) return { entries: [], next: null };
  const since = user.emailVerificationTime ? 0 : user._creationTime;
  const page = await ctx.db
    .query("auditLog")
    .withIndex("by_communityId_and_subject_and_at", (q) =>
      q.eq("communityId", communityId).eq("subject", subject).gte("at", since),
    )
    .paginate({ numItems: PAGE, cursor });
  return {
    entries: page.page.map(({ at, action, detail, actor }) => ({
      kind: "log",
      data: { at, action, detail, by: actor === subject ? "you" : "the team" },
    })),
    next: page.isDone ? null : page.continueCursor,
  };
}
