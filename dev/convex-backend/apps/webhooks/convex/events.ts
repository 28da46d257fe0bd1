import { paginationOptsValidator } from "convex/server";
import { v } from "convex/values";
import { internal } from "./_generated/api";
import {
  action,
  internalMutation,
  internalQuery,
  mutation,
  query,
} from "./_generated/server";

/** True the first time; a repeated delivery only counts. */
export const record = internalMutation({
  args: { id: v.string(), kind: v.string(), payload: v.any() },
  returns: v.boolean(),
  handler: async (ctx, { id, kind, payload }) => {
    const known = await ctx.db
      .query("events")
      .withIndex("by_eventId", (q) => q.eq("eventId", id))
      .unique();
    if (known !== null) {
      await ctx.db.patch(known._id, { deliveries: known.deliveries + 1 });
      return false;
    }
    await ctx.db.insert("events", {
      eventId: id,
      kind,
      payload,
      deliveries: 1,
    });
    if (kind === "payment")
      await ctx.runMutation(internal.events.pay, { number: payload.order });
    return true;
  },
});

export const pay = internalMutation({
  args: { number: v.string() },
  handler: async (ctx, { number }) => {
    const order = await ctx.db
      .query("orders")
      .withIndex("by_number", (q) => q.eq("number", number))
      .unique();
    if (order === null) throw new Error(`No order ${number}`);
    if (order.state.kind === "open")
      await ctx.db.patch(order._id, {
        state: { kind: "paid", at: Date.now() },
      });
  },
});

export const placeOrder = mutation({
  args: { number: v.string(), cents: v.int64() },
  handler: async (ctx, { number, cents }) =>
    await ctx.db.insert("orders", { number, cents, state: { kind: "open" } }),
});

export const order = internalQuery({
  args: { number: v.string() },
  handler: async (ctx, { number }) => {
    const found = await ctx.db
      .query("orders")
      .withIndex("by_number", (q) => q.eq("number", number))
      .unique();
    if (found === null) return null;
    return { number, cents: found.cents, paid: found.state.kind === "paid" };
  },
});

export const deliveries = query({
  args: { eventId: v.string() },
  handler: async (ctx, { eventId }) =>
    (
      await ctx.db
        .query("events")
        .withIndex("by_eventId", (q) => q.eq("eventId", eventId))
        .unique()
    )?.deliveries ?? 0,
});

export const page = internalQuery({
  args: { kind: v.string(), paginationOpts: paginationOptsValidator },
  handler: async (ctx, { kind, paginationOpts }) => {
    const result = await ctx.db
      .query("events")
      .withIndex("by_kind", (q) => q.eq("kind", kind))
      .paginate(paginationOpts);
    return {
      ...result,
      page: result.page.map(({ eventId, payload }) => ({ eventId, payload })),
    };
  },
});

/** Calls another service and tells of its failures in its own words. */
export const notify = action({
  args: { url: v.string(), text: v.string() },
  returns: v.object({ status: v.number(), reply: v.string() }),
  handler: async (_ctx, { url, text }) => {
    const response = await fetch(url, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ text }),
      signal: AbortSignal.timeout(5000),
    });
    if (!response.ok)
      throw new Error(`${response.status}: ${await response.text()}`);
    return { status: response.status, reply: await response.text() };
  },
});
