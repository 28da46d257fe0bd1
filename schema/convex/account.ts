// account.ts - what people do with their own account. Each function is about its caller.

import {
  invalidateSessions,
  modifyAccountCredentials,
} from "@convex-dev/auth/server";
import { v } from "convex/values";
import { internal } from "./_generated/api";
import {
  action,
  internalMutation,
  internalQuery,
  mutation,
  query,
} from "./_generated/server";
import * as Access from "./model/access";
import { checkPassword } from "./model/accounts";
import { audit } from "./model/audit";
import { requirePerson, requireSession } from "./model/caller";
import * as Linking from "./model/discordLinking";
import * as OAuth from "./model/discordOAuth";
import * as Erasure from "./model/erasure";
import { failure } from "./model/failure";
import * as Grounds from "./model/grounds";
import * as History from "./model/history";
import * as LinkState from "./model/linkState";
import * as OwnData from "./model/ownData";
import * as Password from "./model/password";
import * as Preferences from "./model/preferences";
import { digestOf, newSecret } from "./model/secrets";

const DAY = 24 * 3600 * 1000;

/** Who I am, and what I have access to, until when and why. */
export const me = query({
  args: {},
  returns: v.object({
    email: v.string(),
    emailVerified: v.boolean(),
    since: v.number(),
    operator: v.boolean(),
    communities: v.array(Grounds.standing),
  }),
  handler: async (ctx) => {
    const userId = await requirePerson(ctx);
    const user = (await ctx.db.get(userId))!; // a session has one
    return {
      email: user.email ?? "",
      emailVerified: user.emailVerificationTime !== undefined,
      since: user._creationTime,
      operator: await Access.isOperator(ctx, userId),
      communities: await Grounds.standings(ctx, userId, Date.now()),
    };
  },
});

/** What I bought, and what became of it. */
export const history = query({
  args: {},
  returns: v.array(History.bought),
  handler: async (ctx) => await History.of(ctx, await requirePerson(ctx)),
});

export const preferences = query({
  args: {},
  returns: Preferences.preferences,
  handler: async (ctx) => await Preferences.of(ctx, await requirePerson(ctx)),
});

export const setPreferences = mutation({
  args: Preferences.preferences.fields,
  returns: v.null(),
  handler: async (ctx, wanted) => {
    await Preferences.set(ctx, await requirePerson(ctx), wanted);
    return null;
  },
});

/** All that is kept about me, page by page; the first cursor is null. */
export const exportPage = query({
  args: { cursor: v.union(v.string(), v.null()) },
  returns: OwnData.page,
  handler: async (ctx, { cursor }) =>
    await OwnData.read(ctx, await requirePerson(ctx), cursor),
});

// ---- Discord ----

/** My Discord account, and the roles I should have there against those I have. */
export const discord = query({
  args: {},
  returns: v.object({ available: v.boolean(), ...LinkState.linkState.fields }),
  handler: async (ctx) => {
    const userId = await requirePerson(ctx);
    return {
      available: OAuth.settings() !== null,
      ...(await LinkState.of(ctx, userId)),
    };
  },
});

/** The address of Discord's page, on which the person agrees. */
export const startDiscordLink = action({
  args: { community: v.string() }, // into whose guild they may be brought
  returns: v.object({ url: v.string() }),
  handler: async (ctx, { community }): Promise<{ url: string }> => {
    const state = newSecret();
    const verifier = newSecret();
    const { guildId } = await ctx.runMutation(internal.account.beginLink, {
      community,
      stateDigest: await digestOf(state),
      verifier,
    });
    const settings = OAuth.settings();
    if (settings === null)
      throw failure("not_configured", "Discord is not set up here");
    const url = OAuth.authorizeUrl(settings, {
      state,
      challenge: await digestOf(verifier), // S256 is this digest, in this form
      joins: guildId !== null && OAuth.canJoin(),
    });
    return { url };
  },
});

export const beginLink = internalMutation({
  args: {
    community: v.string(),
    stateDigest: v.string(),
    verifier: v.string(),
  },
  returns: v.object({ guildId: v.union(v.string(), v.null()) }),
  handler: async (ctx, wanted): Promise<{ guildId: string | null }> =>
    await Linking.begin(ctx, await requirePerson(ctx), wanted),
});

export const spendState = internalMutation({
  args: { stateDigest: v.string() },
  returns: v.union(
    v.object({
      attemptId: v.id("discordAttempts"),
      verifier: v.string(),
      guildId: v.union(v.string(), v.null()),
    }),
    v.null(),
  ),
  handler: async (ctx, { stateDigest }) =>
    await Linking.spendState(ctx, stateDigest),
});

export const noteDiscord = internalMutation({
  args: {
    attemptId: v.id("discordAttempts"),
    found: v.object({ id: v.string(), name: v.string() }),
    ticketDigest: v.string(),
  },
  returns: v.union(
    v.literal("noted"),
    v.literal("taken"),
    v.literal("expired"),
  ),
  handler: async (ctx, wanted) => await Linking.note(ctx, wanted),
});

