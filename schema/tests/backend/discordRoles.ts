// discordRoles.ts - from access to the roles that a bot gives and takes away.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { ConvexHttpClient } from "convex/browser";
import type { FunctionReturnType } from "convex/server";
import { api, internal } from "../../convex/_generated/api";
import type { Outcome } from "../../convex/model/roles";
import type { Community, Deployment } from "./deployment";

const MEMBER = "1300000000000000001"; // roles
const VIP = "1300000000000000002";

type Jobs = FunctionReturnType<typeof api.roles.claim>["jobs"];
let people = 0;

/** A guild with its bot, and people whose Discord accounts are linked. */
class Guild {
  private constructor(
    readonly deployment: Deployment,
    readonly community: Community,
    readonly bot: ConvexHttpClient,
  ) {}

  static async open(deployment: Deployment, slug: string): Promise<Guild> {
    const over = { memberRoleIds: [MEMBER] };
    const community = await deployment.community(slug, 1, over);
    return new Guild(deployment, community, await deployment.service("bot"));
  }

  async person(): Promise<{ email: string; discordId: string }> {
    const number = people++;
    const email = `roles${number}@test.example`;
    const discordId = String(1_400_000_000_000_000_000n + BigInt(number));
    await this.deployment.person(email);
    await this.deployment.run(internal.discord.link, { email, discordId });
    return { email, discordId };
  }

  async grant(email: string, until: number | null = null): Promise<void> {
    const { slug } = this.community;
    const wanted = { community: slug, email, until, reason: "test" };
    await this.deployment.run(internal.access.grant, wanted);
  }

  async revoke(email: string): Promise<void> {
    const { slug } = this.community;
    const wanted = { community: slug, email, reason: "test" };
    await this.deployment.run(internal.access.revoke, wanted);
  }

  /** Only this guild's jobs, as tests share the deployment. */
  async claim(instance = "bot-1", limit = 64): Promise<Jobs> {
    const { jobs } = await this.bot.mutation(api.roles.claim, {
      instance,
      limit,
    });
    const { customerGuildId } = this.community;
    return jobs.filter((job) => job.guildId === customerGuildId);
  }

  async report(jobs: Jobs, outcome: Outcome, instance = "bot-1") {
    const { accepted } = await this.bot.mutation(api.roles.report, {
      instance,
      results: jobs.map(({ jobId, fence }) => ({ jobId, fence, outcome })),
    });
    return accepted;
  }

  /** Nothing is left of what other tests leased, whose leases could end amid this one. */
  async clear(): Promise<void> {
    await this.bot.mutation(api.roles.release, { instance: "bot-1" });
    const args = { instance: "bot-1", limit: 64 };
    for (;;) {
      const { jobs } = await this.bot.mutation(api.roles.claim, args);
      if (jobs.length === 0) return;
      for (const job of jobs) await this.report([job], job.give ? GAVE : TOOK);
    }
  }

  async observe(discordId: string, roleIds: string[] | null): Promise<number> {
    const { drift } = await this.bot.mutation(api.roles.observe, {
      guildId: this.community.customerGuildId,
      seen: [{ discordId, roleIds }],
    });
    return drift;
  }
}

const GAVE = { type: "done", gave: true } as const;
const TOOK = { type: "done", gave: false } as const;

