import { v } from "convex/values";
import { internal } from "./_generated/api";
import {
  internalAction,
  internalMutation,
  mutation,
  query,
} from "./_generated/server";

const MAX_ATTEMPTS = 3;

export const remind = mutation({
  args: { text: v.string(), afterMs: v.number() },
  returns: v.id("reminders"),
  handler: async (ctx, { text, afterMs }) => {
    const reminderId = await ctx.db.insert("reminders", {
      text,
      state: "waiting",
      attempts: 0,
    });
    const jobId = await ctx.scheduler.runAfter(
      afterMs,
      internal.reminders.deliver,
      { reminderId },
    );
    await ctx.db.patch(reminderId, { jobId });
    return reminderId;
  },
});

export const remindAt = mutation({
  args: { text: v.string(), time: v.number() },
  handler: async (ctx, { text, time }) => {
    const reminderId = await ctx.db.insert("reminders", {
      text,
      state: "waiting",
      attempts: 0,
    });
    const jobId = await ctx.scheduler.runAt(
      new Date(time),
      internal.reminders.markSent,
      { reminderId },
    );
    await ctx.db.patch(reminderId, { jobId });
    return reminderId;
  },
});

/** Schedules and then fails: nothing may come of it. */
export const changeOfMind = mutation({
  args: {},
  handler: async (ctx) => {
    await ctx.scheduler.runAfter(0, internal.reminders.tick, { job: "never" });
    throw new Error("changed my mind");
  },
});

export const cancel = mutation({
  args: { reminderId: v.id("reminders") },
  handler: async (ctx, { reminderId }) => {
    const reminder = await ctx.db.get(reminderId);
    if (reminder?.jobId) await ctx.scheduler.cancel(reminder.jobId);
  },
});

/** The reminder with what the scheduler knows of it. */
export const status = query({
  args: { reminderId: v.id("reminders") },
  handler: async (ctx, { reminderId }) => {
    const reminder = await ctx.db.get(reminderId);
    if (reminder === null) return null;
    const job = reminder.jobId ? await ctx.db.system.get(reminder.jobId) : null;
    return { ...reminder, job };
  },
});

export const pending = query({
  args: {},
  handler: async (ctx) => {
    const jobs = await ctx.db.system.query("_scheduled_functions").collect();
    return jobs
      .filter((job) => job.state.kind === "pending")
      .map((job) => job.name);
  },
});

/** Texts with "flaky" fail twice, those with "broken" always. */
export const deliver = internalAction({
  args: { reminderId: v.id("reminders") },
  handler: async (ctx, { reminderId }) => {
    const attempt = await ctx.runMutation(internal.reminders.beginAttempt, {
      reminderId,
    });
    if (attempt === null) return;
    const { text, attempts } = attempt;
    const fails =
      text.includes("broken") || (text.includes("flaky") && attempts < 3);
    if (!fails) {
      await ctx.runMutation(internal.reminders.markSent, { reminderId });
    } else if (attempts < MAX_ATTEMPTS) {
      await ctx.scheduler.runAfter(10, internal.reminders.deliver, {
        reminderId,
      });
    } else {
      await ctx.runMutation(internal.reminders.markFailed, { reminderId });
      throw new Error(`gave up on "${text}"`);
    }
  },
});

export const beginAttempt = internalMutation({
  args: { reminderId: v.id("reminders") },
  handler: async (ctx, { reminderId }) => {
    const reminder = await ctx.db.get(reminderId);
    if (reminder === null) return null;
    const attempts = reminder.attempts + 1;
    await ctx.db.patch(reminderId, { attempts });
    return { text: reminder.text, attempts };
  },
});

export const markSent = internalMutation({
  args: { reminderId: v.id("reminders") },
  handler: async (ctx, { reminderId }) => {
    await ctx.db.patch(reminderId, { state: "sent" });
  },
});

export const markFailed = internalMutation({
  args: { reminderId: v.id("reminders") },
  handler: async (ctx, { reminderId }) => {
    await ctx.db.patch(reminderId, { state: "failed" });
  },
});

export const tick = internalMutation({
  args: { job: v.string() },
  handler: async (ctx, { job }) => {
    await ctx.db.insert("ticks", { job, at: Date.now() });
  },
});

export const ticks = query({
  args: { job: v.string() },
  handler: async (ctx, { job }) => {
    const rows = await ctx.db
      .query("ticks")
      .withIndex("by_job", (q) => q.eq("job", job))
      .collect();
    return rows.map((row) => row.at);
  },
});

/** Deletes what was sent, a batch at a time, each scheduling the next. */
export const sweep = internalMutation({
  args: {},
  handler: async (ctx) => {
    const batch = await ctx.db
      .query("reminders")
      .withIndex("by_state", (q) => q.eq("state", "sent"))
      .take(2);
    for (const reminder of batch) await ctx.db.delete(reminder._id);
    if (batch.length === 2)
      await ctx.scheduler.runAfter(0, internal.reminders.sweep);
    return batch.length;
  },
});

export const count = query({
  args: {},
  handler: async (ctx) => (await ctx.db.query("reminders").collect()).length,
});
