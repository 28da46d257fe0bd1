import { getAuthSessionId, getAuthUserId } from "@convex-dev/auth/server";
import { query } from "./_generated/server";

/** The e-mail address of who asks. */
export const me = query({
  args: {},
  handler: async (ctx) => {
    const id = await getAuthUserId(ctx);
    return id === null ? null : ((await ctx.db.get(id))?.email ?? null);
  },
});

export const profile = query({
  args: {},
  handler: async (ctx) => {
    const id = await getAuthUserId(ctx);
    if (id === null) return null;
    const user = await ctx.db.get(id);
    const session = await getAuthSessionId(ctx);
    return {
      name: user?.name ?? null,
      isAnonymous: user?.isAnonymous ?? false,
      hasSession: session !== null && (await ctx.db.get(session)) !== null,
    };
  },
});
