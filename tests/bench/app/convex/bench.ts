// What the benchmarks call: one insert, indexed reads of 1 and of 50 documents, and a
// counter that many may watch.
import {
  mutationGeneric,
  queryGeneric,
  type DataModelFromSchemaDefinition,
  type MutationBuilder,
  type QueryBuilder,
} from "convex/server";
import { v } from "convex/values";
import schema from "./schema";

type DataModel = DataModelFromSchemaDefinition<typeof schema>;
const query: QueryBuilder<DataModel, "public"> = queryGeneric;
const mutation: MutationBuilder<DataModel, "public"> = mutationGeneric;

export const insert = mutation({
  args: { n: v.number(), text: v.string() },
  handler: async (ctx, note) => {
    await ctx.db.insert("notes", note);
    return null;
  },
});

export const seed = mutation({
  args: { from: v.number(), count: v.number(), text: v.string() },
  handler: async (ctx, { from, count, text }) => {
    for (let n = from; n < from + count; n++)
      await ctx.db.insert("notes", { n, text });
    return null;
  },
});

/** `count` notes from number `n` on. */
export const read = query({
  args: { n: v.number(), count: v.number() },
  handler: async (ctx, { n, count }) =>
    await ctx.db
      .query("notes")
      .withIndex("by_n", (q) => q.gte("n", n))
      .take(count),
});

/** Adds one to a counter, which begins with the first call. */
export const bump = mutation({
  args: { name: v.string() },
  handler: async (ctx, { name }) => {
    const row = await ctx.db
      .query("counters")
      .withIndex("by_name", (q) => q.eq("name", name))
      .unique();
    if (row) await ctx.db.patch(row._id, { value: row.value + 1 });
    else await ctx.db.insert("counters", { name, value: 0 });
    return null;
  },
});

/** Different readers make different queries of the same counter. */
export const watch = query({
  args: { name: v.string(), reader: v.number() },
  handler: async (ctx, { name, reader }) => ({
    reader,
    row: await ctx.db
      .query("counters")
      .withIndex("by_name", (q) => q.eq("name", name))
      .unique(),
  }),
});
