// checks.ts - what operators ask the bot to try, from the question to the answer.

import assert from "node:assert/strict";
import { test } from "node:test";
import { api, internal } from "../../convex/_generated/api";
import type { Deployment } from "./deployment";

const MEMBER = "1300000000000000001";

async function open(deployment: Deployment, slug: string) {
  const community = await deployment.community(slug, 2, {
    memberRoleIds: [MEMBER],
  });
  const email = `operator-${slug}@test.example`;
  const operator = await deployment.person(email);
  await deployment.run(internal.access.makeOperator, { email });
  const bot = await deployment.service("bot");
  const [first, second] = community.channels;
  const request = (kind: "permissions" | "test_post", channel = first!) =>
    operator.mutation(api.checks.request, {
      community: slug,
      channelId: channel.id,
      kind,
    });
  const latest = () => operator.query(api.checks.latest, { community: slug });
  const claim = async (instance: string) =>
    (await bot.mutation(api.checks.claim, { instance, limit: 16 })).checks;
  const report = async (
    instance: string,
    checkId: (typeof api.checks.report._args)["results"][number]["checkId"],
    fence: number,
    findings: { code: string; detail: string; instruction: string }[],
  ) =>
    (
      await bot.mutation(api.checks.report, {
        instance,
        results: [{ checkId, fence, passed: findings.length === 0, findings }],
      })
    ).accepted[0];
  for (const left of await claim("before"))
    // another test's
    await report("before", left.checkId, left.fence, []);
  return { community, first, second, bot, request, latest, claim, report };
}

const missing = {
  code: "missing_permission",
  detail: "Send Messages",
  instruction: "Allow it.",
};

export function checks(start: () => Promise<Deployment>): void {
  test("a check is handed out once with all that it needs, and its findings are shown", async () => {
    const world = await open(await start(), "checks");
    const id = await world.request("permissions");
    assert.equal(await world.request("permissions"), id); // it waits already
    const [check, ...none] = await world.claim("a");
    assert.deepEqual(none, []);
    assert.deepEqual(
      { ...check, fence: 0 },
      {
        checkId: id,
        fence: 0,
        kind: "permissions",
        guildId: world.community.customerGuildId,
        channelId: world.first!.mirrorChannelId,
        identity: "bot",
        roleIds: [MEMBER],
      },
    );
    assert.deepEqual(await world.claim("b"), []);
    assert.equal((await world.latest())[0]!.state, "running");
    const fence = check!.fence;
    assert.equal(await world.report("b", id, fence, []), false);
    assert.equal(await world.report("a", id, fence - 1, []), false);
    assert.equal(await world.report("a", id, fence, [missing]), true);
    assert.equal(await world.report("a", id, fence, []), false);
    const [shown] = await world.latest();
    assert.deepEqual(
      [shown!.channelId, shown!.state, shown!.findings],
      [world.first!.id, "failed", [missing]],
    );
  });

  test("a check whose bot ended is handed to the next, and given up after the third", async () => {
    const world = await open(await start(), "checks-lost");
    const id = await world.request("test_post", world.second);
    for (let life = 0; life < 3; life++) {
      const [check] = await world.claim("a");
      assert.equal(check!.checkId, id);
      assert.equal(check!.fence, life + 1);
      const { released } = await world.bot.mutation(api.checks.release, {
        instance: "a",
      });
      assert.equal(released, 1);
    }
    assert.deepEqual(await world.claim("a"), []);
    const [shown] = await world.latest();
    assert.equal(shown!.state, "failed");
    assert.equal(shown!.findings[0]!.code, "no_outcome");
    const queue = await world.bot.query(api.checks.queue, {});
    assert.equal(queue.nextAt, null);
  });

  test("a check that waits for a minute says that no bot came, and is still carried out", async () => {
    const deployment = await start();
    const world = await open(deployment, "checks-wait");
    const id = await world.request("permissions");
    await deployment.run(internal.checks.noteWaiting, { id, fence: 0 });
    const [waiting] = await world.latest();
    assert.equal(waiting!.state, "waiting");
    assert.equal(waiting!.findings[0]!.code, "no_bot");
    const [check] = await world.claim("a");
    assert.deepEqual((await world.latest())[0]!.findings, []);
    await deployment.run(internal.checks.noteWaiting, { id, fence: 0 });
    assert.deepEqual((await world.latest())[0]!.findings, []);
    assert.equal(await world.report("a", id, check!.fence, []), true);
    assert.equal((await world.latest())[0]!.state, "passed");
  });

  test("whether a source channel can be read is what the collector said last", async () => {
    const deployment = await start();
    const world = await open(deployment, "checks-source");
    const collector = await deployment.service("collector");
    const { guildId, channels } = world.community;
    const channelId = channels[0]!.sourceChannelId;
    const say = (findings: (typeof missing)[], guild = guildId) =>
      collector.mutation(api.checks.source, {
        ...{ guildId: guild, channelId, findings },
        passed: findings.length === 0,
      });
    assert.equal(await say([missing], "1"), false); // nobody's guild
    assert.equal(await say([missing]), true);
    const kinds = async () =>
      (await world.latest()).map(({ kind, state, findings }) => [
        ...[kind, state, findings.length],
      ]);
    assert.deepEqual(await kinds(), [["source", "failed", 1]]);
    assert.deepEqual(await world.claim("a"), []); // nothing to do for the bot
    await say([]);
    assert.deepEqual(await kinds(), [["source", "passed", 0]]);
  });

  test("a check of another community's channel is refused by name", async () => {
    const deployment = await start();
    const world = await open(deployment, "checks-mine");
    const other = await deployment.community("checks-other");
    await assert.rejects(
      world.request("permissions", other.channels[0]),
      /channelId/,
    );
  });
}