export const forgetAttempt = internalMutation({
  args: { id: v.id("discordAttempts") },
  returns: v.null(),
  handler: async (ctx, { id }) => {
    if ((await ctx.db.get(id)) !== null) await ctx.db.delete(id);
    return null;
  },
});

/** The last step, by the person who took the first: the accounts are linked. */
export const confirmDiscordLink = mutation({
  args: { ticket: v.string() },
  returns: v.object({ name: v.string() }),
  handler: async (ctx, { ticket }) => {
    const userId = await requirePerson(ctx);
    return await Linking.confirm(ctx, userId, await digestOf(ticket));
  },
});

/** The roles that came with the link go. */
export const unlinkDiscord = mutation({
  args: {},
  returns: v.object({ unlinked: v.boolean() }),
  handler: async (ctx) => ({
    unlinked: await Linking.unlink(ctx, await requirePerson(ctx)),
  }),
});

// ---- password, and the end ----

/** May an account be made for this address? Part of signing up. */
export const admit = internalMutation({
  args: { email: v.string() },
  returns: v.union(
    v.literal("admitted"),
    v.literal("known"),
    v.literal("busy"),
  ),
  handler: async (ctx, { email }): Promise<Password.Verdict> =>
    await Password.admit(ctx, email),
});

type Self = {
  userId: Awaited<ReturnType<typeof requirePerson>>;
  sessionId: Awaited<ReturnType<typeof requireSession>>["sessionId"];
  email: string;
};

/** For actions: who is calling. */
export const self = internalQuery({
  args: {},
  returns: v.object({
    userId: v.id("users"),
    sessionId: v.id("authSessions"),
    email: v.string(),
  }),
  handler: async (ctx): Promise<Self> => {
    const { userId, sessionId } = await requireSession(ctx);
    const user = (await ctx.db.get(userId))!; // a session has one
    return { userId, sessionId, email: user.email ?? "" };
  },
});

/** Every other session of the account ends. */
export const changePassword = action({
  args: { password: v.string(), newPassword: v.string() },
  returns: v.null(),
  handler: async (ctx, { password, newPassword }): Promise<null> => {
    const { userId, sessionId, email }: Self = await ctx.runQuery(
      internal.account.self,
      {},
    );
    const secret = checkPassword(newPassword);
    await Password.reprove(ctx, email, password);
    await modifyAccountCredentials(ctx, {
      provider: Password.PROVIDER,
      account: { id: email, secret },
    });
    await invalidateSessions(ctx, { userId, except: [sessionId] });
    await ctx.runMutation(internal.account.noteChange, { email });
    return null;
  },
});

export const noteChange = internalMutation({
  args: { email: v.string() },
  returns: v.null(),
  handler: async (ctx, { email }) => {
    await audit(ctx, null, "account.changePassword", email, "");
    return null;
  },
});

/** Deletes what is mine and gives what the books keep another name. Cancels no subscription. */
export const deleteAccount = action({
  args: { password: v.string() },
  returns: v.null(),
  handler: async (ctx, { password }): Promise<null> => {
    const { email }: Self = await ctx.runQuery(internal.account.self, {});
    await Password.reprove(ctx, email, password);
    const alias = `deleted-${crypto.randomUUID()}`;
    await ctx.runMutation(internal.account.leave, { alias });
    return null;
  },
});

export const leave = internalMutation({
  args: { alias: v.string() },
  returns: v.null(),
  handler: async (ctx, { alias }): Promise<null> => {
    const user = (await ctx.db.get(await requirePerson(ctx)))!;
    const leaver = await Erasure.begin(ctx, user, alias);
    await ctx.scheduler.runAfter(0, internal.account.erase, leaver);
    const { discordId } = leaver;
    if (discordId !== null)
      await ctx.scheduler.runAfter(DAY, internal.account.forgetRoles, {
        discordId,
        tries: 30,
      });
    return null;
  },
});

/** One batch of what a person left behind; asks for the next. */
export const erase = internalMutation({
  args: {
    userId: v.id("users"),
    email: v.string(),
    proved: v.boolean(),
    since: v.number(),
    alias: v.string(),
    discordId: v.union(v.string(), v.null()),
  },
  returns: v.null(),
  handler: async (ctx, leaver) => {
    if (await Erasure.go(ctx, leaver))
      await ctx.scheduler.runAfter(0, internal.account.erase, leaver);
    return null;
  },
});

/** Once the bot has taken the roles of somebody who left, their rows go too. */
export const forgetRoles = internalMutation({
  args: { discordId: v.string(), tries: v.number() },
  returns: v.null(),
  handler: async (ctx, { discordId, tries }) => {
    if (!(await Erasure.forgetRoles(ctx, discordId)) && tries > 1)
      await ctx.scheduler.runAfter(DAY, internal.account.forgetRoles, {
        discordId,
        tries: tries - 1,
      });
    return null;
  },
});

// ---- by command line ----

/** An address is its account's: what was bought with it is theirs. For what proves addresses. */
export const proveEmail = internalMutation({
  args: { email: v.string() },
  returns: v.null(),
  handler: async (ctx, { email }) => {
    await Access.proveEmail(ctx, email);
    return null;
  },
});