export function discordRoles(start: () => Promise<Deployment>): void {
  test("a grant gives the role, its end takes it away, and nothing is done twice", async () => {
    const guild = await Guild.open(await start(), "roles-grant");
    const { email, discordId } = await guild.person();
    assert.deepEqual(
      await guild.claim(),
      [],
      "nothing is taken from who had nothing",
    );
    await guild.grant(email);
    const [job, ...none] = await guild.claim();
    assert.deepEqual(none, []);
    assert.deepEqual(
      [job!.discordId, job!.roleId, job!.give],
      [discordId, MEMBER, true],
    );
    assert.deepEqual(await guild.claim(), [], "it is leased");
    assert.deepEqual(await guild.report([job!], GAVE), [true]);
    assert.deepEqual(await guild.report([job!], GAVE), [false]);
    assert.deepEqual(await guild.claim(), []);
    await guild.revoke(email);
    const [back] = await guild.claim();
    assert.equal(back!.give, false);
    await guild.report([back!], TOOK);
    assert.deepEqual(await guild.claim(), []);
  });

  test("what is to be taken away goes first", async () => {
    const guild = await Guild.open(await start(), "roles-order");
    const leaving = await guild.person();
    await guild.grant(leaving.email);
    await guild.report(await guild.claim(), GAVE);
    for (let i = 0; i < 3; i++) await guild.grant((await guild.person()).email);
    await guild.revoke(leaving.email);
    const gives = (await guild.claim()).map((job) => job.give);
    assert.deepEqual(gives, [false, true, true, true]);
  });

  test("access that ends during an attempt of unknown outcome is taken away after it", async () => {
    const guild = await Guild.open(await start(), "roles-race");
    const { email } = await guild.person();
    await guild.grant(email);
    const given = await guild.claim();
    await guild.revoke(email);
    assert.deepEqual(await guild.claim(), [], "the attempt is still out");
    await guild.report(given, {
      type: "retry",
      error: "lost",
      retryAfterMs: 0,
    });
    const [job] = await guild.claim();
    assert.equal(job!.give, false);
  });

  test("somebody who is not in the guild gets the role on joining", async () => {
    const guild = await Guild.open(await start(), "roles-absent");
    const { email, discordId } = await guild.person();
    await guild.grant(email);
    await guild.report(await guild.claim(), { type: "absent" });
    assert.deepEqual(await guild.claim(), []);
    assert.equal(await guild.observe(discordId, []), 0);
    const [job] = await guild.claim();
    assert.equal(job!.give, true);
  });

  test("drift is counted and mended, other roles are left alone", async () => {
    const guild = await Guild.open(await start(), "roles-drift");
    const { email, discordId } = await guild.person();
    await guild.grant(email);
    await guild.report(await guild.claim(), GAVE);
    assert.equal(await guild.observe(discordId, [MEMBER, "1"]), 0);
    assert.equal(await guild.observe(discordId, ["1"]), 1);
    const jobs = await guild.claim();
    assert.deepEqual(
      jobs.map((job) => [job.roleId, job.give]),
      [[MEMBER, true]],
    );
    await guild.report(jobs, GAVE);
    await guild.revoke(email);
    await guild.report(await guild.claim(), TOOK);
    assert.equal(await guild.observe(discordId, [MEMBER]), 1);
    assert.equal((await guild.claim())[0]!.give, false);
  });

  test("a dead job says why, and is tried again when its wish changes", async () => {
    const guild = await Guild.open(await start(), "roles-dead");
    const { email } = await guild.person();
    await guild.grant(email);
    await guild.report(await guild.claim(), {
      type: "dead",
      error: "Missing Permissions",
    });
    assert.deepEqual(await guild.claim(), []);
    await guild.revoke(email);
    await guild.grant(email);
    const dead = { type: "dead", error: "Missing Permissions" } as const;
    await guild.report(await guild.claim(), dead);
    assert.deepEqual(await guild.claim(), []);
    await guild.deployment.run(internal.discord.followAll, { cursor: null });
    assert.equal((await guild.claim())[0]!.give, true, "an operator asked");
  });

  test("an account that is linked to somebody else loses the roles of the first", async () => {
    const guild = await Guild.open(await start(), "roles-link");
    const first = await guild.person();
    const second = await guild.person();
    await guild.grant(first.email);
    await guild.report(await guild.claim(), GAVE);
    const { email } = second;
    await guild.deployment.run(internal.discord.link, {
      email,
      discordId: first.discordId,
    });
    const jobs = await guild.claim();
    assert.deepEqual(
      jobs.map((job) => [job.discordId, job.give]),
      [[first.discordId, false]],
    );
  });

  test("a plan's roles come with its purchase and follow the plan", async () => {
    const guild = await Guild.open(await start(), "roles-plan");
    const { email, discordId } = await guild.person();
    const plan = {
      community: guild.community.slug,
      source: "test",
      product: "vip",
      name: "VIP",
      days: 30,
    };
    await guild.deployment.run(internal.plans.map, { ...plan, roleIds: [VIP] });
    await guild.deployment.run(internal.access.createTestSubscription, {
      community: guild.community.slug,
      email,
      product: "vip",
      days: 30,
    });
    await guild.grant(email); // vouches for the address
    const jobs = await guild.claim();
    assert.deepEqual(jobs.map((job) => job.roleId).sort(), [MEMBER, VIP]);
    await guild.report(jobs, GAVE);
    const page = await guild.bot.query(api.roles.people, {
      guildId: guild.community.customerGuildId,
      after: null,
      limit: 10,
    });
    assert.deepEqual(page, [discordId]);
    await guild.deployment.run(internal.plans.map, { ...plan, roleIds: [] });
    const taken = await poll(
      () => guild.claim(),
      (found) => found.length > 0,
    );
    assert.deepEqual(
      taken.map((job) => [job.roleId, job.give]),
      [[VIP, false]],
    );
  });

  test("leases of an earlier life are given up", async () => {
    const guild = await Guild.open(await start(), "roles-release");
    await guild.clear();
    await guild.grant((await guild.person()).email);
    assert.equal((await guild.claim("old")).length, 1);
    const { released } = await guild.bot.mutation(api.roles.release, {
      instance: "old",
    });
    assert.equal(released, 1);
    const claimedAt = Date.now();
    assert.equal((await guild.claim("new")).length, 1);
    const queue = await guild.bot.query(api.roles.queue, {});
    assert.ok(
      queue.nextAt! > claimedAt,
      "nothing is ready, something is leased",
    );
  });
}

async function poll<T>(
  read: () => Promise<T>,
  holds: (found: T) => boolean,
): Promise<T> {
  const end = Date.now() + 300_000;
  for (;;) {
    const found = await read();
    if (holds(found)) return found;
    if (Date.now() > end) throw new Error("waited in vain for a job");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
